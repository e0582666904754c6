"""vLLM on a GPU, in servers beside the training; needs the extra `vllm`.

1. GRPO at learning rate 0 earns the rewards of the transformers engine in every step, and the canary finds nothing.
2. Adapters of a model of the shape of Qwen3-8B (random weights, bfloat16) arrive, and are proven, after every update.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import Qwen3Config, Qwen3ForCausalLM
from vllm_fits import CONFIGS, ROOT, SMALL, STILL, VLLM, fit, require_alike

from lit_grpo.commands.main import main
from lit_grpo.engines.policy_view import Adapters
from lit_grpo.engines.ranks import Ranks
from lit_grpo.engines.vllm.engine import VllmEngine
from lit_grpo.engines.vllm.publishing import ProvenPublisher
from lit_grpo.engines.vllm.servers import Child
from lit_grpo.engines.vllm.settings import Capacity, ModelSettings, ServerSettings
from lit_grpo.engines.vllm.weights_folder import WeightsFolder
from lit_grpo.engines.weights import full_weights
from lit_grpo.modules.adapters import LoraSettings
from lit_grpo.modules.policy import load_policy
from lit_grpo.modules.served_policy import ServedPolicy

pytest.importorskip("vllm")

ON_GPU = ("--trainer.accelerator=gpu", "--trainer.devices=1")
SHAPE_OF_8B = Qwen3Config(
    vocab_size=151_936,
    hidden_size=4096,
    intermediate_size=12_288,
    num_hidden_layers=36,
    num_attention_heads=32,
    num_key_value_heads=8,
    head_dim=128,
    max_position_embeddings=4096,
    tie_word_embeddings=False,
)


def test_1_the_rewards_of_the_transformers_engine(tmp_path: Path) -> None:
    reference = fit(tmp_path / "transformers", *STILL, *ON_GPU)
    require_alike(fit(tmp_path / "vllm", *STILL, *ON_GPU, *VLLM), reference)


def test_1_the_canary(tmp_path: Path) -> None:
    configs = [argument for name in CONFIGS for argument in ("--config", str(ROOT / "configs" / name))]
    assert main(["canary", *configs, *SMALL, *ON_GPU, *VLLM, f"--folder={tmp_path}"]) == 0


@torch.no_grad()
def test_2_adapters_of_a_large_model(tmp_path: Path) -> None:
    checkpoint, shared = tmp_path / "model", tmp_path / "shared"
    shared.mkdir()
    torch.set_default_dtype(torch.bfloat16)
    try:
        with torch.device("cuda"):
            Qwen3ForCausalLM(SHAPE_OF_8B).save_pretrained(checkpoint)
    finally:
        torch.set_default_dtype(torch.float32)
    torch.cuda.empty_cache()
    lora = LoraSettings()
    policy = load_policy(checkpoint, torch.bfloat16, lora).to("cuda")
    adapters = Adapters(lora.r, lora.alpha, lora.target_modules)
    model = ModelSettings(checkpoint, "bfloat16", adapters)
    settings = ServerSettings(model, Capacity(max_context_tokens=2048, kv_cache_gib=4), weights_folder=shared)
    engine = VllmEngine([Child(settings)], [0], WeightsFolder(shared, adapters, Ranks()))
    try:
        for version in range(3):
            for _, tensor in full_weights(policy.model):
                tensor.add_(torch.randn_like(tensor) * 0.02)
            ProvenPublisher(engine).publish(ServedPolicy(policy, checkpoint, version, "bfloat16")).adopt()
    finally:
        engine.close()
