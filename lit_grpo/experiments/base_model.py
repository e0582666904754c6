"""An untrained small model and its tokenizer, as a Hugging Face directory: where a study from scratch begins.

Called by experiments/quickstart.py, and by tests that want a model in milliseconds.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import Qwen3Config, Qwen3ForCausalLM, set_seed

from lit_grpo.data.tokenizer import train_tokenizer


@dataclass(frozen=True, slots=True)
class TinyModelSettings:
    """Shape of a Qwen3 model; the defaults have 0.9M parameters."""

    hidden_size: int = 128
    num_layers: int = 4
    num_heads: int = 4
    num_key_value_heads: int = 2
    intermediate_size: int = 384
    vocabulary_size: int = 640
    max_context_tokens: int = 512


def make_base_model(
    directory: Path, texts: Iterable[str], names: Iterable[str], seed: int, settings: TinyModelSettings | None = None
) -> int:
    """Write tokenizer and randomly initialised model to ``directory``.

    Args:
        directory: Made if missing; afterwards loadable with ``from_pretrained``.
        texts: Task text the tokenizer is learned from.
        names: Row and variable names that become single tokens.
        seed: Of the initial weights.
        settings: Shape of the model.

    Returns:
        The number of parameters.
    """
    settings = settings or TinyModelSettings()
    tokenizer = train_tokenizer(texts, names, settings.vocabulary_size)
    config = Qwen3Config(
        vocab_size=settings.vocabulary_size,
        hidden_size=settings.hidden_size,
        intermediate_size=settings.intermediate_size,
        num_hidden_layers=settings.num_layers,
        num_attention_heads=settings.num_heads,
        num_key_value_heads=settings.num_key_value_heads,
        head_dim=settings.hidden_size // settings.num_heads,
        max_position_embeddings=settings.max_context_tokens,
        tie_word_embeddings=True,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        bos_token_id=None,
        dtype="float32",
    )
    set_seed(seed)
    model = Qwen3ForCausalLM(config).to(torch.float32)
    directory.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    return model.num_parameters()
