"""Layers that stay as they are: which, that a step leaves them alone, and what is refused."""

from __future__ import annotations

from copy import deepcopy

import pytest
import torch
from torch import nn
from transformers import Qwen3Config, Qwen3ForCausalLM

from lit_grpo.modules.adapters import LoraSettings
from lit_grpo.modules.optimizers import OptimizerSettings, build_optimizer
from lit_grpo.modules.policy import CausalPolicy


def decoder(is_tied: bool = False) -> Qwen3ForCausalLM:
    torch.manual_seed(0)
    config = Qwen3Config(
        vocab_size=32,
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=3,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=8,
        tie_word_embeddings=is_tied,
    )
    return Qwen3ForCausalLM(config).float()


@pytest.mark.parametrize("is_tied", [False, True])
def test_1_embeddings_head_and_the_first_layers_stay_as_they_are(is_tied: bool) -> None:
    policy = CausalPolicy(decoder(is_tied))
    policy.freeze_first(2)
    before = {name: weight.detach().clone() for name, weight in policy.named_parameters()}
    optimizer = build_optimizer(policy, OptimizerSettings(learning_rate=0.1, matrix_learning_rate=0.1))
    policy.causal_lm(torch.arange(8)[None]).logits.square().mean().backward()
    optimizer.step()
    moved = {name for name, weight in policy.named_parameters() if not torch.equal(weight, before[name])}
    assert moved == {name for name in before if ".layers.2." in name or name == "model.model.norm.weight"}


@pytest.mark.parametrize("num_layers", [3, -1])
def test_2_a_layer_is_left_to_train(num_layers: int) -> None:
    with pytest.raises(ValueError, match=r"model\.policy\.frozen_layers: expected 1 to 2, .* got " + str(num_layers)):
        CausalPolicy(decoder()).freeze_first(num_layers)


def test_3_adapters_are_refused() -> None:
    with pytest.raises(ValueError, match="a policy without adapters"):
        CausalPolicy(decoder(), LoraSettings(r=2)).freeze_first(1)


def test_4_mixed_precision_leaves_frozen_layers_as_they_are() -> None:
    policy = CausalPolicy(decoder())
    layers = list(policy.causal_lm.base_model.get_submodule("layers").children())
    outputs: dict[int, torch.Tensor] = {}
    for number, layer in enumerate(layers):
        layer.get_submodule("mlp").register_forward_hook(
            lambda _, __, output, number=number: outputs.update({number: output})
        )
    plain = policy.causal_lm.base_model(torch.arange(8)[None]).last_hidden_state
    in_float32 = dict(outputs)
    policy.freeze_first(2)
    copied = deepcopy(policy)
    with torch.autocast("cpu", torch.bfloat16):
        mixed = policy.causal_lm.base_model(torch.arange(8)[None]).last_hidden_state
        with pytest.raises(RuntimeError):
            policy.causal_lm.base_model(inputs_embeds=torch.zeros(1, 8, 3))
        assert torch.is_autocast_enabled("cpu"), "it is taken up again, after a failure as well"
    assert [outputs[number].dtype for number in range(3)] == [torch.float32, torch.float32, torch.bfloat16]
    assert torch.equal(outputs[1], in_float32[1])
    assert not torch.equal(mixed, plain)
    assert not {id(layer) for layer in hooked(copied)} & {id(layer) for layer in hooked(policy)}
    assert not {id(owner) for owner in owners(copied)} & {id(owner) for owner in owners(policy)}


def hooked(policy: CausalPolicy) -> list[nn.Module]:
    """The modules that have hooks before their forward pass."""
    return [module for module in policy.modules() if module._forward_pre_hooks]


def owners(policy: CausalPolicy) -> list[object]:
    """The objects whose methods these hooks are."""
    return [hook.__self__ for module in hooked(policy) for hook in module._forward_pre_hooks.values()]  # pyright: ignore[reportFunctionMemberAccess]
