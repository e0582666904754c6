"""The arm that the curriculum goes on from.

1. It is the one whose chosen checkpoints are best on validation in the mean over seeds, worked by hand.
2. Test results play no part: with the best of them an arm is not chosen.
3. An arm that was never validated is an error that names the file.
"""

import json
from pathlib import Path

import pytest

from lit_grpo.experiments.arm_run import ArmRun
from lit_grpo.experiments.best_arm import CRITERION, choose_best


def validated(run: ArmRun, name: str, scores: list[float], test_score: float = 0.0) -> None:
    folder = run.folder(name)
    folder.mkdir(parents=True)
    lines = [
        f"batch,train/loss,{CRITERION}",
        "0,1.5,",
        *(f"{10 * n},,{score}" for n, score in enumerate(scores, start=1)),
    ]
    (folder / "metrics.csv").write_text("\n".join(lines) + "\n")
    (folder / "results.json").write_text(json.dumps({"metrics": {"FR@5": {"value": test_score}}}))


@pytest.fixture
def runs(tmp_path: Path) -> list[ArmRun]:
    return [ArmRun(tmp_path / f"seed_{seed}", Path("base"), Path("test"), seed, threads=1) for seed in (0, 1)]


def test_1_and_2_by_validation_alone(runs: list[ArmRun]) -> None:
    # Best checkpoints 0.5 and 0.7, mean 0.6; 0.55 and 0.6, mean 0.575; the last checkpoint is not the one that counts.
    for run, ours, others in zip(runs, ([0.4, 0.5, 0.1], [0.7, 0.2]), ([0.55, 0.5], [0.6]), strict=True):
        validated(run, "ours", ours, test_score=0.1)
        validated(run, "other", others, test_score=0.9)
    choice = choose_best(runs, ("other", "ours"))
    assert choice.best == "ours"
    assert choice.scores == {"other": pytest.approx(0.575), "ours": pytest.approx(0.6)}


def test_1_of_equals_the_first(runs: list[ArmRun]) -> None:
    for run in runs:
        validated(run, "a", [0.5])
        validated(run, "b", [0.5])
    assert choose_best(runs, ("b", "a")).best == "b"


def test_3_never_validated(runs: list[ArmRun]) -> None:
    for run in runs:
        validated(run, "a", [])
    with pytest.raises(ValueError, match=r"metrics\.csv: expected val/guarded_FR@5 to choose an arm by, got none"):
        choose_best(runs, ("a",))
