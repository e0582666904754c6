"""VerdictReward: pays what the environment itself says an attempt is worth. For environments whose score is a Verdict.

Called by rollout/collect.py through its base class; examples/guess_the_number.yaml names it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from typing_extensions import override

from lit_grpo.environment.protocol import Verdict
from lit_grpo.rewards.base import AttemptKey, Reward, RewardBreakdown


@dataclass(frozen=True, slots=True)
class ValueAlone:
    """The one component of a verdict's reward."""

    value: float


@final
@dataclass(frozen=True, slots=True)
class VerdictReward(Reward[Verdict]):
    """The verdict's value; 0 without a verdict."""

    pays = Verdict
    components = ValueAlone

    @property
    @override
    def component_weights(self) -> ValueAlone:
        return ValueAlone(1.0)

    @override
    def breakdown(self, score: Verdict, max_turns: int, key: AttemptKey) -> RewardBreakdown[ValueAlone]:
        """One component, which is all of it."""
        value = score.value if score.verified else 0.0
        return RewardBreakdown(ValueAlone(value), value, value)

    @override
    def describe(self) -> str:
        """In words."""
        return "what the environment says an attempt is worth"
