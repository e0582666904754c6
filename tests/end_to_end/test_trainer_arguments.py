"""Every argument of the Trainer and every callback of Lightning works here as documented, or is refused in one line.

1. docs/trainer_arguments.md says of each what it means here: none is missing, none is invented.
2. What cannot mean here what it says is refused before anything is built, with this package's way.
3. `overfit_batches` trains on the first batches of the stream again and again, for each kind of data;
   `limit_train_batches` shortens epochs and draws fresh tasks; `max_time` and Timer end a run.
4. EarlyStopping, LearningRateMonitor and a progress bar of one's own work.
"""

import inspect
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import lightning.pytorch.callbacks
import pytest
import yaml
from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import EarlyStopping, LearningRateMonitor, Timer
from small_runs import EPISODE, CoinRewards, Kind, make_data, make_module, make_trainer
from test_resume import Seen
from test_run_folder import complaint, config

from lit_grpo.callbacks.evaluation import RepairEvaluation
from lit_grpo.callbacks.log_rows import LogRows
from lit_grpo.cli import main
from lit_grpo.data.batches import consumed_batches
from lit_grpo.data.held_out import HeldOutSettings
from lit_grpo.fitting.metrics_csv import MetricsCsv
from lit_grpo.trainer_arguments import ARGUMENTS, CALLBACKS

PAGE = Path(__file__).parents[2] / "docs" / "trainer_arguments.md"


def named(table: str) -> set[str]:
    """The names in the first column of one of the page's tables."""
    rows = PAGE.read_text(encoding="utf-8").split(f"| {table} | here |")[1].split("\n\n")[0]
    return {name for row in rows.splitlines()[2:] for name in re.findall(r"`(\w+)`", row.split("|")[1])}


def test_the_page_has_every_argument_and_callback() -> None:
    assert named("argument") == set(inspect.signature(Trainer.__init__).parameters) - {"self"}
    assert named("callback") == set(lightning.pytorch.callbacks.__all__)
    assert set(ARGUMENTS) <= named("argument")
    assert {kind.__name__ for kind in CALLBACKS} <= named("callback")


@pytest.mark.parametrize(
    ("argument", "way"),
    [
        ("accumulate_grad_batches=2", "data.num_tasks"),
        ("gradient_clip_val=1.0", "model.optimizer.gradient_clip"),
        ("gradient_clip_algorithm=value", "model.optimizer.gradient_clip"),
        ("use_distributed_sampler=true", "its share of every batch"),
        ("sync_batchnorm=true", "no batch normalisation"),
        ("barebones=true", "logger false"),
        ("model_registry=mine", "ExportPolicy"),
        ("strategy={class_path: lightning.pytorch.strategies.ModelParallelStrategy}", "AtomicModelParallelStrategy"),
        ("callbacks=GradientAccumulationScheduler", "data.num_tasks"),
        ("callbacks=BatchSizeFinder", "model.microbatch_tokens"),
        ("callbacks=LearningRateFinder", "model.optimizer.learning_rate"),
        ("callbacks=ModelPruning", "the engine plays with the weights"),
        ("callbacks=SpikeDetection", "model.mismatch_monitor"),
        ("callbacks=OnExceptionCheckpoint", "last_checkpoint"),
        ("callbacks=ModelCheckpoint", "last_checkpoint.every_minutes"),
    ],
)
def test_what_is_refused_names_the_way(
    argument: str, way: str, tiny_checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name, _, value = argument.partition("=")
    tree = config(tmp_path / "run", tiny_checkpoint)
    needed: dict[str, dict[str, Any]] = {
        "GradientAccumulationScheduler": {"scheduling": {0: 2}},
        "ModelPruning": {"pruning_fn": "l1_unstructured"},
        "OnExceptionCheckpoint": {"dirpath": str(tmp_path)},
        "ModelCheckpoint": {"train_time_interval": "0:05:00"},
    }
    if name == "callbacks":
        tree["trainer"]["callbacks"].append({"class_path": value, "init_args": needed.get(value, {})})
    else:
        tree["trainer"][name] = yaml.safe_load(value)
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(tree))
    line = complaint(capsys, ["fit", "--config", str(path)])
    assert line.startswith(f"lit-grpo: trainer.{name}: expected ")
    assert way in line
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(("kind", "asked"), [("sft", 2), ("grpo", 1), ("grpo", 0.5)])
def test_overfitting_trains_on_the_first_batches(
    kind: Kind, asked: float, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    seen, number = Seen(), int(asked * 3) if isinstance(asked, float) else int(asked)
    callbacks = [*([CoinRewards(2)] if kind == "grpo" else []), seen]
    trainer = make_trainer(tmp_path, callbacks=callbacks, overfit_batches=asked, max_epochs=2)
    trainer.fit(make_module(kind, tiny_checkpoint), make_data(kind, tiny_checkpoint, batches=3))
    assert len(seen.batches) == 2 * number
    assert seen.batches[:number] == seen.batches[number:]


def test_limits(tiny_checkpoint: Path, tmp_path: Path) -> None:
    seen = Seen()
    trainer = make_trainer(tmp_path, callbacks=[CoinRewards(2), seen], limit_train_batches=1, max_epochs=2)
    trainer.fit(make_module("grpo", tiny_checkpoint), make_data("grpo", tiny_checkpoint, batches=3))
    assert len(set(seen.batches)) == len(seen.batches) == 2
    ends: list[dict[str, Any]] = [{"max_time": timedelta(0)}, {"callbacks": [Timer(timedelta(0))]}]
    for arguments in ends:
        trainer = make_trainer(tmp_path, max_epochs=9, **arguments)
        trainer.fit(make_module("sft", tiny_checkpoint), make_data("sft", tiny_checkpoint, batches=3))
        assert consumed_batches(trainer) <= 1


def test_callbacks_that_work(tiny_checkpoint: Path, tmp_path: Path) -> None:
    """A random policy repairs nothing, so that FR@5 never improves: patience 1 ends with the second evaluation."""
    callbacks = [
        LogRows(),
        CoinRewards(2),
        RepairEvaluation(max_completion_tokens=4, episode=EPISODE),
        EarlyStopping("val/FR@5", mode="max", patience=1),
        LearningRateMonitor("step"),
    ]
    trainer = make_trainer(
        tmp_path, callbacks=callbacks, limit_val_batches=1.0, val_check_interval=2, log_every_n_steps=1
    )
    trainer.loggers = [MetricsCsv(tmp_path)]
    held_out = HeldOutSettings(num_validation_tasks=1, num_test_tasks=0)
    trainer.fit(make_module("grpo", tiny_checkpoint), make_data("grpo", tiny_checkpoint, batches=6, held_out=held_out))
    assert consumed_batches(trainer) == 4
    assert "lr-AdamW" in (tmp_path / "metrics.csv").read_text().splitlines()[0]


def test_a_progress_bar_of_ones_own(tiny_checkpoint: Path, tmp_path: Path) -> None:
    tree = config(tmp_path / "run", tiny_checkpoint)
    tree["trainer"] |= {"enable_progress_bar": True, "fast_dev_run": True}
    tree["trainer"]["callbacks"].append({"class_path": "TQDMProgressBar"})
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(tree))
    assert main(["fit", "--config", str(path)]) == 0
