"""One seed moves everything that has no seed of its own.

1. `seed_everything` moves data, draws, order and initialisation, in supervised training and in GRPO: three seeds are
   three runs, and one of them again is the same to the bit. On the command line as well.
2. What has a seed of its own stays where it is; held-out tasks never move.
3. A run that is resumed under another seed goes on with its own.
4. Replayed demonstrations are those of the SFT that the policy comes from, whatever the run's seed: its folder says
   which, and the next export, too. A seed of its own goes first; a base that was on none has the run's.
5. A folder whose seed is none is refused in one line.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import pytest
import torch
from lightning.pytorch.callbacks import Callback, ModelCheckpoint

sys.path.append(str(Path(__file__).parent))
from small_runs import EPISODE, NO_HELD_OUT, TASKS, CoinRewards, make_data, make_module, make_trainer, weights_of

from lit_grpo.callbacks.evaluation import EvaluationSettings, RepairEvaluation
from lit_grpo.callbacks.export import ExportPolicy
from lit_grpo.cli import main
from lit_grpo.data.batches import TaskBatch
from lit_grpo.data.contract import CONTRACT_FILE, ContractError, demonstration_seed, require_readable_policy
from lit_grpo.data.datamodule import DemonstrationDataModule, TaskDataModule
from lit_grpo.data.dataset import DemonstrationDataset
from lit_grpo.data.demonstrations import DemonstrationSettings
from lit_grpo.data.held_out import HeldOutSettings
from lit_grpo.data.proofreading import ProofreadingSettings
from lit_grpo.data.proofreading_data import ProofreadingDataModule
from lit_grpo.data.replay import ReplaySettings
from lit_grpo.modules.policy import LoraSettings
from lit_grpo.seeds import Seed, run_seed

ROOT = Path(__file__).parents[2]
HELD_OUT = HeldOutSettings(num_validation_tasks=3, num_test_tasks=3, batch_size=3)


def test_1_the_seed_of_a_run() -> None:
    pl.seed_everything(7)
    of_run, own = Seed(), Seed(3)
    assert (run_seed(), of_run.value, own.value) == (7, 7, 3)
    pl.seed_everything(8)
    assert (of_run.value, own.value) == (8, 3)


class Seen(Callback):
    """The tasks, or the prompts, of each batch."""

    def __init__(self) -> None:
        self.batches: list[Any] = []

    def on_train_batch_start(self, trainer: pl.Trainer, pl_module: Any, batch: Any, batch_idx: int) -> None:
        is_rollout = isinstance(batch, TaskBatch)
        groups = batch.demonstrations if is_rollout else batch.groups
        tasks = [task.id for task in batch.tasks] if is_rollout else []
        self.batches.append((tasks, [group.continuations[0].token_ids for group in groups]))


class Drawn(CoinRewards):
    """Keeps what was sampled."""

    def collect(self, *arguments: Any, **named: Any) -> Any:
        groups = super().collect(*arguments, **named)
        self.tokens = [turn.completion_ids for group in groups for a in group.attempts for turn in a.turns]
        return groups


def fit(
    kind: Any, seed: int, checkpoint: Path, folder: Path, data: Any = None, **settings: Any
) -> tuple[dict[str, torch.Tensor], Seen, Any]:
    pl.seed_everything(seed)
    module, seen, rollout = make_module(kind, checkpoint, **settings), Seen(), Drawn()
    callbacks = [rollout, seen, ExportPolicy()] if kind == "grpo" else [seen, ExportPolicy()]
    make_trainer(folder, callbacks=callbacks).fit(module, data or make_data(kind, checkpoint, 2))
    return weights_of(module), seen, rollout


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(tensor, other[name]) for name, tensor in one.items())


@pytest.mark.parametrize("kind", ["sft", "grpo"])
def test_1_three_seeds_are_three_runs(kind: str, tiny_checkpoint: Path, tmp_path: Path) -> None:
    runs = [fit(kind, seed, tiny_checkpoint, tmp_path / str(n)) for n, seed in enumerate([0, 1, 2, 1])]
    for one, other in ((0, 1), (0, 2), (1, 2)):
        assert not same(runs[one][0], runs[other][0])
        for batch, another in zip(runs[one][1].batches, runs[other][1].batches, strict=True):
            assert not set(batch[0]) & set(another[0])
            assert batch[1] != another[1]
    assert same(runs[1][0], runs[3][0])
    assert runs[1][1].batches == runs[3][1].batches


def test_1_draws_and_adapters_move_with_equal_tasks(tiny_checkpoint: Path, tmp_path: Path) -> None:
    def run(seed: int, name: str) -> tuple[dict[str, torch.Tensor], Seen, Any]:
        replay = ReplaySettings(DemonstrationSettings(), 5, 2, seed=4, tokenizer=tiny_checkpoint, episode=EPISODE)
        data = TaskDataModule(TASKS, NO_HELD_OUT, num_tasks=4, batches_per_epoch=1, seed=4, replay=replay)
        return fit("grpo", seed, tiny_checkpoint, tmp_path / name, data, lora=LoraSettings(r=2))

    (first, seen, drawn), (second, also_seen, others) = run(0, "a"), run(1, "b")
    assert seen.batches == also_seen.batches
    assert drawn.tokens != others.tokens
    name = next(name for name in first if "lora_A" in name)
    assert not torch.equal(first[name], second[name])


def test_1_on_the_command_line(tiny_checkpoint: Path, tmp_path: Path) -> None:
    played = []
    for number, seed in enumerate([0, 1, 2, 1]):
        configs = [f"--config={ROOT / 'configs' / f'{name}.yaml'}" for name in ("base", "grpo", "model/tiny")]
        sizes = ["--data.num_tasks=2", "--data.batches_per_epoch=1", "--rollout.group_size=2"]
        folder = tmp_path / str(number)
        more = [f"--model.policy.checkpoint={tiny_checkpoint}", f"--trainer.default_root_dir={folder}"]
        quiet = ["--trainer.limit_val_batches=0", "--trainer.enable_progress_bar=false", "--trainer.accelerator=cpu"]
        assert main(["fit", *configs, *sizes, *more, *quiet, f"--seed_everything={seed}"]) == 0
        lines = (folder / "episodes.jsonl").read_text(encoding="utf-8").splitlines()
        played.append([(record["task_id"], record["turns"]) for record in map(json.loads, lines)])
    assert not {task for task, _ in played[0]} & {task for task, _ in played[1]}
    assert not {task for task, _ in played[1]} & {task for task, _ in played[2]}
    assert played[1] == played[3]


def test_2_held_out_tasks_never_move(tiny_checkpoint: Path, tmp_path: Path) -> None:
    modules: list[Any] = [
        TaskDataModule(TASKS, HELD_OUT),
        DemonstrationDataModule(TASKS, HELD_OUT, DemonstrationSettings(), tokenizer=tiny_checkpoint),
        ProofreadingDataModule(TASKS, HELD_OUT, ProofreadingSettings(), tokenizer=tiny_checkpoint),
    ]
    found = set()
    for data in modules:
        data.trainer = make_trainer(tmp_path)
        for seed in (0, 1):
            pl.seed_everything(seed)
            batches = [*data.val_dataloader(), *data.test_dataloader()]
            found.add(tuple(task.id for batch in batches for task in batch.tasks))
    assert len(found) == 1
    assert len(next(iter(found))) == 6


def test_2_draws_of_an_evaluation(tiny_checkpoint: Path, tmp_path: Path) -> None:
    def played(run: int, own: int | None) -> list[str]:
        pl.seed_everything(run)
        evaluation = RepairEvaluation(EvaluationSettings(1.0, own), max_completion_tokens=6, episode=EPISODE)
        folder = tmp_path / f"{run}_{own}"
        data = make_data("grpo", tiny_checkpoint, 1, held_out=HELD_OUT)
        make_trainer(folder, callbacks=[evaluation]).test(make_module("grpo", tiny_checkpoint), data)
        return [turn["text"] for g in _records(folder) for turn in g["turns"]]

    assert played(0, None) != played(1, None)
    assert played(0, 5) == played(1, 5)


def _records(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "episodes.jsonl").read_text(encoding="utf-8").splitlines()]


def test_3_a_resumed_run_keeps_its_seed(
    tiny_checkpoint: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def run(folder: Path, seed: int, resume: Path | None = None) -> tuple[dict[str, torch.Tensor], list[Any]]:
        pl.seed_everything(seed)
        module, seen = make_module("grpo", tiny_checkpoint), Seen()
        saving = ModelCheckpoint(folder, "batch_{step}", every_n_train_steps=1, save_top_k=-1)
        trainer = make_trainer(folder, callbacks=[CoinRewards(), seen, saving], enable_checkpointing=True)
        trainer.fit(module, make_data("grpo", tiny_checkpoint, 3), ckpt_path=None if resume is None else str(resume))
        return weights_of(module), seen.batches

    whole, batches = run(tmp_path / "whole", 3)
    with caplog.at_level("INFO"):
        resumed, later = run(tmp_path / "resumed", 8, tmp_path / "whole" / "batch_step=1.ckpt")
    assert same(whole, resumed)
    assert later == batches[1:]
    assert "The run goes on with the seed that it began with, 3, not 8." in caplog.text
    assert run_seed() == 3


def replayed(seen: Seen) -> set[Any]:
    return {tokens for _, demonstrations in seen.batches for tokens in demonstrations}


def demonstrations_of(seed: int, checkpoint: Path) -> set[Any]:
    """The five demonstrations of a seed, by the data set itself."""
    dataset = DemonstrationDataset(TASKS, checkpoint, EPISODE, DemonstrationSettings(), Seed(seed))
    return {dataset[index].continuations[0].token_ids for index in range(5)}


def test_4_replay_has_the_seed_of_the_sft(tiny_checkpoint: Path, tmp_path: Path) -> None:
    assert demonstration_seed(tiny_checkpoint) is None
    fit("sft", 3, tiny_checkpoint, tmp_path / "sft")
    policy = tmp_path / "sft" / "policy"
    assert json.loads((policy / CONTRACT_FILE).read_text(encoding="utf-8"))["demonstration_seed"] == 3
    require_readable_policy(policy)
    for number, seed in enumerate((5, 6)):
        _, seen, _ = fit("grpo", seed, policy, tmp_path / str(number), demonstration_loss_weight=0.3)
        assert replayed(seen) <= demonstrations_of(3, tiny_checkpoint)
        assert demonstration_seed(tmp_path / str(number) / "policy") == 3
    _, seen, _ = fit("grpo", 5, tiny_checkpoint, tmp_path / "base", demonstration_loss_weight=0.3)
    assert replayed(seen) <= demonstrations_of(5, tiny_checkpoint)
    replay = ReplaySettings(DemonstrationSettings(), 5, 2, seed=9, tokenizer=policy, episode=EPISODE)
    data = TaskDataModule(TASKS, NO_HELD_OUT, num_tasks=4, batches_per_epoch=2, replay=replay)
    _, seen, _ = fit("grpo", 5, policy, tmp_path / "own", data, demonstration_loss_weight=0.3)
    assert replayed(seen) <= demonstrations_of(9, tiny_checkpoint)
    assert demonstration_seed(tmp_path / "own" / "policy") == 9
    plain = TaskDataModule(TASKS, NO_HELD_OUT, num_tasks=4, batches_per_epoch=1)
    fit("grpo", 5, policy, tmp_path / "plain", plain)
    assert demonstration_seed(tmp_path / "plain" / "policy") == 3


@pytest.mark.parametrize("seed", ["3", 1.5, True])
def test_5_a_seed_that_is_none(seed: Any, tmp_path: Path) -> None:
    (tmp_path / CONTRACT_FILE).write_text(json.dumps({"demonstration_seed": seed}), encoding="utf-8")
    with pytest.raises(ContractError, match="expected demonstration_seed as a whole number, got"):
        demonstration_seed(tmp_path)
