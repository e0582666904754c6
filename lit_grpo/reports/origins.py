"""Where the arms of a comparison come from: their folders, and what `results.json` says they were made with.

Called by report.py. Arms that were played by different rules are compared, and it is said in which they differ.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lit_grpo.metrics.results import read_played, read_results
from lit_grpo.reports.runs import SeedRun
from lit_grpo.reports.tables import Row, TableCell, TableContent

MADE_WITH = "made_with"
"""The entry of `results.json` that an evaluation of a policy leaves."""
SHOWN = ("policy", "checkpoint", "config", "seed")


def origins_table(runs: Sequence[SeedRun]) -> TableContent:
    """A row per arm and seed; a column that nobody fills is left out."""
    found = [(name, run, folder, _made_with(folder)) for run in runs for name, folder in run.arms.items()]
    columns = [key for key in SHOWN if any(made.get(key) is not None for *_, made in found)]
    rows = []
    for name, run, folder, made in found:
        label = name if len(runs) == 1 else f"{name}, {run.name}"
        texts = [str(folder), *("" if made.get(key) is None else str(made[key]) for key in columns)]
        rows.append(Row((TableCell(label), *map(TableCell, texts))))
    return TableContent("What is compared", ("", "results", *columns), tuple(rows))


def rules_note(runs: Sequence[SeedRun]) -> str:
    """The rules that not all arms were played by, in one sentence; empty if there is none, or nobody says."""
    rules: dict[str, dict[str, Any]] = {}
    for run in runs:
        for name, folder in run.arms.items():
            played = read_played(folder)
            if played is not None:
                rules.setdefault(name, asdict(played.rules))
    keys = [key for key in next(iter(rules.values()), {}) if len({arm[key] for arm in rules.values()}) > 1]
    if not keys:
        return ""
    said = "; ".join(f"{key} is {', '.join(f'{arm[key]} in {name}' for name, arm in rules.items())}" for key in keys)
    return f"The arms were not played by the same rules: {said}."


def _made_with(folder: Path) -> dict[str, Any]:
    return (read_results(folder) or {}).get(MADE_WITH) or {}
