"""The solver as an episode's turns and its scoring see it: an intractable program is undecided, as at any other limit.

Used by episode.py and scoring.py. Before the first turn the program is the given one, and nobody but the machinery can
be to blame if it cannot be solved: SolverFailure then says so, and the episode is excluded from advantages. Once that
has been solved, what cannot be is the agent's own edit. To exclude such an episode would let an agent escape a negative
advantage by stalling the solver; INCONCLUSIVE never counts as recovered.
"""

from __future__ import annotations

from lit_grpo.environment.programs.program import LinearProgram
from lit_grpo.environment.solver.solver import Conflict, ProgramIntractable, Solution, Solver, SolverStatus, Violation


class TurnSolver:
    """Implements ``Solver`` over another one; every other failure passes."""

    def __init__(self, solver: Solver) -> None:
        self._solver = solver

    def solve(self, program: LinearProgram) -> Solution:
        """Answer as ``Solver.solve`` does; INCONCLUSIVE if the program is intractable."""
        try:
            return self._solver.solve(program)
        except ProgramIntractable:
            return Solution(SolverStatus.INCONCLUSIVE)

    def conflict(self, program: LinearProgram) -> Conflict | None:
        """A conflict that is known to be irreducible, as an agent is told; None at any limit."""
        try:
            found = self._solver.conflict(program)
            return None if found is None else found.if_irreducible
        except ProgramIntractable:
            return None

    def minimum_relaxation(self, program: LinearProgram) -> tuple[Violation, ...] | None:
        """Answer as ``Solver.minimum_relaxation`` does; None if the program is intractable."""
        try:
            return self._solver.minimum_relaxation(program)
        except ProgramIntractable:
            return None
