"""What is proven of a program's points: by hand, and against vertices that are enumerated.

1. Requirements by hand, over whole numbers and beside continuous ones.
2. Of two continuous variables the largest value of a form is at a vertex: no tolerance either way.
3. What the limits leave undecided is not proven, however deep the search went and wherever it was called.
"""

from __future__ import annotations

import sys
from fractions import Fraction
from itertools import combinations
from math import inf
from random import Random

import pytest

from lit_grpo.environment.programs.program import Constraint, Direction, LinearProgram, Sense, Variable, VariableType
from lit_grpo.environment.solver.exact_search import is_implied

LE, GE, EQ = Sense.LESS_EQUAL, Sense.GREATER_EQUAL, Sense.EQUAL
INTEGER = VariableType.INTEGER
WHOLE = (Variable("x", 0.0, 9.0, INTEGER), Variable("y", 0.0, 9.0, INTEGER))
REAL = (Variable("x", 0.0, 9.0), Variable("y", 0.0, 9.0))
FREE = (Variable("x", -inf, inf, INTEGER), Variable("y", -inf, inf, INTEGER))
NOTHING = (Variable("x", -9.0, 9.0, INTEGER), Variable("y", 0.0, 0.0))
"""y is continuous, and can only be 0."""


def _row(x: float, y: float, sense: Sense, rhs: float) -> Constraint:
    return Constraint("r", tuple((n, c) for n, c in (("x", x), ("y", y)) if c), sense, rhs)


def _proven(row: Constraint, variables: tuple[Variable, ...], *rows: Constraint) -> bool:
    return is_implied(row, LinearProgram(Direction.MINIMIZE, (), variables, rows))


@pytest.mark.parametrize("variables", [WHOLE, REAL])
def test_1_sides(variables: tuple[Variable, ...]) -> None:
    most, least, equal = (_row(1, 1, sense, 3) for sense in (LE, GE, EQ))
    assert _proven(equal, variables, most, least)
    assert not _proven(equal, variables, most)
    assert not _proven(equal, variables, least)
    assert not _proven(least, variables, most)
    assert not _proven(most, variables, least)
    assert _proven(most, variables, equal)
    assert _proven(least, variables, equal)


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (_row(2, 2, LE, 6), True),
        (_row(2, 2, LE, 5.9999999), False),
        (_row(3, 0, LE, 9), True),  # y = 0
        (_row(3, 0, LE, 8), False),
        (_row(-1, -1, GE, -3), True),
        (_row(-1, -1, GE, -2), False),
        (_row(1, 0, GE, 0), True),
        (_row(1, 0, GE, 1), False),
    ],
)
def test_1b_tight(row: Constraint, expected: bool) -> None:
    """x + y <= 3 within [0, 9]: tight is met, a hair is not."""
    for variables in (WHOLE, REAL):
        assert _proven(row, variables, _row(1, 1, LE, 3)) is expected


def test_1c_whole_numbers_alone() -> None:
    """3 x + 3 y = 7 has no whole solution, 2 x <= 5 is x <= 2, and a continuous y of 0 changes none of it."""
    assert _proven(_row(1, 0, LE, -5), WHOLE, _row(3, 3, EQ, 7))
    assert not _proven(_row(1, 0, LE, -5), REAL, _row(3, 3, EQ, 7))
    assert _proven(_row(1, 0, LE, -5), FREE, _row(1, 1, EQ, 2.5))
    assert _proven(_row(1, 0, LE, 2), WHOLE, _row(2, 0, LE, 5))
    assert not _proven(_row(1, 0, LE, 2), REAL, _row(2, 0, LE, 5))
    assert _proven(_row(1, 1, GE, 0), NOTHING, _row(2, 1, GE, -1))
    assert not _proven(_row(1, 1, GE, 0), NOTHING, _row(2, 1, GE, -2))
    assert _proven(_row(1, 1, LE, 0), NOTHING, _row(2, 1, LE, 1))
    assert not _proven(_row(1, 1, LE, 0), NOTHING, _row(2, 1, LE, 2))


def test_1e_where_there_is_no_point_everything_follows() -> None:
    """No whole number is within [0.2, 0.8]; 2 x - 3 y = 2 with y >= 1 is met from x = 4 on, and x is at most 3 or 4."""
    nothing = (Variable("x", 0.2, 0.8, INTEGER), Variable("y", 0.0, 9.0))
    assert _proven(_row(1, 0, LE, -5), nothing)
    for most in (3.0, 4.0):
        variables = (Variable("x", 0.0, most, INTEGER), Variable("y", 1.0, 9.0, INTEGER))
        assert _proven(_row(1, 0, LE, -5), variables, _row(2, -3, EQ, 2)) is (most == 3.0)


@pytest.mark.parametrize(("rhs", "holds"), [(1.0, True), (0.0, True), (-1.0, False)])
def test_1d_rows_without_terms(rhs: float, holds: bool) -> None:
    """0 <= -1 has no point, so that anything follows from it; it follows from nothing that has one."""
    empty = _row(0, 0, LE, rhs)
    assert _proven(empty, WHOLE) is holds
    assert _proven(_row(1, 0, LE, -5), WHOLE, empty) is not holds


def _vertices(rows: list[Constraint]) -> list[tuple[Fraction, Fraction]]:
    """Where two of the lines cross and every row holds; coefficients are whole numbers."""
    terms = [dict(row.terms) for row in rows]
    lines = [
        (Fraction(own.get("x", 0.0)), Fraction(own.get("y", 0.0)), row.sense, Fraction(row.rhs))
        for own, row in zip(terms, rows, strict=True)
    ]
    found: list[tuple[Fraction, Fraction]] = []
    for (a, b, _, c), (d, e, _, f) in combinations(lines, 2):
        if (determinant := a * e - b * d) == 0:
            continue
        x, y = (c * e - b * f) / determinant, (a * f - c * d) / determinant
        if all((p * x + q * y <= r or s is GE) and (p * x + q * y >= r or s is LE) for p, q, s, r in lines):
            found.append((x, y))
    return found


def test_2_against_vertices() -> None:
    box = [_row(1, 0, GE, 0), _row(1, 0, LE, 9), _row(0, 1, GE, 0), _row(0, 1, LE, 9)]
    num_tight = 0
    for seed in range(100):
        rng = Random(seed)
        senses = rng.choices((LE, GE, EQ), (4, 4, 1), k=3)
        rows = [_row(rng.randint(-4, 5), rng.randint(-4, 5) or 1, sense, rng.randint(-5, 20)) for sense in senses]
        form = rng.randint(-5, 5) or 1, rng.randint(-5, 5)
        reached = [form[0] * x + form[1] * y for x, y in _vertices([*rows, *box])]
        if not reached:
            assert _proven(_row(*form, LE, -1000), REAL, *rows), f"seed {seed}: no point, and yet not proven"
            continue
        # Rows times the denominator, so that every number is a whole one.
        for best, sense in ((max(reached), LE), (min(reached), GE)):
            a, b = (c * best.denominator for c in form)
            tight = _row(a, b, sense, best.numerator)
            hair = _row(a, b, sense, best.numerator - (0.0001 if sense is LE else -0.0001))
            assert _proven(tight, REAL, *rows), f"seed {seed}: {tight}, {rows}"
            assert not _proven(hair, REAL, *rows), f"seed {seed}: {hair}, {rows}"
            num_tight += 1
    assert num_tight > 60


def _at_depth(depth: int) -> bool:
    """The answer to a question that no number of nodes decides: x - y is 0.5 to 0.75, x and y being whole."""
    if depth:
        return _at_depth(depth - 1)
    between = Constraint("r", (("x", 1.0), ("y", -1.0), ("s", 1.0)), EQ, 0.75)
    return _proven(_row(1, 0, LE, 0), (*FREE, Variable("s", 0.0, 0.25)), between)


def test_3_undecided() -> None:
    """Also where most of Python's stack is taken: the search adds nothing to it."""
    assert not _at_depth(0)
    assert not _at_depth(sys.getrecursionlimit() - 200)
