"""Arguments of the Trainer, strategies and callbacks of Lightning that cannot mean here what they mean elsewhere.

Called by cli.py before a run begins; each refusal says what to set instead. docs/trainer_arguments.md has the table of
all of them; what is not refused works as Lightning documents it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from lightning.pytorch.callbacks import (
    BaseFinetuning,
    BasePredictionWriter,
    BatchSizeFinder,
    Callback,
    GradientAccumulationScheduler,
    LearningRateFinder,
    ModelCheckpoint,
    ModelPruning,
    OnExceptionCheckpoint,
    SpikeDetection,
)
from lightning.pytorch.strategies import DDPStrategy, SingleDeviceStrategy, Strategy

from lit_grpo.checkpointing import AtomicModelParallelStrategy


@dataclass(frozen=True, slots=True)
class Refused:
    """An argument that only one value makes sense of."""

    accepted: tuple[Any, ...]
    """What may be given; the first is what Lightning has by default, or null for it."""
    instead: str
    """This package's way to what was asked for."""


ARGUMENTS: Mapping[str, Refused] = {
    "accumulate_grad_batches": Refused(
        (1, None),
        "a batch is one optimizer step, or several, made of passes of model.microbatch_tokens: data.num_tasks or "
        "data.batch_size say how much is accumulated",
    ),
    "gradient_clip_val": Refused((None, 0), "model.optimizer.gradient_clip clips by norm, over all ranks"),
    "gradient_clip_algorithm": Refused((None,), "model.optimizer.gradient_clip clips by norm, over all ranks"),
    "use_distributed_sampler": Refused((False, None), "each rank is given its share of every batch by its position"),
    "sync_batchnorm": Refused((False, None), "language models have no batch normalisation"),
    "barebones": Refused(
        (False, None), "a run keeps logs and checkpoints: enable_checkpointing false and logger false write neither"
    ),
    "model_registry": Refused((None,), "ExportPolicy writes the policy as a folder"),
}

CALLBACKS: Mapping[type[Callback], str] = {
    GradientAccumulationScheduler: ARGUMENTS["accumulate_grad_batches"].instead,
    BatchSizeFinder: "model.microbatch_tokens bounds a pass, and changes no result",
    LearningRateFinder: "a short run each with --model.optimizer.learning_rate",
    BaseFinetuning: "model.policy.lora says what is trained",
    ModelPruning: "the engine plays with the weights as they are trained",
    OnExceptionCheckpoint: "last_checkpoint writes the state from before the batch that failed",
    SpikeDetection: "model.optimizer.max_not_finite_updates and model.mismatch_monitor stop a run that diverges",
    BasePredictionWriter: "RepairWriter writes the repaired program and its report",
}


def require_arguments(arguments: Mapping[str, Any]) -> None:
    """ValueError, with what to set instead, if an argument of the Trainer cannot mean here what it says.

    Args:
        arguments: Those of the Trainer, by name.
    """
    for name, refused in ARGUMENTS.items():
        if (value := arguments.get(name)) not in refused.accepted:
            raise ValueError(
                f"trainer.{name}: expected {_text(refused.accepted[0])}, got {_text(value)}; {refused.instead}"
            )


def require_callbacks(callbacks: Iterable[Callback]) -> None:
    """ValueError, with what to use instead, if a callback cannot work here."""
    for callback in callbacks:
        for kind, instead in CALLBACKS.items():
            if isinstance(callback, kind):
                raise ValueError(f"trainer.callbacks: expected no {type(callback).__name__}, got one; {instead}")
        if isinstance(callback, ModelCheckpoint) and callback._train_time_interval is not None:  # pyright: ignore[reportPrivateUsage]
            raise ValueError(
                "trainer.callbacks: expected a ModelCheckpoint without train_time_interval, got one with it, which "
                "Lightning does not look at here; last_checkpoint.every_minutes, or every_n_train_steps"
            )


def require_strategy(strategy: Strategy) -> None:
    """ValueError if a strategy is none of those that gradients, engines and checkpoints are made for."""
    if not isinstance(strategy, SingleDeviceStrategy | DDPStrategy | AtomicModelParallelStrategy):
        raise ValueError(
            f"trainer.strategy: expected auto, ddp or AtomicModelParallelStrategy, got {type(strategy).__name__}; "
            "configs/hardware has one config for each: hardware/fsdp2 shards weights, gradients and optimizer states"
        )


def _text(value: Any) -> str:
    return {"None": "null", "True": "true", "False": "false"}.get(str(value), str(value))
