"""What a base is made with: the settings of its shape reach the network, and the defaults change nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor
from transformers import AutoConfig, Qwen3Config, Qwen3ForCausalLM, set_seed

from lit_grpo.experiments.base_model import TinyModelSettings, make_base_model
from lit_grpo.experiments.reading_heads import ReadingHeads

SMALL = TinyModelSettings(
    hidden_size=32, num_layers=1, num_heads=2, num_key_value_heads=1, intermediate_size=64, vocabulary_size=400
)


def weights_of(folder: Path, settings: TinyModelSettings) -> dict[str, Tensor]:
    make_base_model(folder, ["x <= 5"], ["x"], seed=3, settings=settings)
    model = Qwen3ForCausalLM.from_pretrained(folder)
    return {name: parameter.detach() for name, parameter in model.named_parameters()}


def test_1_the_defaults_are_the_initialisation_of_transformers(tmp_path: Path) -> None:
    weights = weights_of(tmp_path, SMALL)
    set_seed(3)
    plain = Qwen3ForCausalLM(AutoConfig.from_pretrained(tmp_path)).float()
    for name, parameter in plain.named_parameters():
        assert torch.equal(weights[name], parameter)


def test_2_the_shape_is_as_asked_for(tmp_path: Path) -> None:
    shape = replace(SMALL, hidden_size=224, num_layers=6, num_heads=4, num_key_value_heads=4, rope_theta=1e8)
    settings = replace(shape, head_size=64, reading=ReadingHeads(head_std=0.06, attention_gain=1.7))
    weights = weights_of(tmp_path, settings)
    assert weights["lm_head.weight"][:, :112].std().item() == pytest.approx(0.06, rel=0.1)
    assert weights["model.layers.0.self_attn.k_proj.weight"].shape == (256, 224)
    assert weights["model.layers.2.self_attn.q_norm.weight"].tolist() == pytest.approx([1.7] * 64)
    config = AutoConfig.from_pretrained(tmp_path)
    assert isinstance(config, Qwen3Config)
    assert config.rope_parameters["rope_theta"] == 1e8  # pyright: ignore[reportOptionalSubscript, reportArgumentType, reportCallIssue]
