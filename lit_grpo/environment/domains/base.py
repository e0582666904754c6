"""What a domain is: a pure function of (rng, size, wording) that returns a true program and the text that says it.

Implemented by the files beside this one; called by data/task.py through ``build_base``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from random import Random
from typing import Protocol

from lit_grpo.environment.programs.program import (
    Constraint,
    Direction,
    LinearProgram,
    Variable,
    ordered_terms,
    validate,
)
from lit_grpo.environment.programs.specification import Specification


class ProgramSize(StrEnum):
    """How large a base program is."""

    TINY = "tiny"
    """Exactly 2 variables and 3 rows, short names, numbers of at most 3 digits, terse sentences."""
    SMALL = "small"
    """About 4 to 6 variables and rows."""
    MEDIUM = "medium"
    """About 8 to 12 variables and rows."""
    LARGE = "large"
    """About 15 to 25 variables and rows."""

    def draw(self, rng: Random) -> int:
        """About how many variables, or rows, a program of this size has."""
        least, most = {"tiny": (2, 2), "small": (4, 6), "medium": (8, 12), "large": (15, 22)}[self.value]
        return rng.randint(least, most)


class Domain(StrEnum):
    """The kind of business that a base program comes from."""

    PRODUCTION = "production"
    BLENDING = "blending"
    TRANSPORTATION = "transportation"
    LOT_SIZING = "lot_sizing"
    CAPITAL_BUDGETING = "capital_budgeting"
    STAFFING = "staffing"
    ASSIGNMENT = "assignment"
    NETWORK_FLOW = "network_flow"
    FACILITY_LOCATION = "facility_location"
    SET_COVERING = "set_covering"
    PROGRAMS = "programs"
    """Programs of the user's own, read from a folder (data/programs/); nothing here builds them."""


class Wordings(StrEnum):
    """Which wordings of a sentence are drawn. A seed has the same programs and faults in all of them."""

    USUAL = "usual"
    """Those that suites have."""
    TRAINING = "training"
    """Those that are not held out: in TINY programs more than the usual ones, in others all of these but the last. One
    sentence about nothing at least."""
    HELD_OUT = "held_out"
    """The others, in the same words; with sentences about nothing, too."""


@dataclass(frozen=True, slots=True)
class Wording:
    """How the specification of a base program is written; of TINY programs the last alone counts."""

    shuffled: bool = False
    """Sentences in random order instead of the order of the program."""
    num_distractors: int = 0
    """Sentences with numbers that determine nothing."""
    wordings: Wordings = Wordings.USUAL


@dataclass(frozen=True, slots=True)
class BaseModel:
    """A true program and its specification."""

    domain: Domain
    program: LinearProgram
    """Optimal: feasible and bounded, by construction."""
    specification: Specification
    """Its sentences determine the program completely."""
    spare_row_names: tuple[str, ...]
    """Row names the domain could have used and did not: a fault that adds a row takes one of them."""


class DomainBuilder(Protocol):
    """Builds a base program of one domain; a pure function of the generator's state and its arguments."""

    def __call__(self, rng: Random, size: ProgramSize, wording: Wording) -> BaseModel:
        """One base model."""
        ...


def make_program(
    direction: Direction, objective: dict[str, int], variables: Sequence[Variable], rows: Sequence[Constraint]
) -> LinearProgram:
    """A validated program from integer objective coefficients."""
    terms = ordered_terms(variables, {k: float(v) for k, v in objective.items()})
    return validate(LinearProgram(direction, terms, tuple(variables), tuple(rows)))
