"""A tiny task with one fault, and a solver that breaks when it is told to."""

from dataclasses import dataclass, field

import pytest

from lit_grpo.data.splits import Split
from lit_grpo.data.task import Task, TaskSettings, generate_task
from lit_grpo.environment.domains.base import ProgramSize
from lit_grpo.environment.programs.program import LinearProgram
from lit_grpo.environment.solver.highs import HighsSolver
from lit_grpo.environment.solver.solver import Conflict, Solution, SolverFailure, Violation


@dataclass
class BreakingSolver:
    """HiGHS for the first ``answers`` solves and as many conflicts; after that nothing but failures."""

    answers_to_solve: int
    answers_to_conflict: int = 1
    highs: HighsSolver = field(default_factory=HighsSolver)

    def solve(self, program: LinearProgram) -> Solution:
        self.answers_to_solve -= 1
        if self.answers_to_solve < 0:
            raise SolverFailure("broken")
        return self.highs.solve(program)

    def conflict(self, program: LinearProgram) -> Conflict | None:
        self.answers_to_conflict -= 1
        if self.answers_to_conflict < 0:
            raise SolverFailure("broken")
        return self.highs.conflict(program)

    def minimum_relaxation(self, program: LinearProgram) -> tuple[Violation, ...] | None:
        return self.highs.minimum_relaxation(program)


@pytest.fixture(scope="session")
def solver() -> HighsSolver:
    return HighsSolver()


@pytest.fixture(scope="session")
def tasks(solver: HighsSolver) -> list[Task]:
    settings = TaskSettings(size=ProgramSize.TINY)
    return [generate_task(settings, Split.TRAIN, 0, index, solver) for index in range(8)]


@pytest.fixture(scope="session")
def task(tasks: list[Task]) -> Task:
    return tasks[0]


@pytest.fixture
def solver_that_breaks_at_once() -> BreakingSolver:
    return BreakingSolver(answers_to_solve=0, answers_to_conflict=0)


@pytest.fixture
def solver_that_breaks_at_the_first_edit() -> BreakingSolver:
    return BreakingSolver(answers_to_solve=0)
