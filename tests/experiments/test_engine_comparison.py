"""The comparison of engines, with scores made by hand.

1. The arms differ in the engine alone.
2. The verdict is whether the interval holds 0; equal scores are no difference, with no width.
3. A difference on every fourth task is found: status 1, in words.
4. Rewards are counted up to the first rollout that differs.
5. Finished arms are taken from a study; one that is not finished is refused by name.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from lit_grpo.commands.main import main
from lit_grpo.environment.episodes.record import StopReason
from lit_grpo.environment.episodes.scoring import DiagnosisScore, RepairScore
from lit_grpo.environment.faults.injection import Difficulty, FaultKind
from lit_grpo.experiments import engine_comparison
from lit_grpo.experiments.ablation_arms import SFT
from lit_grpo.experiments.arm_run import ArmRun
from lit_grpo.experiments.engine_comparison import (
    ARMS,
    TRANSFORMERS,
    VLLM,
    Verdict,
    link_arms,
    num_equal_rollouts,
    report,
)
from lit_grpo.metrics.bootstrap import Estimate
from lit_grpo.metrics.records import ScoredTask
from lit_grpo.metrics.results import results_of, write_run

NUM_TASKS = 96


def scored(index: int, faithful: bool) -> ScoredTask:
    share = float(faithful)
    score = RepairScore(
        recovered=faithful,
        faithful=faithful,
        turns=1 if faithful else 5,
        min_turns=1,
        diagnosis=DiagnosisScore(share, share, share, faithful),
        iis_rows=5,
        iis_hits=2,
        edits=1 - int(faithful),
        drift=0.0 if faithful else None,
        malformed_turns=0,
        inconclusive_turns=0,
        verified=True,
    )
    stopped = StopReason.RECOVERED if faithful else StopReason.TURN_LIMIT
    kind, difficulty = list(FaultKind)[index % 4], list(Difficulty)[index // 4 % 3]
    return ScoredTask(f"task-{index:04d}", kind, difficulty, "blending", stopped, score)


def write_arm(folder: Path, every: int, rewards: tuple[float, ...]) -> None:
    """An arm that repairs all but every so-maniest task."""
    tasks = [scored(index, index % every != 0) for index in range(NUM_TASKS)]
    write_run(folder, tasks, results_of(tasks))
    rows = [f"{step},{reward}" for step, reward in enumerate(rewards)]
    (folder / "metrics.csv").write_text("\n".join(["batch,rollout/reward", *rows]) + "\n")
    compute = {"fit_cpu_s": 9.0, "fit_wall_s": 8.0, "test_cpu_s": 1.0, "test_wall_s": 1.0}
    (folder / "compute.json").write_text(json.dumps(compute))


def seed_run(root: Path, of_vllm: int) -> ArmRun:
    run = ArmRun(root / "seed_0", root / "base", root / "test", seed=0, threads=1)
    write_arm(run.folder(SFT), 2, ())
    write_arm(run.folder(TRANSFORMERS), 8, (0.1, 0.25, 0.5, 0.6))
    write_arm(run.folder(VLLM), of_vllm, (0.1, 0.25 + 1e-9, 0.4))
    return run


def test_1_the_engine_alone() -> None:
    by_name = {arm.name: arm for arm in ARMS}
    first, second = by_name[TRANSFORMERS], by_name[VLLM]
    assert second.configs == (*first.configs, "engine/vllm")
    assert replace(second, name=first.name, configs=first.configs) == first
    assert first.start == second.start == SFT


@pytest.mark.parametrize(
    ("low", "high", "is_equal"), [(-0.02, 0.04, True), (0.0, 0.0, True), (0.01, 0.05, False), (-0.05, -0.01, False)]
)
def test_2_the_verdict(low: float, high: float, is_equal: bool) -> None:
    verdict = Verdict(Estimate((low + high) / 2, low, high, 100))
    assert verdict.is_equal == is_equal
    assert ("DIFFER" in verdict.text) == (not is_equal)
    # Half the width, times 2.8 / 1.96 = 1.4286.
    assert verdict.detectable == pytest.approx((high - low) / 2 * 1.4286, abs=1e-5)


def test_2_equal_scores(tmp_path: Path) -> None:
    verdict = report(tmp_path, [seed_run(tmp_path, of_vllm=8)], Console(quiet=True))
    assert verdict.difference == Estimate(0.0, 0.0, 0.0, NUM_TASKS)
    assert verdict.is_equal
    assert verdict.text == "FR@5 of vLLM minus transformers: 0, task by task"
    assert (tmp_path / "comparison.json").is_file()


def test_3_a_difference_is_found(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    seed_run(tmp_path, of_vllm=4)
    monkeypatch.setattr(engine_comparison, "make_test_suite", lambda folder, num_tasks, num_workers: folder)
    assert main(["study", "engines", "--seeds", "0", f"--output={tmp_path}"]) == 1
    said = capsys.readouterr().out
    # 1/8 of the tasks fail with one engine, 1/4 with the other.
    assert "FR@5 of vLLM minus transformers: -12.5 [" in said
    assert "they DIFFER" in said
    assert "rewards equal in the first 2 of 3 rollouts" in said


def test_4_equal_rollouts(tmp_path: Path) -> None:
    assert num_equal_rollouts(seed_run(tmp_path, of_vllm=8)) == (2, 3)


def test_5_arms_of_a_study(tmp_path: Path) -> None:
    seed_run(tmp_path / "study", of_vllm=8)
    run = ArmRun(tmp_path / "own" / "seed_0", tmp_path, tmp_path, seed=0, threads=1)
    link_arms(run, tmp_path / "study", (SFT, TRANSFORMERS))
    assert run.is_done(SFT)
    assert run.is_done(TRANSFORMERS)
    assert not run.is_done(VLLM)
    other = replace(run, root=tmp_path / "own" / "seed_1")
    with pytest.raises(ValueError, match=r"expected the finished arm .*seed_1/arms/sft, got none"):
        link_arms(other, tmp_path / "study", (SFT,))
