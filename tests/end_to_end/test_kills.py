"""After every kill, what a run has logged and played is complete once it has been resumed.

1. Killed before or after anything that a batch does (rollout, update, checkpoint, validation) and resumed from
   `last.ckpt`, a run ends with the rows of `metrics.csv`, the transcripts and the results of the run that was not
   killed. The folder is copied at each of these moments: what a kill leaves is what lies there.
2. So after Ctrl-C, also in a batch that a validation follows, which then takes place when the run is resumed.
3. Rows are written in constant time: a row more writes as many bytes after 2,000 rows as after 20.
4. A number that comes late, or for the first time, finds its row; a line that was half written is dropped.
"""

import csv
import os
import shutil
import signal
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import pytest
from lightning.pytorch.callbacks import Callback
from small_runs import EPISODE, CoinRewards, make_data, make_module, make_trainer
from typing_extensions import override

from lit_grpo.callbacks.evaluation import RepairEvaluation
from lit_grpo.callbacks.last_checkpoint import LastCheckpoint, LastCheckpointSettings
from lit_grpo.callbacks.log_rows import LogRows
from lit_grpo.data.held_out import HeldOutSettings
from lit_grpo.fitting.metrics_csv import MetricsCsv

TIMES = ("rollout/rollout_s", "rollout/wait_s", "train/update_s")


class Kills(Callback):
    """Copies the run folder at every moment at which the run may be killed, once there is a checkpoint."""

    def __init__(self, folder: Path, prefix: str) -> None:
        self.folder, self.prefix = folder, prefix

    def _kill(self, *arguments: Any, **_: Any) -> None:
        run = Path(arguments[0].default_root_dir)
        if (run / "checkpoints" / "last.ckpt").exists():
            shutil.copytree(run, self.folder / f"{self.prefix}_{len(list(self.folder.iterdir())):02d}")

    on_train_batch_start = _kill
    on_train_batch_end = _kill
    on_validation_start = _kill
    on_validation_epoch_end = _kill
    on_validation_end = _kill


class Stop(Callback):
    """Ctrl-C in a batch."""

    def __init__(self, batch: int) -> None:
        self.batch = batch

    @override
    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        if trainer.fit_loop.total_batch_idx == self.batch:
            os.kill(os.getpid(), signal.SIGINT)


def fit(checkpoint: Path, folder: Path, before: Callback | None = None, after: Callback | None = None) -> None:
    """Four batches with a validation before the first and after every second, a checkpoint after each batch."""
    last = folder / "checkpoints" / "last.ckpt"
    pl.seed_everything(99 if last.exists() else 0)
    rollout = CoinRewards(2)
    rollout.transcripts_every = 1
    callbacks = [
        LogRows(),
        *([before] if before else []),
        rollout,
        RepairEvaluation(max_completion_tokens=4, episode=EPISODE),
        *([after] if after else []),
        LastCheckpoint(LastCheckpointSettings(every_batches=1, every_minutes=None)),
    ]
    trainer = make_trainer(
        folder,
        callbacks=callbacks,
        enable_checkpointing=True,
        limit_val_batches=1.0,
        val_check_interval=2,
        check_val_every_n_epoch=None,
        num_sanity_val_steps=-1,
        log_every_n_steps=1,
    )
    trainer.loggers = [MetricsCsv(folder)]
    held_out = HeldOutSettings(num_validation_tasks=1, num_test_tasks=0)
    data = make_data("grpo", checkpoint, batches=4, held_out=held_out)
    trainer.fit(make_module("grpo", checkpoint), data, ckpt_path=str(last) if last.exists() else None)


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "metrics.csv").open(encoding="utf-8") as file:
        return [{name: value for name, value in row.items() if name not in TIMES} for row in csv.DictReader(file)]


def left(folder: Path) -> dict[str, object]:
    """What a run leaves, but for times."""
    results = {path.parent.name: path.read_text() for path in folder.glob("validation/*/scores.jsonl")}
    return {"rows": rows(folder), "episodes": (folder / "episodes.jsonl").read_text(), "results": results}


def test_every_kill(tiny_checkpoint: Path, tmp_path: Path) -> None:
    kills = tmp_path / "kills"
    kills.mkdir()
    fit(tiny_checkpoint, tmp_path / "whole", Kills(kills, "before"), Kills(kills, "after"))
    expected = left(tmp_path / "whole")
    assert [row["batch"] for row in rows(tmp_path / "whole")] == ["0", "1", "2", "3", "4"]
    assert [bool(row["val/FR@5"]) for row in rows(tmp_path / "whole")] == [True, False, True, False, True]
    killed = sorted(kills.iterdir())
    assert len(killed) >= 12
    for folder in killed[::2]:
        fit(tiny_checkpoint, folder)
        assert rows(folder) == expected["rows"], folder.name
        assert left(folder) == expected, folder.name


@pytest.mark.parametrize("batch", [1, 2])
def test_ctrl_c(batch: int, tiny_checkpoint: Path, tmp_path: Path) -> None:
    fit(tiny_checkpoint, tmp_path / "whole")
    fit(tiny_checkpoint, tmp_path / "stopped", Stop(batch))
    assert [row["batch"] for row in rows(tmp_path / "stopped")] == [str(number) for number in range(batch + 1)]
    fit(tiny_checkpoint, tmp_path / "stopped")
    assert left(tmp_path / "stopped") == left(tmp_path / "whole")


def test_a_row_costs_the_same_however_long_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = MetricsCsv(tmp_path)
    written: list[int] = []
    own = log._lines
    monkeypatch.setattr(log, "_lines", lambda rows: (lines := own(rows), written.append(len(lines)))[0])
    for step in range(2000):
        written.clear()
        log.log_metrics({"loss": 0.5, "reward": 0.25}, step)
        assert sum(written) < 100 or step == 0
    assert [float(row["loss"]) for row in rows(tmp_path)] == [0.5] * 2000


def test_late_and_new_numbers(tmp_path: Path) -> None:
    log = MetricsCsv(tmp_path)
    for step in range(4):
        log.log_metrics({"loss": float(step)}, step)
    log.log_metrics({"val/x": 0.5}, 4)
    log.log_metrics({"loss": 4.0}, 4)
    log.log_metrics({"epoch_mean": 9.0}, 3)
    log.log_metrics({"loss": -1.0}, 1)
    assert [(row["batch"], row["loss"], row["val/x"], row["epoch_mean"]) for row in rows(tmp_path)] == [
        ("0", "0.0", "", ""),
        ("1", "-1.0", "", ""),
        ("2", "2.0", "", ""),
        ("3", "3.0", "", "9.0"),
        ("4", "4.0", "0.5", ""),
    ]
    with (tmp_path / "metrics.csv").open("a") as file:
        file.write("5,1.")
    resumed = MetricsCsv(tmp_path)
    resumed.go_on_from(4)
    # What was evaluated before batch 4 stands; that batch itself is about to be trained on again.
    assert [(row["batch"], row["loss"], row["val/x"]) for row in rows(tmp_path)][3:] == [
        ("3", "3.0", ""),
        ("4", "", "0.5"),
    ]
