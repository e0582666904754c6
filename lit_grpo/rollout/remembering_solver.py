"""A solver that answers what it was asked before from memory.

Used by collect.py for one collection: attempts at the same task begin with the same program and often make the same
edit. Sound because a solver's answers are functions of the program alone (environment/solver.py).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from lit_grpo.environment.program import LinearProgram
from lit_grpo.environment.solver import Conflict, ProgramIntractable, Solution, Solver, Violation

_Answer = TypeVar("_Answer")


class RememberingSolver:
    """Implements ``Solver`` over another one. A failure is not remembered, that a program is intractable is.

    To find that out takes two deadlines: attempts that make the same edit wait for them once. A question about a
    program that is intractable for another question is still asked.
    """

    def __init__(self, solver: Solver) -> None:
        """Remember nothing yet."""
        self._solver = solver
        self._solutions: _Memory[Solution] = {}
        self._conflicts: _Memory[Conflict | None] = {}
        self._relaxations: _Memory[tuple[Violation, ...] | None] = {}

    def solve(self, program: LinearProgram) -> Solution:
        """As ``Solver.solve``."""
        return _remembered(self._solutions, program, self._solver.solve)

    def conflict(self, program: LinearProgram) -> Conflict | None:
        """As ``Solver.conflict``."""
        return _remembered(self._conflicts, program, self._solver.conflict)

    def minimum_relaxation(self, program: LinearProgram) -> tuple[Violation, ...] | None:
        """As ``Solver.minimum_relaxation``."""
        return _remembered(self._relaxations, program, self._solver.minimum_relaxation)


_Memory = dict[LinearProgram, _Answer | ProgramIntractable]


def _remembered(memory: _Memory[_Answer], program: LinearProgram, ask: Callable[[LinearProgram], _Answer]) -> _Answer:
    if program not in memory:
        try:
            memory[program] = ask(program)
        except ProgramIntractable as intractable:
            memory[program] = intractable
    answer = memory[program]
    if isinstance(answer, ProgramIntractable):
        raise ProgramIntractable(str(answer))
    return answer
