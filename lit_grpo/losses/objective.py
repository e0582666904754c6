"""The whole objective: one choice on each axis, checked to make sense together, and put together token by token.

It is the section ``model.objective`` of a config, which GRPOModule takes as it is; scripts/audits/check_losses.py
evaluates worked values with it. Formulas and papers: docs/losses.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from lit_grpo.advantages import AdvantageEstimator
from lit_grpo.losses.base import LossInputs, LossOutput, PolicyLoss, UpdateTotals
from lit_grpo.losses.entropy import entropy_bonus
from lit_grpo.losses.mismatch_weight import MismatchRule, MismatchWeight
from lit_grpo.losses.overlong import OverlongPenalty
from lit_grpo.losses.reduction import Reduction
from lit_grpo.losses.reference_kl import KLEstimator, KLPlace, add_reference_kl


@dataclass(frozen=True, slots=True)
class UpdateLoss:
    """The loss of one micro-batch."""

    loss: Tensor
    """Its share of the step's loss, a scalar with gradient."""
    token_losses: Tensor
    """[num_tokens] surrogate and KL, before the reduction."""
    statistics: Mapping[str, Tensor]
    """Name -> [num_tokens] detached, e.g. ``clipped``, ``reference_kl``, ``entropy``."""


@dataclass(frozen=True, slots=True)
class Objective:
    """Independent axes; a paper's name is a preset over them (configs/loss/)."""

    loss: PolicyLoss
    """The surrogate."""
    reduction: Reduction = Reduction.TOKEN_MEAN
    """How tokens are weighed against each other."""
    advantage: AdvantageEstimator = AdvantageEstimator.GROUP
    """The advantage estimator: what a reward is compared with."""
    kl_beta: float = 0.0
    """Weight of the KL to the policy at the start; 0 loads no reference."""
    kl_estimator: KLEstimator = KLEstimator.K3
    """K2 or K3 in the loss, K1 in the reward."""
    kl_place: KLPlace = KLPlace.LOSS
    """Whether the KL is a term of the loss or of the reward."""
    mismatch: MismatchWeight | None = None
    """Weighs the surrogate to correct for sampler and trainer disagreeing; None weighs nothing."""
    mismatch_mask: MismatchWeight | None = None
    """Takes tokens outside its bounds out of the surrogate, and weighs nothing; None takes nothing out."""
    entropy_bonus: float = 0.0
    """Weight of the mean token entropy in the loss, which falls as the entropy rises."""
    entropy_top_share: float = 1.0
    """Share of the update's tokens, those of highest entropy, that the surrogate keeps; 1 keeps all."""
    overlong_filter: bool = False
    """Truncated episodes leave the loss; they still count in their group's mean and spread."""
    overlong_penalty: OverlongPenalty | None = None
    """Lowers the reward of episodes near a length, for the advantage alone; None lowers nothing."""
    max_sequence_tokens: int | None = None
    """L_max of the reduction CONSTANT_LENGTH; None with any other."""
    updates_per_rollout: int = 1
    """Optimizer steps into which the tasks of a rollout are split. With 1, the ratio of the surrogate is exactly 1 and
    clipping never acts."""

    def __post_init__(self) -> None:
        """ValueError for numbers without a meaning and for choices that make no sense together."""
        _require_numbers(self)
        _require_reduction(self)
        _require_kl(self)
        _require_rewards(self)
        _require_mask(self)
        if self.masks_by_entropy and self.loss.is_sequence_level:
            raise ValueError(
                f"entropy_top_share: expected 1 with {type(self.loss).__name__}, got {self.entropy_top_share:g}; the "
                "loss of a sequence-level surrogate at one token holds the log-probs of all, so masking tokens masks "
                "none; take a token-level surrogate or drop the mask"
            )

    @property
    def kl_in_loss(self) -> bool:
        """Whether each token's loss holds a KL."""
        return self.kl_beta > 0 and self.kl_place is KLPlace.LOSS

    @property
    def kl_in_reward(self) -> bool:
        """Whether each episode's reward holds a KL."""
        return self.kl_beta > 0 and self.kl_place is KLPlace.REWARD

    @property
    def masks_by_entropy(self) -> bool:
        """Whether the surrogate leaves out tokens of low entropy."""
        return self.entropy_top_share < 1

    @property
    def needs_all_groups(self) -> bool:
        """Whether groups without signal matter, since a KL or an entropy term pulls on their tokens, too."""
        return self.kl_in_loss or self.entropy_bonus > 0 or self.masks_by_entropy

    def require_group_size(self, group_size: int) -> None:
        """Refuse an advantage that would be 0 throughout.

        Raises:
            ValueError: The estimator compares an episode with others of its group, and there are none.
        """
        if group_size < 2 and self.advantage.compares_attempts:
            raise ValueError(
                f"group_size: expected at least 2 with the advantage {self.advantage.name}, which compares the "
                f"attempts at a task with each other, got {group_size}; every advantage would be 0"
            )

    def require_correction(self, max_staleness: int) -> None:
        """Refuse to train on stale rollouts as if they were the policy's own.

        Raises:
            ValueError: Nothing weighs what the sampler drew by what the policy would have drawn.
        """
        if max_staleness > 0 and self.mismatch is None:
            raise ValueError(
                f"rollout.max_staleness: expected 0 without model.objective.mismatch, got {max_staleness}; the "
                "surrogate's ratio is to the policy at the start of the batch, and older weights drew the tokens: set "
                "model.objective.mismatch, such as {rule: TOKEN_TRUNCATE, highest: 2.0}"
            )

    def update_loss(self, inputs: LossInputs, totals: UpdateTotals) -> UpdateLoss:
        """Apply surrogate, entropy mask, mismatch mask and weight, KL, reduction and entropy bonus, in this order.

        The weight and the masks act on the surrogate alone; what they leave out still counts in the totals.
        """
        output = self._weighted(self.loss(inputs), inputs)
        if self.kl_in_loss:
            output = add_reference_kl(output, inputs, self.kl_beta, self.kl_estimator)
        loss = self.reduction.reduce(output.token_losses, inputs, totals)
        statistics = output.statistics
        if self.entropy_bonus > 0:
            assert inputs.entropies is not None, "an entropy bonus needs the entropies in the inputs"
            loss = loss + entropy_bonus(inputs.entropies, self.entropy_bonus, totals)
            statistics = {**statistics, "entropy": inputs.entropies.detach()}
        return UpdateLoss(loss, output.token_losses, statistics)

    def _weighted(self, output: LossOutput, inputs: LossInputs) -> LossOutput:
        losses, statistics = output.token_losses, output.statistics
        if self.masks_by_entropy:
            assert inputs.keep is not None, "an entropy mask needs `keep` in the inputs"
            kept = inputs.keep.to(losses.dtype)
            losses, statistics = losses * kept, {**statistics, "entropy_kept": kept}
        if self.mismatch_mask is not None:
            kept = self.mismatch_mask.keeps(inputs).to(losses.dtype)
            losses, statistics = losses * kept, {**statistics, "mismatch_masked": 1 - kept}
        if self.mismatch is not None:
            weights = self.mismatch.weights(inputs)
            losses, statistics = losses * weights, {**statistics, "mismatch_weight": weights}
        return LossOutput(losses, statistics)


def _require_numbers(objective: Objective) -> None:
    if objective.kl_beta < 0 or objective.updates_per_rollout < 1:
        raise ValueError(
            "expected kl_beta >= 0 and updates_per_rollout >= 1, got "
            f"{objective.kl_beta} and {objective.updates_per_rollout}"
        )
    if objective.entropy_bonus < 0 or not 0 < objective.entropy_top_share <= 1:
        raise ValueError(
            "expected entropy_bonus >= 0 and 0 < entropy_top_share <= 1, got "
            f"{objective.entropy_bonus} and {objective.entropy_top_share}"
        )


def _require_reduction(objective: Objective) -> None:
    length, is_needed = objective.max_sequence_tokens, objective.reduction is Reduction.CONSTANT_LENGTH
    if is_needed and (length is None or length < 1):
        raise ValueError(
            f"max_sequence_tokens: expected at least 1 with reduction CONSTANT_LENGTH, which divides by it, got "
            f"{length}; the most tokens an episode can have is usual"
        )
    if not is_needed and length is not None:
        raise ValueError(
            f"max_sequence_tokens: expected none with reduction {objective.reduction.name}, which does not use it, got "
            f"{length}; leave it out or take CONSTANT_LENGTH"
        )


def _require_kl(objective: Objective) -> None:
    estimator = objective.kl_estimator
    if objective.kl_in_loss and estimator is KLEstimator.K1:
        raise ValueError(
            "kl_estimator: expected K2 or K3 with kl_place LOSS, got K1; the gradient of k1 is that of log pi, "
            "whatever the reference; take K2, K3, or kl_place REWARD"
        )
    if objective.kl_in_reward and estimator is not KLEstimator.K1:
        raise ValueError(
            f"kl_estimator: expected K1 with kl_place REWARD, got {estimator.name}; a reward needs no gradient, and k1 "
            "is the estimate without bias; set kl_estimator to K1"
        )


def _require_rewards(objective: Objective) -> None:
    """ValueError if something is added to rewards that the advantage does not look at."""
    if objective.advantage is not AdvantageEstimator.SUCCESS:
        return
    if objective.overlong_penalty is not None or objective.kl_in_reward:
        name = "overlong_penalty" if objective.overlong_penalty is not None else "kl_place"
        raise ValueError(
            f"{name}: expected nothing in the reward with the advantage SUCCESS, which looks at no reward; take "
            "overlong_filter, kl_place LOSS, or another advantage"
        )


def _require_mask(objective: Objective) -> None:
    mask = objective.mismatch_mask
    if mask is None:
        return
    if not mask.rule.masks:
        raise ValueError(
            f"mismatch_mask: expected a rule that masks, got {mask.rule.name}; take SEQUENCE_GEOMETRIC, "
            "SEQUENCE_MASK or TOKEN_MASK, and give `mismatch` what only weighs"
        )
    if mask.rule is MismatchRule.TOKEN_MASK and objective.loss.is_sequence_level:
        raise ValueError(
            f"mismatch_mask: expected no TOKEN_MASK with {type(objective.loss).__name__}, got one: the loss "
            "of a sequence-level surrogate at one token holds the log-probs of all; take SEQUENCE_GEOMETRIC"
        )
