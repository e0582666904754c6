"""What a base is made with: the settings of its shape reach the network, and the defaults change nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor
from transformers import AutoConfig, Qwen3Config, Qwen3ForCausalLM, set_seed

from lit_grpo.experiments.base_model import TinyModelSettings, make_base_model

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


def test_2_embeddings_and_gains_are_as_asked_for(tmp_path: Path) -> None:
    plain = weights_of(tmp_path / "plain", SMALL)
    settings = replace(SMALL, embedding_std=0.06, attention_gain=1.5, rope_theta=1e6)
    weights = weights_of(tmp_path / "changed", settings)
    embeddings = "model.embed_tokens.weight"
    assert weights[embeddings].std().item() == pytest.approx(0.06, rel=0.05)
    torch.testing.assert_close(weights[embeddings], 3.0 * plain[embeddings])
    for norm in ("q_norm", "k_norm"):
        name = f"model.layers.0.self_attn.{norm}.weight"
        assert weights[name].tolist() == [1.5] * 16
    config = AutoConfig.from_pretrained(tmp_path / "changed")
    assert isinstance(config, Qwen3Config)
    assert config.rope_parameters["rope_theta"] == 1e6  # pyright: ignore[reportOptionalSubscript, reportArgumentType, reportCallIssue]
