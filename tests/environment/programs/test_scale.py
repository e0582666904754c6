"""Which numbers may be written: they follow from the program's own.

1. By hand: from a ten-thousandth of the smallest magnitude to ten thousand times the largest; 0 always.
2. Every certified repair of a suite of all kinds and difficulties can be written, with room to spare.
3. An episode refuses what is beyond, and takes what a program of large numbers needs.
"""

from __future__ import annotations

from dataclasses import replace
from math import inf, isfinite

import pytest
from desk_problem import FAULTY, turn

from lit_grpo.data.splits import Split
from lit_grpo.data.task import TaskSettings, generate_task
from lit_grpo.environment.episodes.actions import Relax
from lit_grpo.environment.episodes.episode import RepairEpisode
from lit_grpo.environment.episodes.record import EpisodeSettings, TurnResult
from lit_grpo.environment.programs.edits import SetBounds, SetCoefficient, SetRhs
from lit_grpo.environment.programs.program import Constraint, Direction, LinearProgram, Sense, Variable
from lit_grpo.environment.programs.scale import WritableNumbers, writable_numbers
from lit_grpo.environment.programs.specification import RepairProblem
from lit_grpo.environment.solver.highs import HighsSolver
from lit_grpo.environment.solver.solver import SolverStatus

SOLVER = HighsSolver()


def test_1_by_hand() -> None:
    """The desks: from 1 (hours) to 194 (wood)."""
    assert writable_numbers(FAULTY) == WritableNumbers(1e-4, 1.94e6)
    assert [writable_numbers(FAULTY).admit(x) for x in (0.0, -1.94e6, 2e6, 1e-4, -9e-5)] == [
        True,
        True,
        False,
        True,
        False,
    ]
    bare = LinearProgram(Direction.MINIMIZE, (), (Variable("x", 0.0, inf),), ())
    assert writable_numbers(bare) == WritableNumbers(1e-4, 1e4)


def test_1b_every_sort_of_number_counts() -> None:
    """A coefficient of 3, a right-hand side of 50, a cost of 7000 and a bound of 0.5; an infinite one is none."""
    rows = (Constraint("r", (("x", 3.0),), Sense.LESS_EQUAL, 50.0),)
    variables = (Variable("x", 0.5, inf), Variable("y", 0.0, 40.0))
    program = LinearProgram(Direction.MINIMIZE, (("x", -7000.0),), variables, rows)
    assert writable_numbers(program) == WritableNumbers(0.5e-4, 7e7)
    assert writable_numbers(replace(program, objective=())) == WritableNumbers(0.5e-4, 50e4)
    wide = (Variable("x", 0.0, inf), Variable("y", -90.0, 40.0))
    assert writable_numbers(replace(program, objective=(), variables=wide)) == WritableNumbers(3e-4, 90e4)


def test_2_every_repair_can_be_written() -> None:
    for i in range(54):
        fault = generate_task(TaskSettings(), Split.TEST, 23, i, SOLVER).fault
        writable = writable_numbers(fault.faulty)
        for edit in fault.inverse:
            numbers = [getattr(edit, name) for name in edit.__slots__]
            for number in (x for x in numbers if isinstance(x, float) and isfinite(x)):
                assert number == 0.0 or 10 * writable.smallest <= abs(number) <= writable.largest / 10


@pytest.mark.parametrize(
    "action",
    [
        SetCoefficient("wood", "x", -999_999_999.0),
        SetRhs("wood", 1e-9),
        SetBounds("x", -5e-324, 4.0),
        Relax("hours", 2e6),
        Relax("orders", 94.99999),  # leaves 0.00001
    ],
)
def test_3_beyond_the_scale(action: SetRhs | SetCoefficient | SetBounds | Relax) -> None:
    episode = RepairEpisode(RepairProblem(FAULTY), SOLVER, EpisodeSettings())
    outcome = episode.step(turn(action))
    assert outcome.result is TurnResult.REFUSED
    assert "expected 0 or a number from 0.0001 to 1.94e+06 in magnitude" in outcome.observation


def test_3b_large_programs_are_repaired_with_large_numbers() -> None:
    rows = (Constraint("need", (("x", 1.0),), Sense.GREATER_EQUAL, 7e9),)
    faulty = LinearProgram(Direction.MINIMIZE, (("x", 1.0),), (Variable("x", 0.0, 4e9),), rows)
    episode = RepairEpisode(RepairProblem(faulty), SOLVER, EpisodeSettings())
    assert episode.step(turn(SetRhs("need", 3e9))).status is SolverStatus.OPTIMAL


def test_4_relaxing_is_done_in_decimals() -> None:
    """0.4 - 0.1 is 0.30000000000000004 in floats."""
    rows = (Constraint("need", (("x", 1.0),), Sense.GREATER_EQUAL, 0.4),)
    faulty = LinearProgram(Direction.MINIMIZE, (("x", 1.0),), (Variable("x", 0.0, 0.3),), rows)
    episode = RepairEpisode(RepairProblem(faulty), SOLVER, EpisodeSettings())
    episode.step(turn(Relax("need", 0.1)))
    assert episode.program.constraint("need").rhs == 0.3
