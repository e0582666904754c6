"""The resolved objective in words, printed at the start of a fit by modules/grpo.py."""

from __future__ import annotations

from collections.abc import Iterator

from lit_grpo.advantages import AdvantageEstimator
from lit_grpo.losses.objective import Objective
from lit_grpo.losses.reduction import Reduction

ADVANTAGES = {
    AdvantageEstimator.GROUP: "reward less its group's mean, over its group's standard deviation",
    AdvantageEstimator.CENTRED: "reward less its group's mean",
    AdvantageEstimator.LEAVE_ONE_OUT: "reward less the mean of the others in its group",
    AdvantageEstimator.BATCH: "reward less its group's mean, over the rollout's standard deviation",
    AdvantageEstimator.PER_COMPONENT: (
        "weighted sum of the reward's components, each normalised in its group, over the rollout's standard deviation"
    ),
    AdvantageEstimator.SUCCESS: "1 for a verified faithful episode, 0 for any other, whatever the reward, no baseline",
}
REDUCTIONS = {
    Reduction.TOKEN_MEAN: "mean over the step's tokens",
    Reduction.SEQUENCE_MEAN: "mean over each sequence, then over the step's sequences",
    Reduction.SEQUENCE_SUM: "sum over each sequence, mean over the step's sequences",
    Reduction.PROMPT_MEAN: "mean over each group's tokens, then over the step's groups",
}


def describe(objective: Objective) -> str:
    """A paragraph on what is minimised, and on what is worth knowing about the choice."""
    return " ".join(_sentences(objective))


def _sentences(objective: Objective) -> Iterator[str]:
    yield f"Objective: {objective.loss.describe()}; advantage: {ADVANTAGES[objective.advantage]}."
    yield f"Reduction: {_reduction(objective)}."
    yield _kl(objective)
    if objective.mismatch is not None:
        yield f"Weight against the sampler's mismatch: {objective.mismatch.describe()}."
    if objective.mismatch_mask is not None:
        yield f"What the sampler's mismatch takes out of the loss: {objective.mismatch_mask.describe()}."
    if objective.mismatch is None and objective.mismatch_mask is None:
        yield "The sampler's mismatch is measured and changes no loss."
    if objective.masks_by_entropy:
        yield f"The surrogate keeps the {objective.entropy_top_share:.0%} of tokens with the highest entropy."
    if objective.entropy_bonus > 0:
        yield f"Entropy bonus: {objective.entropy_bonus:g} times the mean entropy of a token."
    if objective.overlong_filter:
        yield "Truncated episodes leave the loss."
    penalty = objective.overlong_penalty
    if penalty is not None:
        start = penalty.max_tokens - penalty.buffer_tokens
        yield f"Episodes of more than {start} sampled tokens are penalised, by 1 from {penalty.max_tokens} on."
    yield _updates(objective)


def _reduction(objective: Objective) -> str:
    if objective.reduction is Reduction.CONSTANT_LENGTH:
        return f"sum over the step's tokens, divided by its sequences and by {objective.max_sequence_tokens}"
    return REDUCTIONS[objective.reduction]


def _kl(objective: Objective) -> str:
    if objective.kl_beta == 0:
        return "No KL, no reference model."
    where = "on each token's loss" if objective.kl_in_loss else "summed over the episode, off its reward"
    return f"KL to the policy at the start: {objective.kl_beta:g} times {objective.kl_estimator}, {where}."


def _updates(objective: Objective) -> str:
    number = objective.updates_per_rollout
    if number == 1:
        remark = "One update per rollout: the ratio is exactly 1"
        if objective.loss.clips:
            return (
                f"{remark}, the share of clipped tokens 0, and another clip range would be identical by construction; "
                "the gradient is that of REINFORCE."
            )
        return f"{remark}, and the gradient is that of REINFORCE."
    if not objective.loss.uses_ratio:
        return (
            f"{number} updates per rollout, and no ratio: from the second on, the gradient is not corrected for the "
            "policy having moved."
        )
    return f"{number} updates per rollout: the first at ratio 1, the others with the ratio to the policy before it."
