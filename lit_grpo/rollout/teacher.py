"""A teacher beside the policy that plays: says in each turn what would have been right, and speaks in some itself.

Handed to `play` where the policy learns from an oracle in the states that it comes to (modules/dagger.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Any, Generic

from lit_grpo.environment.protocol import Oracle, ProblemT, RecordT


@dataclass(frozen=True, slots=True)
class Teacher(Generic[ProblemT, RecordT]):
    """An oracle, and how often its turn is played in place of the policy's."""

    oracle: Oracle[ProblemT, RecordT]
    share: float = 0.0
    """The probability of each turn that the teacher speaks itself: beta of DAgger, in [0, 1]."""

    def speaks(self, seed: int) -> bool:
        """Whether it speaks in the turn that has this seed: independent of what a policy would draw by it."""
        return Random(f"{seed}/teacher").random() < self.share


AnyTeacher = Teacher[Any, Any]
"""A teacher, for whoever hands it on."""
