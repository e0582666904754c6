"""A solver that cannot take its caller down: questions go to worker processes, with a deadline and a memory limit.

Made by the rollout and evaluation callbacks (`make_solver`); implements the `Solver` protocol. Any thread may ask, and
each question has a worker to itself while it lasts.

A worker that dies, hangs or overruns is killed, and the question is put once more to a fresh one. What a second ending
means depends on the first:

- Both took too long or too much memory: the program is the cause, and `ProgramIntractable` says so. Within a turn of an
  episode that is a limit reached (turn_solver.py): the agent earns nothing for it, so stalling does not pay.
- Otherwise the cause is unknown and may be the machine's: a plain `SolverFailure`, which ends the episode as
  SOLVER_FAILED, excluded from advantages. An agent that could crash HiGHS would gain nothing by it either: an
  advantage of 0 reinforces nothing, and the share of such episodes is logged.

The deadline is a backstop. What ends a question that is merely hard is HiGHS's limits of iterations and nodes, so that
answers are the same on every machine, and the same as without workers.
"""

from __future__ import annotations

import logging
import os
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from queue import LifoQueue
from typing import Any

from lit_grpo.environment.programs.program import LinearProgram, ProgramError
from lit_grpo.environment.solver.highs import HighsSolver
from lit_grpo.environment.solver.solver import Conflict, ProgramIntractable, Solution, SolverFailure, Violation
from lit_grpo.environment.solver.wire import (
    Question,
    QuestionWriter,
    Reply,
    conflict_of,
    read_answer,
    relaxation_of,
    solution_of,
)
from lit_grpo.environment.solver.worker_process import WORKER_COMMAND, WorkerEnded, WorkerProcess

MAX_TRIES = 2
"""Workers that a question is put to: the second tells a broken worker from a program that breaks workers."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SolverSettings:
    """Says where programs are solved, and within which limits."""

    workers: int = 1
    """Processes that solve, each a question at a time; they start when first needed. 0: this process, without deadline
    and memory limit."""
    deadline_s: float = 60.0
    """Seconds of wall clock for one question. HiGHS's own limits end after a few, so that this strikes what hangs."""
    memory_mb: int = 2048
    """MiB that a worker may take beyond its imports (Linux only)."""

    def __post_init__(self) -> None:
        if self.workers < 0:
            raise ValueError(f"solver.workers: expected at least 0, got {self.workers}; 0 solves in this process")
        if not self.deadline_s > 0:
            raise ValueError(f"solver.deadline_s: expected above 0, got {self.deadline_s}; give seconds")
        if self.memory_mb < 1:
            raise ValueError(f"solver.memory_mb: expected at least 1, got {self.memory_mb}; give MiB")

    @property
    def threads(self) -> int:
        """Questions that are answered at a time."""
        return max(1, self.workers)


def make_solver(settings: SolverSettings) -> HighsSolver | WorkerSolver:
    """HiGHS as the settings say: in workers, or in this process."""
    return WorkerSolver(settings) if settings.workers else HighsSolver()


class WorkerSolver:
    """Implements `Solver` over worker processes; answers equal those of `HighsSolver`, to the last digit."""

    def __init__(self, settings: SolverSettings, command: Sequence[str] = WORKER_COMMAND) -> None:
        """Start nothing yet.

        Args:
            settings: How many workers, and what each may take.
            command: The command that starts one.

        Raises:
            ValueError: There would be no worker.
        """
        if settings.workers < 1:
            raise ValueError(f"solver.workers: expected at least 1, got {settings.workers}; make_solver takes 0, too")
        self._settings, self._command = settings, tuple(command)
        self._questions = QuestionWriter()
        # The last one put back is taken first: a single caller keeps to one worker, and no other is started.
        self._idle: LifoQueue[WorkerProcess | None] = LifoQueue()
        for _ in range(settings.workers):
            self._idle.put(None)
        self._alive: set[WorkerProcess] = set()
        self._kill_all = weakref.finalize(self, _kill, self._alive, os.getpid())

    def solve(self, program: LinearProgram) -> Solution:
        """Answer as ``HighsSolver.solve`` does."""
        return solution_of(self._answer(Question.SOLVE, program))

    def conflict(self, program: LinearProgram) -> Conflict | None:
        """Answer as ``HighsSolver.conflict`` does."""
        return conflict_of(self._answer(Question.CONFLICT, program))

    def minimum_relaxation(self, program: LinearProgram) -> tuple[Violation, ...] | None:
        """Answer as ``HighsSolver.minimum_relaxation`` does."""
        return relaxation_of(self._answer(Question.RELAXATION, program))

    def close(self) -> None:
        """End the workers; a later question starts new ones. Not while a question is being asked."""
        _kill(self._alive, os.getpid())

    @property
    def worker_pids(self) -> tuple[int, ...]:
        """Process numbers of the workers that run."""
        return tuple(worker.pid for worker in tuple(self._alive) if not worker.has_ended)

    def _answer(self, question: Question, program: LinearProgram) -> Any:
        """The content of the answer; raises what the solver raised, with its message.

        Raises:
            ProgramIntractable, SolverFailure: No worker answered, see above.
        """
        reply, content = read_answer(self._ask(self._questions.line(question, program), question))
        match reply:
            case Reply.ANSWER:
                return content
            case Reply.PROGRAM_ERROR:
                raise ProgramError(content)
            case Reply.VALUE_ERROR:
                raise ValueError(content)
            case Reply.FAILURE:
                raise SolverFailure(content)

    def _ask(self, line: bytes, question: Question) -> bytes:
        endings: list[WorkerEnded] = []
        worker = self._idle.get()
        try:
            while len(endings) < MAX_TRIES:
                try:
                    worker = self._running(worker)
                    return worker.ask(line, self._settings.deadline_s)
                except WorkerEnded as ending:
                    _log.warning("a solver worker asked to %s is replaced: %s", question, ending)
                    endings.append(ending)
                    self._discard(worker)
                    worker = None
        finally:
            if worker is not None and worker.owes_answer:
                self._discard(worker)
                worker = None
            self._idle.put(worker)
        tale = ", then ".join(map(str, endings))
        if all(ending.overran for ending in endings):
            raise ProgramIntractable(f"{question}: expected an answer, got none from two workers: {tale}")
        raise SolverFailure(f"{question}: expected an answer, got none from two workers: {tale}")

    def _running(self, worker: WorkerProcess | None) -> WorkerProcess:
        """The worker, or a new one if it is gone."""
        if worker is not None and not worker.has_ended:
            return worker
        self._discard(worker)
        started = WorkerProcess(self._command, self._settings.memory_mb)
        self._alive.add(started)
        return started

    def _discard(self, worker: WorkerProcess | None) -> None:
        if worker is not None:
            worker.kill()
            self._alive.discard(worker)


def _kill(workers: set[WorkerProcess], owner: int) -> None:
    """Not from a fork of the owner, which has inherited the list."""
    while workers and os.getpid() == owner:
        workers.pop().kill()
