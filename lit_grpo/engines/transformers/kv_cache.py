"""The keys and values of conversations: those of each prompt, once, and those of each conversation's own tokens.

Written and read by shared_prefix.py, selected and put back by decoding.py.

Shapes: P prompts, R rows (conversations), K key/value heads, D head size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

COLUMN_BLOCK = 16
"""The multiple that cache columns come in: a softmax over fewer than a vector's width is several times slower."""


@dataclass(slots=True)
class KeyValues:
    """One layer's keys and values, each [P or R, K, columns, D], zero where nothing was written."""

    keys: Tensor
    values: Tensor

    def select(self, index: Tensor) -> KeyValues:
        """A copy of some entries."""
        return KeyValues(self.keys[index], self.values[index])

    def blank(self, entries: int, columns: int) -> KeyValues:
        """A cache of the same heads and dtype with nothing written in it."""
        shape = (entries, self.keys.shape[1], columns, self.keys.shape[3])
        return KeyValues(self.keys.new_zeros(shape), self.values.new_zeros(shape))

    def widened(self, columns: int) -> KeyValues:
        """This cache, or a copy of it that has at least so many columns."""
        missing = columns - self.keys.shape[2]
        if missing <= 0:
            return self
        padding = self.blank(len(self.keys), missing)
        return KeyValues(torch.cat([self.keys, padding.keys], 2), torch.cat([self.values, padding.values], 2))


@dataclass(slots=True)
class Conversations:
    """The keys and values of rows: their prompts, once each, and their own tokens."""

    prompts: list[KeyValues]
    """One entry per layer, [P, K, columns, D]."""
    prompt_lengths: Tensor
    """[P] int64."""
    prompt_of: Tensor
    """[R] int64."""
    own: list[KeyValues]
    """One entry per layer, [R, K, columns, D]."""
    own_lengths: Tensor
    """[R] int64, the number of columns that are written."""

    @classmethod
    def begin(cls, prompts: list[KeyValues], prompt_lengths: Tensor, prompt_of: Tensor) -> Conversations:
        """Rows that have nothing but their prompt."""
        own = [kv.blank(len(prompt_of), 0) for kv in prompts]
        return cls(prompts, prompt_lengths, prompt_of, own, torch.zeros_like(prompt_of))

    @classmethod
    def joined(cls, parts: Sequence[Conversations]) -> Conversations:
        """All rows of all parts, in order; every part keeps its own prompts."""
        if len(parts) == 1:
            return parts[0]
        offsets = torch.tensor([0, *(len(part.prompt_lengths) for part in parts[:-1])]).cumsum(0)
        return cls(
            prompts=_concatenated([part.prompts for part in parts]),
            prompt_lengths=torch.cat([part.prompt_lengths for part in parts]),
            prompt_of=torch.cat([part.prompt_of + int(offset) for part, offset in zip(parts, offsets, strict=True)]),
            own=_concatenated([part.own for part in parts]),
            own_lengths=torch.cat([part.own_lengths for part in parts]),
        )

    def reserve(self, own_columns: int) -> None:
        """Make room for up to so many own tokens per row."""
        columns = block_multiple(own_columns)
        self.own = [kv.widened(columns) for kv in self.own]

    def select(self, rows: Tensor) -> Conversations:
        """A copy of some rows, and of the prompts that these have."""
        used, prompt_of = self.prompt_of[rows].unique(return_inverse=True)
        every_prompt = len(used) == len(self.prompt_lengths)
        prompts = self.prompts if every_prompt else [kv.select(used) for kv in self.prompts]
        own = [kv.select(rows) for kv in self.own]
        return Conversations(prompts, self.prompt_lengths[used], prompt_of, own, self.own_lengths[rows])

    def write_back(self, rows: Tensor, selected: Conversations) -> None:
        """Take over the tokens that were appended to a selection of ``rows``."""
        for mine, theirs in zip(self.own, selected.own, strict=True):
            columns = theirs.keys.shape[2]
            mine.keys[rows, :, :columns], mine.values[rows, :, :columns] = theirs.keys, theirs.values
        self.own_lengths[rows] = selected.own_lengths


def block_multiple(columns: int) -> int:
    """``columns``, rounded up to whole blocks."""
    return -(-columns // COLUMN_BLOCK) * COLUMN_BLOCK


def _concatenated(parts: Sequence[list[KeyValues]]) -> list[KeyValues]:
    """Entries of all parts, layer by layer, as wide as the widest."""
    columns = max(layers[0].keys.shape[2] for layers in parts)
    return [
        KeyValues(torch.cat([kv.keys for kv in wide]), torch.cat([kv.values for kv in wide]))
        for wide in ([kv.widened(columns) for kv in layer] for layer in zip(*parts, strict=True))
    ]
