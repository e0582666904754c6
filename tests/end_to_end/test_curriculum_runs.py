"""A curriculum in whole runs.

The curriculum of these tests decides by everything it was ever told, in order, so that one observation missed or
doubled changes the tasks of every batch after it.

1. Killed after any batch and resumed, also where a validation was due just then, and after any validation: the same
   weights, the same tasks, none skipped, none doubled, refills included.
2. Two ranks, which see half of the outcomes each, take the decisions and the steps of one.
3. The tasks of a batch are drawn when it begins, also where workers draw ahead, and demonstrations are replayed beside.
4. A curriculum that stops ends the run.
5. The shipped stages on the quickstart, with refills: mix, stage, refills and FR@5 per difficulty are logged, and the
   figure is drawn from that.
"""

import csv
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch.callbacks import Callback
from small_runs import (
    CoinRewards,
    Remembering,
    curriculum_fit,
    make_data,
    make_module,
    make_trainer,
    two_processes,
)
from torch import Tensor
from typing_extensions import override

from lit_grpo.cli import main
from lit_grpo.data.batches import TaskBatch
from lit_grpo.data.curriculum.base import BatchPlan
from lit_grpo.environment.faults.difficulty import Difficulty
from lit_grpo.reports.curriculum import read_curriculum

Fit = tuple[dict[str, Tensor], CoinRewards, str]


@pytest.fixture(scope="module")
def whole(tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Fit]:
    folder = tmp_path_factory.mktemp("whole")
    return folder, curriculum_fit("one", tiny_checkpoint, folder)


@pytest.mark.parametrize("saved", ["batch_step=1", "batch_step=2", "batch_step=3", "batch_step=4", "validated_step=4"])
def test_1_a_resumed_run_is_the_run_that_was_not_killed(
    whole: tuple[Path, Fit], saved: str, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    folder, (expected, rollout, digest) = whole
    weights, resumed, end = curriculum_fit("one", tiny_checkpoint, tmp_path, folder / f"{saved}.ckpt")
    starts = [number for number, tasks in enumerate(rollout.played) if len(tasks) == 4]
    assert resumed.played == rollout.played[starts[int(saved[-1])] :]
    assert end == digest
    assert all(torch.equal(weights[name], tensor) for name, tensor in expected.items())


def test_2_two_ranks_decide_as_one(whole: tuple[Path, Fit], tiny_checkpoint: Path, tmp_path: Path) -> None:
    _, (expected, rollout, digest) = whole
    two_processes("ddp_curriculum", tiny_checkpoint, tmp_path)
    ranks = [json.loads((tmp_path / f"rank{rank}.json").read_text()) for rank in (0, 1)]
    assert [rank["digest"] for rank in ranks] == [digest, digest]
    everything = sorted(task for rank in ranks for tasks in rank["played"] for task in tasks)
    assert everything == sorted(task for tasks in rollout.played for task in tasks)
    weights = torch.load(tmp_path / "weights.pt", weights_only=True)
    for name, tensor in expected.items():
        # Rounding of six float32 steps; they move the weights by some 6 %.
        assert (weights[name] - tensor).abs().max() <= 1e-4 * tensor.abs().max(), name


class DrawnAhead(Callback):
    """What a batch holds when it reaches the callbacks, and when it leaves them."""

    def __init__(self) -> None:
        self.before: list[int] = []
        self.after: list[tuple[int, int]] = []

    @override
    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        self.before.append(len(batch.tasks))

    @override
    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        assert isinstance(batch, TaskBatch)
        self.after.append((len(batch.tasks), len(batch.demonstrations)))


def played(checkpoint: Path, folder: Path, num_workers: int) -> tuple[list[tuple[str, ...]], DrawnAhead]:
    rollout, drawn, curriculum = CoinRewards(), DrawnAhead(), Remembering()
    data: Any = make_data("grpo", checkpoint, batches=4, curriculum=curriculum)
    data.num_workers = num_workers
    trainer = make_trainer(folder, callbacks=[drawn, rollout])
    trainer.fit(make_module("grpo", checkpoint, demonstration_loss_weight=0.3), data)
    return rollout.played, drawn


def test_3_tasks_are_drawn_when_a_batch_begins(tiny_checkpoint: Path, tmp_path: Path) -> None:
    tasks, drawn = played(tiny_checkpoint, tmp_path / "none", num_workers=0)
    assert drawn.before == [0] * 4
    assert drawn.after == [(4, 2)] * 4
    assert played(tiny_checkpoint, tmp_path / "ahead", num_workers=2)[0] == tasks


class Stopping(Remembering):
    """Has enough when its third batch begins."""

    batches = 0

    @override
    def begin_batch(self) -> BatchPlan:
        self.batches += 1
        return BatchPlan(super().begin_batch().shares, (), stops=self.batches == 3)


def test_4_a_curriculum_can_end_the_run(tiny_checkpoint: Path, tmp_path: Path) -> None:
    curriculum, rollout = Stopping(), CoinRewards()
    trainer = make_trainer(tmp_path, callbacks=[rollout])
    trainer.fit(
        make_module("grpo", tiny_checkpoint), make_data("grpo", tiny_checkpoint, batches=6, curriculum=curriculum)
    )
    assert len(rollout.played) == trainer.global_step == 3


CONFIGS = Path(__file__).parents[2] / "configs"
NAMES = ("quickstart/base.yaml", "quickstart/grpo.yaml", "quickstart/smoke.yaml", "curriculum/staged.yaml")
SMALL = (
    "data.num_tasks=4",
    "data.replay.num_demonstrations=4",
    "data.replay.batch_size=2",
    "data.held_out.num_validation_tasks=40",
    "rollout.group_size=2",
    "rollout.sampling.max_completion_tokens=4",
    "rollout.dynamic_sampling.max_rounds=1",
    "trainer.val_check_interval=2",
    "trainer.log_every_n_steps=1",
    "trainer.enable_progress_bar=false",
    "trainer.enable_model_summary=false",
)


def test_5_the_shipped_stages_from_the_command_line(tiny_checkpoint: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    places = (f"trainer.default_root_dir={run}", f"model.policy.checkpoint={tiny_checkpoint}")
    configs = [part for name in NAMES for part in ("--config", str(CONFIGS / name))]
    assert main(["fit", *configs, *(f"--{argument}" for argument in (*SMALL, *places))]) == 0
    with (run / "metrics.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    of_batches = [row for row in rows if row["curriculum/stage"]]
    assert len(of_batches) == 4
    for row in of_batches:
        assert {name: float(row[f"curriculum/{name}"]) for name in ("easy", "medium", "hard", "A", "stage")} == {
            "easy": 1.0,
            "medium": 0.0,
            "hard": 0.0,
            "A": 0.25,
            "stage": 1.0,
        }
        # A random policy repairs nothing: every group is played, replaced once, and dropped.
        refills = {name: float(row[f"rollout/{name}"]) for name in ("refill_rounds", "refill_attempts", "flat_groups")}
        assert refills == {"refill_rounds": 1.0, "refill_attempts": 8.0, "flat_groups": 8.0}
    episodes = [json.loads(line) for line in (run / "episodes.jsonl").read_text().splitlines()]
    assert {episode["difficulty"] for episode in episodes} == {"easy"}
    curve = read_curriculum(run)
    assert curve is not None
    # The evaluation before the first step is that of batch 0.
    assert {d: series.batches[0] for d, series in curve.faithful.items()} == dict.fromkeys(Difficulty, 0)
    assert {d: len(series.batches) for d, series in curve.faithful.items()} == dict.fromkeys(Difficulty, 3)
