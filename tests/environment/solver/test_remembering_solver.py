"""RememberingSolver: the answers of the solver below, each asked for once; a failure is asked for again.

That a program is intractable is an answer: finding it out takes two deadlines. Of threads with one question one asks.
"""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from lit_grpo.data.splits import Split
from lit_grpo.data.task import Task, TaskSettings, generate_task
from lit_grpo.environment.domains.base import ProgramSize
from lit_grpo.environment.programs.program import LinearProgram
from lit_grpo.environment.solver.highs import HighsSolver
from lit_grpo.environment.solver.remembering import RememberingSolver
from lit_grpo.environment.solver.solver import Conflict, ProgramIntractable, Solution, SolverFailure, Violation


@pytest.fixture(scope="module")
def solver() -> HighsSolver:
    return HighsSolver()


@pytest.fixture(scope="module")
def tasks(solver: HighsSolver) -> list[Task]:
    settings = TaskSettings(size=ProgramSize.TINY)
    return [generate_task(settings, Split.TRAIN, 3, index, solver) for index in range(4)]


class CountingSolver:
    """A real solver that counts, and can be told to break."""

    def __init__(self, solver: HighsSolver) -> None:
        self.solver, self.asked = solver, Counter[str]()
        self.failure: SolverFailure | None = None

    def solve(self, program: LinearProgram) -> Solution:
        self.asked["solve"] += 1
        if self.failure is not None:
            raise self.failure
        return self.solver.solve(program)

    def conflict(self, program: LinearProgram) -> Conflict | None:
        self.asked["conflict"] += 1
        return self.solver.conflict(program)

    def minimum_relaxation(self, program: LinearProgram) -> tuple[Violation, ...] | None:
        self.asked["minimum_relaxation"] += 1
        return self.solver.minimum_relaxation(program)


def test_each_question_is_asked_once(tasks: list[Task], solver: HighsSolver) -> None:
    counting = CountingSolver(solver)
    remembering = RememberingSolver(counting)
    programs = [task.fault.faulty for task in tasks]
    for _ in range(3):
        assert [remembering.solve(program) for program in programs] == [solver.solve(program) for program in programs]
        assert [remembering.conflict(p) for p in programs] == [solver.conflict(p) for p in programs]
        assert [remembering.minimum_relaxation(p) for p in programs] == [solver.minimum_relaxation(p) for p in programs]
    assert counting.asked == {"solve": 4, "conflict": 4, "minimum_relaxation": 4}


def test_a_failure_is_not_remembered(tasks: list[Task], solver: HighsSolver) -> None:
    counting = CountingSolver(solver)
    remembering = RememberingSolver(counting)
    counting.failure = SolverFailure("broken")
    with pytest.raises(SolverFailure):
        remembering.solve(tasks[0].fault.faulty)
    counting.failure = None
    assert remembering.solve(tasks[0].fault.faulty) == solver.solve(tasks[0].fault.faulty)


def test_an_intractable_program_is_remembered(tasks: list[Task], solver: HighsSolver) -> None:
    counting = CountingSolver(solver)
    remembering = RememberingSolver(counting)
    program, other = tasks[0].fault.faulty, tasks[1].fault.faulty
    counting.failure = ProgramIntractable("no answer within 60 s")
    for _ in range(3):
        with pytest.raises(ProgramIntractable, match="no answer within 60 s"):
            remembering.solve(program)
    counting.failure = None
    assert counting.asked["solve"] == 1
    assert remembering.conflict(program) == solver.conflict(program), "another question is another matter"
    assert remembering.solve(other) == solver.solve(other)


def test_threads_with_one_question_ask_once(tasks: list[Task], solver: HighsSolver) -> None:
    program, other = tasks[0].fault.faulty, tasks[1].fault.faulty
    expected = solver.solve(program)
    asked, may_answer = threading.Event(), threading.Event()

    class SlowSolver(CountingSolver):
        def solve(self, program: LinearProgram) -> Solution:
            self.asked["solve"] += 1
            asked.set()
            assert may_answer.wait(60)
            return expected

    counting = SlowSolver(solver)
    remembering = RememberingSolver(counting)
    with ThreadPoolExecutor(4) as pool:
        answers = [pool.submit(remembering.solve, program) for _ in range(4)]
        assert asked.wait(60)
        # A question about another program does not wait for this one.
        assert remembering.conflict(other) == solver.conflict(other)
        assert not any(answer.done() for answer in answers)
        may_answer.set()
        assert [answer.result(60) for answer in answers] == [expected] * 4
    assert counting.asked == {"solve": 1, "conflict": 1}


def test_the_oldest_program_is_forgotten_first(tasks: list[Task], solver: HighsSolver) -> None:
    counting = CountingSolver(solver)
    remembering = RememberingSolver(counting, most_programs=2)
    a, b, c, _ = (task.fault.faulty for task in tasks)
    for program in (a, b, a, c, b, c, a):  # a, b and c are asked for; c drives a out, which is asked for again
        assert remembering.solve(program) == solver.solve(program)
    assert counting.asked == {"solve": 4}
