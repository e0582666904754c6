"""`checkpoints/last.ckpt` is where the run stands, whatever ends it.

1. It is written every so many batches and minutes, before the first validation too, whether or not a monitor improves;
   and at the end, when it is the finished run. The best checkpoint lies beside it and is another one.
2. An exception before a batch's first optimizer step (in a reward, in the loss) leaves the state from before the batch:
   resuming gives the bits of the run that did not fail, though the curriculum had heard of that batch already.
3. An exception between two updates of a batch leaves what was written last.
   With two ranks (DDP) rank 0 writes it, also where the other one failed.
4. A fit that something else ends within an epoch is gone on with within that epoch.
5. A ModelCheckpoint that is asked for a last one leaves it to this. What a killed run has left under a fixed name, or
   of the same step, is written over, and not numbered beside it; two callbacks of one name keep their files apart.
6. No interval at all is a setting, and 0 is none.
7. It is written before each validation: what a kill leaves as the best checkpoint is never of a part that is lost, and
   the run goes on from there to the bits of the one that was not killed.
"""

import itertools
import shutil
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import pytest
import torch
from lightning.pytorch.callbacks import Callback, ModelCheckpoint
from small_runs import (
    NO_HELD_OUT,
    CoinRewards,
    Remembering,
    make_data,
    make_module,
    make_trainer,
    two_processes,
    weights_of,
)
from torch import Tensor
from typing_extensions import override

from lit_grpo.callbacks import last_checkpoint
from lit_grpo.callbacks.last_checkpoint import LastCheckpoint, LastCheckpointSettings
from lit_grpo.data.batches import consumed_batches
from lit_grpo.data.held_out import HeldOutSettings
from lit_grpo.modules.base import PolicyModule

NEVER = LastCheckpointSettings(every_batches=None, every_minutes=None)


class FailingReward(CoinRewards):
    """Raises when it pays the attempts of one batch."""

    def __init__(self, batch: int) -> None:
        super().__init__(2)
        self.batch = batch

    @override
    def collect(self, tasks: Any, engine: Any, conversation: Any, batch: int) -> Any:
        groups = super().collect(tasks, engine, conversation, batch)
        if batch == self.batch:
            raise ArithmeticError("a reward that raises")
        return groups


class Failing(Callback):
    """Raises in the forward pass of one of a fit's updates, counted from 0."""

    def __init__(self, update: int) -> None:
        self.update = update

    @override
    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        assert isinstance(pl_module, PolicyModule)

        def fail(*_: object) -> None:
            if pl_module.policy_version == self.update and torch.is_grad_enabled():
                raise MemoryError("no memory for the pass")

        pl_module.policy.register_forward_pre_hook(fail)


class Stands(Callback):
    """What last.ckpt says after each batch: the batches trained on by then, None where there is no such file."""

    def __init__(self) -> None:
        self.found: list[int | None] = []

    @override
    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        self.found.append(batches_in(Path(trainer.default_root_dir)))


def batches_in(folder: Path) -> int | None:
    path = folder / "checkpoints" / "last.ckpt"
    if not path.exists():
        return None
    loops = torch.load(path, weights_only=True)["loops"]
    return loops["fit_loop"]["epoch_loop.batch_progress"]["total"]["processed"]


def fit(
    checkpoint: Path,
    folder: Path,
    *callbacks: Callback,
    settings: LastCheckpointSettings = NEVER,
    resume: bool = False,
    held_out: HeldOutSettings = NO_HELD_OUT,
    **arguments: Any,
) -> dict[str, Tensor]:
    """Two epochs of two batches of GRPO, two updates each, and a curriculum that remembers all it is told."""
    pl.seed_everything(99 if resume else 0)
    module = make_module("grpo", checkpoint, updates_per_rollout=2)
    rollout = [] if any(isinstance(callback, CoinRewards) for callback in callbacks) else [CoinRewards(2)]
    trainer = make_trainer(
        folder,
        max_epochs=2,
        enable_checkpointing=True,
        callbacks=[*rollout, *callbacks, LastCheckpoint(settings)],
        **arguments,
    )
    data = make_data("grpo", checkpoint, batches=2, held_out=held_out, curriculum=Remembering())
    path = folder / "checkpoints" / "last.ckpt"
    trainer.fit(module, data, ckpt_path=str(path) if resume else None)
    return weights_of(module)


@pytest.fixture(scope="module")
def whole(tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Tensor]:
    """The weights of a run that did not fail."""
    return fit(tiny_checkpoint, tmp_path_factory.mktemp("whole"))


def assert_equal(weights: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    assert weights.keys() == expected.keys()
    assert all(torch.equal(weights[name], expected[name]) for name in expected)


def test_every_so_many_batches(tiny_checkpoint: Path, tmp_path: Path) -> None:
    stands, settings = Stands(), LastCheckpointSettings(every_batches=2, every_minutes=None)
    best = ModelCheckpoint(tmp_path / "checkpoints", "best", monitor="rollout/reward", mode="max", save_last=True)
    kept = ModelCheckpoint(tmp_path / "checkpoints", "kept_{step}", every_n_train_steps=8)
    left = [tmp_path / "checkpoints" / "best.ckpt", tmp_path / "checkpoints" / "kept_step=8.ckpt"]
    left[0].parent.mkdir()
    for path in left:
        path.write_text("of the part of a run that was killed")
    fit(tiny_checkpoint, tmp_path, stands, best, kept, settings=settings)
    # Asked before each of the four batches.
    assert stands.found == [None, None, 2, 2]
    assert batches_in(tmp_path) == 4
    assert {*left, tmp_path / "checkpoints" / "last.ckpt"} == set((tmp_path / "checkpoints").iterdir())
    assert all(torch.load(path, weights_only=True)["global_step"] for path in left)


def test_two_callbacks_of_one_name_keep_their_files_apart(tmp_path: Path) -> None:
    one, other = (ModelCheckpoint(tmp_path, "best", monitor=name) for name in ("a", "b"))
    callbacks = [one, other, ModelCheckpoint(tmp_path, "alone"), LastCheckpoint()]
    trainer = make_trainer(tmp_path, enable_checkpointing=True, callbacks=callbacks)
    callbacks[-1].setup(trainer, pl.LightningModule(), "fit")
    assert [callback._enable_version_counter for callback in callbacks[:-1]] == [True, True, False]  # pyright: ignore[reportAttributeAccessIssue]


def test_every_so_many_minutes(tiny_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Clock:
        """40 seconds pass from one look at it to the next."""

        seconds = itertools.count(step=40)

        def monotonic(self) -> float:
            return float(next(self.seconds))

    monkeypatch.setattr(last_checkpoint, "time", Clock())
    stands, settings = Stands(), LastCheckpointSettings(every_batches=None, every_minutes=1.0)
    fit(tiny_checkpoint, tmp_path, stands, settings=settings)
    # Looked at when training starts (0 s), and after batches at 40 s and 80 s, which is due.
    assert stands.found == [None, None, 2, 2]


@pytest.mark.parametrize("failure", [FailingReward(3), Failing(6)], ids=["reward", "memory"])
def test_a_failure_costs_no_batch(
    failure: Callback, whole: dict[str, Tensor], tiny_checkpoint: Path, tmp_path: Path
) -> None:
    with pytest.raises((ArithmeticError, MemoryError)):
        fit(tiny_checkpoint, tmp_path, failure)
    assert batches_in(tmp_path) == 3
    assert_equal(fit(tiny_checkpoint, tmp_path, resume=True), whole)


def test_a_failure_between_updates_leaves_what_was_written(tiny_checkpoint: Path, tmp_path: Path) -> None:
    settings = LastCheckpointSettings(every_batches=1, every_minutes=None)
    with pytest.raises(MemoryError):  # the second update of the second batch
        fit(tiny_checkpoint, tmp_path, Failing(3), settings=settings)
    assert batches_in(tmp_path) == 1


def test_a_failure_on_another_rank_costs_no_batch(tiny_checkpoint: Path, tmp_path: Path) -> None:
    two_processes("ddp_failing", tiny_checkpoint, tmp_path)
    assert batches_in(tmp_path) == 2


class Ending(Callback):
    """Ends the fit after a batch, as Timer and EarlyStopping do."""

    def __init__(self, batch: int) -> None:
        self.batch = batch

    @override
    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        trainer.should_stop |= consumed_batches(trainer) == self.batch


def test_going_on_within_an_epoch(whole: dict[str, Tensor], tiny_checkpoint: Path, tmp_path: Path) -> None:
    fit(tiny_checkpoint, tmp_path, Ending(1))
    assert batches_in(tmp_path) == 1
    assert_equal(fit(tiny_checkpoint, tmp_path, resume=True), whole)
    assert batches_in(tmp_path) == 4


class Killed(Callback):
    """Keeps the run folder as a kill would leave it: in the batch after the first validation."""

    @override
    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        folder = Path(trainer.default_root_dir)
        if consumed_batches(trainer) == 1 and not (folder / "killed").exists():
            shutil.copytree(folder / "checkpoints", folder / "killed" / "checkpoints")


def test_the_best_is_not_of_a_lost_part(whole: dict[str, Tensor], tiny_checkpoint: Path, tmp_path: Path) -> None:
    def validated(folder: Path, resume: bool = False) -> dict[str, Tensor]:
        best = ModelCheckpoint(folder / "checkpoints", "best", monitor="rollout/reward", save_on_train_epoch_end=False)
        every: dict[str, Any] = {"val_check_interval": 1, "limit_val_batches": 1.0, "num_sanity_val_steps": 0}
        held_out = HeldOutSettings(num_validation_tasks=1, num_test_tasks=0)
        return fit(tiny_checkpoint, folder, Killed(), best, resume=resume, held_out=held_out, **every)

    assert_equal(validated(tmp_path), whole)
    killed = tmp_path / "killed"
    left = torch.load(killed / "checkpoints" / "best.ckpt", weights_only=True)
    stands = torch.load(killed / "checkpoints" / "last.ckpt", weights_only=True)
    assert batches_in(killed) == 1
    assert left["global_step"] == stands["global_step"] == 2
    assert_equal(left["state_dict"], stands["state_dict"])
    assert_equal(validated(killed, resume=True), whole)


def test_settings() -> None:
    for name in ("every_batches", "every_minutes"):
        with pytest.raises(ValueError, match=rf"last_checkpoint.{name}: expected above 0, or null for never, got 0"):
            LastCheckpointSettings(**{name: 0})
