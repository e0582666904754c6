"""A solver that answers what it was asked before from memory.

Used by collect.py for one collection: attempts at the same task begin with the same program and often make the same
edit. Sound because a solver's answers are functions of the program alone (environment/solver.py).
"""

from __future__ import annotations

from lit_grpo.environment.program import LinearProgram
from lit_grpo.environment.solver import Conflict, Solution, Solver, Violation


class RememberingSolver:
    """Implements ``Solver`` over another one. A failure is not remembered."""

    def __init__(self, solver: Solver) -> None:
        """Remember nothing yet."""
        self._solver = solver
        self._solutions: dict[LinearProgram, Solution] = {}
        self._conflicts: dict[LinearProgram, Conflict | None] = {}
        self._relaxations: dict[LinearProgram, tuple[Violation, ...] | None] = {}

    def solve(self, program: LinearProgram) -> Solution:
        """As ``Solver.solve``."""
        if program not in self._solutions:
            self._solutions[program] = self._solver.solve(program)
        return self._solutions[program]

    def conflict(self, program: LinearProgram) -> Conflict | None:
        """As ``Solver.conflict``."""
        if program not in self._conflicts:
            self._conflicts[program] = self._solver.conflict(program)
        return self._conflicts[program]

    def minimum_relaxation(self, program: LinearProgram) -> tuple[Violation, ...] | None:
        """As ``Solver.minimum_relaxation``."""
        if program not in self._relaxations:
            self._relaxations[program] = self._solver.minimum_relaxation(program)
        return self._relaxations[program]
