"""What is chosen by validation tasks and never by a test task: an arm's checkpoint, and which of several arms goes on.

Called by ablations.py, which builds the curriculum on the arm, and by real_size.py, whose gate compares the
validations of the checkpoints.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lit_grpo.experiments.arm_run import ArmRun
from lit_grpo.reports.runs import METRICS_FILE, Series, read_series

CRITERION = "val/guarded_FR@5"
"""What each arm's own checkpoint is chosen by."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The arm that was chosen, and by what."""

    best: str
    scores: Mapping[str, float]
    """Arm to the mean over seeds of its chosen checkpoint's criterion."""


def choose_best(runs: Sequence[ArmRun], names: Sequence[str]) -> Choice:
    """The arm whose chosen checkpoints score highest on validation, in the mean over seeds; of equals the first.

    Raises:
        ValueError: An arm has not been validated.
    """
    scores = {name: sum(_score(run, name) for run in runs) / len(runs) for name in names}
    return Choice(max(names, key=lambda name: scores[name]), scores)


def chosen_validation(folder: Path) -> Path:
    """The folder of the validation that an arm's checkpoint was chosen by, as callbacks/evaluation.py writes it.

    Raises:
        ValueError: The arm has not been validated.
    """
    batch, _ = _chosen(folder)
    return folder / "validation" / f"batch_{batch:06d}"


def _score(run: ArmRun, name: str) -> float:
    return _chosen(run.folder(name))[1]


def _chosen(folder: Path) -> tuple[int, float]:
    """Batches trained on at an arm's best checkpoint, and its criterion; of equals the first."""
    path = folder / METRICS_FILE
    series = read_series(path, CRITERION) if path.is_file() else Series((), ())
    # No checkpoint is of the evaluation before training.
    found = [(batch, value) for batch, value in zip(series.batches, series.values, strict=True) if batch > 0]
    if not found:
        raise ValueError(f"{path}: expected {CRITERION} to choose an arm by, got none; validate during the fit")
    return max(found, key=lambda item: item[1])
