"""VllmEngine over vLLM itself, on the CPU, with the tiny base model in float32.

1. Every sampling setting: log-probs equal those of the policy, and the tokens are those of the transformers engine.
2. A draw depends on seed and position: not on the order of arrival, nor on who else is in the batch.
3. After each of many updates both sides score probes alike, tied and untied, whole weights and adapters.
4. A head that keeps its old packed copy, a tensor that is lost, one that is changed: the error names it.
5. Keys and values are used again in the next turn, and never those of old weights.
6. A server that is killed or frozen in the middle of its turns changes nothing.
7. Turns end at stop tokens, of the chat format or of the request.
8. Weights that were put aside are taken over later, and back and forth, each time with a proof, while the policy moves
   on; a server that is killed then gets those it had; one that does not take them is found by what was written.

Needs vLLM (`bash scripts/setup.sh --vllm`).
"""

from __future__ import annotations

import os
import re
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import Random

import pytest
import torch
from transformers import AutoModelForCausalLM

from lit_grpo.engines.engine import Completion, FinishReason, GenerationRequest, LogprobsOf, SamplingSettings
from lit_grpo.engines.policy_view import Adapters
from lit_grpo.engines.publishing import Published
from lit_grpo.engines.ranks import Ranks
from lit_grpo.engines.transformers.engine import TransformersEngine
from lit_grpo.engines.vllm.engine import VllmEngine
from lit_grpo.engines.vllm.proof import WeightsDiffer
from lit_grpo.engines.vllm.publishing import ProvenPublisher, prepared_proof
from lit_grpo.engines.vllm.servers import SERVER_COMMAND, Child
from lit_grpo.engines.vllm.settings import (
    Capacity,
    Deadlines,
    ModelSettings,
    ServerSettings,
    require_vllm,
)
from lit_grpo.engines.vllm.weights_folder import WeightsFolder
from lit_grpo.engines.weights import full_weights
from lit_grpo.modules.adapters import LoraSettings
from lit_grpo.modules.policy import CausalPolicy, load_policy
from lit_grpo.modules.served_policy import ServedPolicy

BASE = Path(__file__).parents[3] / "checkpoints" / "tiny-base"
STOP = 3
SAMPLINGS = [
    SamplingSettings(1.0, 12),
    SamplingSettings(1.7, 12, top_k=5),
    SamplingSettings(1.2, 12, top_p=0.8, logprobs=LogprobsOf.RAW),
    SamplingSettings(0.7, 12, min_p=0.05, top_p=0.95, top_k=40),
    SamplingSettings(0.0, 12),
]


@contextmanager
def engine_of(
    checkpoint: Path, folder: Path, lora: LoraSettings | None = None, command: Sequence[str] = SERVER_COMMAND
) -> Iterator[VllmEngine]:
    require_vllm()
    adapters = None if lora is None else Adapters(lora.r, lora.alpha, lora.target_modules)
    capacity = Capacity(max_context_tokens=256, max_sequences=64, kv_cache_gib=0.25)
    settings = ServerSettings(ModelSettings(checkpoint, adapters=adapters), capacity, weights_folder=folder)
    weights = WeightsFolder(folder, adapters, Ranks())
    engine = VllmEngine([Child(settings, command=command)], [STOP], weights, Deadlines(silence_s=8))
    try:
        yield engine
    finally:
        engine.close()


@pytest.fixture(scope="module")
def policy() -> CausalPolicy:
    torch.manual_seed(0)
    return load_policy(BASE)


@pytest.fixture(scope="module")
def engine(policy: CausalPolicy, tmp_path_factory: pytest.TempPathFactory) -> Iterator[VllmEngine]:
    with engine_of(BASE, tmp_path_factory.mktemp("shared")) as engine:
        yield engine


@torch.no_grad()
def update(policy: CausalPolicy, share: float = 0.05) -> None:
    for _, tensor in full_weights(policy.model):
        tensor.add_(torch.randn_like(tensor) * share * max(float(tensor.std()), 0.1))


def sync(engine: VllmEngine, policy: CausalPolicy, version: int) -> float:
    """The policy's weights, proven to be there; what the log-probs differ by."""
    served = ServedPolicy(policy, BASE, version)
    folder = engine.publish(served.weights())
    proof = prepared_proof(engine, served, folder)
    engine.load(folder, version)
    engine.drop(folder)
    return proof.require(engine)


def score(policy: CausalPolicy, sequences: Sequence[Sequence[int]]) -> list[list[float]]:
    return ServedPolicy(policy, BASE, 0).logprobs(sequences)


def put_aside(engine: VllmEngine, policy: CausalPolicy, version: int) -> Published:
    """The policy's weights, for later; then the policy moves on."""
    published = ProvenPublisher(engine).publish(ServedPolicy(policy, BASE, version))
    update(policy)
    return published


def later(engine: VllmEngine, policy: CausalPolicy, version: int) -> None:
    """A sync in two halves, the policy moving on in between."""
    put_aside(engine, policy, version).adopt()


def requests(num: int = 15, seed: int = 0) -> list[GenerationRequest]:
    """Five prompts, three samples of each."""
    rng = Random(seed)
    prompts = [tuple(rng.randrange(5, 600) for _ in range(rng.randrange(3, 70))) for _ in range(5)]
    return [GenerationRequest(key, prompts[key % 5], seed=7000 + key) for key in range(num)]


def play(
    engine: VllmEngine | TransformersEngine, asked: Sequence[GenerationRequest], samplings: Sequence[SamplingSettings]
) -> dict[int, Completion]:
    for number, request in enumerate(asked):
        engine.submit(request, samplings[number % len(samplings)])
    done: list[Completion] = []
    while len(done) < len(asked):
        done += engine.wait()
    engine.release()
    return {completion.conversation: completion for completion in done}


def test_1_2_every_setting_draws_as_the_transformers_engine_does(engine: VllmEngine, policy: CausalPolicy) -> None:
    sync(engine, policy, 1)
    other = TransformersEngine(policy.model, {STOP})
    asked = requests(60)
    ours, theirs = play(engine, asked, SAMPLINGS), play(other, asked, SAMPLINGS)
    pairs = [(ours[key], theirs[key]) for key in ours]
    num_equal = sum(one.token_ids == another.token_ids for one, another in pairs)
    # A uniform that falls between two tokens whose boundary differs by rounding: about one in 10^5.
    assert num_equal >= len(pairs) - 1
    for one, another in pairs:
        if one.token_ids == another.token_ids:
            torch.testing.assert_close(torch.tensor(one.logprobs), torch.tensor(another.logprobs), atol=1e-4, rtol=0)
            assert one.finish_reason is another.finish_reason
    assert {completion.finish_reason for completion in ours.values()} == set(FinishReason)


def test_1_raw_logprobs_are_the_policys(engine: VllmEngine, policy: CausalPolicy) -> None:
    sync(engine, policy, 2)
    asked = requests()
    done = play(engine, asked, [SamplingSettings(1.4, 12, top_p=0.9, logprobs=LogprobsOf.RAW)])
    ours = score(policy, [request.token_ids + done[request.conversation].token_ids for request in asked])
    for row, request in zip(ours, asked, strict=True):
        sampled = done[request.conversation]
        expected = row[len(request.token_ids) - 1 :]
        torch.testing.assert_close(torch.tensor(sampled.logprobs), torch.tensor(expected), atol=1e-4, rtol=0)


def test_2_the_order_of_arrival_is_no_matter(engine: VllmEngine, policy: CausalPolicy) -> None:
    sync(engine, policy, 3)
    asked = requests(20)
    together = play(engine, asked, SAMPLINGS[:1])
    shuffled = play(engine, Random(1).sample(asked, 20), SAMPLINGS[:1])
    assert {key: done.token_ids for key, done in together.items()} == {
        key: done.token_ids for key, done in shuffled.items()
    }
    for request in asked[:3]:
        alone = play(engine, [request], SAMPLINGS[:1])
        assert alone[request.conversation].token_ids == together[request.conversation].token_ids


def test_3_every_update_is_proven(engine: VllmEngine, policy: CausalPolicy) -> None:
    for version in range(10, 16):
        update(policy)
        assert sync(engine, policy, version) < 1e-4


def test_3_an_untied_head(tmp_path: Path) -> None:
    model = AutoModelForCausalLM.from_pretrained(BASE, tie_word_embeddings=False, dtype=torch.float32)
    torch.nn.init.normal_(model.get_parameter("lm_head.weight"), std=0.05)
    model.save_pretrained(tmp_path / "untied")
    policy = load_policy(tmp_path / "untied")
    (tmp_path / "shared").mkdir()
    with engine_of(tmp_path / "untied", tmp_path / "shared") as engine:
        for version in range(3):
            update(policy)
            assert sync(engine, policy, version) < 1e-4


def test_3_adapters(tmp_path: Path) -> None:
    lora = LoraSettings(r=4, alpha=16.0, target_modules=("q_proj", "v_proj", "o_proj", "down_proj"))
    policy = load_policy(BASE, lora=lora)
    with engine_of(BASE, tmp_path, lora) as engine:
        for version in range(4):
            update(policy, share=0.3)
            assert sync(engine, policy, version) < 1e-4
        asked = requests()
        done = play(engine, asked, [SamplingSettings(1.0, 12)])
        ours = score(policy, [request.token_ids + done[request.conversation].token_ids for request in asked])
        for row, request in zip(ours, asked, strict=True):
            expected = torch.tensor(row[len(request.token_ids) - 1 :])
            torch.testing.assert_close(torch.tensor(done[request.conversation].logprobs), expected, atol=1e-4, rtol=0)
        update(policy, share=0.3)
        with pytest.raises(WeightsDiffer, match="the adapters, the weights below them being equal"):
            prepared_proof(engine, ServedPolicy(policy, BASE, 9), tmp_path).require(engine)


def test_4_the_error_names_the_tensor(tmp_path: Path) -> None:
    program = Path(__file__).with_name("sabotaged_server.py")
    policy = load_policy(BASE)
    with engine_of(BASE, tmp_path, command=[sys.executable, str(program)]) as engine:
        assert sync(engine, policy, 1) < 1e-4
        for version, name in (
            (2, "lm_head.weight (tied to the embeddings)"),
            (3, "model.layers.1.mlp.down_proj.weight"),
            (4, "model.layers.2.self_attn.k_norm.weight"),
        ):
            update(policy)
            give = later if version == 3 else sync
            with pytest.raises(WeightsDiffer, match=rf"version {version}, .*that differ: {re.escape(name)}$"):
                give(engine, policy, version)
        update(policy)
        assert sync(engine, policy, 5) < 1e-4


def test_5_keys_and_values_of_these_weights_only(engine: VllmEngine, policy: CausalPolicy) -> None:
    sync(engine, policy, 20)
    context = tuple(range(10, 110))
    asked = GenerationRequest(0, context, seed=1)
    first = play(engine, [asked], SAMPLINGS[:1])[0]
    assert engine.usage.cached_tokens == 0
    longer = context + first.token_ids + (11, 12, 13)
    play(engine, [GenerationRequest(0, longer, seed=2)], SAMPLINGS[:1])
    assert engine.usage.cached_tokens == 96, "three blocks of 32 tokens of the first turn's context"
    update(policy)
    sync(engine, policy, 21)
    again = play(engine, [asked], SAMPLINGS[:1])[0]
    assert engine.usage.cached_tokens == 0
    ours = score(policy, [context + again.token_ids])[0][len(context) - 1 :]
    torch.testing.assert_close(torch.tensor(again.logprobs), torch.tensor(ours), atol=1e-4, rtol=0)


@pytest.mark.parametrize("blow", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "frozen"])
def test_6_a_broken_server_changes_nothing(engine: VllmEngine, policy: CausalPolicy, blow: signal.Signals) -> None:
    sync(engine, policy, 30)
    long = [SamplingSettings(1.5, 100)]
    undisturbed = play(engine, requests(), long)
    for request in requests():
        engine.submit(request, long[0])
    done = list(engine.wait())
    assert len(done) < 15, "the blow falls in the middle"
    os.kill(int(engine.names()[0].rpartition(" ")[2].rstrip(")")), blow)
    while len(done) < 15:
        done += engine.wait()
    engine.release()
    assert engine.usage.recoveries == 1
    assert len({completion.conversation for completion in done}) == 15
    for completion in done:
        expected = undisturbed[completion.conversation]
        assert completion.token_ids == expected.token_ids
        assert completion.policy_version == 30
        torch.testing.assert_close(
            torch.tensor(completion.logprobs), torch.tensor(expected.logprobs), atol=1e-4, rtol=0
        )


def test_7_stop_tokens(engine: VllmEngine, policy: CausalPolicy) -> None:
    sync(engine, policy, 40)
    free = play(engine, requests(1), [SamplingSettings(1.5, 30)])[0]
    assert STOP not in free.token_ids[:4], "pick another seed"
    stopped = play(engine, requests(1), [SamplingSettings(1.5, 30, stop=(free.token_ids[3],))])[0]
    first = free.token_ids.index(free.token_ids[3])
    assert stopped.token_ids == free.token_ids[: first + 1]
    assert stopped.finish_reason is FinishReason.STOP


def test_8_weights_put_aside(engine: VllmEngine, policy: CausalPolicy) -> None:
    (request,) = requests(1)
    scores: list[float] = []
    published: list[Published] = []
    for version in (40, 41):
        done = TransformersEngine(policy.causal_lm, [STOP], 256)
        scores.append(play(done, [request], [SamplingSettings(1.0, 12)])[0].logprobs[0])
        published.append(put_aside(engine, policy, version))
    for number in (1, 0, 1, 0):
        published[number].adopt()
        completion = play(engine, [request], [SamplingSettings(1.0, 12)])[0]
        assert completion.policy_version == 40 + number
        assert completion.logprobs[0] == pytest.approx(scores[number], abs=1e-4)
    sync(engine, policy, 42)
    published[0].adopt()
    (pid,) = [int(name.rpartition(" ")[2].rstrip(")")) for name in engine.names()]
    os.kill(pid, signal.SIGKILL)
    completion = play(engine, [request], [SamplingSettings(1.0, 12)])[0]
    assert completion.policy_version == 40
    assert completion.logprobs[0] == pytest.approx(scores[0], abs=1e-4)
    for weights in published:
        weights.drop()
