"""Policies beside each other on the same tasks: one table of recovery, and one of faithful recovery per kind.

Called by experiments/baselines.py, and by benchmark_test.py for a policy beside the trivial ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from lit_grpo.environment.episodes.record import EpisodeSettings
from lit_grpo.environment.faults.ground_truth import GradedProblem
from lit_grpo.environment.policies.baselines import BaselinePolicy, run_baseline
from lit_grpo.environment.solver.solver import Solver
from lit_grpo.metrics.bootstrap import BootstrapSettings
from lit_grpo.metrics.functional import RECOVERY_WITHIN, Quantity
from lit_grpo.metrics.records import ScoredTask
from lit_grpo.metrics.results import RepairResults
from lit_grpo.reports.tables import KIND_NAMES, Row, TableCell, TableContent, estimate_text

SHOWN = (*RECOVERY_WITHIN, Quantity.TURNS, Quantity.FR_1, Quantity.FR_5, Quantity.DIAGNOSIS_F1, Quantity.IIS_RECALL)


def scores_of(
    policy: BaselinePolicy, tasks: Iterable[GradedProblem], solver: Solver, rules: EpisodeSettings, seed: int
) -> list[ScoredTask]:
    """A trivial policy's episodes, as they are counted."""
    played = run_baseline(policy, tasks, solver, rules, seed)
    return [ScoredTask.of(one.task, one.record.stop_reason, one.score) for one in played]


def policies_tables(results: Mapping[str, RepairResults], settings: BootstrapSettings) -> tuple[TableContent, ...]:
    """The tables of policies by name, in their order, all on the same tasks."""
    first = next(iter(results.values()))
    title = f"{first.overall.num_tasks} tasks: percent ({settings.confidence:.0%} interval)"
    rows = [
        Row((TableCell(name), *(TableCell(estimate_text(found.overall.estimates[q], q)) for q in SHOWN)))
        for name, found in results.items()
    ]
    return TableContent(title, ("", *SHOWN), tuple(rows)), _per_kind(results, Quantity.FR_5)


def _per_kind(results: Mapping[str, RepairResults], quantity: Quantity) -> TableContent:
    kinds = list(next(iter(results.values())).by_kind)
    rows = [
        Row(
            (
                TableCell(name),
                *(TableCell(estimate_text(found.by_kind[k].estimates[quantity], quantity)) for k in kinds),
            )
        )
        for name, found in results.items()
    ]
    return TableContent(f"{quantity} per kind of fault", ("", *(KIND_NAMES[kind] for kind in kinds)), tuple(rows))
