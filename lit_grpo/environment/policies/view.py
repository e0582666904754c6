"""What a trivial policy sees of a turn, and what it is. Used by baselines.py and ranked.py."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Protocol

from lit_grpo.environment.episodes.actions import Move
from lit_grpo.environment.faults.ground_truth import GroundTruth
from lit_grpo.environment.programs.program import LinearProgram
from lit_grpo.environment.programs.specification import Specification
from lit_grpo.environment.solver.solver import Conflict, Solver


@dataclass(frozen=True, slots=True)
class BaselineView:
    """What a policy may look at in one turn."""

    program: LinearProgram
    """The program as it stands."""
    conflict: Conflict | None
    """The conflict of the program as it stands; None if it has none that could be found."""
    turn: int
    """Turns taken so far."""
    fault: GroundTruth
    """The ground truth: for the informed policies alone."""
    solver: Solver
    specification: Specification | None = None
    """What the program should say, as a model is shown it; None where there is no text."""


class BaselinePolicy(Protocol):
    """Chooses a move, or writes a text, in each turn."""

    @property
    def name(self) -> str:
        """The name that it has in tables."""
        ...

    def act(self, view: BaselineView, rng: random.Random) -> Move | str:
        """The next turn."""
        ...
