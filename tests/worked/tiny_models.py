"""Tiny language models with random weights, for the tests of the rollout."""

from __future__ import annotations

import torch
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedModel, Qwen3Config, Qwen3ForCausalLM


def qwen3(seed: int = 0, vocabulary: int = 300) -> PreTrainedModel:
    """Two layers, grouped queries, tied embeddings; logits spread enough that a wrong key shows."""
    torch.manual_seed(seed)
    config = Qwen3Config(
        vocab_size=vocabulary,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=8,
        max_position_embeddings=256,
        tie_word_embeddings=True,
    )
    return _spread(Qwen3ForCausalLM(config))


def llama(seed: int = 0, vocabulary: int = 300) -> PreTrainedModel:
    """As ``qwen3`` with the other architecture, an untied head, and one key/value head per query head."""
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=256,
        tie_word_embeddings=False,
    )
    return _spread(LlamaForCausalLM(config))


def _spread(model: PreTrainedModel) -> PreTrainedModel:
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() == 2:
                parameter.mul_(8.0)
    return model.eval()
