"""A task: one repair problem with its ground truth, identified by its content.

Made by `generate_task` (fresh, from a seed) or read from a benchmark; consumed by rollout/collect.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from lit_grpo.environment.faults import FaultyProgram
from lit_grpo.environment.specification import RepairProblem, Specification


class Split(StrEnum):
    """Which part of the task space a task belongs to, decided by the hash of its original program."""

    TRAIN = "train"
    VALIDATION = "validation"
    TEST = "test"


@dataclass(frozen=True, slots=True)
class Task:
    """One repair problem with its ground truth."""

    id: str
    """Hash of the content (specification, original and faulty program)."""
    split: Split
    domain: str
    """Name of the domain, e.g. ``transportation``."""
    specification: Specification
    fault: FaultyProgram

    @property
    def problem(self) -> RepairProblem:
        """What the agent sees of it."""
        return RepairProblem(self.fault.faulty, self.specification)
