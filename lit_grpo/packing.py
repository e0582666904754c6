"""Packs prompts and their continuations into rows so that each prompt is computed once per group, exactly.

A row is one prompt followed by several of its continuations. Each continuation attends to the prompt and to itself
only, and its positions start again after the prompt, so every hidden state equals that of a row of its own.
Called by rollout/experience.py and modules/sft.py; read by modules/policy.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

PADDING_SEGMENT = -1
PROMPT_SEGMENT = 0


@dataclass(frozen=True, slots=True)
class Continuation:
    """The tokens that follow a prompt: those sampled, and whatever the environment appended between them."""

    token_ids: tuple[int, ...]
    is_target: tuple[bool, ...]
    """Which of ``token_ids`` have a loss: those the policy sampled."""


@dataclass(frozen=True, slots=True)
class PromptGroup:
    """A prompt and all its continuations."""

    prompt_ids: tuple[int, ...]
    continuations: tuple[Continuation, ...]


# Not frozen: Lightning's `apply_to_collection` rebuilds a dataclass by assignment and refuses a frozen one.
@dataclass(slots=True)
class PackedBatch:
    """One micro-batch: rows of equal length, and where in them each target is predicted."""

    input_ids: Tensor
    """[rows, length] int64."""
    position_ids: Tensor
    """[rows, length] int64, starting again at the prompt's length for each continuation; 0 on padding."""
    segment_ids: Tensor
    """[rows, length] int64: -1 padding, 0 prompt, k >= 1 the row's k-th continuation."""
    predictor_index: Tensor
    """[num_tokens] int64 into rows * length: the position whose hidden state predicts the target."""
    target_ids: Tensor
    """[num_tokens] int64, sequence by sequence, in order."""
    sequence_index: Tensor
    """[num_tokens] int64, 0-based and contiguous: which of ``sequences`` a target belongs to."""
    group_index: Tensor
    """[num_tokens] int64, 0-based and contiguous: which group of this micro-batch."""
    sequences: tuple[tuple[int, int], ...]
    """(group, continuation) of ``pack``'s input for each sequence, to gather per-sequence data in this order."""

    @property
    def num_tokens(self) -> int:
        """Targets in this micro-batch."""
        return self.target_ids.numel()

    @property
    def num_sequences(self) -> int:
        """Sequences in this micro-batch; each has at least one target."""
        return len(self.sequences)

    @property
    def num_groups(self) -> int:
        """Different groups in this micro-batch."""
        return len({group for group, _ in self.sequences})

    def to(self, device: torch.device | str, non_blocking: bool = False) -> PackedBatch:
        """The same micro-batch with its tensors on ``device``."""
        return PackedBatch(
            input_ids=self.input_ids.to(device, non_blocking=non_blocking),
            position_ids=self.position_ids.to(device, non_blocking=non_blocking),
            segment_ids=self.segment_ids.to(device, non_blocking=non_blocking),
            predictor_index=self.predictor_index.to(device, non_blocking=non_blocking),
            target_ids=self.target_ids.to(device, non_blocking=non_blocking),
            sequence_index=self.sequence_index.to(device, non_blocking=non_blocking),
            group_index=self.group_index.to(device, non_blocking=non_blocking),
            sequences=self.sequences,
        )


def pack(groups: Sequence[PromptGroup], microbatch_tokens: int, pad_id: int = 0) -> list[PackedBatch]:
    """Pack groups into micro-batches of at most ``microbatch_tokens`` positions, padding included.

    A group that does not fit into one row is split over several, its prompt repeated in each. A sequence is never
    split: one that is beyond the budget by itself, with its prompt, is a micro-batch of its own. Continuations without
    a target are left out: they have no loss. So is what follows a continuation's last target, and that target itself as
    an input, since nothing is predicted from there.

    Args:
        groups: The prompts with their continuations.
        microbatch_tokens: Rows times length of a micro-batch at most, unless it is a single sequence.
        pad_id: Token at padding positions; its value has no effect.

    Returns:
        Micro-batches, longest rows first; empty if there is no target at all.

    Raises:
        ValueError: A prompt is empty, or a mask differs in length from its tokens.
    """
    rows = [row for index, group in enumerate(groups) for row in _rows_of_group(index, group, microbatch_tokens)]
    rows.sort(key=lambda row: row.length, reverse=True)
    return [_batch(chosen, pad_id) for chosen in _microbatches(rows, microbatch_tokens)]


def fitting(group: PromptGroup, longest_row_tokens: int | None) -> PromptGroup:
    """The group without targets in continuations whose row, with the prompt, has more than so many tokens.

    Args:
        group: A prompt with its continuations.
        longest_row_tokens: None: the group as it is.
    """
    if longest_row_tokens is None:
        return group
    room = longest_row_tokens - len(group.prompt_ids)
    kept = (
        c if _num_inputs(c) <= room else Continuation(c.token_ids, (False,) * len(c.token_ids))
        for c in group.continuations
    )
    return PromptGroup(group.prompt_ids, tuple(kept))


def num_with_targets(groups: Sequence[PromptGroup]) -> int:
    """Continuations with a target."""
    return sum(any(continuation.is_target) for group in groups for continuation in group.continuations)


def _num_inputs(continuation: Continuation) -> int:
    """The number of tokens before the last target, which are all that is computed."""
    return max((offset for offset, target in enumerate(continuation.is_target) if target), default=0)


def attention_mask(segment_ids: Tensor, first_query: int = 0) -> Tensor:
    """Who attends to whom: earlier positions of the prompt and of the own segment.

    Args:
        segment_ids: [rows, length] as in ``PackedBatch``.
        first_query: The position from which on queries are asked for.

    Returns:
        [rows, 1, length - first_query, length] bool, true where the query (third axis) sees the key (last axis).
        Padding sees itself, so that no softmax is empty, and no other position sees padding.
    """
    queries, keys = segment_ids[:, None, first_query:, None], segment_ids[:, None, None, :]
    causal = torch.ones(queries.shape[2], keys.shape[3], dtype=torch.bool, device=segment_ids.device).tril(first_query)
    return causal & ((queries == keys) | (keys == PROMPT_SEGMENT))


def is_plainly_causal(segment_ids: Tensor) -> bool:
    """Whether every position that counts sees exactly the positions before it: no row has two continuations.

    Padding comes last, where nothing else looks.

    Args:
        segment_ids: [rows, length] as in ``PackedBatch``.
    """
    return bool((segment_ids <= PROMPT_SEGMENT + 1).all())


@dataclass(frozen=True, slots=True)
class _Sequence:
    """A continuation cut to what has to be computed."""

    group: int
    continuation: int
    input_ids: tuple[int, ...]
    """Every token before the last target."""
    target_offsets: tuple[int, ...]
    """Offsets of the targets within the continuation; offset 0 is predicted by the prompt's last position."""
    target_ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Row:
    group: int
    prompt_ids: tuple[int, ...]
    sequences: tuple[_Sequence, ...]

    @property
    def length(self) -> int:
        return len(self.prompt_ids) + sum(len(sequence.input_ids) for sequence in self.sequences)

    def position_ids(self) -> list[int]:
        prompt = len(self.prompt_ids)
        restarted = [prompt + offset for sequence in self.sequences for offset in range(len(sequence.input_ids))]
        return [*range(prompt), *restarted]

    def segment_ids(self) -> list[int]:
        segments = [PROMPT_SEGMENT] * len(self.prompt_ids)
        for segment, sequence in enumerate(self.sequences, start=PROMPT_SEGMENT + 1):
            segments += [segment] * len(sequence.input_ids)
        return segments

    def predictors(self) -> Iterator[list[int]]:
        """Yield per sequence the position in this row that predicts each target."""
        start = prompt = len(self.prompt_ids)
        for sequence in self.sequences:
            yield [start + offset - 1 if offset else prompt - 1 for offset in sequence.target_offsets]
            start += len(sequence.input_ids)

    def targets(self) -> Iterator[tuple[tuple[int, int], list[int]]]:
        """Yield per sequence, in the order of ``predictors``, its (group, continuation), and what is predicted."""
        for sequence in self.sequences:
            yield (self.group, sequence.continuation), list(sequence.target_ids)


def _rows_of_group(index: int, group: PromptGroup, microbatch_tokens: int) -> Iterator[_Row]:
    if not group.prompt_ids:
        raise ValueError(f"group {index}: expected a prompt of at least one token, got none; start it with one")
    room = microbatch_tokens - len(group.prompt_ids)
    chosen: list[_Sequence] = []
    used = 0
    for sequence in _sequences(index, group):
        length = len(sequence.input_ids)
        if chosen and used + length > room:
            yield _Row(index, group.prompt_ids, tuple(chosen))
            chosen, used = [], 0
        chosen.append(sequence)
        used += length
    if chosen:
        yield _Row(index, group.prompt_ids, tuple(chosen))


def _sequences(index: int, group: PromptGroup) -> Iterator[_Sequence]:
    for position, continuation in enumerate(group.continuations):
        if len(continuation.token_ids) != len(continuation.is_target):
            raise ValueError(
                f"group {index}, continuation {position}: expected one is_target per token, got "
                f"{len(continuation.is_target)} for {len(continuation.token_ids)} tokens"
            )
        offsets = tuple(offset for offset, target in enumerate(continuation.is_target) if target)
        if offsets:
            targets = tuple(continuation.token_ids[offset] for offset in offsets)
            yield _Sequence(index, position, continuation.token_ids[: offsets[-1]], offsets, targets)


def _microbatches(rows: Sequence[_Row], microbatch_tokens: int) -> Iterator[list[_Row]]:
    """Rows come sorted by length, so the first of a micro-batch is its longest."""
    chosen: list[_Row] = []
    for row in rows:
        if chosen and (len(chosen) + 1) * chosen[0].length > microbatch_tokens:
            yield chosen
            chosen = []
        chosen.append(row)
    if chosen:
        yield chosen


def _batch(rows: Sequence[_Row], pad_id: int) -> PackedBatch:
    length = rows[0].length
    targets = [sequence for row in rows for sequence in row.targets()]
    sizes = torch.tensor([len(target_ids) for _, target_ids in targets])
    group_numbers = {group: number for number, group in enumerate(dict.fromkeys(group for (group, _), _ in targets))}
    return PackedBatch(
        input_ids=_padded([_input_ids(row) for row in rows], length, pad_id),
        position_ids=_padded([row.position_ids() for row in rows], length, 0),
        segment_ids=_padded([row.segment_ids() for row in rows], length, PADDING_SEGMENT),
        predictor_index=torch.tensor(
            [number * length + p for number, row in enumerate(rows) for ps in row.predictors() for p in ps]
        ),
        target_ids=torch.tensor([target for _, target_ids in targets for target in target_ids]),
        sequence_index=torch.arange(len(targets)).repeat_interleave(sizes),
        group_index=torch.tensor([group_numbers[group] for (group, _), _ in targets]).repeat_interleave(sizes),
        sequences=tuple(sequence for sequence, _ in targets),
    )


def _input_ids(row: _Row) -> list[int]:
    return [*row.prompt_ids, *(token for sequence in row.sequences for token in sequence.input_ids)]


def _padded(rows: Sequence[list[int]], length: int, fill: int) -> Tensor:
    return torch.tensor([row + [fill] * (length - len(row)) for row in rows])
