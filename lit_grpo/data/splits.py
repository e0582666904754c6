"""Cells and splits: what kinds of task there are, and which part of the task space an original program belongs to.

Called by task.py and by data/programs/, which has a rule of its own for the few programs of a user.
"""

from __future__ import annotations

import hashlib
from enum import StrEnum
from typing import NamedTuple

from lit_grpo.environment.faults.difficulty import Difficulty
from lit_grpo.environment.faults.fault_kinds import FaultKind
from lit_grpo.environment.programs.program import LinearProgram

GENERATOR_VERSION = 4
"""The version of the tasks that a seed yields: a change of domains or faults that changes them raises it."""


class Cell(NamedTuple):
    """A kind of fault at a difficulty."""

    kind: FaultKind
    difficulty: Difficulty

    @property
    def file_name(self) -> str:
        """``A_easy.jsonl``: the cell's file in a suite."""
        return f"{self.kind.value}_{self.difficulty.value}.jsonl"


class Split(StrEnum):
    """Which part of the task space a task belongs to, decided by the hash of its original program."""

    TRAIN = "train"
    VALIDATION = "validation"
    TEST = "test"


def split_of(program: LinearProgram) -> Split:
    """The split of an original program: 80 : 10 : 10 by its digest."""
    return split_of_digest(program_digest(program))


def split_of_digest(digest: str) -> Split:
    """The split that a program's digest says."""
    bucket = int(digest, 16) % 10
    return Split.TEST if bucket == 9 else Split.VALIDATION if bucket == 8 else Split.TRAIN


def program_digest(program: LinearProgram) -> str:
    """A hash of the program that is blind to names and to the order of rows."""
    position = {v.name: i for i, v in enumerate(program.variables)}

    def by_position(terms: tuple[tuple[str, float], ...]) -> list[tuple[int, float]]:
        return [(position[name], value) for name, value in terms]

    rows = sorted((by_position(c.terms), c.sense.value, c.rhs) for c in program.constraints)
    variables = [(v.lower, v.upper, v.type.value) for v in program.variables]
    return digest_of(repr((program.direction.value, by_position(program.objective), variables, rows)))


def digest_of(content: str) -> str:
    """SHA-256 of a text, in hexadecimal digits."""
    return hashlib.sha256(content.encode()).hexdigest()
