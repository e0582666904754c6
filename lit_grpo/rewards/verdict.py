"""VerdictReward: pays an attempt by the value of its Verdict, for environments that score so.

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
    """Pays the verdict's value; 0 without a verdict."""

    pays = Verdict
    components = ValueAlone

    @property
    @override
    def component_weights(self) -> ValueAlone:
        return ValueAlone(1.0)

    @override
    def breakdown(self, score: Verdict, max_turns: int, key: AttemptKey) -> RewardBreakdown[ValueAlone]:
        """The reward, with the value as its one component."""
        value = score.value if score.verified else 0.0
        return RewardBreakdown(ValueAlone(value), value, value)

    @override
    def describe(self) -> str:
        """The reward in words."""
        return "what the environment says an attempt is worth"
