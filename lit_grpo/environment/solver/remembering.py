"""A solver that answers what it was asked before from memory.

Used by episodes/repair_environment.py: attempts at the same task begin with the same program and often make the same
edit. Sound because a solver's answers are functions of the program alone (solver.py).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock
from typing import Generic, TypeVar

from lit_grpo.environment.programs.program import LinearProgram
from lit_grpo.environment.solver.solver import Conflict, ProgramIntractable, Solution, Solver, Violation

_Answer = TypeVar("_Answer")

MOST_PROGRAMS = 4096
"""Programs whose answers are remembered, of each kind of question: those of a few batches."""


class RememberingSolver:
    """Implements ``Solver`` over another one. A failure is not remembered, that a program is intractable is.

    To find that out takes two deadlines: attempts that make the same edit wait for them once. A question about a
    program that is intractable for another question is still asked.

    As many threads may ask as may ask the solver below; of those with the same question one asks, the others wait.

    Args:
        solver: The other one.
        most_programs: Programs that are remembered; beyond it the oldest is forgotten first.
    """

    def __init__(self, solver: Solver, most_programs: int = MOST_PROGRAMS) -> None:
        """Remember nothing yet."""
        self._solutions = _Memory[Solution](solver.solve, most_programs)
        self._conflicts = _Memory[Conflict | None](solver.conflict, most_programs)
        self._relaxations = _Memory[tuple[Violation, ...] | None](solver.minimum_relaxation, most_programs)

    def solve(self, program: LinearProgram) -> Solution:
        """Answer as ``Solver.solve`` does."""
        return self._solutions.answer(program)

    def conflict(self, program: LinearProgram) -> Conflict | None:
        """Answer as ``Solver.conflict`` does."""
        return self._conflicts.answer(program)

    def minimum_relaxation(self, program: LinearProgram) -> tuple[Violation, ...] | None:
        """Answer as ``Solver.minimum_relaxation`` does."""
        return self._relaxations.answer(program)


@dataclass(slots=True)
class _Remembered(Generic[_Answer]):
    """What is known of one program."""

    lock: Lock = field(default_factory=Lock)
    answers: list[_Answer | ProgramIntractable] = field(default_factory=list)
    """One, or none yet."""


class _Memory(Generic[_Answer]):
    """The answers to one kind of question."""

    def __init__(self, ask: Callable[[LinearProgram], _Answer], most: int) -> None:
        self._ask, self._most = ask, most
        self._lock = Lock()
        self._known: dict[LinearProgram, _Remembered[_Answer]] = {}

    def answer(self, program: LinearProgram) -> _Answer:
        with self._lock:
            known = self._known.setdefault(program, _Remembered())
            if len(self._known) > self._most:
                # Whoever still waits for its answer holds it.
                del self._known[next(iter(self._known))]
        with known.lock:
            if not known.answers:
                try:
                    known.answers.append(self._ask(program))
                except ProgramIntractable as intractable:
                    known.answers.append(intractable)
        (answer,) = known.answers
        if isinstance(answer, ProgramIntractable):
            raise ProgramIntractable(str(answer))
        return answer
