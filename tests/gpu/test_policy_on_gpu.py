"""The policy's passes on a GPU, against those of the same network on the CPU.

1. Log-probs, entropies and gradients in float32 equal the CPU's, with shared prompts, without, and under checkpointing.
2. The packed pass equals the plain pass of each sequence by itself, on the GPU.
3. In bfloat16, and under bfloat16 autocast, log-probs stay near those of float32.
4. Log-probs over a vocabulary of 151,936 and their gradient take the memory of some chunks, not of all logits.
"""

from collections.abc import Callable, Sequence
from copy import deepcopy
from random import Random
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedModel, Qwen3Config, Qwen3ForCausalLM

from lit_grpo.logprobs import CHUNK_ELEMENTS, token_logprobs_and_entropies
from lit_grpo.modules.adapters import LoraSettings
from lit_grpo.modules.policy import CausalPolicy
from lit_grpo.packing import Continuation, PromptGroup, pack

VOCABULARY, MICROBATCH_TOKENS = 515, 600
SIZES: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "hidden_size": 128,
    "intermediate_size": 256,
    "num_hidden_layers": 3,
    "num_attention_heads": 8,
    "num_key_value_heads": 2,
    "max_position_embeddings": 1024,
}


def qwen3() -> PreTrainedModel:
    torch.manual_seed(1)
    return Qwen3ForCausalLM(Qwen3Config(**SIZES, head_dim=16, tie_word_embeddings=True))


def llama() -> PreTrainedModel:
    torch.manual_seed(2)
    return LlamaForCausalLM(LlamaConfig(**SIZES, tie_word_embeddings=False))


def on_device(model: PreTrainedModel) -> PreTrainedModel:
    """The model on the GPU; its own ``cuda`` is wrapped by transformers, and has lost its type."""
    nn.Module.cuda(model)
    return model


def groups(continuations: int) -> list[PromptGroup]:
    """Unequal prompts with so many continuations each, of unequal lengths."""
    rng = Random(0)

    def ids(count: int) -> tuple[int, ...]:
        return tuple(rng.randrange(VOCABULARY) for _ in range(count))

    def continuation() -> Continuation:
        answer, observation, second = rng.randint(1, 30), rng.randint(1, 9), rng.randint(1, 30)
        is_target = (True,) * answer + (False,) * observation + (True,) * second
        return Continuation(ids(len(is_target)), is_target)

    return [
        PromptGroup(ids(rng.randint(5, 150)), tuple(continuation() for _ in range(continuations))) for _ in range(6)
    ]


def scores_and_gradients(policy: CausalPolicy, packed: Sequence[PromptGroup], device: str) -> dict[str, Tensor]:
    """Of a loss that weighs every token and every entropy differently."""
    policy.to(device).train()
    found: dict[str, Tensor] = {}
    for number, batch in enumerate(pack(packed, MICROBATCH_TOKENS)):
        logprobs, entropies = policy.logprobs_and_entropies(batch.to(device), 0.8)
        weights = torch.linspace(0.5, 1.5, batch.num_tokens, device=device)
        (weights * logprobs + weights.flip(0) * entropies).mean().backward()
        found |= {f"logprobs {number}": logprobs, f"entropies {number}": entropies}
    trained = {name: p.grad for name, p in policy.named_parameters() if p.grad is not None}
    return {name: tensor.detach().cpu() for name, tensor in (found | trained).items()}


@pytest.mark.parametrize("build", [qwen3, llama])
@pytest.mark.parametrize("continuations", [1, 4])
@pytest.mark.parametrize("checkpointing", [False, True])
def test_1_float32_equals_the_cpu(
    build: Callable[[], PreTrainedModel], continuations: int, checkpointing: bool
) -> None:
    network, packed = build(), groups(continuations)
    expected = scores_and_gradients(CausalPolicy(deepcopy(network)), packed, "cpu")
    found = scores_and_gradients(CausalPolicy(network, gradient_checkpointing=checkpointing), packed, "cuda")
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        assert (found[name] - tensor).norm() <= 2e-5 * tensor.norm(), name


def test_1_adapters_get_the_gradients_they_get_on_the_cpu() -> None:
    network, packed, lora = llama(), groups(3), LoraSettings(r=4)
    torch.manual_seed(3)
    on_cpu = CausalPolicy(deepcopy(network), lora)
    on_gpu = CausalPolicy(network, lora)
    on_gpu.load_state_dict(on_cpu.state_dict())
    expected = scores_and_gradients(on_cpu, packed, "cpu")
    found = scores_and_gradients(on_gpu, packed, "cuda")
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        assert (found[name] - tensor).norm() <= 2e-5 * tensor.norm() + 1e-9, name


@pytest.mark.parametrize("build", [qwen3, llama])
@pytest.mark.parametrize("continuations", [1, 4])
def test_2_the_packed_pass_equals_the_plain_one(build: Callable[[], PreTrainedModel], continuations: int) -> None:
    network, given = on_device(build()), groups(continuations)
    policy = CausalPolicy(deepcopy(network))
    for batch in pack(given, MICROBATCH_TOKENS):
        packed = policy(batch.to("cuda"))
        for number, (group, sample) in enumerate(batch.sequences):
            prompt, continuation = given[group].prompt_ids, given[group].continuations[sample]
            ids = torch.tensor([prompt + continuation.token_ids], device="cuda")
            distributions = network(input_ids=ids, use_cache=False).logits[0].log_softmax(-1)
            targets = [len(prompt) + at for at, is_target in enumerate(continuation.is_target) if is_target]
            plain = torch.stack([distributions[at - 1, ids[0, at]] for at in targets])
            torch.testing.assert_close(packed[batch.sequence_index == number], plain, rtol=0, atol=2e-5)


@pytest.mark.parametrize("autocast", [False, True])
def test_3_bfloat16_stays_near_float32(autocast: bool) -> None:
    network = on_device(qwen3())
    exact, rounded = CausalPolicy(deepcopy(network)), CausalPolicy(network)
    if not autocast:
        rounded.bfloat16()
    differences: list[Tensor] = []
    for batch in pack(groups(4), MICROBATCH_TOKENS):
        on_gpu = batch.to("cuda")
        with torch.autocast("cuda", torch.bfloat16, enabled=autocast):
            logprobs = rounded(on_gpu)
        assert logprobs.dtype == torch.float32
        differences.append((logprobs - exact(on_gpu)).abs())
    assert 0 < torch.cat(differences).mean() < 0.02


def test_4_memory_is_that_of_some_chunks() -> None:
    num_tokens, vocabulary, hidden_size = 8192, 151_936, 64
    hidden = torch.randn(num_tokens, hidden_size, device="cuda", dtype=torch.bfloat16, requires_grad=True)
    weight = torch.randn(vocabulary, hidden_size, device="cuda", dtype=torch.bfloat16, requires_grad=True)
    targets = torch.randint(0, vocabulary, (num_tokens,), device="cuda")
    before = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    logprobs, entropies = token_logprobs_and_entropies(hidden, weight, targets)
    (logprobs + entropies).sum().backward()
    rise = torch.cuda.max_memory_allocated() - before
    # A handful of chunks of 64 MiB each, and the head's gradient in float32; all logits would be 4.6 GiB.
    assert rise < 8 * CHUNK_ELEMENTS * 4
    assert hidden.grad is not None
    assert hidden.grad.isfinite().all()
