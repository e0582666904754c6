"""What is known of a problem that is played for a score, whoever made it, and the problem as everything that plays
sees it.

Generated problems (injection.py, data/task.py) know more: their kind has a certificate. Imported ones
(public_benchmark.py) have no certificate and no specification.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from lit_grpo.environment.faults.difficulty import Difficulty
from lit_grpo.environment.faults.fault_kinds import FaultKind
from lit_grpo.environment.programs.edits import AgentEdit
from lit_grpo.environment.programs.program import Element, LinearProgram
from lit_grpo.environment.programs.specification import RepairProblem


@dataclass(frozen=True, slots=True)
class GroundTruth:
    """A faulty program beside the one that was meant."""

    kind: FaultKind
    """The kind; of an imported problem, the letter that it was published with."""
    difficulty: Difficulty
    original: LinearProgram
    faulty: LinearProgram
    inverse: tuple[AgentEdit, ...]
    """Applied to ``faulty`` in this order they give ``original``, exactly."""
    faulty_elements: tuple[Element, ...]
    """What they act on, each once."""
    original_objective: float


@runtime_checkable
class GradedProblem(Protocol):
    """A problem with its ground truth: data/task.py's `Task`, or a `PublicProblem`."""

    @property
    def id(self) -> str:
        """A name that no other problem of a benchmark has."""
        ...

    @property
    def domain(self) -> str:
        """The domain that its original program comes from."""
        ...

    @property
    def problem(self) -> RepairProblem:
        """What the agent sees."""
        ...

    @property
    def fault(self) -> GroundTruth:
        """What it does not see."""
        ...
