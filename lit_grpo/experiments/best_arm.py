"""Which of several arms goes on, by their validation tasks and never by a test task.

Called by ablations.py, which builds the curriculum on it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

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


def _score(run: ArmRun, name: str) -> float:
    path = run.folder(name) / METRICS_FILE
    series = read_series(path, CRITERION) if path.is_file() else Series((), ())
    # No checkpoint is of the evaluation before training.
    values = [value for batch, value in zip(series.batches, series.values, strict=True) if batch > 0]
    if not values:
        raise ValueError(f"{path}: expected {CRITERION} to choose an arm by, got none; validate during the fit")
    return max(values)
