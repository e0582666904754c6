"""The keys and values of conversations: those of each prompt, once, and those of each conversation's own tokens.

Written and read by shared_prefix.py, gathered by engine.py for each turn, narrowed by decoding.py. Prompts stay where
they were written: they are most of a cache. A row's own tokens move with it; nothing is ever put back.

Shapes: P prompts, R rows (conversations), K key/value heads, D head size.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
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


@dataclass(frozen=True, slots=True)
class PromptBlock:
    """Prompts that were run together, as wide as the widest of them."""

    layers: Sequence[KeyValues]
    """One entry per layer, [P, K, columns, D]."""
    lengths: Tensor
    """[P] int64."""

    def select(self, prompts: Tensor) -> PromptBlock:
        """A copy of some of them, or the block itself if they are all."""
        if len(prompts) == len(self.lengths):
            return self
        return PromptBlock([kv.select(prompts) for kv in self.layers], self.lengths[prompts])


@dataclass(slots=True)
class Conversations:
    """The keys and values of rows: their prompts, once each, and their own tokens."""

    blocks: Sequence[PromptBlock]
    """All prompts, numbered through the blocks in order."""
    prompt_of: Tensor
    """[R] int64, numbers of prompts."""
    own: list[KeyValues]
    """One entry per layer, [R, K, columns, D]."""
    own_lengths: Tensor
    """[R] int64, the number of columns that are written."""

    @classmethod
    def begin(cls, block: PromptBlock, prompt_of: Tensor) -> Conversations:
        """Rows that have nothing but their prompt."""
        own = [kv.blank(len(prompt_of), 0) for kv in block.layers]
        return cls([block], prompt_of, own, torch.zeros_like(prompt_of))

    @classmethod
    def gathered(cls, places: Sequence[Place], new_columns: int) -> Conversations:
        """A copy of rows from wherever they are, with room for so many more tokens in each."""
        groups: dict[int, list[int]] = {}
        for number, place in enumerate(places):
            groups.setdefault(id(place.conversations), []).append(number)
        sources = [_Source.of(places, numbers) for numbers in groups.values()]
        blocks = {id(block): block for source in sources for block in source.conversations.blocks}
        starts = dict(zip(blocks, _starts(blocks.values()), strict=False))
        prompt_of, own_lengths = (sources[0].rows.new_zeros(len(places)) for _ in range(2))
        for source in sources:
            own_lengths[source.numbers] = source.conversations.own_lengths[source.rows]
            prompt_of[source.numbers] = source.prompts(starts)
        columns = block_multiple(int(own_lengths.max()) + new_columns)
        own = [kv.blank(len(places), columns) for kv in sources[0].conversations.own]
        for source in sources:
            source.copy_own(own)
        return cls(*_used(list(blocks.values()), prompt_of), own, own_lengths)

    @property
    def prompt_lengths(self) -> Tensor:
        """[P] int64."""
        return torch.cat([block.lengths for block in self.blocks])

    def select(self, rows: Tensor) -> Conversations:
        """A copy of some rows, with as much room."""
        own = [kv.select(rows) for kv in self.own]
        return Conversations(*_used(self.blocks, self.prompt_of[rows]), own, self.own_lengths[rows])


@dataclass(frozen=True, slots=True)
class Place:
    """Where the keys and values of a conversation are; they stay as long as anyone holds a place beside them."""

    conversations: Conversations
    row: int


@dataclass(frozen=True, slots=True)
class _Source:
    """Rows that are gathered from the same conversations."""

    conversations: Conversations
    rows: Tensor
    """[n] int64."""
    numbers: Tensor
    """[n] int64, their numbers among all that are gathered."""

    @classmethod
    def of(cls, places: Sequence[Place], numbers: Sequence[int]) -> _Source:
        """Those of ``places`` that are in the conversations of the first."""
        conversations = places[numbers[0]].conversations
        device = conversations.own_lengths.device
        rows = torch.tensor([places[number].row for number in numbers], device=device)
        return cls(conversations, rows, torch.tensor(numbers, device=device))

    def prompts(self, starts: Mapping[int, int]) -> Tensor:
        """[n] int64, the number of each row's prompt where the first of block ``id`` has number ``starts[id]``."""
        blocks = self.conversations.blocks
        numbers = [torch.arange(len(block.lengths), device=self.rows.device) + starts[id(block)] for block in blocks]
        return torch.cat(numbers)[self.conversations.prompt_of[self.rows]]

    def copy_own(self, own: Sequence[KeyValues]) -> None:
        """Write the rows' own keys and values."""
        written = int(self.conversations.own_lengths[self.rows].max())
        for to, kv in zip(own, self.conversations.own, strict=True):
            to.keys[self.numbers, :, :written] = kv.keys[self.rows, :, :written]
            to.values[self.numbers, :, :written] = kv.values[self.rows, :, :written]


def block_multiple(columns: int) -> int:
    """``columns``, rounded up to a multiple of ``COLUMN_BLOCK``."""
    return -(-columns // COLUMN_BLOCK) * COLUMN_BLOCK


def _starts(blocks: Iterable[PromptBlock]) -> Iterator[int]:
    """The number of each block's first prompt."""
    return itertools.accumulate((len(block.lengths) for block in blocks), initial=0)


def _used(blocks: Sequence[PromptBlock], prompt_of: Tensor) -> tuple[list[PromptBlock], Tensor]:
    """The prompts that rows have, and their numbers among these, from the numbers [R] among all.

    On a CPU a prompt that no row has stays in its block and costs no time; on a GPU it would.
    """
    kept = torch.zeros(sum(len(block.lengths) for block in blocks), dtype=torch.bool, device=prompt_of.device)
    kept[prompt_of] = True
    chosen: list[PromptBlock] = []
    for start, block in zip(_starts(blocks), blocks, strict=False):
        used = kept[start : start + len(block.lengths)]
        if prompt_of.device.type == "cpu":
            used.fill_(bool(used.any()))
        if len(prompts := used.nonzero()[:, 0]):
            chosen.append(block.select(prompts))
    return chosen, (kept.cumsum(0) - 1)[prompt_of]
