"""What callbacks compute and write.

1. The guarded score takes off the largest loss of any kind since the start, and nothing where none was lost.
2. metrics.csv keeps a run's history over a resume, and forgets what happened after the checkpoint it resumed from.
"""

import csv
from pathlib import Path

import pytest

from lit_grpo.callbacks.evaluation import guarded_score
from lit_grpo.fitting.metrics_csv import MetricsCsv


def test_the_guard() -> None:
    start = {"A": 0.5, "D": 0.36}
    assert guarded_score(0.6, {"A": 0.9, "D": 0.02}, start) == pytest.approx(0.26)
    assert guarded_score(0.6, {"A": 0.9, "D": 0.4}, start) == 0.6
    assert guarded_score(0.6, {"A": 0.9, "B": 0.1}, start) == 0.6


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "metrics.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_metrics_over_a_resume(tmp_path: Path) -> None:
    first = MetricsCsv(tmp_path)
    for step in range(4):
        first.log_metrics({"loss": float(step)}, step)
    first.log_metrics({"val": 0.5}, 3)
    first.finalize("failed")
    resumed = MetricsCsv(tmp_path)
    resumed.log_metrics({"loss": 20.0}, 2)
    resumed.finalize("success")
    assert [(row["batch"], row["loss"]) for row in rows(tmp_path)] == [("0", "0.0"), ("1", "1.0"), ("2", "20.0")]
