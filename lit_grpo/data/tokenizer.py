"""A small tokenizer for models trained from scratch: byte-level BPE learned on task text, one token for what is copied.

Called by experiments/base_model.py and experiments/small_base.py. The pieces of an action between its names and numbers
(``","value":`` and the like) are tokens of their own, taken from the grammar's renderer, so that an action costs about
ten tokens. Names have one token wherever they stand: copying a name is then copying a token. Numbers are written digit
by digit, or in groups of three digits from the right, each group a token: 12034 is ``12`` and ``034``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from enum import Enum

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from lit_grpo.environment.episodes.actions import Action, GetConflict, Inspect, Move, Relax, Restore, Submit, render
from lit_grpo.environment.programs.edits import DropRow, SetBounds, SetCoefficient, SetRhs, SetSense, SetType
from lit_grpo.environment.programs.program import Element, Sense, VariableType, row_element, variable_element

PAD, USER, ASSISTANT, END = "<|pad|>", "<|user|>", "<|assistant|>", "<|end|>"

CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{% if message['role'] == 'assistant' %}<|assistant|>{{ message['content'] }}<|end|>"
    "{% else %}<|user|>{{ message['content'] }}{% endif %}"
    "{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
"""One token opens a turn; only the assistant's turn is closed, since only the model has to say where it ends."""

_PLACEHOLDER = "NAME"
_NUMBER = 7.0

_WORDS = r"|\n| ?[^\s\w]+(?: |\n)?| ?[A-Za-z_]+(?: (?=\d|$))?| "
"""Punctuation with the spaces around it, words with the space before them and before what they name."""


class NumberTokens(Enum):
    """How a number is cut into tokens."""

    DIGITS = r"\d"
    """One a digit."""
    THOUSANDS = r"\d{1,3}(?=(?:\d{3})*(?!\d))"
    """One for three digits, counted from the right: a number below 1,000 is one token."""

    @property
    def vocabulary(self) -> list[str]:
        """Every token of a number, those with leading zeros last."""
        if self is NumberTokens.DIGITS:
            return [str(digit) for digit in range(10)]
        return [str(number) for number in range(1000)] + [f"{number:03d}" for number in range(100)]


def action_pieces() -> list[str]:
    """The fixed strings between the names and numbers of every action the grammar can render, longest first."""
    moves = [Move(action, diagnosis) for action in _sample_actions() for diagnosis in _sample_diagnoses()]
    pieces: set[str] = set()
    for move in moves:
        pieces.update(re.split(f"{_PLACEHOLDER}|{int(_NUMBER)}", render(move)))
    return sorted((p for p in pieces if len(p) > 1), key=lambda piece: (-len(piece), piece))


def train_tokenizer(
    texts: Iterable[str],
    names: Iterable[str],
    vocabulary_size: int = 640,
    numbers: NumberTokens = NumberTokens.DIGITS,
) -> PreTrainedTokenizerFast:
    """Learn a tokenizer from task text.

    Args:
        texts: Observations as the model will see them.
        names: Row and variable names that must be single tokens wherever they stand alone.
        vocabulary_size: Entries in all, at least 256 bytes + the action pieces + the names (+ the numbers, for
            ``THOUSANDS``); what is left is learned from the texts.
        numbers: How a number is cut into tokens.

    Returns:
        A fast tokenizer with a chat template, ready for ``save_pretrained``.
    """
    pieces = action_pieces()
    singles = sorted(set(names))
    added_numbers = [number for number in numbers.vocabulary if len(number) > 1]
    reserved = 4 + len(pieces) + len(singles) + len(added_numbers)
    if vocabulary_size < 256 + reserved:
        raise ValueError(
            f"expected a vocabulary of at least {256 + reserved} (256 bytes, {len(pieces)} action pieces, "
            f"{len(singles)} names, {len(added_numbers)} numbers, 4 markers), got {vocabulary_size}; raise "
            "vocabulary_size"
        )
    tokenizer = _with_numbers(_learn_words(texts, vocabulary_size - reserved + 4, numbers), added_numbers)
    tokenizer.add_tokens([AddedToken(piece, normalized=False) for piece in pieces])
    tokenizer.add_tokens([AddedToken(name, normalized=False, single_word=True) for name in singles])
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token=PAD, eos_token=END, clean_up_tokenization_spaces=False
    )
    fast.chat_template = CHAT_TEMPLATE
    return fast


def _learn_words(texts: Iterable[str], vocabulary_size: int, numbers: NumberTokens) -> Tokenizer:
    """Bytes and what is frequent in the texts."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(numbers.value + _WORDS), behavior="isolated"),
            pre_tokenizers.ByteLevel(False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary_size,
        special_tokens=[PAD, USER, ASSISTANT, END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def _with_numbers(tokenizer: Tokenizer, numbers: list[str]) -> Tokenizer:
    """The tokenizer with entries that no merges lead to: a piece of text that is one of them is one token."""
    if not numbers:
        return tokenizer
    content = json.loads(tokenizer.to_str())
    vocabulary: dict[str, int] = content["model"]["vocab"]
    for number in numbers:
        vocabulary.setdefault(number, len(vocabulary))
    content["model"]["ignore_merges"] = True
    return Tokenizer.from_str(json.dumps(content))


def _sample_actions() -> list[Action]:
    name, number, none = _PLACEHOLDER, _NUMBER, float("inf")
    return [
        GetConflict(),
        Restore(),
        Submit(),
        Inspect(name),
        Relax(name, number),
        DropRow(name),
        SetRhs(name, number),
        SetRhs(name, -number),
        SetCoefficient(name, name, number),
        SetCoefficient(name, name, -number),
        *(SetSense(name, sense) for sense in Sense),
        *(SetType(name, type_) for type_ in VariableType),
        *(SetBounds(name, lower, upper) for lower in (-none, number, -number) for upper in (none, number, -number)),
    ]


def _sample_diagnoses() -> list[tuple[Element, ...] | None]:
    row, variable = row_element(_PLACEHOLDER), variable_element(_PLACEHOLDER)
    return [None, (row,), (variable,), (row, row), (row, variable)]
