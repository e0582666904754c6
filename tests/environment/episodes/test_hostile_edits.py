"""Hostile edits of small programs, decided without the verdict and without a solver: by intervals and by corners.

1. Cases by hand: huge, tiny, negative, nearly integral, fixed by bounds, big-M, implied and scaled rows, pairs of
   equalities, unbounded directions, empty domains, other types. What the sets say is what the verdict says.
2. What the sets cannot say, or the rules say otherwise: a row or a variable less, another objective, a type that rows
   alone make idle.
3. Whole numbers beside a continuous variable, at random: faithful is the same set, and the same set nearly always
   counts.
4. Two continuous variables with whole numbers written and hairs beside them, at random: likewise.
"""

from __future__ import annotations

from dataclasses import replace
from math import inf
from random import Random

import pytest
from exact_sets import corners, slices

from lit_grpo.environment.episodes.faithful import is_faithful
from lit_grpo.environment.programs.edits import (
    AddRow,
    AgentEdit,
    DropRow,
    Edit,
    SetBounds,
    SetCoefficient,
    SetRhs,
    SetSense,
    SetType,
    apply_all,
)
from lit_grpo.environment.programs.program import (
    Constraint,
    Direction,
    LinearProgram,
    Sense,
    Variable,
    VariableType,
    ordered_terms,
)
from lit_grpo.environment.solver.highs import HighsSolver

SOLVER = HighsSolver()
LE, GE, EQ = Sense.LESS_EQUAL, Sense.GREATER_EQUAL, Sense.EQUAL
CONTINUOUS, INTEGER, BINARY = VariableType.CONTINUOUS, VariableType.INTEGER, VariableType.BINARY


def row(name: str, sense: Sense, rhs: float, **terms: float) -> Constraint:
    return Constraint(name, tuple(terms.items()), sense, rhs)


def program(variables: tuple[Variable, ...], *rows: Constraint) -> LinearProgram:
    costs = tuple((v.name, float(j + 1)) for j, v in enumerate(variables))
    return LinearProgram(Direction.MINIMIZE, costs, variables, rows)


X, Y = Variable("x", 0.0, 9.0, INTEGER), Variable("y", 0.0, 9.0, INTEGER)
B, S = Variable("b", 0.0, 1.0, BINARY), Variable("s", 0.0, 9.0)
WHOLE = program((X, Y), row("cap", LE, 12.0, x=2.0, y=3.0), row("need", GE, 2.0, x=1.0, y=1.0))
LOOSE = program((X, Y), row("cap", LE, 12.0, x=2.0, y=3.0), row("far", LE, 30.0, x=1.0, y=1.0))
SWITCH = program((B, S), row("link", LE, 0.0, b=-9.0, s=1.0), row("need", GE, 1.0, s=1.0))
"""s <= 9 b."""
MIXED = program((X, S), row("cap", LE, 11.0, x=2.0, s=4.0), row("low", GE, 0.5, s=1.0))
PAIR = program((X, Y), row("one", EQ, 6.0, x=1.0, y=1.0), row("two", EQ, 12.0, x=2.0, y=2.0))
TIED = program((X, Y), row("up", LE, 6.0, x=1.0, y=1.0), row("down", GE, 6.0, x=1.0, y=1.0))
FIXED = program((Variable("x", 3.0, 3.0, INTEGER), S), row("r", LE, 10.0, x=2.0, s=1.0))
IDLE = program((Variable("b", -3.0, 0.0, BINARY), X), row("r", LE, 5.0, x=1.0))
"""b is a binary and can only be 0."""
EMPTY = program((Variable("x", 0.2, 0.8, INTEGER), S), row("r", LE, 5.0, s=1.0))
PLANE = program(
    (Variable("s", 0.0, 40.0), Variable("t", 0.0, inf)),
    row("wood", LE, 194.0, s=3.0, t=2.0),
    row("hours", LE, 90.0, s=1.0, t=1.0),
    row("far", LE, 300.0, s=1.0, t=2.0),
)
OPEN = program((Variable("s"), Variable("t")), row("near", LE, 4.0, s=1.0, t=-1.0), row("wide", LE, 9.0, s=1.0, t=-2.0))
"""Without bounds above: s <= t + 4 and s <= 2 t + 9, which is implied."""

CASES: list[tuple[LinearProgram, tuple[Edit, ...], bool]] = [
    # Huge.
    (WHOLE, (SetCoefficient("cap", "x", -999_999_999.0),), False),
    (WHOLE, (SetCoefficient("cap", "x", 1e12),), False),
    (WHOLE, (SetRhs("cap", 1e9),), False),
    (LOOSE, (SetRhs("far", 1e9),), True),
    (LOOSE, (SetRhs("far", 6.0),), True),  # x = 6, y = 0 reach 6
    (LOOSE, (SetRhs("far", 5.0),), False),
    (LOOSE, (SetCoefficient("far", "x", -1e9),), True),
    (LOOSE, (SetCoefficient("far", "y", 7.5),), True),  # y <= 4 by the other row: at most 30
    (LOOSE, (SetCoefficient("far", "y", 7.6),), False),
    (LOOSE, (SetSense("far", GE), SetRhs("far", -1e9)), True),
    # Tiny, and nearly integral.
    (WHOLE, (SetRhs("cap", 12.0000001),), True),
    (WHOLE, (SetRhs("cap", 11.9999999),), False),
    (WHOLE, (SetRhs("need", 1.0000001),), True),
    (WHOLE, (SetRhs("need", 2.0000001),), False),
    (WHOLE, (SetCoefficient("cap", "x", 2.0000001),), False),  # (3, 2) is cut off
    (LOOSE, (SetCoefficient("far", "x", 1e-12),), True),
    (WHOLE, (SetBounds("x", -0.9999999, 9.9999999),), True),
    (WHOLE, (SetBounds("x", 0.0000001, 9.0),), False),
    (WHOLE, (SetBounds("x", 0.0, 6.0),), True),  # 2 x <= 12
    (WHOLE, (SetBounds("x", 0.0, 5.9999999),), False),
    (MIXED, (SetRhs("cap", 11.0000001),), False),
    (MIXED, (SetBounds("s", 0.0, 2.75),), True),  # x = 0 leaves 4 s at most 11
    (MIXED, (SetBounds("s", 0.0, 2.7499999),), False),
    (MIXED, (SetBounds("x", 0.0, 4.0),), True),  # s >= 0.5 leaves 2 x at most 9
    (MIXED, (SetRhs("low", 0.4999999),), False),
    # Scaled rows and turned ones.
    (WHOLE, (SetCoefficient("cap", "x", 4.0), SetCoefficient("cap", "y", 6.0), SetRhs("cap", 25.0)), True),
    (WHOLE, (SetCoefficient("cap", "x", 4.0), SetCoefficient("cap", "y", 6.0), SetRhs("cap", 26.0)), False),
    (
        WHOLE,
        (
            SetSense("need", LE),
            SetRhs("need", -1.5),
            SetCoefficient("need", "x", -1.0),
            SetCoefficient("need", "y", -1.0),
        ),
        True,
    ),
    (MIXED, (SetCoefficient("low", "s", 3.0), SetRhs("low", 1.5)), True),
    (MIXED, (SetCoefficient("low", "s", 3e6), SetRhs("low", 1.5e6 + 1.0)), False),
    # Big-M.
    (SWITCH, (SetCoefficient("link", "b", -1e7),), True),  # s >= 1 needs b either way
    (SWITCH, (SetCoefficient("link", "b", -8.9999999),), False),
    (SWITCH, (SetCoefficient("link", "b", 1e7),), False),
    (SWITCH, (SetRhs("need", 0.0),), False),
    (SWITCH, (SetBounds("b", 1.0, 1.0),), True),
    (SWITCH, (SetCoefficient("link", "b", -1e7), SetRhs("need", 1e-7)), False),
    # Equalities.
    (PAIR, (SetSense("two", LE),), True),
    (PAIR, (SetRhs("two", 13.0),), False),
    (PAIR, (SetSense("two", GE), SetRhs("two", -1e9)), True),
    (PAIR, (SetSense("one", LE), SetSense("two", GE)), True),
    (PAIR, (SetSense("one", LE), SetSense("two", LE)), False),
    (TIED, (SetSense("up", EQ),), True),
    (TIED, (SetSense("up", EQ), SetSense("down", LE)), True),
    (TIED, (SetSense("up", GE),), False),
    (TIED, (SetRhs("up", 6.9999999),), True),
    (TIED, (SetRhs("up", 7.0),), False),
    # Fixed by bounds, and types.
    (FIXED, (SetType("x", CONTINUOUS),), True),
    (FIXED, (SetBounds("x", 2.5, 3.5),), True),
    (FIXED, (SetRhs("r", 7.0), SetBounds("x", 2.0, 3.0)), False),
    (FIXED, (SetCoefficient("r", "x", 0.0), SetRhs("r", 4.0)), True),  # s <= 10 - 6
    (IDLE, (SetBounds("b", 0.0, 0.0),), True),
    (IDLE, (SetType("b", INTEGER),), False),
    (IDLE, (SetType("b", INTEGER), SetBounds("b", 0.0, 0.0)), True),
    (IDLE, (SetCoefficient("r", "b", 1e9),), True),
    (IDLE, (SetBounds("b", -3.0, 1.0),), False),
    (WHOLE, (SetType("x", BINARY),), False),
    (SWITCH, (SetType("b", INTEGER),), True),
    (SWITCH, (SetType("b", INTEGER), SetBounds("b", 0.0, 2.0)), False),
    # Rows more.
    (WHOLE, (AddRow(row("more", LE, 18.0, x=3.0, y=4.5), 0),), True),
    (WHOLE, (AddRow(row("more", LE, 17.9999999, x=3.0, y=4.5), 0),), False),
    (WHOLE, (AddRow(row("more", GE, -1e-9, x=1e-9, y=-1e-9), 2),), False),
    (WHOLE, (AddRow(row("more", LE, 0.0), 1),), True),
    (WHOLE, (AddRow(row("more", GE, 1.0), 1),), False),
    (MIXED, (AddRow(row("more", LE, 2.75, s=1.0), 2),), True),
    (MIXED, (AddRow(row("more", EQ, 2.75, s=1.0), 2),), False),
    # Empty domains.
    (EMPTY, (SetBounds("x", 0.3, 0.7),), True),
    (EMPTY, (SetBounds("x", 0.0, 0.8),), False),
    (WHOLE, (SetBounds("x", 0.2, 0.8),), False),
]


@pytest.mark.parametrize(("original", "edits", "expected"), CASES)
def test_1_by_hand(original: LinearProgram, edits: tuple[Edit, ...], expected: bool) -> None:
    edited = apply_all(original, edits)
    assert (_sets(edited) == _sets(original)) is expected
    assert is_faithful(edited, original, SOLVER) is expected


def _sets(of: LinearProgram) -> dict[tuple[int, ...], object]:
    """By the whole numbers' values in the order of the variables, a continuous variable that is fixed among them."""
    at = [v for v in of.variables if v.type is CONTINUOUS and v.lower == v.upper and v.lower.is_integer()]
    fixed = replace(of, variables=tuple(replace(v, type=INTEGER) if v in at else v for v in of.variables))
    return dict(slices(fixed))


PLANES: list[tuple[LinearProgram, tuple[Edit, ...], bool]] = [
    (PLANE, (SetBounds("t", 0.0, 90.0),), True),
    (PLANE, (SetBounds("t", -1e9, inf),), False),
    (PLANE, (SetRhs("far", 180.0), SetBounds("t", 0.0, 90.0)), True),
    (PLANE, (SetRhs("far", 180.0), SetRhs("hours", 1e9)), False),
    (PLANE, (SetCoefficient("far", "t", -1e9),), True),
    (PLANE, (SetCoefficient("far", "s", -1e9),), True),  # 2 t is at most 180 by the hours
    (PLANE, (SetSense("far", EQ),), False),
    (PLANE, (SetRhs("wood", 194.0000001),), False),
    (OPEN, (SetRhs("wide", 1e9),), True),
    (OPEN, (SetRhs("wide", 4.0),), True),
    (OPEN, (SetRhs("wide", 3.9999999),), False),
    (OPEN, (SetCoefficient("wide", "t", -1.0),), True),
    (OPEN, (SetCoefficient("wide", "t", -0.9999999),), False),
    (OPEN, (SetBounds("t", 0.0, 1e9),), False),
]


@pytest.mark.parametrize(("original", "edits", "expected"), PLANES)
def test_1b_in_the_plane(original: LinearProgram, edits: tuple[Edit, ...], expected: bool) -> None:
    edited = apply_all(original, edits)
    assert (corners(edited) == corners(original)) is expected
    assert is_faithful(edited, original, SOLVER) is expected


# 2. What the rules say.


def test_2_a_row_less_and_another_objective() -> None:
    assert slices(apply_all(LOOSE, [DropRow("far")])) == slices(LOOSE)
    assert not is_faithful(apply_all(LOOSE, [DropRow("far")]), LOOSE, SOLVER)
    costs = LOOSE.objective
    for other in ((costs[0],), (costs[0], ("y", 2.0000001)), (("x", 2.0), ("y", 4.0)), ()):
        assert not is_faithful(replace(LOOSE, objective=other), LOOSE, SOLVER)
    assert not is_faithful(replace(LOOSE, direction=Direction.MAXIMIZE), LOOSE, SOLVER)
    assert not is_faithful(replace(LOOSE, objective_offset=1e-6), LOOSE, SOLVER)


def test_2b_a_type_that_only_rows_make_idle_is_undecided() -> None:
    """x = 2 by a row: whole or not, it is 2."""
    tied = program((X, S), row("two", EQ, 2.0, x=1.0), row("r", LE, 7.0, x=2.0, s=1.0))
    assert not is_faithful(apply_all(tied, [SetType("x", CONTINUOUS)]), tied, SOLVER)


# 3. and 4. At random.

NASTY = (-1e9, -1e7, -1.0, -1e-7, 1e-9, 0.25, 0.5, 0.9999999, 1.0, 1.0000001, 2.0, 3.0, 1e7, 1e9)


def _any_rows(rng: Random, variables: tuple[Variable, ...], num_rows: int) -> tuple[Constraint, ...]:
    rows: list[Constraint] = []
    for i in range(num_rows):
        terms = {v.name: float(rng.randint(-4, 6)) for v in variables}
        rows.append(
            Constraint(
                f"r{i}",
                ordered_terms(variables, terms),
                rng.choices((LE, GE, EQ), (5, 4, 1))[0],
                float(rng.randint(-6, 30)),
            )
        )
    return tuple(rows)


def _any_edit(rng: Random, of: LinearProgram) -> AgentEdit:
    chosen, variable = rng.choice(of.constraints), rng.choice(of.variables)
    near = chosen.rhs + rng.choice((-1.0, -1e-7, 0.0, 1e-7, 0.5, 1.0, 5.0, 100.0, 1e9))
    return rng.choices(
        (
            SetRhs(chosen.name, near),
            SetSense(chosen.name, rng.choice((LE, GE, EQ))),
            SetCoefficient(chosen.name, variable.name, rng.choice(NASTY)),
            SetBounds(variable.name, variable.lower - rng.choice((0.0, 1e-7, 1.0)), variable.upper),
            SetBounds(variable.name, variable.lower, variable.upper + rng.choice((-1.0, -1e-7, 1e-7, 1.0, 1e9))),
        ),
        (5, 1, 3, 1, 2),
    )[0]


def test_3_whole_numbers_beside_a_continuous_one() -> None:
    num_same = num_undecided = 0
    for seed in range(400):
        rng = Random(seed)
        bounds = [(rng.choice((0.0, 0.0, -1.0, 0.5)), rng.choice((1.0, 3.0, 4.5))) for _ in range(2)]
        whole = tuple(Variable(f"x{j}", *pair, INTEGER) for j, pair in enumerate(bounds))
        variables = (*whole, Variable("s", 0.0, rng.choice((2.0, 7.0, inf))))
        original = program(variables, *_any_rows(rng, variables, rng.randint(1, 3)))
        if not (true := slices(original)):
            continue
        edited = apply_all(original, [_any_edit(rng, original) for _ in range(rng.choice((1, 1, 2)))])
        if any(v.type is not CONTINUOUS and v.upper - v.lower > 100.0 for v in edited.variables):
            continue
        is_same, verdict = slices(edited) == true, is_faithful(edited, original, SOLVER)
        assert is_same or not verdict, f"seed {seed}: {edited} is no {original}"
        num_same += is_same
        num_undecided += is_same and not verdict
    assert num_same > 60
    assert num_undecided == 0


def test_4_two_continuous_variables() -> None:
    num_same = num_undecided = 0
    for seed in range(400):
        rng = Random(seed)
        variables = (Variable("s", 0.0, rng.choice((4.0, 9.0))), Variable("t", 0.0, rng.choice((5.0, 9.0, inf))))
        original = program(variables, *_any_rows(rng, variables, rng.randint(1, 3)))
        if not (true := corners(original)):
            continue
        edited = apply_all(original, [_any_edit(rng, original) for _ in range(rng.choice((1, 1, 2)))])
        is_same, verdict = corners(edited) == true, is_faithful(edited, original, SOLVER)
        assert is_same or not verdict, f"seed {seed}: {edited} is no {original}"
        num_same += is_same
        num_undecided += is_same and not verdict
    assert num_same > 60
    assert num_undecided == 0
