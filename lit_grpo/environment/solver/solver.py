"""What the environment asks of a solver, and the typed answers; `highs.py` implements it with HiGHS.

Called by faults (certificates), episodes (every step) and baselines. Answers are functions of the program alone:
never of what was solved before, of a clock, or of the order of calls.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from lit_grpo.environment.programs.program import Element, LinearProgram, row_element, variable_element


class SolverStatus(StrEnum):
    """The verdict on a program. Members are all truthy: compare with ``is``."""

    OPTIMAL = "optimal"
    INFEASIBLE = "infeasible"
    UNBOUNDED = "unbounded"
    INCONCLUSIVE = "inconclusive"
    """An iteration or node limit was reached: never counts as recovered."""


class SolverFailure(RuntimeError):
    """The solver itself broke (not a limit, not an infeasible program): an error of the infrastructure."""


class ProgramIntractable(SolverFailure):
    """The program took more time or memory than a question may, twice, on solvers of their own (workers.py).

    A failure for who asks about a program as it was given; within an agent's turn a limit reached (turn_solver.py).
    """


@dataclass(frozen=True, slots=True)
class Solution:
    """The verdict on one program."""

    status: SolverStatus
    objective: float | None = None
    """Objective value with the offset; None unless OPTIMAL."""
    values: tuple[float, ...] | None = None
    """One value per variable, in the program's order; None unless OPTIMAL."""


class ConflictPart(StrEnum):
    """Which requirement of an element is in a conflict."""

    ROW = "row"
    LOWER = "lower"
    UPPER = "upper"
    INTEGRALITY = "integrality"


@dataclass(frozen=True, slots=True)
class ConflictMember:
    """One requirement in a conflict: a row, or one bound or the integrality of a variable."""

    part: ConflictPart
    name: str

    @property
    def element(self) -> Element:
        """The element this requirement belongs to."""
        return row_element(self.name) if self.part is ConflictPart.ROW else variable_element(self.name)


@dataclass(frozen=True, slots=True)
class Conflict:
    """An irreducible infeasible subsystem (IIS): the program restricted to it is infeasible, to any less is not."""

    members: tuple[ConflictMember, ...]
    """Rows in the program's order, then bounds, then integralities."""
    is_irreducible: bool = True
    """False: a limit stopped the search, so some members may be superfluous; they are infeasible together all the
    same."""

    @property
    def if_irreducible(self) -> Conflict | None:
        """The conflict if it is known to be irreducible, else None: for who promises that no member is superfluous."""
        return self if self.is_irreducible else None

    @property
    def elements(self) -> tuple[Element, ...]:
        """The elements of the members, each once, in order."""
        return tuple(dict.fromkeys(member.element for member in self.members))


@dataclass(frozen=True, slots=True)
class Violation:
    """How far one element must give way in a feasibility relaxation."""

    element: Element
    amount: float
    """Positive, in units of the row's right-hand side or of the variable."""
    part: ConflictPart
    """ROW, LOWER or UPPER."""


class Solver(Protocol):
    """Judges programs. Raises SolverFailure when it breaks; a limit reached is an answer, not a failure."""

    def solve(self, program: LinearProgram) -> Solution:
        """Solve to optimality (gap zero for integer programs)."""
        ...

    def conflict(self, program: LinearProgram) -> Conflict | None:
        """The canonical conflict of an infeasible program; one that is not known to be irreducible if a limit stopped
        the search for it; None if not even the infeasibility was settled within the limits.

        ValueError if the program is not infeasible.
        """
        ...

    def minimum_relaxation(self, program: LinearProgram) -> tuple[Violation, ...] | None:
        """The violations of a smallest (sum, L1) relaxation of rows and bounds; empty if the program is feasible.

        None if no relaxation of rows and bounds makes it feasible, or a limit was reached.
        """
        ...
