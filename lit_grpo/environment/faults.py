"""Faults: inject one into a true program so that it becomes infeasible, and certify what kind of fault it is.

Called by data/task.py. A fault is kept only with a certificate, checked by the solver.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from lit_grpo.environment.program import Edit, Element, LinearProgram


class FaultKind(StrEnum):
    """The kinds of fault, lettered as in the literature."""

    SENSE = "A"
    """The sense of an inequality reversed."""
    BOUND_OR_TYPE = "B"
    """A variable's bound or type is wrong."""
    COEFFICIENT = "C"
    """A coefficient dropped, negated, or off by a unit slip."""
    RIGHT_HAND_SIDE = "D"
    """A right-hand side is wrong, or a contradicting row was added."""


class Difficulty(StrEnum):
    """How hard a fault is to find: size, conflict length, decoys, distance of the sentence from the row."""

    EASY = "easy"
    MEDIUM = "medium"
    HARD = "hard"


@dataclass(frozen=True, slots=True)
class Certificate:
    """What the solver has confirmed of a fault."""

    variant: str
    """Which form of the kind, e.g. ``wrong_rhs`` or ``added_row`` of D."""
    violation: float
    """Smallest elastic sum (L1) of the faulty program; at least 1e-4. 0.0 where only integrality is infeasible."""
    property_margin: float
    """The kind's own property, measured: A the row's redundancy margin, otherwise the violation."""


@dataclass(frozen=True, slots=True)
class FaultyProgram:
    """A true program, the faulty one made from it, and the ground truth of the difference."""

    kind: FaultKind
    difficulty: Difficulty
    original: LinearProgram
    faulty: LinearProgram
    inverse: tuple[Edit, ...]
    """Applied to ``faulty`` they give ``original``, exactly."""
    faulty_elements: tuple[Element, ...]
    original_objective: float
    certificate: Certificate
