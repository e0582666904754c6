"""Arguments of the Trainer, strategies and callbacks of Lightning that cannot mean here what they mean elsewhere.

Called by cli.py before a run begins; each refusal says what to set instead. docs/trainer_arguments.md has the table of
all of them; what is not refused works as Lightning documents it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from lightning.fabric.utilities.exceptions import MisconfigurationException
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
from lightning.pytorch.strategies import DDPStrategy, SingleDeviceStrategy, Strategy, StrategyRegistry

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


DEVICES = re.compile(r"auto|-1|[1-9]\d*|\d+(,\d+)*,?")
"""The texts that say which devices: all, a number of them, or some by their numbers."""
MACHINE = ("accelerator", "devices", "num_nodes", "precision", "strategy")
"""The arguments that have to fit the machine and each other."""


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
    require_strategy(arguments.get("strategy", "auto"))
    _require_devices(arguments.get("devices", "auto"))


@contextmanager
def refused_by_lightning(arguments: Mapping[str, Any]) -> Iterator[None]:
    """Say in one line why Lightning's Trainer takes no such arguments, and what they are.

    Args:
        arguments: Those of the Trainer, by name.

    Raises:
        ValueError: It was made within the context, and refused them.
    """
    try:
        yield
    except (ValueError, TypeError, ImportError, MisconfigurationException) as error:
        why = " ".join(str(error).split())
        named = [name for name in arguments if re.search(rf"\b{name}\b", why)]
        got = ", ".join(f"{name} {_text(arguments.get(name))}" for name in named or MACHINE)
        raise ValueError(
            f"trainer: expected arguments that work on this machine and together, got {got}: {why}"
        ) from error


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


def require_strategy(strategy: Strategy | str) -> None:
    """ValueError if a strategy is none of those that gradients, engines and checkpoints are made for.

    Args:
        strategy: It, or its name in a config.
    """
    if isinstance(strategy, str):
        works = strategy == "auto" or strategy in strategy_names()
    else:
        works = isinstance(strategy, SingleDeviceStrategy | DDPStrategy | AtomicModelParallelStrategy)
        works = works and not (isinstance(strategy, DDPStrategy) and strategy._start_method not in (None, "popen"))  # pyright: ignore[reportPrivateUsage]
    if not works:
        got = repr(strategy) if isinstance(strategy, str) else type(strategy).__name__
        raise ValueError(
            f"trainer.strategy: expected auto, ddp or class_path: AtomicModelParallelStrategy, got {got}; "
            "configs/hardware has one config for each: hardware/fsdp2 shards weights, gradients and optimizer states"
        )


def strategy_names() -> set[str]:
    """The names of the strategies that work: one device, and DDP whose ranks are processes of the same command."""
    return {
        name
        for name, entry in StrategyRegistry.items()
        if entry["strategy"] in (SingleDeviceStrategy, DDPStrategy)
        and entry["init_params"].get("start_method", "popen") == "popen"
    }


def _require_devices(devices: Any) -> None:
    if isinstance(devices, list):
        works = bool(devices) and all(isinstance(number, int) and number >= 0 for number in devices)
    else:
        works = devices is None or DEVICES.fullmatch(str(devices).replace(" ", "")) is not None
    if not works:
        raise ValueError(
            "trainer.devices: expected auto, a number of devices from 1 on, -1 for all, or a list of their numbers, "
            f"got {devices!r}"
        )


def _text(value: Any) -> str:
    return {"None": "null", "True": "true", "False": "false"}.get(str(value), str(value))
