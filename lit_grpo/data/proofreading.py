"""Proofreading: the pre-training of a model from scratch, which learns to read a specification against the algebra.

A true program gets a few random slips; for each of them the move that sets it right is one continuation of the prompt.
For each untouched element, once it is named, the action that is learned is to inspect it: five judgements per prompt
in place of one. And of some elements only the true *number* is learned, after the rest of the move: copying a number
out of a sentence is the hardest part, and slips alone practise it too rarely. Excerpts of programs are short texts to
begin with. Talks practise whole turns among the environment's answers (talks.py). No fault kinds, no certificates and
no real conflicts: which element makes a program infeasible, this does not teach.

Read by ProofreadingDataset, and by experiments/reading.py, which measures on held-out programs what was learned.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from enum import Enum

from lit_grpo.data.conversation import ConversationFormat
from lit_grpo.data.talks import Talk
from lit_grpo.environment.domains.base import BaseModel
from lit_grpo.environment.episodes.actions import Inspect, Move, Submit, render
from lit_grpo.environment.episodes.record import EpisodeSettings
from lit_grpo.environment.programs.difference import elements_of, random_edit, true_edits
from lit_grpo.environment.programs.edits import (
    AddRow,
    AgentEdit,
    DropRow,
    SetBounds,
    SetCoefficient,
    SetRhs,
    SetSense,
    SetType,
    apply,
    edited_element,
)
from lit_grpo.environment.programs.excerpt import excerpt
from lit_grpo.environment.programs.program import Element, LinearProgram, Sense, VariableType, row_element
from lit_grpo.environment.programs.specification import RepairProblem
from lit_grpo.packing import Continuation, PromptGroup


@dataclass(frozen=True, slots=True)
class ProofreadingSettings:
    """What is read, how many slips it has, and what is practised beside mending them."""

    max_slips: int = 3
    """Each number from 1 to this is equally likely."""
    num_copied: int = 3
    """Continuations per prompt in which only an untouched element's true value is learned."""
    max_rows: int | None = None
    """Read excerpts of 1 to so many rows in place of whole programs; None: whole programs."""
    share_with_added_row: float = 0.0
    """Share of texts of whose slips one more is a row that nothing is said of."""
    num_talks: int = 0
    """Continuations per prompt of several turns."""
    marks_slips: bool = False
    """Whether the marks of a conflict stand at all slips and a few elements more, as in a task; else anywhere."""
    one_by_one: bool = False
    """Whether slips come into the conflicts one by one, and talks begin at any of them (talks.py); marks slips, too."""

    def __post_init__(self) -> None:
        if (
            self.max_slips < 1
            or (self.max_rows is not None and self.max_rows < 1)
            or min(self.num_copied, self.num_talks) < 0
            or not 0 <= self.share_with_added_row <= 1
        ):
            raise ValueError(
                "expected max_slips and max_rows of at least 1, num_copied and num_talks of at least 0, and a "
                f"share_with_added_row from 0 to 1, got {self.max_slips}, {self.max_rows}, {self.num_copied}, "
                f"{self.num_talks} and {self.share_with_added_row}"
            )


class Practice(Enum):
    """What a continuation is there for."""

    MENDING = "mending"
    """The whole move that sets a slip right."""
    INSPECTING = "inspecting"
    """The answer that an untouched element needs no edit."""
    COPYING = "copying"
    """An untouched element's true value."""
    TALKING = "talking"
    """Several turns, with what the environment answers to each."""


@dataclass(frozen=True, slots=True)
class Exercise:
    """One continuation of a proofreading prompt."""

    practice: Practice
    element: Element
    """The first one, for ``TALKING``."""
    edit: AgentEdit | None
    """None for ``INSPECTING`` and ``TALKING``."""
    continuation: Continuation
    value_start: int
    """Offset in the continuation of the first token that depends on the value set; its length without an edit."""


@dataclass(frozen=True, slots=True)
class Proofreading:
    """A text with slips, and what is practised on it."""

    prompt_ids: tuple[int, ...]
    exercises: tuple[Exercise, ...]

    @property
    def group(self) -> PromptGroup:
        """The same as a trainer takes it."""
        return PromptGroup(self.prompt_ids, tuple(e.continuation for e in self.exercises))


def proofread(
    base: BaseModel,
    conversation: ConversationFormat,
    episode: EpisodeSettings,
    settings: ProofreadingSettings,
    rng: random.Random,
) -> Proofreading:
    """One prompt with slips, and as its continuations what is practised on it."""
    program, specification = base.program, base.specification
    if settings.max_rows is not None:
        program, specification = excerpt(program, specification, settings.max_rows, rng)
    elements = list(elements_of(program))
    slipped = program
    wrong = rng.sample(elements, min(rng.randint(1, settings.max_slips), len(elements)))
    for element in wrong:
        slipped = apply(slipped, random_edit(element, slipped, rng))
    if base.spare_row_names and rng.random() < settings.share_with_added_row:
        added = _added_row(slipped, rng.choice(base.spare_row_names), rng)
        slipped = apply(slipped, added)
        wrong.insert(rng.randint(0, len(wrong)), row_element(added.constraint.name))
    mending = [edit for element in wrong for edit in true_edits(element, slipped, program)]
    copied = [random_true_edit(rng.choice(elements), program, rng) for _ in range(settings.num_copied)]
    problem = RepairProblem(slipped, specification)
    true = program if settings.marks_slips or settings.one_by_one else None
    talk = Talk(problem, episode, conversation, rng, true, mending if settings.one_by_one else None)
    say = talk.one_by_one if settings.one_by_one else talk.continuation
    exercises = [_edit_exercise(edit, conversation, Practice.MENDING) for edit in mending]
    exercises += [_inspection(element, conversation) for element in elements if element not in wrong]
    exercises += [_edit_exercise(edit, conversation, Practice.COPYING) for edit in copied if edit not in mending]
    for _ in range(settings.num_talks):
        continuation = say(mending, rng)
        exercises.append(Exercise(Practice.TALKING, wrong[0], None, continuation, len(continuation.token_ids)))
    return Proofreading(talk.prompt, tuple(exercises))


def _added_row(program: LinearProgram, name: str, rng: random.Random) -> AddRow:
    """Another row on the pattern of one: the same variables, with one thing changed."""
    pattern = rng.choice(program.constraints).name
    changed = apply(program, random_edit(row_element(pattern), program, rng)).constraint(pattern)
    return AddRow(replace(changed, name=name), rng.randint(0, len(program.constraints)))


def random_true_edit(element: Element, program: LinearProgram, rng: random.Random) -> AgentEdit:
    """An edit of one element that changes nothing, because it sets what is already true."""
    slip = random_edit(element, program, rng)
    return rng.choice(true_edits(element, apply(program, slip), program))


def _edit_exercise(edit: AgentEdit, conversation: ConversationFormat, practice: Practice) -> Exercise:
    """The move as tokens; of a copy only what comes after the choice of element and action is learned."""
    ids = _move_ids(edit, conversation)
    value_start = _common_prefix(ids, _move_ids(_contrast(edit), conversation))
    skipped = value_start if practice is Practice.COPYING else 0
    continuation = Continuation(ids, tuple(i >= skipped for i in range(len(ids))))
    return Exercise(practice, edited_element(edit), edit, continuation, value_start)


def _inspection(element: Element, conversation: ConversationFormat) -> Exercise:
    """The choice to inspect an element that has been named: the one token in which it differs from another action."""
    ids = conversation.completion_ids(render(Move(Inspect(element.split(":", 1)[1]), (element,))))
    other = conversation.completion_ids(render(Move(Submit(), (element,))))
    chosen = _common_prefix(ids, other)
    continuation = Continuation(ids, tuple(i == chosen for i in range(len(ids))))
    return Exercise(Practice.INSPECTING, element, None, continuation, len(ids))


def _move_ids(edit: AgentEdit, conversation: ConversationFormat) -> tuple[int, ...]:
    return conversation.completion_ids(render(Move(edit, (edited_element(edit),))))


def _contrast(edit: AgentEdit) -> AgentEdit:
    """The same action on the same element with another value: the tokens both share are the choice of what to edit."""
    match edit:
        case SetRhs(row=row, value=value):
            return SetRhs(row, -value if value else -1.0)
        case SetCoefficient(row=row, variable=variable, value=value):
            return SetCoefficient(row, variable, -value if value else -1.0)
        case SetSense(row=row, sense=sense):
            return SetSense(row, Sense.EQUAL if sense is not Sense.EQUAL else Sense.LESS_EQUAL)
        case SetBounds(variable=variable, lower=lower, upper=upper):
            return SetBounds(variable, -lower if lower else -1.0, upper)
        case SetType(variable=variable, type=type_):
            other = VariableType.BINARY if type_ is not VariableType.BINARY else VariableType.INTEGER
            return SetType(variable, other)
        case DropRow():
            return edit


def _common_prefix(first: tuple[int, ...], second: tuple[int, ...]) -> int:
    shorter = min(len(first), len(second))
    return next((i for i in range(shorter) if first[i] != second[i]), shorter)
