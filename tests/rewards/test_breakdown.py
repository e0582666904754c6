"""What a reward of one's own may return.

1. A number that float32 cannot hold is not finite, as in `finite_rewards`; the largest that it can is.
2. Anything but a breakdown of its own components, in numbers, is refused in one line with the reward's name.
3. One that lacks what it is asked for while a run plays is refused when its settings are made, and so is an
   environment without a number of turns.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from typing import Any

import pytest
import torch
from typing_extensions import override

from lit_grpo.advantages import finite_rewards
from lit_grpo.callbacks.rollout import RolloutCallback
from lit_grpo.environment.protocol import Environment, Verdict
from lit_grpo.rewards.base import AttemptKey, Reward, RewardBreakdown
from lit_grpo.rewards.verdict import ValueAlone, VerdictReward
from lit_grpo.rollout.settings import RolloutSettings

KEY = AttemptKey(run_seed=3, batch=7, task_id="task", sample=1)
WHOLE = RewardBreakdown(ValueAlone(0.5), 0.5, 0.5)


@dataclass(frozen=True)
class Mine(Reward[Verdict]):
    """Pays whatever it is told to."""

    returned: Any
    pays = Verdict
    components = ValueAlone

    @override
    def breakdown(self, score: Verdict, max_turns: int, key: AttemptKey) -> RewardBreakdown[Any]:
        return self.returned

    @override
    def describe(self) -> str:
        return "mine"


@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize(
    "total", [0.0, 1e30, 3.4028234e38, 3.4028235677973362e38, 3.4028235677973366e38, 1e39, 1e300, math.inf, math.nan]
)
def test_1_finite_in_float32(total: float, sign: float) -> None:
    expected = bool(finite_rewards(torch.tensor([sign * total], dtype=torch.float64))[1])
    assert replace(WHOLE, total=sign * total).is_finite is expected
    assert RewardBreakdown(ValueAlone(sign * total), 0.0, 0.0).is_finite is expected


@pytest.mark.parametrize(
    ("returned", "expected"),
    [
        (None, "expected Mine to return a RewardBreakdown of ValueAlone, got None; return RewardBreakdown("),
        (1.0, "expected Mine to return a RewardBreakdown of ValueAlone, got a float; "),
        (RewardBreakdown(KEY, 1.0, 1.0), "a RewardBreakdown of ValueAlone, got one of AttemptKey; "),
        (replace(WHOLE, total=None), "expected Mine to pay numbers, got None as total; return a float"),
        (replace(WHOLE, total=torch.tensor(1.0)), "expected Mine to pay numbers, got a Tensor as total; "),
        (replace(WHOLE, unshaped="1.0"), "expected Mine to pay numbers, got a str as unshaped; "),
        (RewardBreakdown(ValueAlone(None), 1.0, 1.0), "got None as value; "),  # pyright: ignore[reportArgumentType]
    ],
)
def test_2_what_is_no_breakdown(returned: Any, expected: str) -> None:
    with pytest.raises(ValueError, match=r"^rollout.reward: ") as refused:
        Mine(returned).of(Verdict(True, 1.0), 3, KEY)
    assert expected in str(refused.value)
    assert Mine(WHOLE).of(Verdict(True, 1.0), 3, KEY) is WHOLE


def test_3_what_cannot_pay() -> None:
    wrong = {
        "expected Lacking to say which type of score it pays, got none; ": {"pays": None},
        "expected Lacking to name the dataclass of its components, got none; ": {"components": Verdict.__init__},
        "expected Lacking.breakdown to take (score, max_turns, key), got: too many": {"breakdown": lambda self: WHOLE},
    }
    for expected, change in wrong.items():
        reward = type("Lacking", (Mine,), change)(WHOLE)
        with pytest.raises(ValueError, match=rf"^rollout.reward: {re.escape(expected)}"):
            RolloutSettings(reward=reward)
    assert RolloutSettings(reward=Mine(WHOLE)).reward == Mine(WHOLE)
    assert RolloutSettings(reward=VerdictReward()).reward == VerdictReward()


def test_3_an_environment_without_turns() -> None:
    class Endless(Environment[Any, Any, Verdict]):
        @override
        def begin(self, problem: Any, num_attempts: int) -> list[Any]:
            return []

        @override
        def score(self, problem: Any, record: Any) -> Verdict:
            return Verdict(True, 1.0)

    with pytest.raises(ValueError, match=r"^environment: expected Endless to have max_turns, .*, got None; write"):
        RolloutCallback(RolloutSettings(reward=VerdictReward()), environment=Endless())
