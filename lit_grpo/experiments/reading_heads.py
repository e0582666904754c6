"""Initial weights with which a decoder reads an observation before it has learned anything.

Called by base_model.py; the weights themselves are in reading_weights.py. What is to be found in a program and its text
is always found alike: the number beside this name in this line, and whether the sentence says the same number as the
algebra. That takes heads of several layers that are of no use without each other, as copying does (induction heads,
Olsson et al. 2022, arXiv:2209.11895), so it is learned late, and with thousands of tokens that are each seen a few
times hardly at all. Attention that is set to begin with what training would have to find is known to help (mimetic
initialisation, Trockman and Kolter 2023, arXiv:2305.09828). Here the first six layers begin with such heads.
Everything stays trainable, and nothing in the architecture changes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM

from lit_grpo.data.tokenizer import ASSISTANT, USER
from lit_grpo.experiments.attention_head import head_size
from lit_grpo.experiments.reading_stream import MIN_HEAD_SIZE, MIN_NOTE_SIZE, NUM_FLAGS
from lit_grpo.experiments.reading_weights import NUM_HEADS, NUM_LAYERS, ReadingWeights

_WORDS_FOR = {
    "<=": ("most", "more"),
    ">=": ("least", "less"),
    "=": ("exactly",),
    "integer": ("whole",),
    "binary": ("yes",),
    "-": ("less ",),
}
"""What says in a sentence what a symbol says in the algebra: *no less than 5* is a sense, *less 5* a sign."""


@dataclass(frozen=True, slots=True)
class ReadingHeads:
    """How the residual stream is divided, and how sure of themselves the heads are."""

    note_size: int = 32
    """Dimensions of each of the three notes; the token has the rest, but for a few flags."""
    head_std: float = 0.15
    """The deviation of the head's initial weights, which are the embeddings but for the scale: the larger, the surer a
    token that was looked up, seen before or not. Embeddings have 1, so that what updates add to the weights of a layer
    is small beside what reads and writes here."""
    attention_gain: float = 1.9
    """Initial weight of the norms of queries and keys: attention's scores begin with its square as their spread."""
    distance_gain: float = 3.2
    """The same in the first layer, where places next to each other are told apart."""
    nearest_gain: float = 10.0
    """The same in the second layer, which finds the nearest of several places, by two things at once."""
    look_up_gain: float = 2.8
    """The same in the fifth and the sixth, which look up what has been found."""

    def require_room(self, config: Qwen3Config) -> None:
        """ValueError if a decoder of this shape has no room for them."""
        size, token = head_size(config), config.hidden_size - 3 * self.note_size - NUM_FLAGS
        has_heads = config.num_attention_heads == config.num_key_value_heads == NUM_HEADS
        has_heads = has_heads and not config.tie_word_embeddings
        has_pairs = max(MIN_HEAD_SIZE, self.note_size) <= size <= token and self.note_size >= MIN_NOTE_SIZE
        if not (has_heads and has_pairs and config.num_hidden_layers >= NUM_LAYERS):
            raise ValueError(
                f"reading heads: expected embeddings that are not the head, {NUM_LAYERS} layers or more, {NUM_HEADS} "
                f"heads, each with keys of its own, of {MIN_HEAD_SIZE} to {token} dimensions, and notes of "
                f"{MIN_NOTE_SIZE} or more, got tie_word_embeddings={config.tie_word_embeddings}, "
                f"{config.num_hidden_layers} layers, {config.num_attention_heads} heads, {config.num_key_value_heads} "
                f"of keys, of {size} dimensions, and notes of {self.note_size}; change the shape, or reading.note_size"
            )


@dataclass(frozen=True, slots=True)
class ReadingTokens:
    """The tokens that mark places, as numbers of a vocabulary."""

    starts: Sequence[int]
    """Directly after one of these a line's name stands: the end of a line, and what opens a move."""
    conflict: Sequence[int]
    """A line's name also stands after one of these and a space: it takes part in the conflict."""
    numbers: Sequence[int]
    bars: Sequence[int]
    """Between algebra and sentence."""
    between: Sequence[int]
    """Between a coefficient and its variable in a sentence."""
    limits: Sequence[int]
    """Directly before the number of a limit in a sentence."""
    negative: Sequence[int]
    """Before what is taken off, in algebra and sentence."""
    rhs: Sequence[int]
    """Between an action that sets a right-hand side and the row."""
    variable: Sequence[int]
    """Between a row and the variable whose coefficient is set."""
    pairs: Sequence[tuple[Sequence[int], Sequence[int]]]
    """Symbols of the algebra, and the words that say the same: senses, types, and the sign of a coefficient."""

    @classmethod
    def of(cls, tokenizer: PreTrainedTokenizerFast) -> ReadingTokens:
        """Those of a tokenizer of data/tokenizer.py, in compact observations and in moves."""
        texts = {token: str(tokenizer.decode([token])) for token in tokenizer.get_vocab().values()}
        openings = (USER, ASSISTANT, '{"diagnosis"', '{"action"', '"],"action"', "* ", "> ", "< ")

        def where(is_meant: Callable[[str], bool]) -> list[int]:
            return sorted(token for token, text in texts.items() if is_meant(text))

        return cls(
            starts=where(lambda text: text.endswith("\n") or text.startswith(openings)),
            conflict=where(lambda text: text in ("*", ">", "<")),
            numbers=where(str.isdecimal),
            bars=where(lambda text: text.strip() == "|"),
            between=where(lambda text: text == " per "),
            limits=where(lambda text: _word_of(text) in ("most", "least", "than", "exactly")),
            negative=where(lambda text: _word_of(text) in ("-", "less ")),
            rhs=where(lambda text: text.endswith('"set_rhs","row":"')),
            variable=where(lambda text: text == '","variable":"'),
            pairs=[
                (
                    where(lambda text, symbol=symbol: text.strip() == symbol),
                    where(lambda text, words=words: _word_of(text) in words),
                )
                for symbol, words in _WORDS_FOR.items()
            ],
        )


def _word_of(text: str) -> str:
    """The word that a token is; *less* with the blank behind it, which it has before a number."""
    return text.lstrip() if text.strip() == "less" else text.strip()


@torch.no_grad()
def add_reading_heads(model: Qwen3ForCausalLM, settings: ReadingHeads, tokens: ReadingTokens, seed: int) -> None:
    """Set the weights of a decoder that is not trained yet, in place.

    Args:
        model: With random weights, a head that is not the embeddings, and heads with keys of their own.
        settings: The division of its stream.
        tokens: What marks places.
        seed: The seed of the directions in which tokens are compared and copied.

    Raises:
        ValueError: The model's shape has no room for them.
    """
    settings.require_room(model.config)
    usual = settings.attention_gain
    gains = (
        settings.distance_gain,
        settings.nearest_gain,
        usual,
        usual,
        settings.look_up_gain,
        settings.look_up_gain,
        usual,
    )
    marks = (
        *(tokens.starts, tokens.conflict, tokens.numbers, tokens.bars, tokens.between),
        *(tokens.limits, tokens.negative, tokens.rhs, tokens.variable),
    )
    ReadingWeights(model, settings.note_size, settings.head_std, gains, seed).write(marks, tokens.pairs)
