"""MetricsCsv: a logger that keeps a run's whole history in one `metrics.csv`, also when the run is killed and resumed.

Lightning's own CSVLogger deletes what an earlier process wrote, and writes the whole file anew each time. Told by
callbacks/log_rows.py where a run stands; read by reports/runs.py.
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from lightning.fabric.utilities.rank_zero import rank_zero_only
from lightning.pytorch.loggers.logger import Logger
from typing_extensions import override

from lit_grpo.writing import writing

METRICS_FILE = "metrics.csv"
BATCH = "batch"
EVALUATED = "val/"
"""How the names of held-out numbers begin: at a batch they stand for the policy before it."""
OPEN_ROWS = 2
"""Rows that may still get numbers: an evaluation stands at the batch after the one that it follows."""

Row = dict[str, Any]


class MetricsCsv(Logger):
    """Writes ``metrics.csv``: a row for each batch that something was logged at, a column for each number.

    What was logged is in the file at once, by writing the last rows alone. The whole file is written, aside, when a
    number is logged for the first time, or at a batch before the last two.

    Args:
        folder: The run folder.
    """

    def __init__(self, folder: Path | str) -> None:
        super().__init__()
        self._path = Path(folder) / METRICS_FILE
        self._columns: list[str] = [BATCH]
        self._open: list[Row] = []
        self._start = 0
        """The byte at which the open rows begin."""
        self._has_begun = False

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
        return str(self._path.parent)

    @property
    @override
    def log_dir(self) -> str:
        """The run folder."""
        return str(self._path.parent)

    @rank_zero_only
    def go_on_from(self, batch: int) -> None:
        """Keep the rows of earlier batches, and of this one what was evaluated; the rest is about to happen again.

        Args:
            batch: Batches trained on so far. A second call changes nothing.
        """
        if self._has_begun:
            return
        self._has_begun = True
        rows = [row for row in self._read() if int(row[BATCH]) <= batch]
        if rows and int(rows[-1][BATCH]) == batch:
            rows[-1] = {name: v for name, v in rows[-1].items() if name == BATCH or name.startswith(EVALUATED)}
        if self._path.is_file():
            self._write_all([row for row in rows if len(row) > 1])

    @override
    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Add the numbers to a row.

        Args:
            metrics: Name -> value.
            step: Batches trained on so far, which is what Lightning counts here (not optimizer steps).
        """
        batch = step or 0
        self.go_on_from(batch)
        is_late = bool(self._open) and batch < int(self._open[0][BATCH])
        if is_late or not set(metrics) <= set(self._columns):
            self._write_all(_with(self._read(), batch, metrics))
            return
        self._open = _with(self._open, batch, metrics)
        while len(self._open) > OPEN_ROWS:
            self._start += len(self._lines(self._open[:1]))
            del self._open[0]
        with writing(self._path), self._path.open("r+b") as file:
            file.seek(self._start)
            file.write(self._lines(self._open))
            file.truncate()

    @override
    @rank_zero_only
    def log_hyperparams(self, *args: Any, **kwargs: Any) -> None:
        """Do nothing: the run folder holds the whole config."""

    def _write_all(self, rows: list[Row]) -> None:
        """Write the file beside itself and rename it."""
        self._columns = list(dict.fromkeys([BATCH, *(name for row in rows for name in row)]))
        before, self._open = rows[:-OPEN_ROWS], rows[-OPEN_ROWS:]
        head = self._lines([dict(zip(self._columns, self._columns, strict=True)), *before])
        partial = self._path.with_name(METRICS_FILE + ".partial")
        with writing(self._path):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            partial.write_bytes(head + self._lines(self._open))
            os.replace(partial, self._path)
        self._start = len(head)

    def _lines(self, rows: Iterable[Row]) -> bytes:
        text = io.StringIO()
        csv.DictWriter(text, self._columns, lineterminator="\n").writerows(rows)
        return text.getvalue().encode()

    def _read(self) -> list[Row]:
        """The rows of the file, each with the numbers that it has; a last line that was only half written is none."""
        if not self._path.is_file():
            return []
        text = self._path.read_text(encoding="utf-8")
        reader = csv.DictReader(io.StringIO(text[: text.rfind("\n") + 1]))
        return [{name: value for name, value in row.items() if value} for row in reader]


def _with(rows: list[Row], batch: int, metrics: Mapping[str, float]) -> list[Row]:
    """The rows, in the order of batches, with more numbers at one of them."""
    at = len(rows)
    while at and int(rows[at - 1][BATCH]) >= batch:
        at -= 1
    if at < len(rows) and int(rows[at][BATCH]) == batch:
        return [*rows[:at], {**rows[at], **metrics}, *rows[at + 1 :]]
    return [*rows[:at], {BATCH: batch, **metrics}, *rows[at:]]
