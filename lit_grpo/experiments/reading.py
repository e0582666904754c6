"""How well a model reads: what it copies and judges right in programs that no training draws from.

Called by experiments/small_base.py, whose stages end by these figures. The exercises are those of data/proofreading.py,
on programs of the validation split. Every target is predicted from the true tokens before it, and right if it is the
most likely one: no sampling, so that the figures of a model are exact and cheap.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from random import Random

import torch

from lit_grpo.data.conversation import ConversationFormat
from lit_grpo.data.dataset import drawn_program
from lit_grpo.data.proofreading import Exercise, Practice, Proofreading, ProofreadingSettings, proofread
from lit_grpo.data.splits import Split
from lit_grpo.data.task import TaskSettings
from lit_grpo.environment.episodes.observation import ObservationStyle
from lit_grpo.environment.episodes.record import EpisodeSettings
from lit_grpo.environment.programs.edits import DropRow, SetBounds, SetCoefficient, SetRhs
from lit_grpo.modules.policy import CausalPolicy
from lit_grpo.packing import pack

NUMERIC_EDITS = (SetRhs, SetCoefficient, SetBounds)


@dataclass(slots=True)
class Share:
    """So many right of so many."""

    num_right: int = 0
    num_all: int = 0

    def add(self, is_right: bool) -> None:
        """Count one more."""
        self.num_right += is_right
        self.num_all += 1

    @property
    def value(self) -> float:
        """The share, from 0 to 1; NaN of nothing."""
        return self.num_right / self.num_all if self.num_all else float("nan")


@dataclass(slots=True)
class ReadingScores:
    """Shares of what was read right on held-out programs, one prediction at a time."""

    names: Share = field(default_factory=Share)
    """Tokens of names that a move repeats once it has said them."""
    number_tokens: Share = field(default_factory=Share)
    """Tokens of values that are numbers, signs included."""
    copied_numbers: Share = field(default_factory=Share)
    """Values that are numbers, of elements without a slip: right in every token. The algebra has them, too."""
    mended_numbers: Share = field(default_factory=Share)
    """The same of elements with a slip: only the sentence has them."""
    other_values: Share = field(default_factory=Share)
    """Senses and types."""
    found: Share = field(default_factory=Share)
    """The first element that is named, given nothing: one with a slip. Once per program."""
    found_next: Share = field(default_factory=Share)
    """The first element that is named in a later turn of a talk: one whose slip has not been mended in it yet."""
    judged_untouched: Share = field(default_factory=Share)
    """How often a named element without a slip was judged right: that it is inspected, not edited."""
    judged_slipped: Share = field(default_factory=Share)
    """How often a named element with a slip was judged right: the action that mends it, or one of several."""

    pieces: Share = field(default_factory=Share)
    """Tokens of the grammar, between names and numbers, in several turns of which each mends one slip of several."""

    @classmethod
    def from_dict(cls, content: Mapping[str, Mapping[str, int]]) -> ReadingScores:
        """What ``dataclasses.asdict`` made of scores."""
        return cls(**{name: Share(**share) for name, share in content.items()})

    def shares(self) -> dict[str, Share]:
        """Every share by its name."""
        return {item.name: getattr(self, item.name) for item in fields(self)}

    @property
    def judged(self) -> float:
        """The mean of both judgements: 0.5 for whoever gives every element the same."""
        return (self.judged_untouched.value + self.judged_slipped.value) / 2


def held_out_exercises(
    tasks: TaskSettings, settings: ProofreadingSettings, conversation: ConversationFormat, num_programs: int, seed: int
) -> Iterator[Proofreading]:
    """Exercises on programs of the validation split; the same for every model of the same tokenizer."""
    for index in range(num_programs):
        rng = Random(f"reading/{seed}/{index}")
        base = drawn_program(tasks, Split.VALIDATION, rng)
        yield proofread(base, conversation, EpisodeSettings(style=ObservationStyle.COMPACT), settings, rng)


@torch.no_grad()
def measure_reading(
    policy: CausalPolicy, exercises: Iterable[Proofreading], conversation: ConversationFormat, max_tokens: int = 8192
) -> ReadingScores:
    """Let a model predict every target of the exercises.

    Args:
        policy: The model; left in evaluation mode.
        exercises: The exercises of ``held_out_exercises``.
        conversation: The format they were made with.
        max_tokens: Positions of one forward pass at most.
    """
    policy.eval()
    scores = ReadingScores()
    for proofreading in exercises:
        predictions: dict[int, list[int]] = {}
        for batch in pack([proofreading.group], max_tokens):
            predicted = policy.most_likely(batch)
            for number, (_, continuation) in enumerate(batch.sequences):
                predictions[continuation] = predicted[batch.sequence_index == number].tolist()
        read = [(exercise, predictions[number]) for number, exercise in enumerate(proofreading.exercises)]
        count(scores, read, conversation)
    return scores


def count(
    scores: ReadingScores, read: Sequence[tuple[Exercise, Sequence[int]]], conversation: ConversationFormat
) -> None:
    """Add one program's predictions.

    Args:
        scores: What they are added to.
        read: The program's exercises, each with the token predicted for each of its targets.
        conversation: Tells names, numbers and pieces of the grammar by their texts.
    """
    mending = [(exercise, list(tokens)) for exercise, tokens in read if exercise.practice is Practice.MENDING]
    for exercise, tokens in read:
        if exercise.practice is Practice.INSPECTING:
            scores.judged_untouched.add(list(tokens) == _targets(exercise))
        elif exercise.practice is Practice.TALKING:
            for true, token in zip(_targets(exercise), tokens, strict=True):
                if '"' in conversation.decode([true]):
                    scores.pieces.add(token == true)
            _count_talk(scores, exercise, list(tokens), [tuple(_targets(other)[:2]) for other, _ in mending])
        else:
            _count_value(scores, exercise, list(tokens), conversation)
    for exercise, tokens in mending:
        first, second = _name_offsets(exercise, conversation)
        actions = {_targets(other)[first.stop] for other, _ in mending if other.element == exercise.element}
        scores.judged_slipped.add(tokens[first.stop] in actions)
        for offset in second:
            scores.names.add(tokens[offset] == _targets(exercise)[offset])
    # What follows the first token is predicted from the true one, so it counts for moves that begin as predicted.
    begun = [(_targets(exercise)[1], tokens[1]) for exercise, tokens in mending if _targets(exercise)[0] == tokens[0]]
    scores.found.add(bool(begun) and begun[0][1] in {name for name, _ in begun})


def _count_talk(scores: ReadingScores, exercise: Exercise, tokens: list[int], slips: Sequence[tuple[int, ...]]) -> None:
    """What is named first in the learned turns of a talk after the first one that names a slip.

    Args:
        scores: What they are added to.
        exercise: The talk.
        tokens: The token predicted for each of its targets.
        slips: The first two tokens of each move that mends one: the kind of its element, and its name or what that
            begins with. An element that takes two edits is among them twice.
    """
    continuation, left, number = exercise.continuation, Counter(slips), 0
    for place, is_target in enumerate(continuation.is_target):
        begins = continuation.token_ids[place : place + 2]
        if is_target and begins not in slips and not (place and continuation.is_target[place - 1]):
            # `restore`: what was named before was a wrong edit.
            left = Counter(slips)
        if begins in slips:
            if is_target and left.total() < len(slips):
                names = {name for kind, name in left if kind == begins[0]}
                scores.found_next.add(tokens[number] == begins[0] and tokens[number + 1] in names)
            left -= Counter([begins])
        number += is_target


def _count_value(
    scores: ReadingScores, exercise: Exercise, tokens: list[int], conversation: ConversationFormat
) -> None:
    """The value of one edit, to the end of the move; a row that is dropped has none."""
    if isinstance(exercise.edit, DropRow):
        return
    true = _targets(exercise)[-len(exercise.continuation.token_ids) + exercise.value_start :]
    predicted = tokens[-len(true) :]
    if not isinstance(exercise.edit, NUMERIC_EDITS):
        scores.other_values.add(predicted == true)
        return
    is_slipped = exercise.practice is Practice.MENDING
    (scores.mended_numbers if is_slipped else scores.copied_numbers).add(predicted == true)
    for token, other in zip(true, predicted, strict=True):
        if conversation.decode([token]).isdigit():
            scores.number_tokens.add(token == other)


def _targets(exercise: Exercise) -> list[int]:
    continuation = exercise.continuation
    return [token for token, is_target in zip(continuation.token_ids, continuation.is_target, strict=True) if is_target]


def _name_offsets(exercise: Exercise, conversation: ConversationFormat) -> tuple[range, range]:
    """The places where a move names its element: in the diagnosis, and where it acts on it. Names have no quotes,
    grammar has.
    """
    ids = exercise.continuation.token_ids
    is_name = ['"' not in conversation.decode([token]) for token in ids]
    ranges: list[range] = []
    start = 0
    while len(ranges) < 2:
        start = is_name.index(True, start)
        stop = is_name.index(False, start)
        ranges.append(range(start, stop))
        start = stop
    return ranges[0], ranges[1]
