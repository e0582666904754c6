"""Tiny language models with random weights and tokenizers, for the tests of the rollout."""

from __future__ import annotations

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    Qwen3Config,
    Qwen3ForCausalLM,
)

TINY_TEMPLATE = (
    "{% for message in messages %}"
    "{% if message['role'] == 'assistant' %}<|assistant|>{{ message['content'] }}<|end|>"
    "{% else %}<|user|>{{ message['content'] }}{% endif %}"
    "{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


def byte_tokenizer(template: str | None, specials: list[str], eos: str | None) -> PreTrainedTokenizerFast:
    """Byte-level, so that any text can be encoded; ``specials`` get the first ids."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=300,
        special_tokens=specials,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(["the row and the column"], trainer)
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=eos, pad_token=specials[0])
    fast.chat_template = template
    return fast


def tiny_tokenizer() -> PreTrainedTokenizerFast:
    """With the template of a model trained from scratch."""
    return byte_tokenizer(TINY_TEMPLATE, ["<|pad|>", "<|user|>", "<|assistant|>", "<|end|>"], "<|end|>")


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
