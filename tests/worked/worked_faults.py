"""An instance of each of the kinds E to I, small enough to work out by hand; shared by the tests of faults.

The arithmetic stands above each; every certificate is written out from it, not computed.
"""

from __future__ import annotations

from lit_grpo.environment.faults.candidates import Candidate
from lit_grpo.environment.faults.certificates import (
    BoundConflicts,
    Cascade,
    Certificate,
    DistantCause,
    IndependentConflicts,
    Repair,
    RowDeletion,
    Tie,
)
from lit_grpo.environment.faults.difficulty import Difficulty
from lit_grpo.environment.faults.fault_kinds import FaultKind
from lit_grpo.environment.faults.injection import FaultyProgram
from lit_grpo.environment.faults.kinds import bound_conflict
from lit_grpo.environment.faults.kinds.slips import Slip
from lit_grpo.environment.programs.edits import AddRow, SetBounds, SetRhs, apply, edited_element
from lit_grpo.environment.programs.program import Constraint, Direction, LinearProgram, Sense, Variable, row_element
from lit_grpo.environment.solver.solver import Conflict, ConflictMember, ConflictPart, SolverStatus

EASY = Difficulty.EASY


def make_row(name: str, sense: Sense, rhs: float, **terms: float) -> Constraint:
    return Constraint(name, tuple(terms.items()), sense, rhs)


def make_program(
    direction: Direction, objective: dict[str, float], upper: float, names: str, *rows: Constraint
) -> LinearProgram:
    return LinearProgram(direction, tuple(objective.items()), tuple(Variable(n, 0.0, upper) for n in names), rows)


def make_slip(program: LinearProgram, edit: SetRhs | SetBounds | AddRow, variant: str) -> Slip:
    return Slip(Candidate(edit, variant), edited_element(edit), apply(program, edit))


def conflict_of(*members: str) -> Conflict:
    """``conflict_of("row ra", "lower x")``."""
    pairs = (member.split() for member in members)
    return Conflict(tuple(ConflictMember(ConflictPart(part), name) for part, name in pairs))


def make_fault(
    kind: FaultKind, program: LinearProgram, slips: tuple[Slip, ...], objective: float, certificate: Certificate
) -> FaultyProgram:
    faulty = program
    for slip in slips:
        faulty = apply(faulty, slip.candidate.edit)
    undo = {
        SetRhs: lambda e: SetRhs(e.row, program.constraint(e.row).rhs),
        SetBounds: lambda e: SetBounds(e.variable, 0.0, program.variable(e.variable).upper),
    }
    inverse = tuple(undo[type(slip.candidate.edit)](slip.candidate.edit) for slip in slips)
    return FaultyProgram(
        kind, EASY, program, faulty, inverse, tuple(slip.element for slip in slips), objective, certificate
    )


# E: x <= 5 and y <= 5, and both are asked for 7 and 8. Without ra 8 - 5 = 3 is left, without rb 7 - 5 = 2.
TWO_CAPS = make_program(
    Direction.MAXIMIZE,
    {"x": 1.0, "y": 1.0},
    9.0,
    "xy",
    make_row("ra", Sense.LESS_EQUAL, 5.0, x=1.0),
    make_row("rb", Sense.LESS_EQUAL, 5.0, y=1.0),
)
RAISED_X = make_slip(TWO_CAPS, SetBounds("x", 7.0, 9.0), "wrong_lower_bound")
RAISED_Y = make_slip(TWO_CAPS, SetBounds("y", 8.0, 9.0), "wrong_lower_bound")
MULTIPLE = make_fault(
    FaultKind.MULTIPLE,
    TWO_CAPS,
    (RAISED_X, RAISED_Y),
    10.0,
    Certificate(
        "wrong_lower_bound+wrong_lower_bound",
        5.0,
        2.0,
        2,
        1,
        IndependentConflicts((conflict_of("row ra", "lower x"), conflict_of("row rb", "lower y"))),
    ),
)

# F: c <= b <= a <= 10 - d with d >= 0, and 10 c must reach 150 in place of 50. Alone, the last row would have to give
# way by 50; any of the others by 5. Truly a = b = c = 5 at 5 + 10 + 15 = 30; with one row deleted and c = 15 it costs
# 15 * 6 = 90 without r1, 15 * 5 = 75 without r2 (a = 0), 15 * 3 = 45 without r3.
CHAIN = make_program(
    Direction.MINIMIZE,
    {"a": 1.0, "b": 2.0, "c": 3.0, "d": 4.0},
    100.0,
    "abcd",
    make_row("r1", Sense.LESS_EQUAL, 10.0, a=1.0, d=1.0),
    make_row("r2", Sense.LESS_EQUAL, 0.0, a=-1.0, b=1.0),
    make_row("r3", Sense.LESS_EQUAL, 0.0, b=-1.0, c=1.0),
    make_row("rf", Sense.GREATER_EQUAL, 50.0, c=10.0),
)
ASKS_150 = make_slip(CHAIN, SetRhs("rf", 150.0), "wrong_rhs")
DELETIONS = tuple(
    RowDeletion(row, SolverStatus.OPTIMAL, cost) for row, cost in (("r1", 90.0), ("r2", 75.0), ("r3", 45.0))
)
DISTANT = make_fault(
    FaultKind.DISTANT,
    CHAIN,
    (ASKS_150,),
    30.0,
    Certificate("wrong_rhs", 5.0, 45.0, 5, 4, DistantCause(DELETIONS, (row_element("r1"),), 50.0)),
)

# G: x is capped at 10 by r, y at 5 by u; together they need 12 by s, and x needs 4 by t. The cap on x becomes 3
# (against t), s 18 (against both true caps). Even if s is tried last it goes: u goes before, then only r and t clash.
# Smallest sum of violations: (x - 3) + (13 - x) = 10 with y = 5 and x from 4 to 13; with the cap restored 18 - 15 = 3;
# without the cap 20 + 5 = 25.
CAPS_AND_NEEDS = make_program(
    Direction.MAXIMIZE,
    {"x": 1.0, "y": 1.0},
    20.0,
    "xy",
    make_row("r", Sense.LESS_EQUAL, 10.0, x=1.0),
    make_row("u", Sense.LESS_EQUAL, 5.0, y=1.0),
    make_row("s", Sense.GREATER_EQUAL, 12.0, x=1.0, y=1.0),
    make_row("t", Sense.GREATER_EQUAL, 4.0, x=1.0),
)
LOW_CAP = make_slip(CAPS_AND_NEEDS, SetRhs("r", 3.0), "wrong_rhs")
HIGH_NEED = make_slip(CAPS_AND_NEEDS, SetRhs("s", 18.0), "wrong_rhs")
CASCADE = make_fault(
    FaultKind.CASCADE,
    CAPS_AND_NEEDS,
    (LOW_CAP, HIGH_NEED),
    15.0,
    Certificate("wrong_rhs+wrong_rhs", 10.0, 3.0, 2, 1, Cascade(conflict_of("row r", "row u", "row s"), 25.0)),
)

# H: x is capped at 10 and at 12, and asked for 20: either cap contradicts it alone. Without rb, 20 - 10 = 10 are left.
TWICE_CAPPED = make_program(
    Direction.MAXIMIZE,
    {"x": 1.0},
    50.0,
    "x",
    make_row("ra", Sense.LESS_EQUAL, 10.0, x=1.0),
    make_row("rb", Sense.LESS_EQUAL, 12.0, x=1.0),
)
ASKS_20 = bound_conflict.WrongBound(SetBounds("x", 20.0, 50.0), "wrong_lower_bound")
BOUND_CONFLICT = make_fault(
    FaultKind.BOUND_CONFLICT,
    TWICE_CAPPED,
    (make_slip(TWICE_CAPPED, ASKS_20.edit, ASKS_20.variant),),
    10.0,
    Certificate(
        "wrong_lower_bound",
        10.0,
        10.0,
        2,
        1,
        BoundConflicts((conflict_of("row rb", "lower x"), conflict_of("row ra", "lower x"))),
    ),
)

# I: 90 hours for 95 pieces of an hour each: 5 hours more or 5 pieces fewer. Truly 90 x at 7 each (270 of 300 wood).
HOURS_AND_ORDERS = make_program(
    Direction.MAXIMIZE,
    {"x": 7.0, "y": 4.0},
    100.0,
    "xy",
    make_row("hours", Sense.LESS_EQUAL, 90.0, x=1.0, y=1.0),
    make_row("orders", Sense.GREATER_EQUAL, 30.0, x=1.0, y=1.0),
    make_row("wood", Sense.LESS_EQUAL, 300.0, x=3.0, y=2.0),
)
ASKS_95 = make_slip(HOURS_AND_ORDERS, SetRhs("orders", 95.0), "wrong_rhs")
AMBIGUOUS = make_fault(
    FaultKind.AMBIGUOUS,
    HOURS_AND_ORDERS,
    (ASKS_95,),
    630.0,
    Certificate(
        "wrong_rhs", 5.0, 0.0, 2, 1, Tie((Repair(row_element("hours"), 5.0), Repair(row_element("orders"), 5.0)))
    ),
)
BY_HAND = (MULTIPLE, DISTANT, CASCADE, BOUND_CONFLICT, AMBIGUOUS)
