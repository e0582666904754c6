"""The presets of configs/reward/: each resolves to the reward that its page says.

1. Each gives the reward of the table over configs/grpo.yaml, and there is none that is not in the table.
2. A preset overridden into nonsense, an unknown class and an advantage that the reward cannot have are refused on the
   command line: status 2 and one line.
3. The resolved settings reach the callbacks; a config laid over the written one still changes them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from lit_grpo.cli import main

ROOT = Path(__file__).parents[2] / "configs"
STUDY = {"recovered": 100.0, "failed": -50.0, "per_turn": -1.0, "noise": 1.0}
PRESETS: dict[str, tuple[str, dict[str, float]]] = {
    "composite": ("CompositeReward", {"outcome": 0.5, "diagnosis": 0.3, "efficiency": 0.2}),
    "outcome": ("CompositeReward", {"outcome": 1.0, "diagnosis": 0.0, "efficiency": 0.0}),
    "faithful_diagnosis": ("CompositeReward", {"outcome": 0.625, "diagnosis": 0.375, "efficiency": 0.0}),
    "hybrid": ("HybridReward", {**STUDY, "positive_factor": 1.0}),
    "asymmetric": ("HybridReward", {**STUDY, "positive_factor": 1.4}),
}


def command(preset: str, *arguments: str) -> list[str]:
    names = ("base.yaml", "grpo.yaml", f"reward/{preset}.yaml", "model/tiny.yaml")
    return ["fit", *(part for name in names for part in ("--config", str(ROOT / name))), *arguments]


def resolved(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> dict[str, Any]:
    with pytest.raises(SystemExit):
        main([*arguments, "--print_config"])
    return yaml.safe_load(capsys.readouterr().out)


@pytest.mark.parametrize("preset", PRESETS)
def test_1_the_reward_of_a_preset(preset: str, capsys: pytest.CaptureFixture[str]) -> None:
    rollout = resolved(capsys, command(preset))["rollout"]
    name, settings = PRESETS[preset]
    assert rollout["reward"]["class_path"].endswith(f".{name}")
    assert rollout["reward"]["init_args"] == settings
    assert (rollout["group_size"], rollout["sampling"]["temperature"]) == (8, 1.3)


def test_1_all_of_them() -> None:
    assert {path.stem for path in (ROOT / "reward").glob("*.yaml")} == set(PRESETS)


@pytest.mark.parametrize(
    ("preset", "arguments", "expected"),
    [
        ("composite", ["--rollout.reward.init_args.outcome=0.9"], "sum to 1, got (0.9, 0.3, 0.2) with sum 1.4"),
        (
            "composite",
            ["--rollout.reward.outcom=0.9"],
            "rollout.reward.init_args.outcom: expected a known key, got 'outcom'; did you mean",
        ),
        ("hybrid", ["--rollout.reward.init_args.recovered=-60"], "expected HybridReward with recovered above failed"),
        ("asymmetric", ["--rollout.reward.init_args.positive_factor=-1.4"], "positive_factor above 0, got 1 and -1.4"),
        (
            "hybrid",
            ["--model.objective.advantage=PER_COMPONENT"],
            "with components for PER_COMPONENT, got Hyb",
        ),
        (
            "composite",
            ["--rollout.reward=HybridRewards"],
            "rollout.reward: expected the class_path of a class that fits",
        ),
        ("composite", ["--rollout.reward=HybridRewards"], "got 'HybridRewards'; did you mean 'HybridReward'?"),
        ("composite", ["--rollout.reward=ClippedLoss"], "got 'ClippedLoss', which is of another kind"),
        ("composite", ["--model.objective.loss=Zzz"], "got 'Zzz'; name a class of another package with its module"),
        ("composite", ["--rollout.group_size=0"], "group_size >= 1, got 0"),
        ("composite", ["--rollout.sampling.temperature=0"], "rollout.sampling.temperature: expected above 0"),
    ],
)
def test_2_nonsense_is_refused_in_one_line(
    preset: str, arguments: list[str], expected: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(command(preset, *arguments, f"--trainer.default_root_dir={tmp_path / 'run'}")) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("lit-grpo: ")]
    assert len(lines) == 1
    assert expected in lines[0]


def test_3_a_config_over_the_written_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = tmp_path / "run"
    one_task = ["--data.num_tasks=1", "--data.batches_per_epoch=1", "--rollout.sampling.max_completion_tokens=4"]
    one_task += [
        "--trainer.enable_model_summary=false",
        "--data.held_out={num_validation_tasks: 1, num_test_tasks: 1}",
        "--trainer.enable_progress_bar=false",
    ]
    assert main(command("hybrid", *one_task, "--rollout.group_size=2", f"--trainer.default_root_dir={run}")) == 0
    capsys.readouterr()
    written = yaml.safe_load((run / "config.yaml").read_text(encoding="utf-8"))
    assert written["rollout"]["group_size"] == 2
    assert written["trainer"]["callbacks"][0]["init_args"]["settings"] is None
    again = resolved(capsys, ["fit", "--config", str(run / "config.yaml"), "--rollout.group_size=3"])
    assert (again["rollout"]["group_size"], again["rollout"]["reward"]["init_args"]["recovered"]) == (3, 100.0)
    lines = (run / "episodes.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(lines) == 2, "one task, two attempts"
