"""The result of an evaluation: every quantity with its interval, overall, per kind, per kind x difficulty.

`write_run` is the one writer of a run folder's `results.json` and `scores.jsonl`: the evaluation callback and the
trivial policies call it. The same scores give the same bytes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lit_grpo.data.contract import CURRENT, Contract, ContractError
from lit_grpo.data.json_values import read_object
from lit_grpo.data.played import Played
from lit_grpo.environment.faults.injection import Difficulty, FaultKind
from lit_grpo.metrics.bootstrap import BootstrapSettings, Estimate, estimates, resample_tasks
from lit_grpo.metrics.functional import QUANTITIES, Quantity, ratio_terms, weighted_values
from lit_grpo.metrics.notes import notes_of
from lit_grpo.metrics.records import ScoredTask, write_scores
from lit_grpo.metrics.table import DIFFICULTIES, KINDS, ScoreTable, score_table
from lit_grpo.writing import writing

RESULTS_FILE = "results.json"
SCORES_FILE = "scores.jsonl"
PLAYED = "played"
"""The entry of `RESULTS_FILE` that says which tasks were played, and by which rules."""
DIGITS = 6
"""Decimal places in files: below any interval's width, above the noise of summation order."""


# Not frozen: torchmetrics rebuilds what `compute` returns, field by field.
@dataclass(slots=True)
class RepairSummary:
    """The quantities of one set of tasks."""

    num_tasks: int
    estimates: Mapping[Quantity, Estimate]

    def value(self, quantity: Quantity) -> float | None:
        """A quantity's value; None where it is not defined."""
        return self.estimates[quantity].value


@dataclass(slots=True)
class RepairResults:
    """An evaluation's summary, whole and in parts. Kinds, difficulties and cells without a task are absent."""

    overall: RepairSummary
    by_kind: Mapping[FaultKind, RepairSummary]
    by_difficulty: Mapping[Difficulty, RepairSummary]
    by_cell: Mapping[FaultKind, Mapping[Difficulty, RepairSummary]]


def summarise(table: ScoreTable, settings: BootstrapSettings) -> RepairResults:
    """All quantities of a table, with intervals.

    Raises:
        ValueError: The table is empty.
    """
    if len(table) == 0:
        raise ValueError("expected at least one scored task, got none; evaluate before asking for results")
    table = ScoreTable(table.rows.cpu()).canonical()
    weights = resample_tasks(table.strata, settings)

    def summary(chosen: Tensor) -> RepairSummary:
        # The terms of the part alone: in a difficulty, too, the diagnosis is a mean over the kinds' means.
        part, num_tasks = ratio_terms(ScoreTable(table.rows[chosen])), int(chosen.sum())
        values = weighted_values(part, torch.ones(num_tasks))
        replicates = weighted_values(part, weights[:, chosen])
        found = estimates(values, replicates, settings, num_tasks)
        return RepairSummary(num_tasks, dict(zip(QUANTITIES, found, strict=True)))

    kinds = [kind for kind in KINDS if bool(table.is_kind(kind).any())]
    return RepairResults(
        overall=summary(torch.ones(len(table), dtype=torch.bool)),
        by_kind={kind: summary(table.is_kind(kind)) for kind in kinds},
        by_difficulty={
            difficulty: summary(table.is_difficulty(difficulty))
            for difficulty in DIFFICULTIES
            if bool(table.is_difficulty(difficulty).any())
        },
        by_cell={
            kind: {
                difficulty: summary(table.is_kind(kind) & table.is_difficulty(difficulty))
                for difficulty in DIFFICULTIES
                if bool((table.is_kind(kind) & table.is_difficulty(difficulty)).any())
            }
            for kind in kinds
        },
    )


def write_results(
    path: Path,
    results: RepairResults,
    settings: BootstrapSettings,
    notes: Sequence[str],
    played: Played | None = None,
    made_with: Mapping[str, Any] | None = None,
) -> None:
    """Write `results.json`: keys in a fixed order, numbers with `DIGITS` decimals, nothing that a rerun changes."""
    document = {
        **({} if made_with is None else {"made_with": dict(made_with)}),
        "tasks": results.overall.num_tasks,
        "versions": CURRENT.to_json(),
        **({} if played is None else {PLAYED: played.to_json()}),
        "notes": list(notes),
        "bootstrap": {
            "replicates": settings.num_replicates,
            "confidence": settings.confidence,
            "seed": settings.seed,
            "strata": "kind x difficulty",
        },
        "metrics": _metrics_json(results.overall),
        "by_kind": {kind.value: _summary_json(summary) for kind, summary in results.by_kind.items()},
        "by_kind_and_difficulty": {
            kind.value: {difficulty.value: _summary_json(summary) for difficulty, summary in cells.items()}
            for kind, cells in results.by_cell.items()
        },
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def read_results(folder: Path) -> dict[str, Any] | None:
    """What stands in a run folder's `results.json`; None where there is none.

    Raises:
        ValueError: The file holds no JSON object.
    """
    path = folder / RESULTS_FILE
    return read_object(path, "evaluate again, or restore the file") if path.is_file() else None


def require_comparable(runs: Iterable[Path]) -> None:
    """Refuse run folders whose results were played and judged under different versions; one without results is skipped.

    Raises:
        ContractError: Two differ, or one has no versions; says which folder, what was expected, and what was got.
    """
    first: Contract | None = None
    for run in runs:
        path, document = run / RESULTS_FILE, read_results(run)
        if document is None:
            continue
        contract = Contract.read(document.get("versions"), str(path))
        first = contract if first is None else first
        wrong = first.differs(contract)
        if wrong is not None:
            raise ContractError(f"{path}: {wrong}; evaluate all that is to be compared with one release")


def results_of(scored_tasks: Sequence[ScoredTask], settings: BootstrapSettings | None = None) -> RepairResults:
    """The results of scores that are all in this process; `RepairMetrics` gives those of all ranks."""
    return summarise(score_table(scored_tasks), settings or BootstrapSettings())


def write_run(
    folder: Path,
    scored_tasks: Sequence[ScoredTask],
    results: RepairResults,
    settings: BootstrapSettings | None = None,
    played: Played | None = None,
    made_with: Mapping[str, Any] | None = None,
) -> None:
    """Write `scores.jsonl` and `results.json` into a run folder.

    Args:
        folder: The run folder, made if missing.
        scored_tasks: Each task once; under several ranks from `gather_scored_tasks`, and on rank 0 only.
        results: The results of these scores.
        settings: Those that the results were computed with.
        played: Tasks and rules, so that others can play the same; None where nobody knows.
        made_with: Policy, config, seeds and versions; None where no policy was evaluated.
    """
    settings = settings or BootstrapSettings()
    with writing(folder):
        write_scores(folder / SCORES_FILE, sorted(scored_tasks, key=lambda scored: scored.task_id))
        write_results(folder / RESULTS_FILE, results, settings, notes_of(scored_tasks), played, made_with)


def read_played(folder: Path) -> Played | None:
    """What a run folder's results were played on; None where they do not say.

    Raises:
        ValueError: The entry is none.
    """
    entry = (read_results(folder) or {}).get(PLAYED)
    return None if entry is None else Played.from_json(entry, str(folder / RESULTS_FILE))


def estimate_json(estimate: Estimate) -> dict[str, float | bool | None]:
    """``{"value": .., "low": .., "high": ..}`` with `DIGITS` decimals; for few tasks also ``"has_few_tasks": true``."""
    numbers = {"value": estimate.value, "low": estimate.low, "high": estimate.high}
    document: dict[str, float | bool | None] = {name: rounded(number) for name, number in numbers.items()}
    return document | {"has_few_tasks": True} if estimate.has_few_tasks else document


def rounded(number: float | None) -> float | None:
    """A number as files hold it; -0.0 becomes 0.0."""
    return None if number is None else round(number, DIGITS) + 0.0


def _metrics_json(summary: RepairSummary) -> dict[str, Any]:
    return {quantity.value: estimate_json(estimate) for quantity, estimate in summary.estimates.items()}


def _summary_json(summary: RepairSummary) -> dict[str, Any]:
    return {"tasks": summary.num_tasks, "metrics": _metrics_json(summary)}
