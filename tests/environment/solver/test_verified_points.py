"""Integer programs against enumeration, with numbers of all magnitudes: no tolerance passes for a solution.

1. The verdict is that of enumeration, or inconclusive in a few; an optimum is the enumerated one.
2. A right-hand side with the rounding error of an earlier solve: no whole numbers add up to 53.99999808.
3. Bounds of integers that are no integers.
"""

from __future__ import annotations

from random import Random

from whole_programs import any_program, best

from lit_grpo.environment.programs.program import Constraint, Direction, LinearProgram, Sense, Variable, VariableType
from lit_grpo.environment.solver.highs import HighsSolver
from lit_grpo.environment.solver.solver import SolverStatus

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
