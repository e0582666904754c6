"""How an optimizer step is accumulated and taken, whatever the loss. Extended by PolicyModule.

By hand (Lightning's manual optimisation): a step is several micro-batches, each divided by totals of the whole step
over all ranks, so that packing and the number of ranks never change the gradient.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

import torch
from lightning.pytorch.core.optimizer import LightningOptimizer
from lightning.pytorch.strategies import ParallelStrategy
from torch import Tensor
from torch.optim.lr_scheduler import LambdaLR
from typing_extensions import override

from lit_grpo.data.batches import consumed_batches
from lit_grpo.metrics.policy import PolicyMetrics
from lit_grpo.modules.collective import CollectiveModule
from lit_grpo.modules.finite import FiniteUpdates, NotFinite, all_finite
from lit_grpo.modules.microbatch import MicroBatch, TokenScores, idle_microbatch
from lit_grpo.modules.optimizers import OptimizerSettings, clip_gradients, gradient_norm
from lit_grpo.modules.policy import CausalPolicy
from lit_grpo.modules.too_long import TooLong
from lit_grpo.packing import PromptGroup, fitting, num_with_targets, pack


class SteppingModule(CollectiveModule):
    """A policy whose weights are moved update by update.

    Args:
        optimizer: How the weights are updated.
        microbatch_tokens: Positions, padding included, of one forward pass at most, unless it is of a single sequence.
        longest_row_tokens: Tokens of a single sequence, with its prompt, at most: what is longer is left out. None: as
            many as the context of the policy has room for.
    """

    policy: CausalPolicy
    metrics: PolicyMetrics
    """The numbers of the batch so far."""

    def __init__(self, optimizer: OptimizerSettings, microbatch_tokens: int, longest_row_tokens: int | None) -> None:
        super().__init__()
        if longest_row_tokens is not None and longest_row_tokens < microbatch_tokens:
            raise ValueError(
                f"model.longest_row_tokens: expected at least microbatch_tokens={microbatch_tokens}, got "
                f"{longest_row_tokens}; lower microbatch_tokens as well, or leave it out"
            )
        self.optimizer_settings = optimizer
        self.microbatch_tokens, self.longest_row_tokens = microbatch_tokens, longest_row_tokens
        self.automatic_optimization = False
        self.policy_version = 0
        """Optimizer steps taken; sampled tokens are stamped with it."""
        self.finite_updates, self.too_long = FiniteUpdates(optimizer.max_not_finite_updates), TooLong()

    @override
    def on_train_batch_end(self, outputs: object, batch: object, batch_idx: int) -> None:
        """Stop if too many updates in a row could not be taken; every rank comes here alike."""
        self.finite_updates.stop_if_too_many(self.trainer)

    def fitting(self, groups: Sequence[PromptGroup]) -> list[PromptGroup]:
        """The groups without targets in what is longer than ``longest_row_tokens``, which is said."""
        kept = [fitting(group, self.longest_row_tokens) for group in groups]
        num_left_out = num_with_targets(groups) - num_with_targets(kept)
        limit = f"model.longest_row_tokens is {self.longest_row_tokens}; raise it if memory allows"
        self.too_long.found(num_left_out, limit)
        return kept

    def cross_entropy(
        self, groups: Sequence[PromptGroup], name: str, weight: float = 1.0
    ) -> tuple[list[MicroBatch], int]:
        """The mean of -log pi over the targets of all ranks, times ``weight``. Every rank must call it.

        Args:
            groups: Those of this rank, nothing too long among them.
            name: What the mean is logged as, without the weight.
            weight: Factor of the loss.

        Returns:
            This rank's micro-batches, and the number of targets over all ranks.
        """
        packed = pack(groups, self.microbatch_tokens)
        (num_tokens,) = self.over_ranks([sum(batch.num_tokens for batch in packed)])

        def loss(scores: TokenScores) -> Tensor:
            self.metrics.update({name: -scores.logprobs.detach().mean()}, scores.logprobs.numel())
            return -weight * scores.logprobs.sum() / num_tokens

        return [MicroBatch(batch, loss) for batch in packed], num_tokens

    def update(self, microbatches: Sequence[MicroBatch]) -> Tensor | None:
        """Take one optimizer step on all ranks' micro-batches; returns the gradient's norm as `accumulate` does."""
        norm = self.accumulate(microbatches)
        if norm is not None:
            self.take_step(norm)
        return norm

    def accumulate(self, microbatches: Sequence[MicroBatch]) -> Tensor | None:
        """Add up the gradient of the sum of the micro-batches' losses over all ranks.

        Every rank makes as many passes as the one with the most, as sharded weights and DDP's buckets demand; those
        beyond its own have a loss of 0.

        A sequence with a micro-batch of its own for which memory does not suffice is left out, with a warning, where
        there is one rank; several would not know of each other.

        Returns:
            The gradient's L2 norm before clipping, a float32 scalar. None where it or a loss of any rank is not finite:
            the update cannot be taken, which is counted, and leaves no numbers.
        """
        earlier = self.metrics.so_far()
        losses = self._passes_if_memory_suffices(microbatches)
        if losses is None:
            self.metrics.go_back(earlier)
            losses = self._passes([own for own in microbatches if own.num_positions <= self.microbatch_tokens])
        norm = gradient_norm(self._optimizer.optimizer)
        if self.on_all_ranks(all_finite([*losses, norm])):
            return norm
        self._optimizer.zero_grad()
        self.metrics.go_back(earlier)
        self.finite_updates.failed(consumed_batches(self.trainer), "a loss or the gradient is not finite")
        return None

    def _passes_if_memory_suffices(self, microbatches: Sequence[MicroBatch]) -> list[Tensor] | None:
        """`_passes`; None if memory did not suffice, and leaving out the sequences beyond a micro-batch may help."""
        long = [own.num_positions for own in microbatches if own.num_positions > self.microbatch_tokens]
        try:
            return self._passes(microbatches)
        except torch.OutOfMemoryError:
            if self.trainer.world_size > 1 or not long:
                raise
            limit = f"model.longest_row_tokens below {min(long)}"
            self.too_long.found(len(long), f"memory did not suffice for {max(long)} tokens in a pass: set {limit}")
            return None

    def _passes(self, microbatches: Sequence[MicroBatch]) -> list[Tensor]:
        """Make the passes of one update; returns their losses."""
        self._optimizer.zero_grad()
        passes = max(self.over_ranks([len(microbatches)], "max")[0], 1)
        losses: list[Tensor] = []
        for number in range(passes):
            own = microbatches[number] if number < len(microbatches) else None
            with contextlib.nullcontext() if number == passes - 1 else self._without_sync():
                losses.append(self._accumulate(own or idle_microbatch()))
        return losses

    def take_step(self, norm: Tensor) -> None:
        """Clip the gradient, whose norm `accumulate` gave, and take a step with it.

        Raises:
            NotFinite: Weights are not finite after it.
        """
        clip_gradients(self._optimizer.optimizer, self.optimizer_settings.gradient_clip, norm)
        self._optimizer.step()
        self.policy_version += 1
        self.finite_updates.taken()
        self.require_finite_weights(f"after an update in batch {consumed_batches(self.trainer)}")

    def require_finite_weights(self, when: str) -> None:
        """NotFinite on every rank if trained weights of any are not finite. Every rank must call it."""
        trained = (parameter for parameter in self.policy.parameters() if parameter.requires_grad)
        if not self.on_all_ranks(all_finite(trained)):
            raise NotFinite(
                f"expected finite weights {when}, got NaN or infinite ones; they are not saved: go on from an earlier "
                "checkpoint with --ckpt_path, at a lower model.optimizer.learning_rate"
            )

    @property
    def _optimizer(self) -> LightningOptimizer:
        optimizer = self.optimizers()
        assert isinstance(optimizer, LightningOptimizer)
        return optimizer

    @property
    def _schedule(self) -> LambdaLR:
        schedule = self.lr_schedulers()
        assert isinstance(schedule, LambdaLR)
        return schedule

    def step_schedule(self) -> None:
        """Step the schedule; called at the end of every batch, even one without an update."""
        self._schedule.step()

    def _accumulate(self, microbatch: MicroBatch) -> Tensor:
        """Add a micro-batch's gradient; returns its loss, without gradient."""
        batch = microbatch.batch.to(self.device)
        if microbatch.with_entropies:
            scores = TokenScores(*self.policy.logprobs_and_entropies(batch, microbatch.temperature))
        else:
            scores = TokenScores(self.policy(batch, microbatch.temperature), None)
        # DDP and FSDP average gradients over the ranks; the losses are shares of one sum.
        loss = microbatch.loss(scores)
        # Lightning's mixed precision is around all of a training step; a backward pass takes the dtypes of its forward.
        with torch.autocast(self.device.type, enabled=False):
            self.manual_backward(loss * self.trainer.world_size)
        return loss.detach()

    def _without_sync(self) -> contextlib.AbstractContextManager[None]:
        strategy = self.trainer.strategy
        return strategy.block_backward_sync() if isinstance(strategy, ParallelStrategy) else contextlib.nullcontext()
