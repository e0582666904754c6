"""MetricsCsv: a logger that keeps a run's whole history in one `metrics.csv`, also when the run is resumed.

Lightning's own CSVLogger deletes what an earlier process wrote. Read by reports/runs.py.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning.fabric.utilities.rank_zero import rank_zero_only
from lightning.pytorch.loggers.logger import Logger
from typing_extensions import override

METRICS_FILE = "metrics.csv"


class MetricsCsv(Logger):
    """Writes ``metrics.csv``: a row for each batch that something was logged at, a column for each number.

    Args:
        folder: The run folder.
        flush_every_rows: Rows after which the file is written anew; the end of the run, of any sort, writes it too.
    """

    def __init__(self, folder: Path | str, flush_every_rows: int = 20) -> None:
        super().__init__()
        self._folder = Path(folder)
        self._flush_every_rows = flush_every_rows
        self._rows: list[dict[str, Any]] | None = None
        self._unwritten = 0

    @property
    @override
    def name(self) -> str:
        """Empty: the folder is the run's."""
        return ""

    @property
    @override
    def version(self) -> str:
        """Empty: the folder is the run's."""
        return ""

    @property
    @override
    def save_dir(self) -> str:
        """The run folder."""
        return str(self._folder)

    @property
    @override
    def log_dir(self) -> str:
        """The run folder."""
        return str(self._folder)

    @override
    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Add the numbers to a row.

        Args:
            metrics: Name -> value.
            step: Batches trained on so far, which is what Lightning counts here (not optimizer steps).
        """
        if self._rows is None:
            # What a killed process logged after the checkpoint that this one resumes from is about to happen again.
            self._rows = [row for row in self._read() if int(row["batch"]) < (step or 0)]
        if not self._rows or int(self._rows[-1]["batch"]) != step:
            self._rows.append({"batch": step})
        self._rows[-1] |= metrics
        self._unwritten += 1
        if self._unwritten >= self._flush_every_rows:
            self.save()

    @override
    @rank_zero_only
    def log_hyperparams(self, *args: Any, **kwargs: Any) -> None:
        """Do nothing: the run folder holds the whole config."""

    @override
    @rank_zero_only
    def save(self) -> None:
        """Write the file beside itself and rename it."""
        if not self._rows or not self._unwritten:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        columns = list(dict.fromkeys(name for row in self._rows for name in row))
        partial = self._folder / (METRICS_FILE + ".partial")
        with partial.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, columns)
            writer.writeheader()
            writer.writerows(self._rows)
        os.replace(partial, self._folder / METRICS_FILE)
        self._unwritten = 0

    @override
    @rank_zero_only
    def finalize(self, status: str) -> None:
        """Write what is left."""
        self.save()

    def _read(self) -> list[dict[str, Any]]:
        path = self._folder / METRICS_FILE
        if not path.is_file():
            return []
        with path.open(encoding="utf-8", newline="") as file:
            return [{name: value for name, value in row.items() if value} for row in csv.DictReader(file)]
