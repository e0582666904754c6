"""The policy network: exact under packing, with tied and untied heads and adapters, clear about what it refuses."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    PhiConfig,
    PhiForCausalLM,
    PreTrainedModel,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from lit_grpo.modules.adapters import LoraSettings, StartingAdapters
from lit_grpo.modules.policy import CausalPolicy, load_policy
from lit_grpo.packing import Continuation, PackedBatch, PromptGroup, pack

SIZES: dict[str, Any] = {
    "vocab_size": 61,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 128,
}


def tiny_qwen3(tied: bool = True) -> PreTrainedModel:
    torch.manual_seed(1)
    return Qwen3ForCausalLM(Qwen3Config(**SIZES, head_dim=8, tie_word_embeddings=tied))


def tiny_llama(tied: bool = False) -> PreTrainedModel:
    torch.manual_seed(2)
    return LlamaForCausalLM(LlamaConfig(**SIZES, tie_word_embeddings=tied))


def groups() -> list[PromptGroup]:
    """Unequal prompts and continuations, one of them of two turns with tokens of the environment between."""
    generator = torch.Generator().manual_seed(0)

    def tokens(count: int) -> tuple[int, ...]:
        return tuple(torch.randint(0, 61, (count,), generator=generator).tolist())

    two_turns = Continuation(tokens(9), (True,) * 3 + (False,) * 2 + (True,) * 4)
    plain = [Continuation(tokens(n), (True,) * n) for n in (1, 5, 4, 7)]
    return [PromptGroup(tokens(11), (plain[0], two_turns, plain[1])), PromptGroup(tokens(6), (plain[2], plain[3]))]


def one_by_one(model: PreTrainedModel, temperature: float = 1.0) -> Tensor:
    """Log-probs from the plain forward pass of each sequence by itself, full logits, no mask, no packing."""
    parts = []
    for group in groups():
        for continuation in group.continuations:
            ids = torch.tensor([group.prompt_ids + continuation.token_ids])
            logits = model(input_ids=ids, use_cache=False).logits[0] / temperature
            positions = [len(group.prompt_ids) + i for i, target in enumerate(continuation.is_target) if target]
            parts.append(torch.stack([logits[p - 1].log_softmax(-1)[ids[0, p]] for p in positions]))
    return torch.cat(parts)


def in_input_order(batches: list[PackedBatch], values: list[Tensor]) -> Tensor:
    """Values of all micro-batches, sequence by sequence in the order of ``groups``."""
    found = {
        name: value[batch.sequence_index == number]
        for batch, value in zip(batches, values, strict=True)
        for number, name in enumerate(batch.sequences)
    }
    return torch.cat([found[name] for name in sorted(found)])


def randomise_adapters(policy: CausalPolicy) -> None:
    generator = torch.Generator().manual_seed(3)
    for parameter in policy.parameters():
        if parameter.requires_grad:
            torch.nn.init.normal_(parameter, std=0.3, generator=generator)


@pytest.mark.parametrize("model", [tiny_qwen3(), tiny_qwen3(tied=False), tiny_llama(), tiny_llama(tied=True)])
@pytest.mark.parametrize("microbatch_tokens", [20, 200])
def test_1_packed_logprobs_equal_those_of_each_sequence_by_itself(
    model: PreTrainedModel, microbatch_tokens: int
) -> None:
    policy = CausalPolicy(copy.deepcopy(model))
    batches = pack(groups(), microbatch_tokens)
    packed = in_input_order(batches, [policy(batch, 0.7) for batch in batches])
    torch.testing.assert_close(packed, one_by_one(model, 0.7), rtol=0, atol=5e-6)


@pytest.mark.parametrize("model", [tiny_qwen3(), tiny_llama()])
def test_1_entropies_are_those_of_each_sequence_by_itself(model: PreTrainedModel) -> None:
    policy = CausalPolicy(copy.deepcopy(model))
    batches = pack(groups(), 30)
    scores = [policy.logprobs_and_entropies(batch, 0.7) for batch in batches]
    expected = []
    for group in groups():
        for continuation in group.continuations:
            ids = torch.tensor([group.prompt_ids + continuation.token_ids])
            log_p = (model(input_ids=ids, use_cache=False).logits[0] / 0.7).log_softmax(-1)
            entropies = -(log_p.exp() * log_p).sum(-1)
            start = len(group.prompt_ids) - 1
            expected += [entropies[start + i] for i, target in enumerate(continuation.is_target) if target]
    found = in_input_order(batches, [entropies for _, entropies in scores])
    torch.testing.assert_close(found, torch.stack(expected), rtol=0, atol=5e-6)
    for batch, (logprobs, _) in zip(batches, scores, strict=True):
        assert torch.equal(logprobs, policy(batch, 0.7))


@pytest.mark.parametrize("build", [tiny_qwen3, tiny_llama])
@pytest.mark.parametrize("checkpointing", [False, True])
def test_2_packed_gradients_of_every_parameter_equal_those_of_the_plain_pass(
    build: Callable[[], PreTrainedModel], checkpointing: bool
) -> None:
    plain, policy = build(), CausalPolicy(build(), gradient_checkpointing=checkpointing).train()
    weights = torch.linspace(-1, 1, 24)
    (one_by_one(plain) * weights).sum().backward()
    [batch] = pack(groups(), 200)
    (in_input_order([batch], [policy(batch)]) * weights).sum().backward()
    expected = dict(plain.named_parameters())
    for name, parameter in policy.causal_lm.named_parameters():
        torch.testing.assert_close(
            parameter.grad, expected[name].grad, rtol=1e-4, atol=5e-6, msg=lambda m, n=name: f"{n}: {m}"
        )


def test_3_in_float64_packing_is_exact_to_rounding() -> None:
    model = tiny_qwen3().double()
    batches = pack(groups(), 30)
    packed = in_input_order(batches, [CausalPolicy(copy.deepcopy(model))(batch) for batch in batches])
    # The model's own norms and rotary embedding run in float32 whatever the weights' dtype.
    assert packed.dtype == torch.float64
    torch.testing.assert_close(packed, one_by_one(model), rtol=0, atol=2e-6)


def test_4_padding_token_has_no_effect() -> None:
    policy = CausalPolicy(tiny_qwen3())
    [zero], [other] = pack(groups(), 200, pad_id=0), pack(groups(), 200, pad_id=7)
    assert not torch.equal(zero.input_ids, other.input_ids)
    assert torch.equal(policy(zero), policy(other))


def test_5_fresh_adapters_change_nothing_and_train_alone() -> None:
    policy = CausalPolicy(tiny_qwen3(), LoraSettings(r=2, alpha=4.0))
    [batch] = pack(groups(), 200)
    assert torch.equal(policy(batch), CausalPolicy(tiny_qwen3())(batch))
    policy(batch).sum().backward()
    trained = {name for name, parameter in policy.named_parameters() if parameter.grad is not None}
    assert trained == {name for name, _ in policy.named_parameters() if "lora_" in name}


def test_6_the_reference_of_a_policy_with_fresh_adapters_is_its_base() -> None:
    policy = CausalPolicy(tiny_qwen3(), LoraSettings(r=2, dropout=0.5))
    [batch] = pack(groups(), 200)
    start = StartingAdapters(policy)
    randomise_adapters(policy)
    after = policy.eval()(batch).detach()
    policy.train()
    with start.in_place(), torch.no_grad():
        reference = policy(batch)
    assert torch.equal(reference, CausalPolicy(tiny_qwen3())(batch))
    assert policy.training, "dropout is on again"
    assert torch.equal(policy.eval()(batch), after)
    assert (after - reference).abs().max() > 1e-3


def test_7_what_fails_under_the_reference_leaves_the_policy_as_it_was() -> None:
    policy = CausalPolicy(tiny_qwen3(), LoraSettings(r=2))
    start = StartingAdapters(policy)
    randomise_adapters(policy)
    before = {name: parameter.clone() for name, parameter in policy.named_parameters()}
    with pytest.raises(RuntimeError, match="out of memory"), start.in_place():
        raise RuntimeError("out of memory")
    assert all(torch.equal(before[name], parameter) for name, parameter in policy.named_parameters())


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_8_a_saved_policy_loads_in_the_dtype_asked_for(tmp_path: Path, dtype: torch.dtype) -> None:
    model = tiny_qwen3()
    model.save_pretrained(tmp_path)
    policy = load_policy(tmp_path, dtype)
    [batch] = pack(groups(), 200)
    assert {parameter.dtype for parameter in policy.parameters()} == {dtype}
    assert policy(batch).dtype == torch.float32
    tolerance = 1e-6 if dtype is torch.float32 else 0.1
    torch.testing.assert_close(policy(batch), CausalPolicy(model)(batch), rtol=0, atol=tolerance)


def test_10_a_missing_checkpoint_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(
        ValueError,
        match=r"^checkpoint: expected a folder with config\.json.*got .*nowhere; models are ",
    ):
        load_policy(tmp_path / "nowhere")
    Qwen3Config(**SIZES).save_pretrained(tmp_path)
    with pytest.raises(ValueError, match=r"^checkpoint: expected safetensors weights beside config\.json in .*$"):
        load_policy(tmp_path)


def with_layers(config: bytes, number: int) -> bytes:
    """A Qwen3's config with another number of layers."""
    change = {"num_hidden_layers": number, "layer_types": ["full_attention"] * number}
    return json.dumps(json.loads(config) | change).encode()


@pytest.mark.parametrize(
    ("name", "spoil", "expected"),
    [
        (
            "model.safetensors",
            lambda whole: whole[: len(whole) // 2],
            r"model\.safetensors: expected whole safetensors",
        ),
        ("model.safetensors", lambda whole: b"", r"model\.safetensors: expected whole safetensors"),
        (
            "config.json",
            lambda whole: whole[:9],
            r"config\.json: expected the config of a model that transformers knows",
        ),
        ("config.json", lambda whole: b'{"model_type": "none"}', r"config\.json: expected the config of a model that"),
        (
            "config.json",
            lambda whole: whole.replace(b'_size": 32', b'_size": 64'),
            r"of shape \(\d+, 64\), as config.json says, got \(\d+, 32\) in",
        ),
        (
            "config.json",
            lambda whole: with_layers(whole, 3),
            r"expected model\.layers\.2\.\S+ and 10 more in the safetensors weights beside config\.json",
        ),
        (
            "config.json",
            lambda whole: with_layers(whole, 1),
            r"got model\.layers\.1\.\S+ and 10 more as well, which that model has no place for",
        ),
    ],
)
def test_10_a_spoilt_file_is_one_line(
    name: str, spoil: Callable[[bytes], bytes], expected: str, tmp_path: Path
) -> None:
    tiny_qwen3().save_pretrained(tmp_path)
    path = tmp_path / name
    path.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(ValueError, match=rf"^[^\n]*{expected}[^\n]*$"):
        load_policy(tmp_path)


def test_11_models_that_would_be_computed_wrongly_are_refused() -> None:
    with pytest.raises(ValueError, match="without bias"):
        CausalPolicy(PhiForCausalLM(PhiConfig(**SIZES)))
    with pytest.raises(ValueError, match="full attention in every layer, got a sliding window"):
        CausalPolicy(MistralForCausalLM(MistralConfig(**SIZES, sliding_window=16)))
    sliding = Qwen3Config(**SIZES, use_sliding_window=True, sliding_window=16, max_window_layers=1)
    with pytest.raises(ValueError, match=r"got \['sliding_attention'\]"):
        CausalPolicy(Qwen3ForCausalLM(sliding))
