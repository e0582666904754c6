"""Weights that copy before any training, and shapes that have no room for them."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor
from transformers import Qwen3Config, Qwen3ForCausalLM, set_seed

from lit_grpo.experiments.copying_heads import CopyingHeads, add_copying_heads

NUM_TOKENS = 2000


def decoder(num_layers: int = 4, num_heads: int = 4, num_key_value_heads: int = 4) -> Qwen3ForCausalLM:
    set_seed(0)
    config = Qwen3Config(
        vocab_size=NUM_TOKENS,
        hidden_size=192,
        intermediate_size=64,
        num_hidden_layers=num_layers,
        num_attention_heads=num_heads,
        num_key_value_heads=num_key_value_heads,
        head_dim=64,
        rope_parameters={"rope_type": "default", "rope_theta": 1e6},
        tie_word_embeddings=True,
    )
    return Qwen3ForCausalLM(config).float().eval()


@torch.no_grad()
def share_copied(model: Qwen3ForCausalLM, length: int, gap: int = 0) -> float:
    """Random tokens, said twice with others between: how often the next one is the likeliest."""
    torch.manual_seed(1)
    said, between = torch.randint(0, NUM_TOKENS, (8, length)), torch.randint(0, NUM_TOKENS, (8, gap))
    tokens = torch.cat([said, between, said], dim=1)
    predicted: Tensor = model(tokens).logits.argmax(-1)[:, length + gap : -1]
    return (predicted == said[:, 1:]).float().mean().item()


@torch.no_grad()
def rank_of_number(model: Qwen3ForCausalLM) -> float:
    """Pairs with something between, asked for in another order: the median place of the number that is meant."""
    torch.manual_seed(2)
    places = list[int]()
    for _ in range(40):
        ids = torch.randperm(NUM_TOKENS)[:18].tolist()
        names, numbers, (first, second) = ids[:8], ids[8:16], ids[16:]
        shown = [token for pair in zip(names, numbers, strict=True) for token in (pair[0], first, pair[1], second)]
        logits = model(torch.tensor([[*shown, names[3], first]])).logits[0, -1]
        places.append(int((logits > logits[numbers[3]]).sum()))
    return sorted(places)[len(places) // 2]


def test_1_what_was_said_is_said_again_before_anything_is_learned() -> None:
    plain, copying = decoder(), decoder()
    add_copying_heads(copying, CopyingHeads(), seed=0)
    assert share_copied(plain, 40) < 0.01
    assert share_copied(copying, 40) > 0.1
    assert share_copied(copying, 40, gap=200) > 0.08


def test_2_the_number_that_stood_behind_a_name_is_among_the_likeliest() -> None:
    plain, copying = decoder(), decoder()
    add_copying_heads(copying, CopyingHeads(), seed=0)
    assert rank_of_number(plain) > 300
    assert rank_of_number(copying) <= 15


def test_3_a_seed_is_a_model() -> None:
    first, again, other = decoder(), decoder(), decoder()
    for model, seed in ((first, 0), (again, 0), (other, 1)):
        add_copying_heads(model, CopyingHeads(), seed)
    for (name, one), two in zip(first.named_parameters(), again.parameters(), strict=True):
        assert torch.equal(one, two), name
    assert not torch.equal(first.model.layers[2].self_attn.v_proj.weight, other.model.layers[2].self_attn.v_proj.weight)


@pytest.mark.parametrize(
    ("shape", "settings"),
    [
        ({"num_heads": 8}, CopyingHeads()),
        ({"num_key_value_heads": 2}, CopyingHeads()),
        ({"num_layers": 2}, CopyingHeads()),
        ({}, CopyingHeads(layer=0)),
        ({}, CopyingHeads(note_size=48)),
    ],
)
def test_4_a_shape_without_room_is_refused(shape: dict[str, int], settings: CopyingHeads) -> None:
    with pytest.raises(ValueError, match="copying heads: expected 4 heads, each with keys of its own"):
        add_copying_heads(decoder(**shape), settings, seed=0)


def test_5_the_settings_are_used() -> None:
    model = decoder()
    add_copying_heads(model, replace(CopyingHeads(), layer=1, embedding_std=0.1, attention_gain=1.2), seed=0)
    assert model.model.embed_tokens.weight[:, :96].std().item() == pytest.approx(0.1, rel=0.05)
    assert model.model.layers[3].self_attn.q_norm.weight.tolist() == pytest.approx([1.2] * 64)
    assert model.model.layers[1].self_attn.v_proj.weight[:, :96].norm() > 1.0
    assert model.model.layers[2].self_attn.v_proj.weight[:, 96:].norm() > 0.0
