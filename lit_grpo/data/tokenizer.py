"""A small tokenizer for models trained from scratch: byte-level BPE learned on task text, digits one by one.

Called by experiments/base_model.py. The pieces of an action between its names and numbers (``","value":`` and the like)
are tokens of their own, taken from the grammar's renderer, so that an action costs about ten tokens. Names have one
token wherever they stand: copying a name is then copying a token.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

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

_SPLIT = Regex(r"\d|\n| ?[^\s\w]+(?: |\n)?| ?[A-Za-z_]+(?: (?=\d|$))?| ")
"""Digits apart, punctuation with the spaces around it, words with the space before them and before what they name."""


def action_pieces() -> list[str]:
    """The fixed strings between the names and numbers of every action the grammar can render, longest first."""
    moves = [Move(action, diagnosis) for action in _sample_actions() for diagnosis in _sample_diagnoses()]
    pieces: set[str] = set()
    for move in moves:
        pieces.update(re.split(f"{_PLACEHOLDER}|{int(_NUMBER)}", render(move)))
    return sorted((p for p in pieces if len(p) > 1), key=lambda piece: (-len(piece), piece))


def train_tokenizer(texts: Iterable[str], names: Iterable[str], vocabulary_size: int = 640) -> PreTrainedTokenizerFast:
    """Learn a tokenizer from task text.

    Args:
        texts: Observations as the model will see them.
        names: Row and variable names that must be single tokens wherever they stand alone.
        vocabulary_size: Entries in all, at least 256 bytes + the action pieces + the names.

    Returns:
        A fast tokenizer with a chat template, ready for ``save_pretrained``.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(_SPLIT, behavior="isolated"), pre_tokenizers.ByteLevel(False, use_regex=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    pieces = action_pieces()
    singles = sorted(set(names))
    reserved = 4 + len(pieces) + len(singles)
    if vocabulary_size < 256 + reserved:
        raise ValueError(
            f"expected a vocabulary of at least {256 + reserved} (256 bytes, {len(pieces)} action pieces, "
            f"{len(singles)} names, 4 markers), got {vocabulary_size}; raise vocabulary_size"
        )
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary_size - reserved + 4,
        special_tokens=[PAD, USER, ASSISTANT, END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.add_tokens([AddedToken(piece, normalized=False) for piece in pieces])
    tokenizer.add_tokens([AddedToken(name, normalized=False, single_word=True) for name in singles])
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token=PAD, eos_token=END, clean_up_tokenization_spaces=False
    )
    fast.chat_template = CHAT_TEMPLATE
    return fast


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
    return [None, (row_element(_PLACEHOLDER),), (variable_element(_PLACEHOLDER),)]
