"""Integer programs against enumeration, with numbers of all magnitudes: no tolerance passes for a solution.

1. The verdict is that of enumeration, or inconclusive in a few; an optimum is the enumerated one.
2. A right-hand side with the rounding error of an earlier solve: no whole numbers add up to 53.99999808.
3. Bounds of integers that are no integers.
4. Each step by hand: rounding, fixing, comparing, tightening.
"""

from __future__ import annotations

from math import inf
from random import Random

import pytest
from whole_programs import any_program, best

from lit_grpo.environment.programs.program import Constraint, Direction, LinearProgram, Sense, Variable, VariableType
from lit_grpo.environment.solver.highs import HighsSolver
from lit_grpo.environment.solver.model_arrays import ModelArrays, model_arrays
from lit_grpo.environment.solver.solver import SolverStatus
from lit_grpo.environment.solver.verified_points import (
    is_noise,
    rounded,
    same_objective,
    tightened,
    with_integers_at,
)

SOLVER = HighsSolver()


def test_1_against_enumeration() -> None:
    num_inconclusive = 0
    for seed in range(900):
        rng = Random(seed)
        program = any_program(rng, rng.choice((2, 2, 3)), rng.randint(1, 4))
        optimum, solution = best(program), SOLVER.solve(program)
        if solution.status is SolverStatus.INCONCLUSIVE:
            num_inconclusive += 1
            continue
        assert (solution.status is SolverStatus.OPTIMAL) is (optimum is not None), f"seed {seed}: {program}"
        if optimum is not None:
            assert solution.objective is not None
            assert abs(solution.objective - float(optimum)) < 1e-6, f"seed {seed}: {program}"
    assert num_inconclusive <= 3


def test_2_a_rounded_right_hand_side() -> None:
    binaries = tuple(Variable(f"x{j}", 0.0, 1.0, VariableType.BINARY) for j in range(60))
    terms = tuple((variable.name, float(1 + j % 3)) for j, variable in enumerate(binaries))
    rows = [Constraint("eps", terms, Sense.EQUAL, 53.99999808424983)]
    for group in range(10):
        names = [(variable.name, 1.0) for variable in binaries[6 * group : 6 * group + 6]]
        rows.append(Constraint(f"g{group}", tuple(names), Sense.LESS_EQUAL, 5.0))
    costs = tuple((variable.name, float(1 + j % 5)) for j, variable in enumerate(binaries))
    program = LinearProgram(Direction.MINIMIZE, costs, binaries, tuple(rows))
    assert SOLVER.solve(program).status is SolverStatus.INFEASIBLE
    meant = LinearProgram(program.direction, costs, binaries, (Constraint("eps", terms, Sense.EQUAL, 54.0), *rows[1:]))
    assert SOLVER.solve(meant).status is SolverStatus.OPTIMAL


def test_3_bounds_between_integers() -> None:
    """x1 within [-0.5, 2.5] is 0, 1 or 2; HiGHS alone takes -0.5."""
    variables = (Variable("x0", 0.0, 9.0, VariableType.INTEGER), Variable("x1", -0.5, 2.5, VariableType.INTEGER))
    rows = (Constraint("r", (("x0", 5.0), ("x1", 5.0)), Sense.GREATER_EQUAL, 21.0),)
    solution = SOLVER.solve(LinearProgram(Direction.MINIMIZE, (("x0", 6.0), ("x1", 9.0)), variables, rows))
    assert (solution.objective, solution.values) == (30.0, (5.0, 0.0))


# 4. x and y are whole numbers, s is not.


def _arrays(x: float, y: float, s: float, sense: Sense, rhs: float, lower: float = 0.0) -> ModelArrays:
    variables = (
        Variable("x", lower, 9.0, VariableType.INTEGER),
        Variable("y", 0.0, 9.0, VariableType.INTEGER),
        Variable("s", 0.0, 9.0),
    )
    terms = tuple((name, c) for name, c in (("x", x), ("y", y), ("s", s)) if c)
    return model_arrays(LinearProgram(Direction.MINIMIZE, (), variables, (Constraint("r", terms, sense, rhs),)))


LE, GE, EQ = Sense.LESS_EQUAL, Sense.GREATER_EQUAL, Sense.EQUAL


@pytest.mark.parametrize(
    ("arrays", "expected"),
    [
        (_arrays(1, 1, 0, LE, 4.0), [1.0, 3.0, 0.25]),
        (_arrays(1, 1, 0, LE, 3.9999999), None),
        (_arrays(1, 1, 0, GE, 4.0000001), None),
        (_arrays(1, 1, 0, EQ, 4.0), [1.0, 3.0, 0.25]),
        (_arrays(0.1, 0.7, 0, LE, 2.2), [1.0, 3.0, 0.25]),  # 0.1 + 2.1 is 2.2 on paper, in floats it is more
        (_arrays(0.1, 0.7, 0, GE, 2.2), [1.0, 3.0, 0.25]),
        (_arrays(1, 0, 1, LE, 1.0), [1.0, 3.0, 0.25]),  # s is not fixed: the row is the LP's to meet
        (_arrays(1, 1, 0, LE, 4.0, lower=1.0000001), None),
    ],
)
def test_4_rounding(arrays: ModelArrays, expected: list[float] | None) -> None:
    assert 0.1 * 1 + 0.7 * 3 != 2.2
    assert rounded(arrays, [1.0000001, 2.9999999, 0.25]) == expected


def test_4b_fixing() -> None:
    fixed = with_integers_at(_arrays(1, 1, 1, LE, 9.0), [1.0, 3.0, 0.25])
    assert (list(fixed.column_lower), list(fixed.column_upper)) == ([1.0, 3.0, 0.0], [1.0, 3.0, 9.0])
    assert not any(fixed.integral)


def test_4c_comparing() -> None:
    assert is_noise([3.0, 0.0], [3.000000000001, 1e-12])
    assert not is_noise([3.0, 0.0], [3.0, 1e-9])
    assert same_objective(3.0, 3.000001)
    assert not same_objective(3.0, 3.00001)
    assert not same_objective(3e6, 3e6 + 30.0)


@pytest.mark.parametrize(
    ("arrays", "expected"),
    [
        (_arrays(2, 4, 0, LE, 11.0), (-inf, 10.0)),
        (_arrays(2, 4, 0, GE, 9.0), (10.0, inf)),
        (_arrays(2, 4, 0, EQ, 10.0), (10.0, 10.0)),
        (_arrays(2, 4, 0, EQ, 11.0), None),
        (_arrays(0.5, 1.5, 0, LE, 2.4), (-inf, 2.0)),
        (_arrays(2, 4, 2, LE, 11.0), (-inf, 11.0)),
    ],
)
def test_4d_tightening(arrays: ModelArrays, expected: tuple[float, float] | None) -> None:
    found = tightened(arrays)
    assert (None if found is None else (found.row_lower[0], found.row_upper[0])) == expected
