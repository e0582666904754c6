"""In which elements two programs differ: each pair by hand.

1. Rows over continuous variables: up to scale, sign and rounding, by name of variable.
2. Beside whole numbers nothing is rounded, whichever of the two programs brings them together.
3. Types count, unless a variable is fixed by its bounds at one whole number.
4. What only one of them has differs.
"""

from __future__ import annotations

import pytest

from lit_grpo.environment.programs.comparison import differing_elements
from lit_grpo.environment.programs.program import Constraint, Direction, LinearProgram, Sense, Variable, VariableType

LE, GE = Sense.LESS_EQUAL, Sense.GREATER_EQUAL
CONTINUOUS, INTEGER, BINARY = VariableType.CONTINUOUS, VariableType.INTEGER, VariableType.BINARY


def _row(sense: Sense, rhs: float, name: str = "r", **coefficients: float) -> Constraint:
    return Constraint(name, tuple(coefficients.items()), sense, rhs)


def _program(*rows: Constraint, x: VariableType = CONTINUOUS, y_upper: float = 9.0) -> LinearProgram:
    variables = (Variable("x", 0.0, 9.0, x), Variable("y", 0.0, y_upper), Variable("z", 0.0, 9.0))
    return LinearProgram(Direction.MINIMIZE, (), variables, rows)


@pytest.mark.parametrize(
    ("row", "original", "is_same"),
    [
        (_row(LE, 6.0, x=3.0), _row(LE, 2.0, x=1.0), True),
        (_row(GE, -2.0, x=-1.0), _row(LE, 2.0, x=1.0), True),
        (_row(LE, -2.0, x=-1.0), _row(LE, 2.0, x=1.0), False),
        (_row(GE, 2.0, x=1.0), _row(LE, 2.0, x=1.0), False),
        (_row(LE, 3.0, x=1.0), _row(LE, 2.0, x=1.0), False),
        (_row(LE, 2.0, x=1.0, z=1.0), _row(LE, 2.0, x=1.0, y=1.0), False),
        # By the scale of x alone, 0.99999967, everything else would be as close.
        (_row(LE, 7.7, x=2.999999, y=2.0), _row(LE, 7.7, x=3.0, y=2.0), False),
        (_row(LE, 7.7, x=3.000001, y=2.0), _row(LE, 7.7, x=3.0, y=2.0), False),
        # 1.1 x <= 3.37 times 12.34567, rounded at the end, and times 12345.67: too far to forgive.
        (_row(LE, 41.604908, x=13.580237), _row(LE, 3.37, x=1.1), True),
        (_row(LE, 41604.908, x=13580.237), _row(LE, 3.37, x=1.1), False),
        (_row(LE, 41604.9079, x=13580.237), _row(LE, 3.37, x=1.1), True),
    ],
)
def test_1_continuous_rows(row: Constraint, original: Constraint, is_same: bool) -> None:
    assert differing_elements(_program(row), _program(original)) == (() if is_same else ("row:r",))


@pytest.mark.parametrize(("type_", "expected"), [(CONTINUOUS, ()), (INTEGER, ("row:r", "row:s", "var:y"))])
def test_2_rounding(type_: VariableType, expected: tuple[str, ...]) -> None:
    """x and y share a row; z <= 7.1000001 is by itself."""
    rounded = [_row(LE, 7.1000001, x=1.0, y=1.0), _row(LE, 3.3000001, "s", y=1.1), _row(LE, 7.1000001, "t", z=1.1)]
    meant = [_row(LE, 7.1, x=1.0, y=1.0), _row(LE, 3.3, "s", y=1.1), _row(LE, 7.1, "t", z=1.1)]
    program, original = _program(*rounded, x=type_, y_upper=8.1000001), _program(*meant, x=type_, y_upper=8.1)
    assert differing_elements(program, original) == expected
    assert differing_elements(original, program) == expected


def test_2b_brought_together_by_one_of_them() -> None:
    """In one program a row connects y with the whole x, in the other it does not."""
    apart = _program(_row(LE, 3.0, x=1.0), _row(LE, 7.1, "s", y=1.1), x=INTEGER)
    together = _program(_row(LE, 3.0, x=1.0, y=1.0), _row(LE, 7.1000001, "s", y=1.1), x=INTEGER)
    assert differing_elements(apart, together) == ("row:r", "row:s")
    assert differing_elements(together, apart) == ("row:r", "row:s")


def test_2c_whole_in_one_of_them() -> None:
    """2 x <= 5 is 2 x <= 4 if x is a whole number, and only then."""
    rows = _row(LE, 5.0, x=2.0), _row(LE, 4.0, x=2.0)
    assert differing_elements(_program(rows[0], x=INTEGER), _program(rows[1], x=INTEGER)) == ()
    for types in ((INTEGER, CONTINUOUS), (CONTINUOUS, INTEGER)):
        programs = [_program(row, x=type_) for row, type_ in zip(rows, types, strict=True)]
        assert differing_elements(*programs) == ("row:r", "var:x")


@pytest.mark.parametrize(
    ("variable", "original", "is_same"),
    [
        (Variable("x", 0.0, 9.0, INTEGER), Variable("x", 0.0, 9.0), False),
        (Variable("x", 0.0, 1.0, INTEGER), Variable("x", -2.0, 4.0, BINARY), True),
        (Variable("x", 2.0, 2.0, INTEGER), Variable("x", 2.0, 2.0), True),
        (Variable("x", 2.0, 2.0, INTEGER), Variable("x", 3.0, 3.0), False),
        (Variable("x", 2.5, 2.5, INTEGER), Variable("x", 2.5, 2.5), False),
        (Variable("x", 0.0, 1.5, INTEGER), Variable("x", 0.0, 1.0, INTEGER), True),
        (Variable("x", 0.0, 1.5), Variable("x", 0.0, 1.0), False),
        (Variable("x", 0.1, 1.5), Variable("x", 0.2, 1.5), False),
    ],
)
def test_3_variables(variable: Variable, original: Variable, is_same: bool) -> None:
    programs = [LinearProgram(Direction.MINIMIZE, (), (v,), ()) for v in (variable, original)]
    for pair in (programs, programs[::-1]):
        assert differing_elements(*pair) == (() if is_same else ("var:x",))


def test_4_missing() -> None:
    row, more = _row(LE, 2.0, x=1.0), _row(LE, 99.0, "s", y=1.0)
    assert differing_elements(_program(row, more), _program(row)) == ("row:s",)
    assert differing_elements(_program(row), _program(row, more)) == ("row:s",)
