"""What there is to say about a program, as data: made by explain.py, shown as text, JSON or a page beside this file."""

from __future__ import annotations

from dataclasses import dataclass

from lit_grpo.environment.programs.program import LinearProgram
from lit_grpo.environment.programs.reading.program_file import ProgramFile
from lit_grpo.environment.programs.reading.report import ReadingReport
from lit_grpo.environment.programs.specification import Specification
from lit_grpo.environment.repairs.candidates import Candidate
from lit_grpo.environment.repairs.protections import NO_PROTECTIONS, Protections
from lit_grpo.environment.repairs.relaxations import Relaxation
from lit_grpo.environment.solver.solver import Conflict, Solution


@dataclass(frozen=True, slots=True)
class ExplainSettings:
    """How much is looked for, and what a repair is held to."""

    protections: Protections = NO_PROTECTIONS
    max_changes: int = 2
    """The most elements that a relaxation or a candidate may change."""
    max_conflicts: int = 3
    """Conflicts without a row or a bound in common that are shown."""
    max_relaxations: int = 5
    max_candidates: int = 10

    def __post_init__(self) -> None:
        for name in ("max_changes", "max_conflicts", "max_relaxations", "max_candidates"):
            value = {
                "max_changes": self.max_changes,
                "max_conflicts": self.max_conflicts,
                "max_relaxations": self.max_relaxations,
                "max_candidates": self.max_candidates,
            }[name]
            if value < 1:
                raise ValueError(f"--{name.replace('_', '-')}: expected at least 1, got {value}; raise it")


@dataclass(frozen=True, slots=True)
class Explanation:
    """Everything that was found."""

    file: ProgramFile
    specification: Specification | None
    solution: Solution
    conflicts: tuple[Conflict, ...] = ()
    """Without a member in common, the canonical one first; empty unless infeasible."""
    relaxations: tuple[Relaxation, ...] = ()
    candidates: tuple[Candidate, ...] = ()
    ray: tuple[tuple[str, float], ...] = ()
    """For an unbounded program: (variable, step) of a direction in which the objective improves without end."""
    remarks: tuple[str, ...] = ()
    """What was not looked for, or not found, and why."""
    protections: Protections = NO_PROTECTIONS
    """What a repair was held to."""

    @property
    def program(self) -> LinearProgram:
        """The program as it was read."""
        return self.file.program

    @property
    def report(self) -> ReadingReport:
        """How it was read."""
        return self.file.report
