"""Small fits with adapters, on one device or on two ranks. Also a program, as small_runs.py."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any, Literal

import lightning.pytorch as pl
import torch
from bitsandbytes.optim.adamw import AdamW8bit, PagedAdamW8bit
from lightning.pytorch.callbacks import Callback, ModelCheckpoint
from small_runs import CoinRewards, Kind, StrategyName, make_data, make_module, make_trainer, run_as_program, weights_of
from torch import Tensor
from typing_extensions import override

from lit_grpo.callbacks.export import ExportPolicy
from lit_grpo.modules.adapters import LoraSettings
from lit_grpo.modules.optimizers import OptimizerSettings
from lit_grpo.modules.quantization import QuantizationKind, QuantizationSettings

LORA = LoraSettings(r=8, alpha=16.0)
NF4, INT8 = QuantizationSettings(), QuantizationSettings(QuantizationKind.INT8)
EIGHT_BITS = OptimizerSettings(learning_rate=1e-3, adamw=AdamW8bit)
PAGED = OptimizerSettings(learning_rate=1e-3, adamw=PagedAdamW8bit)


class Logged(Callback):
    """What each batch logged."""

    def __init__(self) -> None:
        self.rows: list[dict[str, float]] = []

    @override
    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self.rows.append({name: float(value) for name, value in trainer.callback_metrics.items()})


def fit(
    kind: Kind,
    checkpoint: Path,
    folder: Path,
    strategy: StrategyName = "one",
    export: Literal["adapters", "merged"] = "adapters",
    resume: Path | None = None,
    batches: int = 3,
    **module_settings: Any,
) -> tuple[dict[str, Tensor], list[dict[str, float]]]:
    """A fit with a checkpoint after each batch and an export at the end; the trained weights, and what was logged."""
    pl.seed_everything(0 if resume is None else 99)
    module = make_module(kind, checkpoint, **module_settings)
    logged = Logged()
    callbacks: list[Callback] = [ExportPolicy(export=export), logged]
    callbacks.append(ModelCheckpoint(folder, "batch_{step}", every_n_train_steps=1, save_top_k=-1))
    callbacks += [CoinRewards()] if kind == "grpo" else []
    trainer = make_trainer(folder, strategy, callbacks=callbacks, enable_checkpointing=True)
    trainer.fit(module, make_data(kind, checkpoint, batches), ckpt_path=resume)
    weights = {name: tensor for name, tensor in weights_of(module).items() if "lora_" in name}
    if trainer.is_global_zero:
        torch.save(weights, folder / "adapters.pt")
    return weights, logged.rows


def on_two_ranks(strategy: StrategyName, checkpoint: Path, folder: Path, **settings: Any) -> None:
    fit("grpo", checkpoint, folder, strategy, kl_beta=0.1, **settings)


RUNS = {
    "ddp_nf4": partial(on_two_ranks, "ddp", lora=LORA, quantization=NF4),
    "ddp_from_adapters": partial(on_two_ranks, "ddp"),
    "fsdp2_from_adapters": partial(on_two_ranks, "fsdp2"),
    "fsdp2_nf4": partial(on_two_ranks, "fsdp2", lora=LORA, quantization=NF4),
}

if __name__ == "__main__":
    run_as_program(RUNS)
