"""The common ground of SFTModule and GRPOModule: the policy, its optimizer and schedule, and how a step is accumulated.

Both optimise by hand (Lightning's manual optimisation): a step is several micro-batches, each divided by totals of the
whole step over all ranks, so that packing and the number of ranks never change the gradient.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import lightning.pytorch as pl
import torch
from lightning.pytorch.core.optimizer import LightningOptimizer
from lightning.pytorch.strategies import ParallelStrategy
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor
from torch.distributed.device_mesh import DeviceMesh
from torch.optim.lr_scheduler import LambdaLR
from typing_extensions import override

from lit_grpo.data.batches import fit_batches, is_last_by_updates
from lit_grpo.dtypes import Dtype, torch_dtype
from lit_grpo.engines.ranks import Ranks
from lit_grpo.modules.checkpoint_origin import ORIGIN, origin_of, require_fits
from lit_grpo.modules.optimizers import OptimizerSettings, build_optimizer, build_schedule, clip_gradients
from lit_grpo.modules.policy import CausalPolicy, LoraSettings, load_policy
from lit_grpo.modules.served_policy import ServedPolicy
from lit_grpo.modules.sharding import load_sharded_policy
from lit_grpo.packing import Continuation, PackedBatch, PromptGroup, pack
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


@dataclass(frozen=True, slots=True)
class TokenScores:
    """The policy's log-probs of the targets of a micro-batch, with gradient."""

    logprobs: Tensor
    """[num_tokens]."""
    entropies: Tensor | None
    """[num_tokens] in nats; None unless the micro-batch asked for them."""


@dataclass(frozen=True, slots=True)
class MicroBatch:
    """One forward and backward pass."""

    batch: PackedBatch
    loss: Callable[[TokenScores], Tensor]
    """Turns the targets' scores into this micro-batch's share of the step's loss, a scalar."""
    temperature: float = 1.0
    with_entropies: bool = False
    """Whether the loss needs entropies, which cost a second pass over the logits."""


class PolicyModule(pl.LightningModule):
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
            ranks=self._ranks(),
            read_whole=lambda: self.policy_settings.load().model,
        )

    @property
    def updates_per_batch(self) -> int:
        """Optimizer steps of a batch, those included that are skipped."""
        return 1

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
        schedule = build_schedule(optimizer, self.optimizer_settings, fit_batches(self.trainer, self.updates_per_batch))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    @override
    def on_train_batch_start(self, batch: object, batch_idx: int) -> None:
        """Return to training mode, which generation and evaluation may have left."""
        self.policy.train()

    @override
    def on_train_batch_end(self, outputs: object, batch: object, batch_idx: int) -> None:
        """End with the batch that reaches ``max_steps`` if skipped updates are counted; all ranks come here alike."""
        if (
            is_last_by_updates(self.trainer, self.updates_per_batch)
            and self.trainer.global_step < self.trainer.max_steps
        ):
            self.trainer.should_stop = True

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
        """Add the policy version, and what this is a checkpoint of; if the policy has adapters, keep these only."""
        checkpoint["policy_version"] = self.policy_version
        checkpoint[ORIGIN] = origin_of(self.trainer, self._fixed_settings)
        if self.policy_settings.lora is not None:
            trained = {name for name, parameter in self.named_parameters() if parameter.requires_grad}
            weights = checkpoint["state_dict"]
            checkpoint["state_dict"] = {name: weights[name] for name in weights if name in trained}

    @override
    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Put the policy version back; ValueError if the checkpoint is of something else than this run."""
        require_fits(checkpoint, self.trainer, self._fixed_settings, self.updates_per_batch)
        self.policy_version = checkpoint["policy_version"]

    @property
    def _fixed_settings(self) -> dict[str, Any]:
        """The settings that a checkpoint can only go on with as they were."""
        uses_muon = self.optimizer_settings.matrix_learning_rate is not None
        return {"model.policy.lora": self.policy_settings.lora, "model.optimizer.matrix_learning_rate": uses_muon}

    # --- one optimizer step ---------------------------------------------------------------------------------------

    def update(self, microbatches: Sequence[MicroBatch]) -> Tensor:
        """Take one optimizer step on all ranks' micro-batches; returns the gradient's norm as `take_step` does."""
        self.accumulate(microbatches)
        return self.take_step()

    def accumulate(self, microbatches: Sequence[MicroBatch]) -> None:
        """Add up the gradient of the sum of the micro-batches' losses over all ranks.

        Every rank makes as many passes as the one with the most, as sharded weights and DDP's buckets demand; those
        beyond its own have a loss of 0.
        """
        self._optimizer.zero_grad()
        passes = max(self.over_ranks([len(microbatches)], "max")[0], 1)
        for number in range(passes):
            own = microbatches[number] if number < len(microbatches) else None
            with contextlib.nullcontext() if number == passes - 1 else self._without_sync():
                self._accumulate(own or _idle_microbatch())

    def take_step(self) -> Tensor:
        """Clip the gradient and take a step with it; returns its L2 norm before clipping, a float32 scalar."""
        norm = clip_gradients(self._optimizer.optimizer, self.optimizer_settings.gradient_clip)
        self._optimizer.step()
        self.policy_version += 1
        return norm

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

    def over_ranks(self, values: Sequence[float], operation: Literal["sum", "max"] = "sum") -> list[int]:
        """Whole numbers summed, or their maximum, over all ranks. Every rank must call it."""
        tensor = torch.tensor(values, dtype=torch.int64, device=self.device)
        if self.trainer.world_size > 1:
            operations = {"sum": torch.distributed.ReduceOp.SUM, "max": torch.distributed.ReduceOp.MAX}
            torch.distributed.all_reduce(tensor, operations[operation])
        return tensor.tolist()

    def sum_over_ranks(self, values: Tensor) -> Tensor:
        """Float64 numbers summed over all ranks, on the CPU. Every rank must call it."""
        if self.trainer.world_size == 1:
            return values
        total = values.to(self.device, torch.float64)
        torch.distributed.all_reduce(total)
        return total.cpu()

    def _ranks(self) -> Ranks:
        trainer = self.trainer
        if trainer.world_size == 1:
            return Ranks()

        def texts_of_all(text: str) -> Sequence[str]:
            texts: list[str] = [""] * trainer.world_size
            torch.distributed.all_gather_object(texts, text)
            return texts

        return Ranks(trainer.local_rank == 0, trainer.world_size // trainer.num_nodes, texts_of_all)

    def _accumulate(self, microbatch: MicroBatch) -> None:
        batch = microbatch.batch.to(self.device)
        if microbatch.with_entropies:
            scores = TokenScores(*self.policy.logprobs_and_entropies(batch, microbatch.temperature))
        else:
            scores = TokenScores(self.policy(batch, microbatch.temperature), None)
        # DDP and FSDP average gradients over the ranks; the losses are shares of one sum.
        self.manual_backward(microbatch.loss(scores) * self.trainer.world_size)

    def _without_sync(self) -> contextlib.AbstractContextManager[None]:
        strategy = self.trainer.strategy
        return strategy.block_backward_sync() if isinstance(strategy, ParallelStrategy) else contextlib.nullcontext()


def require_policy_module(module: pl.LightningModule, callback: str) -> PolicyModule:
    """ValueError if a callback of this package is used with a module that has no policy."""
    if not isinstance(module, PolicyModule):
        raise ValueError(f"{callback}: expected SFTModule or GRPOModule as the model, got {type(module).__name__}")
    return module


def idle_batch() -> PackedBatch:
    """A batch with a single target, for a pass in which only the other ranks have something to do."""
    (batch,) = pack([PromptGroup((0,), (Continuation((0,), (True,)),))], microbatch_tokens=2)
    return batch


def _idle_microbatch() -> MicroBatch:
    return MicroBatch(idle_batch(), lambda scores: scores.logprobs.sum() * 0.0)
