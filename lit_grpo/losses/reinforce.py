"""REINFORCE (Williams 1992, Machine Learning 8) with the advantage as return. Configured on modules/grpo.py."""

from __future__ import annotations

from typing import ClassVar

from lit_grpo.losses.base import LossInputs, LossOutput, PolicyLoss
from lit_grpo.losses.ratio import at_least_float32, likelihood_ratio


class ReinforceLoss(PolicyLoss):
    """``-A log pi`` per token. Together with AdvantageEstimator.LEAVE_ONE_OUT this is RLOO (arXiv:2402.14740).

    It is not corrected for the policy having moved since the rollout, so it is meant for one update per rollout, where
    every surrogate of this package has its gradient. Example: A = 2 and log pi = -1 give a loss of 2, a gradient of -2.
    """

    uses_ratio: ClassVar[bool] = False

    def forward(self, inputs: LossInputs) -> LossOutput:
        """The loss; its statistic ``ratio`` is r, which the loss does not use."""
        policy = at_least_float32(inputs.policy_logprobs)
        ratio = likelihood_ratio(policy.detach(), inputs.proximal_logprobs)
        return LossOutput(-inputs.advantages * policy, {"ratio": ratio})

    def describe(self) -> str:
        """``REINFORCE``."""
        return "REINFORCE"
