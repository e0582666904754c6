"""Adapters that go on, and weights in four bits, on real vLLM servers: every sync is proven as any other.

1. From a folder of adapters servers start with the base that they name, and get the adapters.
2. Of a policy with weights in four bits servers hold the dequantised ones: the log-probs agree to 1e-4 in float32, as
   without quantisation, while those of the checkpoint's own weights differ by more than a hundred times as much.
3. A sync that fails names the adapters, the weights below them being equal to the dequantised ones.
4. The folder with the dequantised weights goes with the engine. Servers that run already are refused in one line.

Needs vLLM (`bash scripts/setup.sh --vllm`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from transformers import AutoTokenizer

from lit_grpo.callbacks.export import save_adapters
from lit_grpo.data.conversation import ConversationFormat
from lit_grpo.engines.settings import BuiltEngine, VllmServerSettings, VllmSettings
from lit_grpo.engines.vllm.engine import VllmEngine
from lit_grpo.engines.vllm.proof import WeightsDiffer, judged_difference, probes
from lit_grpo.engines.vllm.publishing import prepared_proof
from lit_grpo.engines.vllm.served_base import served_base
from lit_grpo.engines.vllm.settings import Capacity, Deadlines
from lit_grpo.engines.weights import full_weights
from lit_grpo.modules.adapters import LoraSettings
from lit_grpo.modules.base import PolicySettings
from lit_grpo.modules.policy import CausalPolicy
from lit_grpo.modules.quantization import QuantizationSettings
from lit_grpo.modules.served_policy import ServedPolicy

BASE = Path(__file__).parents[3] / "checkpoints" / "tiny-base"
LORA = LoraSettings(r=4, alpha=16.0, target_modules=("q_proj", "v_proj", "o_proj", "down_proj"))


@contextmanager
def engine_of(view: ServedPolicy, folder: Path) -> Iterator[BuiltEngine]:
    capacity = Capacity(max_context_tokens=256, max_sequences=64, kv_cache_gib=0.25)
    settings = VllmSettings(capacity=capacity, deadlines=Deadlines(silence_s=8), weights_folder=folder)
    built = settings.build(view, ConversationFormat(AutoTokenizer.from_pretrained(BASE)), plays_ahead=False)
    try:
        yield built
    finally:
        built.close()


@torch.no_grad()
def update(policy: CausalPolicy) -> None:
    for _, tensor in full_weights(policy.model):
        tensor.add_(torch.randn_like(tensor) * 0.3 * max(float(tensor.std()), 0.1))


def served(settings: PolicySettings, policy: CausalPolicy, version: int = 0) -> ServedPolicy:
    return ServedPolicy(policy, settings.checkpoint, version, base=settings.weights_folder)


def test_1_servers_start_with_the_base_that_adapters_name(tmp_path: Path) -> None:
    torch.manual_seed(0)
    first = PolicySettings(BASE, lora=LORA)
    policy = first.load()
    update(policy)
    save_adapters(policy, first, tmp_path / "adapters")
    settings = PolicySettings(tmp_path / "adapters")
    again = settings.load()
    with engine_of(served(settings, again), tmp_path) as built:
        for version in range(2):
            built.publish(served(settings, again, version)).adopt()
            update(again)


def test_2_servers_hold_the_dequantised_weights(tmp_path: Path) -> None:
    torch.manual_seed(0)
    settings = PolicySettings(BASE, lora=LORA, quantization=QuantizationSettings())
    policy = settings.load()
    view = served(settings, policy)
    with engine_of(view, tmp_path) as built:
        assert isinstance(built.engine, VllmEngine)
        for version in range(3):
            update(policy)
            # It raises where the log-probs differ by more than 1e-4.
            built.publish(served(settings, policy, version)).adopt()
        asked = probes(built.engine.vocabulary, 99, 256)
        [theirs] = built.engine.score(asked)
        assert judged_difference(view.logprobs(asked), theirs) < 1e-4
        plain = PolicySettings(BASE, lora=LORA).load()
        plain.model.load_state_dict(dict(full_weights(policy.model)), strict=False)
        assert judged_difference(ServedPolicy(plain, BASE, 0).logprobs(asked), theirs) > 1e-2
        update(policy)
        late = served(settings, policy, 9)
        with pytest.raises(WeightsDiffer, match="the adapters, the weights below them being equal"):
            prepared_proof(built.engine, late, tmp_path, served_base(late, tmp_path)).require(built.engine)
    del built, view, late
    assert not list(tmp_path.glob("lit_grpo_weights_*/*/*.safetensors"))


def test_4_servers_that_run_already_are_refused() -> None:
    settings = PolicySettings(BASE, lora=LORA, quantization=QuantizationSettings())
    view = served(settings, settings.load())
    conversation = ConversationFormat(AutoTokenizer.from_pretrained(BASE))
    with pytest.raises(ValueError, match=r"^engine: expected VllmSettings .*got VllmServerSettings; [^\n]*$"):
        VllmServerSettings(["127.0.0.1:1"]).build(view, conversation, plays_ahead=False)
