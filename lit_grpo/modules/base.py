"""The common ground of SFTModule and GRPOModule: the policy, its optimizer and schedule, and how a step is accumulated.

Both optimise by hand (Lightning's manual optimisation): a step is several micro-batches, each divided by totals of the
whole step over all ranks, so that packing and the number of ranks never change the gradient.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.core.optimizer import LightningOptimizer
from lightning.pytorch.strategies import ParallelStrategy
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor
from torch.distributed.device_mesh import DeviceMesh
from torch.optim.lr_scheduler import LambdaLR
from typing_extensions import override

from lit_grpo.data.batches import consumed_batches
from lit_grpo.dtypes import Dtype, torch_dtype
from lit_grpo.modules.collective import CollectiveModule
from lit_grpo.modules.finite import FiniteUpdates, NotFinite, all_finite
from lit_grpo.modules.microbatch import MicroBatch, TokenScores, idle_microbatch
from lit_grpo.modules.optimizers import (
    OptimizerSettings,
    build_optimizer,
    build_schedule,
    clip_gradients,
    gradient_norm,
)
from lit_grpo.modules.policy import CausalPolicy, LoraSettings, load_policy
from lit_grpo.modules.served_policy import ServedPolicy
from lit_grpo.modules.sharding import load_sharded_policy
from lit_grpo.presets import find_checkpoint, nearest_checkpoint


@dataclass(frozen=True, slots=True)
class PolicySettings:
    """Which network is trained."""

    checkpoint: Path
    """Folder with config, safetensors weights and tokenizer, as ``save_pretrained`` writes it. Where the working folder
    has none of this name, the installed one is taken: ``checkpoints/tiny-base`` is found from anywhere."""
    dtype: Dtype = "float32"
    """The weights have this dtype; log-probs, advantages and losses are float32 in any case."""
    lora: LoraSettings | None = None
    """Train adapters only; None trains every weight."""
    gradient_checkpointing: bool = False
    """Recompute each layer in the backward pass: less memory, a third more time."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "checkpoint", find_checkpoint(self.checkpoint))

    def load(self, mesh: DeviceMesh | None = None) -> CausalPolicy:
        """Read the network from its folder: nothing is ever fetched by name.

        Args:
            mesh: The mesh of a strategy that shards: each rank then reads its own part. None: the whole network.

        Raises:
            FileNotFoundError: There is no such folder.
            ValueError: There is no network in it.
        """
        if not self.checkpoint.is_dir():
            raise FileNotFoundError(
                f"model.policy.checkpoint: expected a folder with a model and its tokenizer, got {self.checkpoint}, "
                f"which is none; make or fetch it first{nearest_checkpoint(self.checkpoint)}"
            )
        dtype = torch_dtype(self.dtype)
        if mesh is not None:
            return load_sharded_policy(self.checkpoint, dtype, self.lora, self.gradient_checkpointing, mesh)
        return load_policy(self.checkpoint, dtype, self.lora, self.gradient_checkpointing)


class PolicyModule(CollectiveModule):
    """A policy in training.

    Args:
        policy: The network.
        optimizer: How its weights are updated.
        microbatch_tokens: Positions, padding included, of one forward pass at most.
    """

    policy: CausalPolicy

    def __init__(self, policy: PolicySettings, optimizer: OptimizerSettings, microbatch_tokens: int) -> None:
        super().__init__()
        self.policy_settings, self.optimizer_settings = policy, optimizer
        self.microbatch_tokens = microbatch_tokens
        self.automatic_optimization = False
        self.policy_version = 0
        """Optimizer steps taken; sampled tokens are stamped with it."""
        self.finite_updates = FiniteUpdates(optimizer.max_not_finite_updates)
        self._is_configured = False

    @property
    def compute_dtype(self) -> Dtype:
        """The dtype in which trainer and sampler multiply matrices; its rounding is why correct ones still differ."""
        is_exact = self.policy_settings.dtype == "float32" and self.trainer.precision in ("32-true", "64-true")
        return "float32" if is_exact else "bfloat16"

    @property
    def served(self) -> ServedPolicy:
        """The policy as it is now, for an engine."""
        return ServedPolicy(
            policy=self.policy,
            checkpoint=self.policy_settings.checkpoint,
            version=self.policy_version,
            dtype=self.compute_dtype,
            is_mixed=self.trainer.precision in ("bf16-mixed", "bf16-true"),
            ranks=self.ranks(),
            read_whole=lambda: self.policy_settings.load().model,
        )

    @override
    def configure_model(self) -> None:
        """Read the network, sharded where the strategy does that (FSDP2). A second call changes nothing."""
        if self._is_configured:
            return
        self.policy = self.policy_settings.load(self.device_mesh).train()
        self.strict_loading = self.policy_settings.lora is None
        self._is_configured = True

    @override
    def configure_optimizers(self) -> OptimizerLRScheduler:
        """One optimizer, and a schedule that is stepped once per batch."""
        optimizer = build_optimizer(self.policy, self.optimizer_settings)
        schedule = build_schedule(optimizer, self.optimizer_settings, self.trainer.estimated_stepping_batches)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    @override
    def on_fit_start(self) -> None:
        """Refuse to train weights that are broken already."""
        self.require_finite_weights(f"at the start, from {self.policy_settings.checkpoint}")

    @override
    def on_train_batch_start(self, batch: object, batch_idx: int) -> None:
        """Return to training mode, which generation and evaluation may have left."""
        self.policy.train()

    @override
    def on_train_batch_end(self, outputs: object, batch: object, batch_idx: int) -> None:
        """Stop if too many updates in a row could not be taken; every rank comes here alike."""
        self.finite_updates.stop_if_too_many(self.trainer)

    @override
    def validation_step(self, batch: object, batch_idx: int) -> None:
        """Do nothing: RepairEvaluation plays the episodes, and only it reports."""

    @override
    def test_step(self, batch: object, batch_idx: int) -> None:
        """Do nothing: RepairEvaluation plays the episodes, and only it reports."""

    @override
    def predict_step(self, batch: object, batch_idx: int) -> None:
        """Do nothing: RepairWriter plays the episode."""

    @override
    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add the policy version; if the policy has adapters, keep these only.

        Raises:
            NotFinite: There is nothing to save; a checkpoint from before stays as it is.
        """
        self.require_finite_weights("in a checkpoint")
        checkpoint["policy_version"] = self.policy_version
        if self.policy_settings.lora is not None:
            trained = {name for name, parameter in self.named_parameters() if parameter.requires_grad}
            weights = checkpoint["state_dict"]
            checkpoint["state_dict"] = {name: weights[name] for name in weights if name in trained}

    @override
    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Put the policy version back."""
        self.policy_version = checkpoint["policy_version"]

    # --- one optimizer step ---------------------------------------------------------------------------------------

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

        Returns:
            The gradient's L2 norm before clipping, a float32 scalar. None where it or a loss of any rank is not finite:
            the update cannot be taken, which is counted.
        """
        self._optimizer.zero_grad()
        passes = max(self.over_ranks([len(microbatches)], "max")[0], 1)
        losses: list[Tensor] = []
        for number in range(passes):
            own = microbatches[number] if number < len(microbatches) else None
            with contextlib.nullcontext() if number == passes - 1 else self._without_sync():
                losses.append(self._accumulate(own or idle_microbatch()))
        norm = gradient_norm(self._optimizer.optimizer)
        if self.on_all_ranks(all_finite([*losses, norm])):
            return norm
        self._optimizer.zero_grad()
        self.finite_updates.failed(consumed_batches(self.trainer), "a loss or the gradient is not finite")
        return None

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

    def step_schedule(self) -> None:
        """Step the schedule; called at the end of every batch, even one without an update."""
        schedule = self.lr_schedulers()
        assert isinstance(schedule, LambdaLR)
        schedule.step()

    def _accumulate(self, microbatch: MicroBatch) -> Tensor:
        """Add a micro-batch's gradient; returns its loss, without gradient."""
        batch = microbatch.batch.to(self.device)
        if microbatch.with_entropies:
            scores = TokenScores(*self.policy.logprobs_and_entropies(batch, microbatch.temperature))
        else:
            scores = TokenScores(self.policy(batch, microbatch.temperature), None)
        # DDP and FSDP average gradients over the ranks; the losses are shares of one sum.
        loss = microbatch.loss(scores)
        self.manual_backward(loss * self.trainer.world_size)
        return loss.detach()

    def _without_sync(self) -> contextlib.AbstractContextManager[None]:
        strategy = self.trainer.strategy
        return strategy.block_backward_sync() if isinstance(strategy, ParallelStrategy) else contextlib.nullcontext()


def require_policy_module(module: pl.LightningModule, callback: str) -> PolicyModule:
    """ValueError if a callback of this package is used with a module that has no policy."""
    if not isinstance(module, PolicyModule):
        raise ValueError(f"{callback}: expected SFTModule or GRPOModule as the model, got {type(module).__name__}")
    return module
