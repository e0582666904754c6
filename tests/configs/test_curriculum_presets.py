"""The presets of configs/curriculum/, and the refill in configs/loss/, from the command line.

1. Each curriculum composes over the method and over the quickstart, and its rules can be met there.
2. DAPO and CISPO refill groups without signal; no other preset does.
3. An impossible promotion rule, a stage without tasks, weights of 0, a kind that the size has not, a switch without a
   meaning: status 2 and one line, before anything is played.
4. The example of the documentation is one, and names every setting of a stage and of a rule.
"""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonargparse import ArgumentParser

from lit_grpo.cli import main
from lit_grpo.data.curriculum.base import Conditions
from lit_grpo.data.curriculum.staged import StagedCurriculum
from lit_grpo.data.curriculum.stages import Promotion, Stage
from lit_grpo.data.datamodule import TaskDataModule
from lit_grpo.data.splits import Split
from lit_grpo.data.task import cell_at

ROOT = Path(__file__).parents[2] / "configs"
OVER = {
    "method": ("base.yaml", "grpo.yaml", "model/tiny.yaml"),
    "quickstart": ("quickstart/base.yaml", "quickstart/grpo.yaml"),
}
CLASSES = {"staged": "StagedCurriculum", "success": "SuccessTargeting", "kind_pools": "KindPools"}


def command(*names: str) -> list[str]:
    return ["fit", *(part for name in names for part in ("--config", str(ROOT / name)))]


def resolved(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> dict[str, Any]:
    with pytest.raises(SystemExit):
        main([*arguments, "--print_config"])
    return yaml.safe_load(capsys.readouterr().out)


def data_of(config: dict[str, Any]) -> TaskDataModule:
    parser = ArgumentParser(exit_on_error=False)
    parser.add_subclass_arguments(TaskDataModule, "data")
    data = parser.instantiate(parser.parse_object({"data": config["data"]})).data
    assert isinstance(data, TaskDataModule)
    return data


@pytest.mark.parametrize("over", OVER)
@pytest.mark.parametrize("preset", CLASSES)
def test_1_each_composes_and_can_be_met(preset: str, over: str, capsys: pytest.CaptureFixture[str]) -> None:
    config = resolved(capsys, command(*OVER[over], f"curriculum/{preset}.yaml"))
    data = data_of(config)
    assert type(data.curriculum).__name__ == CLASSES[preset]
    assert data.curriculum is not None
    held_out: dict[Any, int] = {}
    for index in range(data.held_out.num_validation_tasks):
        cell = cell_at(data.tasks, Split.VALIDATION, data.held_out.seed, index)
        held_out[cell] = held_out.get(cell, 0) + 1
    every = config["trainer"]["val_check_interval"]
    data.curriculum.require(Conditions(data.tasks.cells, held_out, every))
    if isinstance(data.curriculum, StagedCurriculum):
        rules = [stage.promotion for stage in data.curriculum.stages if stage.promotion is not None]
        assert every == 15
        assert sum(rule.patience for rule in rules) < data.batches_per_epoch
    # At equal compute: as many steps of as many tasks as without.
    uniform = data_of(resolved(capsys, command(*OVER[over])))
    assert uniform.curriculum is None
    assert (data.num_tasks, data.batches_per_epoch) == (uniform.num_tasks, uniform.batches_per_epoch)


def test_1_all_of_them() -> None:
    assert {path.stem for path in (ROOT / "curriculum").glob("*.yaml")} == set(CLASSES)


def test_2_who_refills() -> None:
    refills = [
        path.stem
        for path in sorted((ROOT / "loss").glob("*.yaml"))
        if "rollout" in yaml.safe_load(path.read_text(encoding="utf-8"))
    ]
    assert refills == ["cispo", "dapo"]


@pytest.mark.parametrize("preset", ["cispo", "dapo"])
def test_2_the_refill_reaches_the_rollout(preset: str, capsys: pytest.CaptureFixture[str]) -> None:
    names = (*OVER["method"], f"loss/{preset}.yaml")
    assert resolved(capsys, command(*names))["rollout"]["dynamic_sampling"] == {"max_rounds": 4}
    off = [*command(*names), "--rollout.dynamic_sampling=null"]
    assert resolved(capsys, off)["rollout"]["dynamic_sampling"] is None


def stages(**first: Any) -> str:
    stage = {"name": "one", "difficulties": {"easy": 1.0}, "promotion": {"threshold": 0.6}} | first
    return yaml.safe_dump([stage, {"name": "two", "difficulties": {"hard": 1.0}}], default_flow_style=True)


STAGED, POOLS = ["--data.curriculum=StagedCurriculum"], ["--data.curriculum=KindPools"]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([*STAGED, f"--data.curriculum.stages={stages(promotion={'threshold': 1.5})}"], "below 1, got 1.5"),
        ([*STAGED, f"--data.curriculum.stages={stages(promotion={'window': 0})}"], "window and patience of at least 1"),
        (
            [*STAGED, f"--data.curriculum.stages={stages(promotion={'threshold': 0.99, 'patience': 99})}"],
            "stage 'one': expected at least 381 held-out tasks for the lower end of a 95% interval to reach 0.99",
        ),
        ([*STAGED, "--data.held_out.num_validation_tasks=0"], "stage 'easy': expected validations"),
        ([*STAGED, "--trainer.limit_val_batches=0"], "stage 'easy': expected validations"),
        ([*STAGED, "--trainer.val_check_interval=100"], "stage 'easy': expected a patience of at least 100 batches"),
        ([*STAGED, f"--data.curriculum.stages={stages(difficulties={'easy': 0})}"], "stage 'one', difficulties: exp"),
        ([*STAGED, f"--data.curriculum.stages={stages(kinds={'I': 1})}"], "data.tasks draws (A, B, C, D), got I"),
        ([*STAGED, '--data.tasks.difficulties={"easy": 1}'], "data.tasks draws (easy), got medium"),
        ([*POOLS, '--data.curriculum.kinds={"A": 0}'], "KindPools, kinds: expected weights >= 0"),
        ([*POOLS, '--data.curriculum.kinds={"E": 1}'], "data.tasks draws (A, B, C, D), got E"),
        (["--rollout.dynamic_sampling.max_rounds=0"], "max_rounds: expected at least 1, got 0"),
        (["--rollout.dynamic_sampling.max_round=1"], "did you mean 'max_rounds'?"),
    ],
)
def test_3_what_makes_no_sense_is_one_line(
    arguments: list[str], expected: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], tiny_checkpoint: Path
) -> None:
    run = [f"--trainer.default_root_dir={tmp_path / 'run'}", f"--model.policy.checkpoint={tiny_checkpoint}"]
    assert main([*command(*OVER["method"]), *run, "--trainer.enable_progress_bar=false", *arguments]) == 2
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("lit-grpo: ")]
    assert expected in line


def test_3_evaluation_and_steady_rewards_are_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], tiny_checkpoint: Path
) -> None:
    run = [f"--trainer.default_root_dir={tmp_path / 'run'}", f"--model.policy.checkpoint={tiny_checkpoint}"]
    run += ["--trainer.enable_progress_bar=false", "--trainer.num_sanity_val_steps=0"]
    alone = tmp_path / "alone.yaml"
    alone.write_text("trainer:\n  callbacks:\n    - class_path: RolloutCallback\n", encoding="utf-8")
    assert main([*command(*OVER["method"]), "--config", str(alone), *run, *STAGED]) == 2
    assert "data.curriculum: expected RepairEvaluation in trainer.callbacks" in capsys.readouterr().err
    noisy = [*command(*OVER["method"], "loss/dapo.yaml", "reward/hybrid.yaml"), *run]
    assert main(noisy) == 2
    assert "rollout.dynamic_sampling: expected a reward without noise" in capsys.readouterr().err


def test_4_the_example_of_the_documentation(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = (ROOT.parent / "docs" / "curriculum.md").read_text(encoding="utf8")
    (example,) = re.findall(r"^```yaml\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    config = tmp_path / "example.yaml"
    config.write_text(example, encoding="utf8")
    data = data_of(resolved(capsys, [*command(*OVER["method"]), "--config", str(config)]))
    assert isinstance(data.curriculum, StagedCurriculum)
    assert [stage.name for stage in data.curriculum.stages] == ["easy", "slips of the pen", "hard"]
    data.curriculum.require(Conditions(data.tasks.cells, dict.fromkeys(data.tasks.cells, 10), validate_every=15))
    stages = yaml.safe_load(example)["data"]["init_args"]["curriculum"]["init_args"]["stages"]
    assert {key for stage in stages for key in stage} == {field.name for field in fields(Stage)}
    rules = [stage["promotion"] for stage in stages if "promotion" in stage]
    assert {key for rule in rules for key in rule} == {field.name for field in fields(Promotion)}
