"""GRPOModule: reinforcement learning on the experience that RolloutCallback attaches to each batch of tasks.

The objective is put together from independent axes: a surrogate per token (losses/), a reduction, an advantage, a KL to
the reference, and the replay of demonstrations. Formulas: docs/losses.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter

import torch
from torch import Tensor
from typing_extensions import override

from lit_grpo.advantages import AdvantageEstimator
from lit_grpo.data.batches import TaskBatch
from lit_grpo.losses.base import LossInputs, PolicyLoss, StepTotals
from lit_grpo.losses.mismatch import mismatch_statistics
from lit_grpo.losses.reduction import Reduction
from lit_grpo.losses.reference_kl import add_reference_kl
from lit_grpo.metrics.policy import PolicyMetrics
from lit_grpo.modules.base import MicroBatch, PolicyModule, PolicySettings, idle_batch, shard_policy
from lit_grpo.modules.optimizers import OptimizerSettings
from lit_grpo.modules.policy import CausalPolicy, load_reference
from lit_grpo.packing import PackedBatch, PromptGroup, pack
from lit_grpo.rollout.experience import Experience, ExperienceBatch

METRICS = (
    "loss",
    "clipped",
    "ratio",
    "reference_kl",
    "mismatch_mean",
    "mismatch_kl",
    "mismatch_effective_share",
    "mismatch_outside",
    "demonstration_loss",
    "grad_norm",
    "skipped",
    "tokens",
    "update_s",
)
"""Logged as ``train/NAME``; docs/metrics.md says what each is. Those that a run does not have are left out."""


@dataclass(frozen=True, slots=True)
class Rollout:
    """What RolloutCallback attaches to a batch: one rank's episodes of a step, ready to be learned from."""

    updates: tuple[Experience, ...]
    """One per optimizer step."""
    temperature: float
    """The episodes were sampled at; log-probs are those of that distribution."""


class GRPOModule(PolicyModule):
    """Trains a policy on the advantages of its own episodes.

    Args:
        policy: The network.
        optimizer: How its weights are updated.
        loss: The surrogate.
        reduction: How tokens are weighed against each other.
        advantage: What a reward is compared with.
        kl_beta: Weight of the KL to the policy at the start (k3); 0 loads no reference.
        updates_per_rollout: Optimizer steps into which the tasks of a rollout are split. With 1, the ratio of the
            surrogate is exactly 1 and clipping never acts.
        demonstration_loss_weight: Weight of the answer cross-entropy on the demonstrations in the batch.
        microbatch_tokens: Positions, padding included, of one forward pass at most.
    """

    def __init__(
        self,
        policy: PolicySettings,
        optimizer: OptimizerSettings,
        loss: PolicyLoss,
        reduction: Reduction = Reduction.TOKEN_MEAN,
        advantage: AdvantageEstimator = AdvantageEstimator.GROUP,
        kl_beta: float = 0.0,
        updates_per_rollout: int = 1,
        demonstration_loss_weight: float = 0.0,
        microbatch_tokens: int = 8192,
    ) -> None:
        super().__init__(policy, optimizer, microbatch_tokens)
        if kl_beta < 0 or demonstration_loss_weight < 0 or updates_per_rollout < 1:
            raise ValueError(
                "expected kl_beta >= 0, demonstration_loss_weight >= 0 and updates_per_rollout >= 1, got "
                f"{kl_beta}, {demonstration_loss_weight} and {updates_per_rollout}"
            )
        self.loss, self.reduction, self.advantage, self.kl_beta = loss, reduction, advantage, kl_beta
        self.updates_per_rollout = updates_per_rollout
        self.demonstration_loss_weight = demonstration_loss_weight
        self.metrics = PolicyMetrics(METRICS)
        # In a list, so that the frozen reference is no part of this module's weights and checkpoints.
        self._reference: list[CausalPolicy] = []

    @override
    def configure_model(self) -> None:
        """Read the network, and the reference of a KL where the policy has no adapters to switch off."""
        super().configure_model()
        if self.kl_beta > 0 and self.policy_settings.lora is None and not self._reference:
            reference = load_reference(self.policy_settings.checkpoint, self.policy_settings.torch_dtype)
            if self.device_mesh is not None:
                shard_policy(reference, self.device_mesh)
            self._reference.append(reference)

    @override
    def on_fit_start(self) -> None:
        """The reference follows the policy to its device."""
        for reference in self._reference:
            reference.to(self.device)

    @override
    def training_step(self, batch: TaskBatch, batch_idx: int) -> None:
        """The optimizer steps of one rollout.

        Raises:
            RuntimeError: RolloutCallback is missing.
            ValueError: Demonstrations are to be replayed, and the batch has none.
        """
        started = perf_counter()
        rollout = batch.experience
        if not isinstance(rollout, Rollout):
            raise RuntimeError(
                "GRPOModule.training_step found no experience in its batch; add RolloutCallback "
                "(lit_grpo.callbacks.rollout) to trainer.callbacks"
            )
        num_updates = len(rollout.updates)
        # All of them before the first step: the ratio is that to the policy as it was when the rollout came in.
        proximal = [self._proximal_logprobs(rollout, number) for number in range(num_updates)]
        num_tokens = 0
        for number, experience in enumerate(rollout.updates):
            totals = self._totals(experience)
            microbatches = self._policy_microbatches(experience, totals, proximal[number], rollout.temperature)
            microbatches += self._replay_microbatches(batch.demonstrations[number::num_updates])
            self._update_or_skip(microbatches)
            num_tokens += totals.num_tokens
        self.step_schedule()
        self.metrics.update({"tokens": num_tokens, "update_s": perf_counter() - started}, 1)
        self.log_dict({f"train/{name}": value for name, value in self.metrics.compute().items()})
        self.metrics.reset()

    def _update_or_skip(self, microbatches: Sequence[MicroBatch]) -> None:
        """A step without signal on any rank is left out: an optimizer's moments would move the weights all the same."""
        is_empty = self.over_ranks([len(microbatches)], "max")[0] == 0
        self.metrics.update({"skipped": float(is_empty)}, 1)
        if not is_empty:
            self.metrics.update({"grad_norm": self.update(microbatches)}, 1)

    def _policy_microbatches(
        self, experience: Experience, totals: StepTotals, proximal: Sequence[Tensor] | None, temperature: float
    ) -> list[MicroBatch]:
        batches = self._learned_from(experience)
        references = self._reference_logprobs(batches, temperature)

        def microbatch(number: int, batch: ExperienceBatch) -> MicroBatch:
            def loss(logprobs: Tensor) -> Tensor:
                frozen = logprobs.detach() if proximal is None else proximal[number]
                reference = None if references is None else references[number]
                return self._policy_loss(logprobs, frozen, reference, batch, totals)

            return MicroBatch(batch.packed, loss, temperature)

        return [microbatch(number, batch) for number, batch in enumerate(batches)]

    def _policy_loss(
        self, logprobs: Tensor, proximal: Tensor, reference: Tensor | None, batch: ExperienceBatch, totals: StepTotals
    ) -> Tensor:
        """This micro-batch's share of the step's loss."""
        device = logprobs.device
        inputs = LossInputs(
            policy_logprobs=logprobs,
            proximal_logprobs=proximal,
            sampler_logprobs=batch.sampler_logprobs.to(device, torch.float32),
            reference_logprobs=reference,
            advantages=batch.advantages.to(device, torch.float32),
            sequence_index=batch.packed.sequence_index.to(device),
            group_index=batch.packed.group_index.to(device),
        )
        output = self.loss(inputs)
        if self.kl_beta > 0:
            output = add_reference_kl(output, inputs, self.kl_beta)
        self._measure(inputs, output.token_losses, output.statistics)
        return self.reduction.reduce(output.token_losses, inputs, totals)

    def _measure(self, inputs: LossInputs, token_losses: Tensor, statistics: Mapping[str, Tensor]) -> None:
        mismatch = mismatch_statistics(inputs.proximal_logprobs, inputs.sampler_logprobs)
        means = {name: values.mean() for name, values in statistics.items()}
        means |= {
            "loss": token_losses.detach().mean(),
            "mismatch_mean": mismatch.mean_abs_log_ratio,
            "mismatch_kl": mismatch.sampler_kl,
            "mismatch_effective_share": mismatch.effective_sample_share,
            "mismatch_outside": mismatch.share_outside,
        }
        self.metrics.update(means, token_losses.numel())

    def _replay_microbatches(self, demonstrations: Sequence[PromptGroup]) -> list[MicroBatch]:
        """Weighted answer cross-entropy, averaged over this update's answer tokens on all ranks."""
        if self.demonstration_loss_weight == 0.0:
            return []
        packed = pack(demonstrations, self.microbatch_tokens)
        (num_tokens,) = self.over_ranks([sum(batch.num_tokens for batch in packed)])
        if num_tokens == 0:
            raise ValueError(
                "demonstration_loss_weight: expected demonstrations in the batch, got none; set data.replay, with a "
                "batch_size of at least updates_per_rollout x ranks"
            )

        def loss(logprobs: Tensor) -> Tensor:
            self.metrics.update({"demonstration_loss": -logprobs.detach().mean()}, logprobs.numel())
            return -self.demonstration_loss_weight * logprobs.sum() / num_tokens

        return [MicroBatch(batch, loss) for batch in packed]

    # --- log-probs that no gradient flows through -----------------------------------------------------------------

    def _proximal_logprobs(self, rollout: Rollout, number: int) -> list[Tensor] | None:
        """Of each micro-batch of an update, before the rollout's first; None: the policy itself, detached."""
        if number == 0:
            return None
        batches = self._learned_from(rollout.updates[number])
        return self._frozen_passes(self.policy, batches, rollout.temperature)

    def _reference_logprobs(self, batches: Sequence[ExperienceBatch], temperature: float) -> list[Tensor] | None:
        if self.kl_beta == 0.0:
            return None
        if self._reference:
            return self._frozen_passes(self._reference[0], batches, temperature)
        return self._frozen_passes(self.policy.without_adapters, batches, temperature)

    @torch.no_grad()
    def _frozen_passes(
        self,
        network: Callable[[PackedBatch, float], Tensor],
        batches: Sequence[ExperienceBatch],
        temperature: float,
    ) -> list[Tensor]:
        """As many passes on every rank, which sharded weights demand."""
        passes = self.over_ranks([len(batches)], "max")[0]
        packed = [batch.packed for batch in batches] + [idle_batch()] * (passes - len(batches))
        return [network(batch.to(self.device), temperature) for batch in packed][: len(batches)]

    # --- which tokens, out of how many ----------------------------------------------------------------------------

    def _learned_from(self, experience: Experience) -> Sequence[ExperienceBatch]:
        """Groups without signal have advantages of 0: they are left out, unless a KL pulls on their tokens, too."""
        return experience.batches if self.kl_beta > 0 else experience.batches_with_signal

    def _totals(self, experience: Experience) -> StepTotals:
        """Counts over all ranks, groups without signal included: leaving those out changes no gradient."""
        own = experience.totals
        tokens, sequences, groups = self.over_ranks([own.num_tokens, own.num_sequences, own.num_groups])
        return StepTotals(max(tokens, 1), max(sequences, 1), max(groups, 1))
