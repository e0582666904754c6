"""GRPOModule: reinforcement learning on the experience that RolloutCallback attaches to each batch of tasks.

The objective is put together from independent axes (losses/objective.py); demonstrations are replayed beside it.
Formulas: docs/losses.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any

from lightning_utilities.core.rank_zero import rank_zero_info
from torch import Tensor
from typing_extensions import override

from lit_grpo.advantages import AdvantageEstimator
from lit_grpo.data.batches import TaskBatch, consumed_batches
from lit_grpo.environment.protocol import AnyEnvironment
from lit_grpo.losses.base import LossInputs, UpdateTotals
from lit_grpo.losses.description import describe
from lit_grpo.losses.objective import Objective
from lit_grpo.metrics.policy import PolicyMetrics
from lit_grpo.modules.base import PolicySettings
from lit_grpo.modules.microbatch import MicroBatch, TokenScores
from lit_grpo.modules.mismatch_monitor import MAXIMA, MEANS, MismatchMonitor, MismatchMonitorSettings
from lit_grpo.modules.optimizers import OptimizerSettings
from lit_grpo.modules.reference import ReferencedModule
from lit_grpo.rewards.base import Reward
from lit_grpo.rollout.attempts import AnyGroup, AnyScoredGroup
from lit_grpo.rollout.estimation import groups_with_signal, require_components, require_steady
from lit_grpo.rollout.experience import Experience, ExperienceBatch, ExperienceSettings, Rollout, build_updates
from lit_grpo.rollout.settings import RolloutSettings

METRICS = (
    "loss",
    "clipped",
    "ratio",
    "reference_kl",
    "entropy",
    "entropy_kept",
    "mismatch_weight",
    *MEANS,
    "demonstration_loss",
    "grad_norm",
    "skipped",
    "not_finite",
    "tokens",
    "update_s",
)
"""Logged as ``train/NAME``; docs/metrics.md says what each is. Those that a run does not have are left out."""


@dataclass(frozen=True, slots=True)
class _BeforeUpdates:
    """All that is known of one update's micro-batches before the rollout's first optimizer step."""

    proximal: Sequence[Tensor] | None
    """[num_tokens] each; None: the policy itself, detached, which is the same in the first update."""
    keep: Sequence[Tensor] | None
    """[num_tokens] bool each, where an entropy mask is configured."""
    policy_version: int
    """The policy's version then."""


class GRPOModule(ReferencedModule):
    """Trains a policy on the advantages of its own episodes.

    Args:
        policy: The network.
        optimizer: How its weights are updated.
        objective: The objective that is minimised.
        demonstration_loss_weight: Weight of the answer cross-entropy on the demonstrations in the batch.
        microbatch_tokens: Positions, padding included, of one forward pass at most.
        mismatch_monitor: When a disagreement of sampler and trainer leads to a warning, and when it stops the run;
            None: the defaults.
        longest_row_tokens: An attempt that is longer than ``microbatch_tokens``, with its prompt, has a pass of its
            own up to so many tokens; longer ones are left out and counted. None: none are.
    """

    def __init__(
        self,
        policy: PolicySettings,
        optimizer: OptimizerSettings,
        objective: Objective,
        demonstration_loss_weight: float = 0.0,
        microbatch_tokens: int = 8192,
        mismatch_monitor: MismatchMonitorSettings | None = None,
        longest_row_tokens: int | None = None,
    ) -> None:
        needs_reference = objective.kl_beta > 0
        super().__init__(
            policy, optimizer, microbatch_tokens, needs_reference, demonstration_loss_weight, longest_row_tokens
        )
        self.objective = objective
        # Registered as well: a loss with buffers of its own follows this module to its device.
        self.loss = objective.loss
        self.metrics = PolicyMetrics(METRICS, MAXIMA)
        self.mismatch_monitor = MismatchMonitor(mismatch_monitor or MismatchMonitorSettings(), self.metrics)

    @property
    @override
    def updates_per_batch(self) -> int:
        """One or several of a rollout."""
        return self.objective.updates_per_rollout

    @override
    def on_fit_start(self) -> None:
        """Say what is minimised."""
        super().on_fit_start()
        rank_zero_info(f"{describe(self.objective)} {self.mismatch_monitor.describe(self.compute_dtype)}")

    @override
    def require_rollouts(self, settings: RolloutSettings, environment: AnyEnvironment) -> None:
        """Refuse settings that leave an objective nothing to compare, or log-probs that are none of the trainer's."""
        temperature = settings.sampling.temperature
        if temperature <= 0:
            raise ValueError(
                f"rollout.sampling.temperature: expected above 0 for training, got {temperature}; greedy attempts at a "
                "task are all alike and teach nothing"
            )
        settings.sampling.trained_temperature()
        if settings.dynamic_sampling is not None:
            require_steady(settings.reward)
        self.objective.require_group_size(settings.group_size)
        self.objective.require_correction(settings.max_staleness)
        if self.objective.advantage is AdvantageEstimator.PER_COMPONENT:
            require_components(self.objective.advantage, settings.reward)

    @override
    def groups_with_signal(self, groups: Sequence[AnyScoredGroup], reward: Reward[Any]) -> list[bool]:
        """Those that the advantage's estimator can learn from."""
        return groups_with_signal(groups, self.objective.advantage, reward)

    @override
    def rollout_of(self, groups: Sequence[AnyScoredGroup], settings: RolloutSettings) -> Rollout:
        """Groups of attempts, played under ``settings``, as the rollout that a training step learns from."""
        objective, temperature = self.objective, settings.sampling.trained_temperature()
        experience = ExperienceSettings(
            estimator=objective.advantage,
            microbatch_tokens=self.microbatch_tokens,
            longest_row_tokens=self.longest_row_tokens,
            num_updates=objective.updates_per_rollout,
            reward=settings.reward,
            overlong_filter=objective.overlong_filter,
            overlong_penalty=objective.overlong_penalty,
        )
        reward_kl = self._reward_kl(groups, temperature) if objective.kl_in_reward else None
        updates = build_updates(groups, experience, reward_kl, self.sum_over_ranks)
        num_too_long = sum(experience.num_too_long for experience in updates)
        return Rollout(updates, temperature, num_too_long)

    @override
    def training_step(self, batch: TaskBatch, batch_idx: int) -> None:
        """Take the optimizer steps of one rollout.

        Raises:
            ValueError: RolloutCallback is missing, or demonstrations are to be replayed, and the batch has none.
        """
        started = perf_counter()
        rollout = batch.experience
        if not isinstance(rollout, Rollout):
            raise ValueError(
                "trainer.callbacks: expected RolloutCallback among them, which plays what GRPOModule trains on, got "
                "a batch without a rollout; add it"
            )
        num_updates = len(rollout.updates)
        # All of them before the first step: the ratio is that to the policy as it was when the rollout came in.
        before = [self._before_updates(rollout, number) for number in range(num_updates)]
        num_tokens = 0
        for number, experience in enumerate(rollout.updates):
            totals = self._totals(experience)
            microbatches = self._policy_microbatches(experience, totals, before[number], rollout.temperature)
            microbatches += self.replay_microbatches(batch.demonstrations[number::num_updates])
            self._update_or_skip(microbatches, experience)
            num_tokens += totals.num_tokens
            if self.mismatch_monitor.reason is not None:
                break
        self.step_schedule()
        self.metrics.update({"tokens": num_tokens, "update_s": perf_counter() - started}, 1)
        numbers = self.mismatch_monitor.warn(self.compute_dtype, consumed_batches(self.trainer))
        self.log_dict({f"train/{name}": value for name, value in numbers.items()})
        self.metrics.reset()

    @override
    def on_train_batch_end(self, outputs: object, batch: object, batch_idx: int) -> None:
        """Stop at the end, or if sampler and trainer differ too much, or updates are not finite; all ranks alike."""
        super().on_train_batch_end(outputs, batch, batch_idx)
        self.mismatch_monitor.stop_if_asked(self.trainer)

    def _update_or_skip(self, microbatches: Sequence[MicroBatch], experience: Experience) -> None:
        """Update, unless no rank has signal: an optimizer's moments would move the weights all the same.

        Args:
            microbatches: Those of this rank.
            experience: What they were made of. An update that is skipped counts as failed if numbers that are not
                finite have left no rank anything to compare; attempts that earned alike are no failure.
        """
        is_empty = self.over_ranks([len(microbatches)], "max")[0] == 0
        self.metrics.update({"skipped": float(is_empty)}, 1)
        if is_empty:
            num_left_out, num_comparable = self.over_ranks([experience.num_not_finite, experience.num_comparable])
            if num_left_out and not num_comparable:
                why = f"nothing to learn from beside {num_left_out} attempts whose numbers are not finite"
                self.finite_updates.failed(consumed_batches(self.trainer), why)
            return
        norm = self.accumulate(microbatches)
        self.metrics.update({"not_finite": float(norm is None)}, 1)
        if norm is not None and not self.mismatch_monitor.must_stop(self.compute_dtype, consumed_batches(self.trainer)):
            self.take_step(norm)
            self.metrics.update({"grad_norm": norm}, 1)

    def _policy_microbatches(
        self, experience: Experience, totals: UpdateTotals, before: _BeforeUpdates, temperature: float
    ) -> list[MicroBatch]:
        batches = self._learned_from(experience)
        packed = [batch.packed for batch in batches]
        references = self.reference_logprobs(packed, temperature) if self.objective.kl_in_loss else None

        def microbatch(number: int, batch: ExperienceBatch) -> MicroBatch:
            def loss(scores: TokenScores) -> Tensor:
                inputs = batch.loss_inputs(
                    scores.logprobs,
                    scores.entropies,
                    proximal=scores.logprobs.detach() if before.proximal is None else before.proximal[number],
                    reference=None if references is None else references[number],
                    keep=None if before.keep is None else before.keep[number],
                )
                is_stale = batch.policy_versions != before.policy_version
                self.mismatch_monitor.measure(inputs.proximal_logprobs, inputs.sampler_logprobs, is_stale)
                return self._policy_loss(inputs, totals)

            return MicroBatch(batch.packed, loss, temperature, with_entropies=self.objective.entropy_bonus > 0)

        return [microbatch(number, batch) for number, batch in enumerate(batches)]

    def _policy_loss(self, inputs: LossInputs, totals: UpdateTotals) -> Tensor:
        """This micro-batch's share of the step's loss."""
        step = self.objective.update_loss(inputs, totals)
        means = {name: values.mean() for name, values in step.statistics.items()}
        self.metrics.update(means | {"loss": step.token_losses.detach().mean()}, step.token_losses.numel())
        return step.loss

    def _before_updates(self, rollout: Rollout, number: int) -> _BeforeUpdates:
        """Pass over the update ``number`` with the policy from before the rollout's first."""
        packed = [batch.packed for batch in self._learned_from(rollout.updates[number])]
        if self.objective.masks_by_entropy:
            scores = self.frozen_passes(self.policy.logprobs_and_entropies, packed, rollout.temperature)
            proximal = None if number == 0 else [logprobs for logprobs, _ in scores]
            entropies = [values for _, values in scores]
            masks = self.top_entropy_masks(entropies, self.objective.entropy_top_share)
            return _BeforeUpdates(proximal, masks, self.policy_version)
        proximal = None if number == 0 else self.frozen_passes(self.policy, packed, rollout.temperature)
        return _BeforeUpdates(proximal, None, self.policy_version)

    def _reward_kl(self, groups: Sequence[AnyGroup], temperature: float) -> Tensor:
        """[num_attempts] float64, the amount that the KL takes off each reward."""
        divergences = self.attempt_divergences(groups, temperature)
        num_tokens = sum(attempt.num_sampled_tokens for group in groups for attempt in group.attempts)
        self.metrics.update({"reference_kl": divergences.sum() / max(num_tokens, 1)}, num_tokens)
        return self.objective.kl_beta * divergences

    # --- which tokens, out of how many ----------------------------------------------------------------------------

    def _learned_from(self, experience: Experience) -> Sequence[ExperienceBatch]:
        """All groups if a KL or an entropy term looks at them, else those with signal: the others' advantages are 0."""
        return experience.batches if self.objective.needs_all_groups else experience.batches_with_signal

    def _totals(self, experience: Experience) -> UpdateTotals:
        """Counts over all ranks, groups without signal included: leaving those out changes no gradient."""
        own = experience.totals
        tokens, sequences, groups = self.over_ranks([own.num_tokens, own.num_sequences, own.num_groups])
        return UpdateTotals(max(tokens, 1), max(sequences, 1), max(groups, 1), self.objective.max_sequence_tokens)
