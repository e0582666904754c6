"""What a test on a benchmark leaves beside its results: the cells, and for problems without a specification the table
with the trivial policies.

Called by RepairEvaluation at the end of `lit-grpo test`. Without a text that says what is meant, a recovery rate says
next to nothing: such figures are never shown alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from lit_grpo.environment.episodes.record import EpisodeSettings
from lit_grpo.environment.faults.ground_truth import GradedProblem
from lit_grpo.environment.policies.baselines import BASELINES
from lit_grpo.environment.solver.solver import Solver
from lit_grpo.metrics.bootstrap import BootstrapSettings
from lit_grpo.metrics.notes import notes_of
from lit_grpo.metrics.records import read_scores
from lit_grpo.metrics.results import SCORES_FILE, RepairResults, results_of, write_run
from lit_grpo.reports.cells import write_cells
from lit_grpo.reports.policies import policies_tables, scores_of
from lit_grpo.reports.show import markdown_table, show_tables

POLICIES_FILE = "policies.md"
POLICY_NAME = "policy"
"""The row of the policy that was tested."""


def write_benchmark_test(
    run: Path,
    tasks: Sequence[GradedProblem],
    solver: Solver,
    rules: EpisodeSettings,
    settings: BootstrapSettings,
    console: Console,
) -> None:
    """Print and write the tables of a run folder that holds the test's scores.

    Args:
        run: Gets ``cells.md`` and ``cells.png``; without a specification also `POLICIES_FILE`, and the trivial
            policies' results and scores in ``baselines/NAME``.
        tasks: Those of the test.
        solver: Judges the trivial policies.
        rules: Those of the test.
        settings: The settings of the intervals.
        console: Gets the tables.
    """
    write_cells(run, settings, console)
    if any(task.problem.specification is None for task in tasks):
        _write_policies(run, tasks, solver, rules, settings, console)


def _write_policies(
    run: Path,
    tasks: Sequence[GradedProblem],
    solver: Solver,
    rules: EpisodeSettings,
    settings: BootstrapSettings,
    console: Console,
) -> None:
    results: dict[str, RepairResults] = {}
    for trivial in BASELINES:
        scored = scores_of(trivial, tasks, solver, rules, seed=0)
        results[trivial.name] = results_of(scored, settings)
        write_run(run / "baselines" / trivial.name, scored, results[trivial.name], settings)
    tested = read_scores(run / SCORES_FILE)
    results[POLICY_NAME] = results_of(tested, settings)
    tables = policies_tables(results, settings)
    show_tables(tables, console)
    parts = [*(f"{note}\n" for note in notes_of(tested)), *map(markdown_table, tables)]
    (run / POLICIES_FILE).write_text("\n".join(parts), encoding="utf-8")
