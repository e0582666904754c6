"""What callbacks write: metrics.csv keeps a run's history over a resume, and forgets what happened after the
checkpoint that it resumed from.
"""

import csv
from pathlib import Path

from lit_grpo.fitting.metrics_csv import MetricsCsv


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
