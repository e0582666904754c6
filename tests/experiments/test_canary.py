"""The canary: ten steps at learning rate 0, in which nothing may move.

1. Where nothing does, it shows ten steps and ends with 0; the weights are what they were, bit for bit.
2. A sampler whose log-probs drift, slowly and within the limits, is found out; so is an engine that has another tensor.
3. Each of its criteria by hand: weights, limits, growth, rewards exactly in float32 and on average in bfloat16.
4. What is no GRPO fit, or would bring a learning rate back, is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from lit_grpo.callbacks.canary import CanaryRun, CanaryStep
from lit_grpo.commands.main import main
from lit_grpo.experiments.canary import drifts
from lit_grpo.modules.mismatch_monitor import MismatchMonitorSettings

ROOT = Path(__file__).parents[2]
SMALL = (
    "--data.num_tasks=2",
    "--rollout.group_size=2",
    "--rollout.max_turns=1",
    "--data.held_out={num_validation_tasks: 2, num_test_tasks: 2}",
    f"--model.policy.checkpoint={ROOT / 'checkpoints' / 'tiny-base'}",
)


def canary(folder: Path, *arguments: str, configs: Sequence[str] = ("base", "grpo", "model/tiny")) -> int:
    named = [word for name in configs for word in ("--config", str(ROOT / "configs" / f"{name}.yaml"))]
    return main(["canary", *named, *SMALL, f"--folder={folder}", *arguments])


def test_1_nothing_moves(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # Weight decay, schedule and clipping are those of the config.
    assert canary(tmp_path, "--model.optimizer.weight_decay=0.1", "--model.optimizer.warmup_batches=3") == 0
    said = capsys.readouterr().out
    assert "learning rate 0, float32" in said
    assert sum(line.strip("│ ").split(" ")[0].isdigit() for line in said.splitlines()) == 10
    assert said.rstrip().endswith("no drift in 10 steps at learning rate 0")


@pytest.mark.parametrize(
    ("engine", "message"),
    [
        ("DriftingSettings", "DRIFT: expected mismatch_mean to stay, got 0.00027 in the first half and 0.00072 in the"),
        ("OldWeightsSettings", "mismatch_mean of at most"),
    ],
)
def test_2_broken_engines(engine: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert canary(tmp_path, f"--engine=broken_engines.{engine}") == 1
    said = capsys.readouterr().out
    assert "DRIFT: " in said
    assert message in said
    assert "no drift" not in said


def run_of(
    means: Sequence[float], rewards: Sequence[float], changed: tuple[str, ...] = (), dtype: str = "float32"
) -> CanaryRun:
    steps = [
        CanaryStep(reward, {"mismatch_mean": mean, "mismatch_kl": 0.0})
        for mean, reward in zip(means, rewards, strict=True)
    ]
    limits = MismatchMonitorSettings().warns_beyond(dtype)  # pyright: ignore[reportArgumentType]
    return CanaryRun(tuple(steps), dtype, limits, num_episodes=32, changed=changed)  # pyright: ignore[reportArgumentType]


FLAT, ALIKE = [1e-5] * 10, [0.5] * 10


@pytest.mark.parametrize(
    ("run", "message"),
    [
        (run_of(FLAT, ALIKE, ("a", "b")), "expected the weights as they were, got others: 2 tensors, first a"),
        (run_of([*FLAT[:9], 0.002], ALIKE), "step 10: expected mismatch_mean of at most 0.001, got 0.002"),
        # 0.00025 is more than twice 0.00001 and a tenth of 0.001 together.
        (run_of([1e-5] * 5 + [2.5e-4] * 5, ALIKE), "expected mismatch_mean to stay, got 1e-05 in the first half"),
        # One episode of 32 is 0.03125.
        (run_of(FLAT, [*ALIKE[:9], 0.54]), "step 10: expected the reward of the transformers engine to within 0.0312"),
        # Every step 0.1 more, give or take 0.01: far beyond four standard errors of 0.003.
        (run_of(FLAT, [0.59, 0.61] * 5, dtype="bfloat16"), "differs by 0.1"),
    ],
)
def test_3_criteria(run: CanaryRun, message: str) -> None:
    found = list(drifts(run, run_of(FLAT, ALIKE, dtype=run.dtype)))
    assert message in found[0]


def test_3_chance_is_no_drift() -> None:
    reference = run_of(FLAT, ALIKE)
    assert list(drifts(run_of([1e-5] * 5 + [1.1e-4] * 5, [*ALIKE[:9], 0.53125]), reference)) == []
    assert list(drifts(run_of(FLAT, [0.4, 0.6] * 5, dtype="bfloat16"), reference)) == []


@pytest.mark.parametrize(
    ("arguments", "configs", "message"),
    [
        ((), ("base", "sft", "model/tiny"), "canary: expected the configs of a GRPO fit, with one RolloutCallback"),
        (("--ckpt_path=last",), ("base", "grpo", "model/tiny"), "canary: --ckpt_path: expected none, got one"),
    ],
)
def test_4_refused(
    arguments: Sequence[str],
    configs: Sequence[str],
    message: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    named = [word for name in configs for word in ("--config", str(ROOT / "configs" / f"{name}.yaml"))]
    assert main(["canary", *named, f"--folder={tmp_path}", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_3_attempts_whose_numbers_are_not_finite() -> None:
    run = run_of(FLAT, ALIKE)
    broken = replace(run, steps=(replace(run.steps[0], not_finite=1 / 32), *run.steps[1:]))
    (found,) = drifts(broken, run)
    assert found == "step 1: expected finite rewards and log-probs, got others in 3.12% of attempts"
