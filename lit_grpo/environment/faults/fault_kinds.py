"""The kinds of fault there are, which program sizes can have them, and in which domains they make no sense.

Called by injection.py and data/task.py. What makes a fault of a kind is in kinds/.
"""

from __future__ import annotations

from enum import StrEnum

from lit_grpo.environment.domains.base import Domain, ProgramSize
from lit_grpo.environment.faults.difficulty import Difficulty


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
    MULTIPLE = "E"
    """Several independent faults: no single action repairs."""
    DISTANT = "F"
    """A long conflict whose cheapest repair is elsewhere than the fault."""
    CASCADE = "G"
    """Two faults, of which the second shows only once the first is repaired."""
    BOUND_CONFLICT = "H"
    """A bound that contradicts the model in several ways, or the variable's other bound.

    Of two crossed bounds the letter is H, never B: a wrong bound of B stays within the other one, so that each of its
    conflicts holds a row, and two crossed bounds hold none. A bound of B may contradict the rows in several ways as
    well (16 of 154 in a suite of 60 a cell do): a letter says what its certificate proves, not what else is true.
    """
    AMBIGUOUS = "I"
    """Several equally small repairs, of which one agrees with the specification."""


PLAIN_KINDS = (FaultKind.SENSE, FaultKind.BOUND_OR_TYPE, FaultKind.COEFFICIENT, FaultKind.RIGHT_HAND_SIDE)
"""One slip of the pen each; the other kinds are made of these and of what they do to the whole."""

SEVERAL_FAULTS = frozenset({FaultKind.MULTIPLE, FaultKind.CASCADE})
"""The kinds that no single edit repairs."""


def kinds_of(size: ProgramSize | None) -> tuple[FaultKind, ...]:
    """The kinds of fault that programs of a size can have; None: of any size but TINY."""
    return PLAIN_KINDS if size is ProgramSize.TINY else tuple(FaultKind)


UNSUITED: dict[Domain, dict[FaultKind, frozenset[Difficulty]]] = {
    # Trips, ingredients and people have weights of their own in nearly every row: in larger models nothing gives way
    # alike, and a route is held by the stock and the demand of its ends alone.
    Domain.TRANSPORTATION: {
        FaultKind.BOUND_CONFLICT: frozenset({Difficulty.HARD}),
        FaultKind.AMBIGUOUS: frozenset({Difficulty.HARD}),
    },
    Domain.BLENDING: {FaultKind.AMBIGUOUS: frozenset({Difficulty.HARD})},
    Domain.STAFFING: {FaultKind.AMBIGUOUS: frozenset(Difficulty)},
    # One project of many is affordable in every year but one at most.
    Domain.CAPITAL_BUDGETING: {
        FaultKind.BOUND_CONFLICT: frozenset({Difficulty.HARD}),
        FaultKind.AMBIGUOUS: frozenset(Difficulty),
    },
}
"""Cells in which a domain's models have no room for a kind, by difficulty: fewer than 1 base program in 15 yielded a
fault.
"""


def suits(domain: Domain, kind: FaultKind, difficulty: Difficulty) -> bool:
    """Whether faults of the kind and difficulty are drawn in the domain."""
    return difficulty not in UNSUITED.get(domain, {}).get(kind, ())
