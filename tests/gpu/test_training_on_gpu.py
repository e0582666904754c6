"""Fits on a GPU.

1. Three batches of SFT (AdamW and Muon) and of GRPO, on every axis, end where the CPU's end.
2. Every preset of configs/loss takes steps through the command line: finite numbers, moved weights, verified episodes.
3. A run resumed in the middle ends with the weights of the run that was not stopped.
4. With adapters only these move.
5. FSDP2 on one rank ends where one device ends, and resumes from its sharded checkpoint.
6. Mixed precision: float32 weights move, the sampler (bfloat16) and the trainer stay near each other.
7. SFT on the CPU's checkpoint goes on, on the GPU.
"""

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from small_runs import (
    MUON,
    SHORT_FITS,
    CoinRewards,
    Kind,
    make_data,
    make_module,
    make_trainer,
    short_fits,
    weights_of,
)
from torch import Tensor

from lit_grpo.cli import main
from lit_grpo.modules.adapters import LoraSettings
from lit_grpo.modules.policy import load_policy

ROOT = Path(__file__).parents[2]
PRESETS = sorted((ROOT / "configs" / "loss").glob("*.yaml"))
SETTINGS: dict[Kind, dict[str, Any]] = {
    "sft": {"optimizer": MUON},
    "grpo": {"demonstration_loss_weight": 0.3, "updates_per_rollout": 2},
}


def moved(weights: Mapping[str, Tensor], start: Mapping[str, Tensor]) -> Tensor:
    """All differences in one vector."""
    return torch.cat([(weights[name] - start[name]).flatten() for name in start])


def fit(
    kind: Kind,
    checkpoint: Path,
    folder: Path,
    resume: Path | None = None,
    accelerator: str = "gpu",
    callbacks: tuple[pl.Callback, ...] = (),
    module_settings: dict[str, Any] | None = None,
    **more: Any,
) -> dict[str, Tensor]:
    """Four batches, a checkpoint after each."""
    pl.seed_everything(0 if resume is None else 99)
    module = make_module(kind, checkpoint, **(SETTINGS[kind] if module_settings is None else module_settings))
    saving = ModelCheckpoint(folder, "batch_{step}", every_n_train_steps=1, save_top_k=-1)
    rollouts = [CoinRewards()] if kind == "grpo" else []
    trainer = make_trainer(
        folder,
        callbacks=[saving, *rollouts, *callbacks],
        enable_checkpointing=True,
        accelerator=accelerator,
        **more,
    )
    trainer.fit(module, make_data(kind, checkpoint, batches=4), ckpt_path=resume)
    return weights_of(module)


def test_1_fits_end_where_those_of_the_cpu_end(tiny_checkpoint: Path, tmp_path: Path) -> None:
    ends: dict[str, dict[str, Any]] = {}
    for accelerator in ("cpu", "gpu"):
        (tmp_path / accelerator).mkdir()
        short_fits("one", tiny_checkpoint, tmp_path / accelerator, accelerator=accelerator)
        ends[accelerator] = {
            name: torch.load(tmp_path / accelerator / f"{name}.pt", weights_only=True)["weights"] for name in SHORT_FITS
        }
    start = dict(load_policy(tiny_checkpoint).model.named_parameters())
    for name, expected in ends["cpu"].items():
        difference = moved(ends["gpu"][name], expected).norm() / moved(expected, start).norm()
        # Muon rounds to bfloat16 on the way, and AdamW divides small gradients by their own size.
        assert difference < (0.1 if "muon" in name else 0.02), name


@pytest.mark.parametrize("preset", PRESETS, ids=lambda path: path.stem)
def test_2_every_preset_takes_steps(preset: Path, tmp_path: Path) -> None:
    names = ("base.yaml", "grpo.yaml", f"loss/{preset.name}", "model/tiny.yaml", "hardware/one_gpu.yaml")
    configs = [argument for name in names for argument in ("--config", str(ROOT / "configs" / name))]
    small = {
        "model.init_args.policy.checkpoint": ROOT / "checkpoints" / "tiny-base",
        "trainer.default_root_dir": tmp_path,
        "trainer.num_sanity_val_steps": 0,
        "trainer.limit_val_batches": 0,
        "trainer.enable_progress_bar": "false",
        "data.init_args.num_tasks": 8,
        "data.init_args.batches_per_epoch": 2,
    }
    arguments = [part for key, value in small.items() for part in (f"--{key}", str(value))]
    assert main(["fit", *configs, *arguments]) == 0
    with (tmp_path / "metrics.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    numbers = [float(value) for row in rows for name, value in row.items() if value and name.startswith("train/")]
    assert numbers
    assert torch.tensor(numbers).isfinite().all()
    assert all(float(row["rollout/verified"]) == 1.0 for row in rows if row.get("rollout/verified"))
    start = dict(load_policy(ROOT / "checkpoints" / "tiny-base").model.named_parameters())
    end = dict(load_policy(tmp_path / "policy").model.named_parameters())
    assert moved(end, start).abs().max() > 0


@pytest.mark.parametrize("kind", ["sft", "grpo"])
def test_3_a_resumed_run_is_the_run_that_was_not_stopped(kind: Kind, tiny_checkpoint: Path, tmp_path: Path) -> None:
    whole = fit(kind, tiny_checkpoint, tmp_path / "whole", deterministic="warn")
    steps = 2 * SETTINGS[kind].get("updates_per_rollout", 1)
    middle = tmp_path / "whole" / f"batch_step={steps}.ckpt"
    resumed = fit(kind, tiny_checkpoint, tmp_path / "resumed", resume=middle, deterministic="warn")
    assert moved(resumed, whole).abs().max() == 0


def test_4_with_adapters_only_these_move(tiny_checkpoint: Path, tmp_path: Path) -> None:
    end = fit("sft", tiny_checkpoint, tmp_path, module_settings={"lora": LoraSettings(r=4)})
    start = dict(load_policy(tiny_checkpoint).model.named_parameters())
    base = {name: tensor for name, tensor in end.items() if ".lora_" not in name}
    assert len(base) < len(end)
    assert sum(tensor.numel() for tensor in base.values()) == sum(tensor.numel() for tensor in start.values())
    assert {name.replace(".base_layer", "").removeprefix("base_model.model.") for name in base} == set(start)
    for name, tensor in base.items():
        assert torch.equal(tensor, start[name.replace(".base_layer", "").removeprefix("base_model.model.")])
    assert any(tensor.abs().max() > 0 for name, tensor in end.items() if "lora_B" in name)


def test_5_fsdp2_on_one_rank(tiny_checkpoint: Path, tmp_path: Path) -> None:
    adamw: dict[str, Any] = {}
    expected = fit("sft", tiny_checkpoint, tmp_path / "one", module_settings=adamw)
    sharded = fit(
        "sft",
        tiny_checkpoint,
        tmp_path / "whole",
        module_settings=adamw,
        strategy="fsdp2_alone",
    )
    resumed = fit(
        "sft",
        tiny_checkpoint,
        tmp_path / "resumed",
        resume=tmp_path / "whole" / "batch_step=2.ckpt",
        module_settings=adamw,
        strategy="fsdp2_alone",
    )
    torch.distributed.destroy_process_group()
    start = dict(load_policy(tiny_checkpoint).model.named_parameters())
    length = moved(expected, start).norm()
    assert moved(sharded, expected).norm() / length < 0.02
    assert moved(resumed, sharded).norm() / length < 1e-3


def test_6_mixed_precision(tiny_checkpoint: Path, tmp_path: Path) -> None:
    pl.seed_everything(0)
    mismatches: list[float] = []

    class Mismatches(pl.Callback):
        def on_train_batch_end(self, trainer: pl.Trainer, *arguments: Any, **named: Any) -> None:
            mismatches.append(float(trainer.callback_metrics["train/mismatch_mean"]))

    module = make_module("grpo", tiny_checkpoint, demonstration_loss_weight=0.3)
    trainer = make_trainer(tmp_path, callbacks=[CoinRewards(), Mismatches()], accelerator="gpu", precision="bf16-mixed")
    trainer.fit(module, make_data("grpo", tiny_checkpoint, batches=3))
    start = dict(load_policy(tiny_checkpoint).model.named_parameters())
    end = weights_of(module)
    assert all(tensor.dtype == torch.float32 and tensor.isfinite().all() for tensor in end.values())
    assert moved(end, start).abs().max() > 0
    assert len(mismatches) == 3
    assert 0 < max(mismatches) < 0.05


def test_7_a_checkpoint_of_the_cpu_goes_on_on_the_gpu(tiny_checkpoint: Path, tmp_path: Path) -> None:
    adamw: dict[str, Any] = {}
    whole = fit("sft", tiny_checkpoint, tmp_path / "cpu", accelerator="cpu", module_settings=adamw)
    middle = tmp_path / "cpu" / "batch_step=2.ckpt"
    resumed = fit("sft", tiny_checkpoint, tmp_path / "gpu", resume=middle, module_settings=adamw)
    start = dict(load_policy(tiny_checkpoint).model.named_parameters())
    assert moved(resumed, whole).norm() / moved(whole, start).norm() < 0.02
