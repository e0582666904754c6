"""Recall: pairs of a name and a number, and the same pairs in another order. Practice in copying, and nothing else.

Read by RecallDataset, with which a model from scratch begins. A list is short and half of its numbers are predicted, so
that a pass over it teaches more about copying than one over a program, where most of what is said is not predicted at
all. Names, numbers and what stands between them change from list to list: only where a number stood before can be
learned.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from transformers import PreTrainedTokenizerBase

from lit_grpo.packing import PromptGroup

_SHARE_OF_DIGITS, _SHARE_BELOW_100 = 0.3, 0.35
"""Small numbers are the frequent ones in programs, too."""


@dataclass(frozen=True, slots=True)
class RecallSettings:
    """How long the lists are."""

    max_pairs: int = 10
    """Each number of pairs from 2 to this is equally likely."""

    def __post_init__(self) -> None:
        if self.max_pairs < 2:
            raise ValueError(f"recall: expected max_pairs of at least 2, got {self.max_pairs}")


@dataclass(frozen=True, slots=True)
class RecallTokens:
    """The tokens that lists are made of."""

    names: Sequence[int]
    numbers: Sequence[int]
    """Ascending from 0, as many as follow each other."""
    separators: Sequence[int]

    @classmethod
    def of(cls, tokenizer: PreTrainedTokenizerBase) -> RecallTokens:
        """Those of a tokenizer of data/tokenizer.py.

        Raises:
            ValueError: Names or numbers have no tokens of their own.
        """
        vocabulary = tokenizer.get_vocab()
        added = tokenizer.get_added_vocab()
        names = sorted(token for text, token in added.items() if text.isidentifier())
        separators = sorted(token for text, token in vocabulary.items() if len(text) <= 2 and not text.isalnum())
        numbers = list[int]()
        while (text := str(len(numbers))) in vocabulary:
            numbers.append(vocabulary[text])
        if len(names) < 2 or len(numbers) < 2 or not separators:
            raise ValueError(
                f"recall: expected a tokenizer with single tokens for names and numbers, got {len(names)} names and "
                f"{len(numbers)} numbers; make it with train_tokenizer"
            )
        return cls(names, numbers, separators)


def recall_list(tokens: RecallTokens, settings: RecallSettings, rng: Random) -> PromptGroup:
    """One list and its repetition, whose numbers are predicted.

    Args:
        tokens: What it is made of.
        settings: How long it is.
        rng: The source of names, numbers, separators and order.

    Returns:
        A prompt of eight tokens for each pair, without continuations.
    """
    num_pairs = rng.randint(2, min(settings.max_pairs, len(tokens.names)))
    pairs = [(name, _number(tokens.numbers, rng)) for name in rng.sample(tokens.names, num_pairs)]
    shown = _listed(pairs, tokens, rng)
    repeated = _listed(rng.sample(pairs, num_pairs), tokens, rng)
    targets = range(len(shown) + 2, len(shown) + len(repeated), 4)
    return PromptGroup((*shown, *repeated), (), tuple(targets))


def _listed(pairs: Sequence[tuple[int, int]], tokens: RecallTokens, rng: Random) -> list[int]:
    between, after = rng.choice(tokens.separators), rng.choice(tokens.separators)
    return [token for name, number in pairs for token in (name, between, number, after)]


def _number(numbers: Sequence[int], rng: Random) -> int:
    drawn = rng.random()
    if drawn < _SHARE_OF_DIGITS:
        return rng.choice(numbers[:10])
    return rng.choice(numbers[:100] if drawn < _SHARE_OF_DIGITS + _SHARE_BELOW_100 else numbers)
