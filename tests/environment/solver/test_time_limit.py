"""The clock of a solver is for each run: 1. continuous programs; 2. integer ones.

A machine that is busy may stop one run or another; a clock that runs on would stop all of them from some moment on.
"""

from __future__ import annotations

import pytest

from lit_grpo.environment.programs.program import Constraint, Direction, LinearProgram, Sense, Variable, VariableType
from lit_grpo.environment.solver.highs import HighsSolver
from lit_grpo.environment.solver.solver import SolverStatus

LIMIT_S = 0.15
NUM_AFTER = 40


def program(kind: VariableType) -> LinearProgram:
    """Maximise 2 x + 3 y with 3 x + 2 y <= 19 and x + 4 y <= 22, both within [0, 40]."""
    variables = tuple(Variable(name, 0.0, 40.0, kind) for name in ("x", "y"))
    rows = (
        Constraint("ra", (("x", 3.0), ("y", 2.0)), Sense.LESS_EQUAL, 19.0),
        Constraint("rb", (("x", 1.0), ("y", 4.0)), Sense.LESS_EQUAL, 22.0),
    )
    return LinearProgram(Direction.MAXIMIZE, (("x", 2.0), ("y", 3.0)), variables, rows)


@pytest.mark.parametrize("kind", [VariableType.CONTINUOUS, VariableType.INTEGER], ids=["1_continuous", "2_integer"])
def test_the_limit_is_that_of_one_run(kind: VariableType) -> None:
    solver = HighsSolver(time_limit_s=LIMIT_S)
    while solver.run_time_s < 1.5 * LIMIT_S:
        solver.solve(program(kind))
    found = [solver.solve(program(kind)).status for _ in range(NUM_AFTER)]
    assert found.count(SolverStatus.OPTIMAL) > NUM_AFTER // 2
