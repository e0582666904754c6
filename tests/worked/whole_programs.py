"""Small programs over whole numbers, with numbers of every magnitude, and all their points by enumeration.

Shares no code with what it is used to test: every number is read as the decimal that it is written as, points are
counted one by one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from fractions import Fraction
from itertools import product
from random import Random

from lit_grpo.environment.programs.program import (
    Constraint,
    Direction,
    LinearProgram,
    Sense,
    Variable,
    VariableType,
)

MAGNITUDES = (1e-9, 1e-6, 1e-3, 0.5, 1.0, 1.0, 1.0, 2.5, 1e3, 1e6, 999_999_999.0)
HOLDS: dict[Sense, Callable[[Fraction, Fraction], bool]] = {
    Sense.LESS_EQUAL: lambda a, b: a <= b,
    Sense.GREATER_EQUAL: lambda a, b: a >= b,
    Sense.EQUAL: lambda a, b: a == b,
}

Points = dict[tuple[int, ...], Fraction]
"""Feasible points with their objective values."""


def written(value: float) -> Fraction:
    """The decimal that a float is written as."""
    return Fraction(Decimal(repr(value)))


def points(program: LinearProgram) -> Points:
    """All feasible points of a program over bounded whole numbers."""
    names = [v.name for v in program.variables]
    rows = [([(names.index(n), written(c)) for n, c in r.terms], r.sense, written(r.rhs)) for r in program.constraints]
    costs = [(names.index(n), written(c)) for n, c in program.objective]
    found: Points = {}
    for point in product(*(_choices(v) for v in program.variables)):
        if all(HOLDS[sense](sum((c * point[j] for j, c in terms), Fraction(0)), rhs) for terms, sense, rhs in rows):
            found[point] = sum((c * point[j] for j, c in costs), Fraction(0)) + written(program.objective_offset)
    return found


def best(program: LinearProgram) -> Fraction | None:
    """The optimum; None if there is no point."""
    values = points(program).values()
    if not values:
        return None
    return min(values) if program.direction is Direction.MINIMIZE else max(values)


def _choices(variable: Variable) -> Iterator[int]:
    assert variable.type is not VariableType.CONTINUOUS
    lower, upper = written(variable.lower), written(variable.upper)
    for value in range(-12, 13):
        is_within = lower <= value <= upper
        if is_within and (variable.type is VariableType.INTEGER or value in (0, 1)):
            yield value


def any_number(rng: Random) -> float:
    """Of either sign and any magnitude, with few digits."""
    return rng.choice((-1.0, 1.0, 1.0)) * float(f"{rng.choice(MAGNITUDES) * rng.randint(1, 9):.9g}")


def any_program(rng: Random, num_variables: int = 2, num_rows: int = 3, is_plain: bool = False) -> LinearProgram:
    """Over whole numbers in small boxes; plain: with small numbers alone."""
    variables = tuple(_variable(rng, f"x{j}") for j in range(num_variables))
    rows: list[Constraint] = []
    for i in range(num_rows):
        names = rng.sample([v.name for v in variables], k=rng.randint(1, num_variables))
        number = (
            (lambda: float(rng.randint(-5, 9) or 1)) if is_plain or rng.random() < 0.7 else (lambda: any_number(rng))
        )
        terms = tuple((v.name, number()) for v in variables if v.name in names)
        rhs = float(rng.randint(-3, 25)) if rng.random() < 0.8 else number()
        rows.append(Constraint(f"r{i}", terms, rng.choices(list(Sense), (4, 4, 1))[0], rhs))
    objective = tuple((v.name, float(rng.randint(1, 9))) for v in variables)
    return LinearProgram(rng.choice(list(Direction)), objective, variables, tuple(rows))


def _variable(rng: Random, name: str) -> Variable:
    if rng.random() < 0.2:
        return Variable(name, float(rng.choice((-3, 0, 0, 1))), float(rng.choice((0, 1, 1, 5))), VariableType.BINARY)
    lower = rng.choice((0.0, 0.0, 0.0, -2.0, -0.5, 1.25))
    return Variable(name, lower, lower + rng.choice((0.0, 3.0, 5.5, 9.0)), VariableType.INTEGER)
