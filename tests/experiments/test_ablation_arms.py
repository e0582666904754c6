"""The arms of the ablations.

1. Every arm's configs are there, and with its arguments they parse, in the smoke run's sizes as well.
2. Every arm of reinforcement learning has as many steps, attempts and updates, and only its name's change apart.
3. Every arm is compared: each pair names arms that there are, and every arm of one seed has a counterpart.
4. The curriculum is the chosen arm with stages, and nothing else.
5. Demonstrations that are replayed are those of supervised training; fresh tasks have another seed.
"""

from __future__ import annotations

import contextlib
import io
from typing import Any

import pytest
import yaml

from lit_grpo.cli import main
from lit_grpo.experiments.ablation_arms import BASES, REAL, SEVERAL, SINGLE, SINGLE_PAIRS, curriculum_on
from lit_grpo.experiments.arms import Arm, TrainingData
from lit_grpo.presets import CONFIGS

BY_NAME = {arm.name: arm for arm in (*SEVERAL, *SINGLE)}
CURRICULA = {f"curriculum on {name}": curriculum_on(BY_NAME[name]) for name in ("dynamic",)}
ARMS = BY_NAME | CURRICULA
REINFORCED = [name for name, arm in BY_NAME.items() if "grpo" in arm.configs]


def resolved(arm: Arm, *last: str) -> dict[str, Any]:
    settings = [*(f"--config={CONFIGS / name}.yaml" for name in arm.configs), *arm.arguments, *last]
    data = arm.data.arguments(seed=3)
    output = io.StringIO()
    with contextlib.redirect_stdout(output), pytest.raises(SystemExit) as ended:
        main(["fit", *settings, *data, "--print_config"])
    assert ended.value.code == 0
    return yaml.safe_load(output.getvalue())


@pytest.mark.parametrize("name", ARMS)
def test_1_and_2_parses_with_as_many_steps(name: str) -> None:
    arm = ARMS[name]
    found = resolved(arm)
    assert found["trainer"]["log_every_n_steps"] == 1
    data = found["data"]["init_args"]
    if "grpo" in arm.configs:
        assert found["trainer"]["max_epochs"] * data["batches_per_epoch"] == 100
        assert (data["num_tasks"], found["rollout"]["group_size"]) == (16, 8)
        assert found["model"]["init_args"]["objective"]["updates_per_rollout"] == 4
        assert (data["replay"] is None) == (name == "baseline_no_replay")
        assert found["trainer"]["val_check_interval"] == 15
    assert data["held_out"]["num_validation_tasks"] == 256
    assert found["episode"]["show_conflict"] == ("without_conflict" not in name)
    assert found["episode"]["show_specification"] == ("without_specification" not in name)


@pytest.mark.parametrize("name", ["sft_compute_matched", "dynamic"])
def test_1_the_smoke_run_is_small(name: str) -> None:
    found = resolved(ARMS[name], f"--config={CONFIGS / 'ablation' / 'smoke.yaml'}")
    assert found["trainer"]["max_epochs"] * found["data"]["init_args"]["batches_per_epoch"] == 2


def test_3_every_arm_is_compared() -> None:
    assert set(BASES) | set(REAL) <= {arm.name for arm in SEVERAL}
    named = {name for pair in SINGLE_PAIRS for name in (pair.better, pair.base)}
    assert named <= set(BY_NAME)
    assert {arm.name for arm in SINGLE} <= named
    assert all(arm.start is None or arm.start in BY_NAME for arm in BY_NAME.values())


@pytest.mark.parametrize("name", REAL)
def test_4_the_curriculum_is_the_arm_with_stages(name: str) -> None:
    arm, curriculum = BY_NAME[name], curriculum_on(BY_NAME[name])
    assert curriculum.configs == (*arm.configs, "curriculum/staged")
    assert (curriculum.start, curriculum.data, curriculum.arguments) == (arm.start, arm.data, arm.arguments)


def test_5_seeds() -> None:
    assert TrainingData.FRESH_TASKS_AND_REPLAY.arguments(3) == ["--data.seed=7", "--data.replay.seed=6"]
    assert TrainingData.DEMONSTRATIONS.arguments(3) == ["--data.seed=6"]
    assert TrainingData.FRESH_DEMONSTRATIONS.arguments(3) == ["--data.seed=7"]
    assert TrainingData.FRESH_TASKS.arguments(3) == ["--data.seed=7"]
    assert len(REINFORCED) == 13
