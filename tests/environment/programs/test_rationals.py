"""Numbers as decimals, and rows as what they require: all by hand.

1. A float is the decimal that it is written as, of any size.
2. A row over coprime integers; over whole numbers alone its right-hand side is what they reach.
3. The range of a variable is by its bounds and its type.
4. Rows couple variables with whole numbers, through others too.
"""

from __future__ import annotations

from fractions import Fraction
from math import inf

import pytest

from lit_grpo.environment.programs.program import Constraint, Direction, LinearProgram, Sense, Variable, VariableType
from lit_grpo.environment.programs.rationals import (
    canonical_row,
    coupled_variables,
    exact,
    exact_range,
    whole_variables,
)

LE, GE, EQ = Sense.LESS_EQUAL, Sense.GREATER_EQUAL, Sense.EQUAL
INTEGER, BINARY = VariableType.INTEGER, VariableType.BINARY


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.1, Fraction(1, 10)),
        (-2.5, Fraction(-5, 2)),
        (3.0, Fraction(3)),
        (2.0**53 + 2, Fraction(9_007_199_254_740_994)),
        (1e23, Fraction(10**23)),  # as a float 99999999999999991611392
    ],
)
def test_1_decimals(value: float, expected: Fraction) -> None:
    assert exact(value) == expected


@pytest.mark.parametrize(
    ("coefficients", "sense", "rhs", "whole", "expected"),
    [
        ((-1.5, 3.0), GE, 4.0, "", ((1, -2), LE, Fraction(-8, 3), False)),
        ((-1.5, 3.0), GE, 4.0, "xy", ((1, -2), LE, Fraction(-3), True)),
        ((6.0, 4.0), LE, 11.0, "xy", ((3, 2), LE, Fraction(5), True)),
        ((6.0, 4.0), LE, 11.0, "x", ((3, 2), LE, Fraction(11, 2), False)),
        ((-2.0, 0.2), LE, -5.0, "xy", ((10, -1), GE, Fraction(25), True)),
        ((-2.0, 4.0), LE, -5.0, "xy", ((1, -2), GE, Fraction(3), True)),
        ((2.0, 4.0), EQ, 5.0, "xy", ((1, 2), EQ, Fraction(5, 2), True)),
    ],
)
def test_2_rows(
    coefficients: tuple[float, ...],
    sense: Sense,
    rhs: float,
    whole: str,
    expected: tuple[tuple[int, ...], Sense, Fraction, bool],
) -> None:
    row = canonical_row(Constraint("r", tuple(zip("xy", coefficients, strict=True)), sense, rhs), set(whole))
    assert (tuple(c for _, c in row.terms), row.sense, row.rhs, row.is_whole) == expected


@pytest.mark.parametrize(
    ("sense", "rhs", "holds"),
    [(LE, 0.0, True), (LE, 2.0, True), (LE, -2.0, False), (GE, -2.0, True), (GE, 2.0, False), (EQ, 2.0, False)],
)
def test_2b_rows_without_terms(sense: Sense, rhs: float, holds: bool) -> None:
    assert canonical_row(Constraint("r", (), sense, rhs), set()).rhs == (0 if holds else 1)


@pytest.mark.parametrize(
    ("variable", "expected"),
    [
        (Variable("b", -3.0, 0.5, BINARY), (0, 0)),
        (Variable("b", 0.5, 9.0, BINARY), (1, 1)),
        (Variable("i", -0.5, 2.5, INTEGER), (0, 2)),
        (Variable("i", -inf, 3.0, INTEGER), (None, 3)),
        (Variable("c", -0.5, inf), (Fraction(-1, 2), None)),
    ],
)
def test_3_ranges(variable: Variable, expected: tuple[Fraction | None, Fraction | None]) -> None:
    assert exact_range(variable) == expected


def test_4_coupled() -> None:
    """b and s share a row, s and t another; u is by itself, whatever the order of the rows."""
    names = [("t", "s"), ("s", "b"), ("u",)]
    for order in (names, names[::-1]):
        rows = tuple(Constraint("".join(n), tuple((name, 1.0) for name in n), LE, 1.0) for n in order)
        variables = (Variable("b", 0.0, 1.0, BINARY), Variable("s"), Variable("t"), Variable("u"))
        program = LinearProgram(Direction.MINIMIZE, (), variables, rows)
        assert whole_variables(program) == {"b"}
        assert coupled_variables(program, {"b"}) == {"b", "s", "t"}
