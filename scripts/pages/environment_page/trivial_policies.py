"""What the trivial policies reach, per kind and difficulty. Called by document_environment.py."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Executor
from functools import partial
from pathlib import Path

from lit_grpo.data.benchmark import read_benchmark
from lit_grpo.data.splits import Cell
from lit_grpo.data.suite import SuiteSettings
from lit_grpo.environment.episodes.record import EpisodeSettings
from lit_grpo.environment.policies.baselines import BASELINES
from lit_grpo.environment.solver.highs import HighsSolver
from lit_grpo.environment.solver.remembering import RememberingSolver
from lit_grpo.metrics.functional import Quantity, repair_values
from lit_grpo.metrics.table import score_table
from lit_grpo.reports.policies import scores_of

SHOWN = (Quantity.FR_1, Quantity.FR_5, Quantity.RR_5)


def trivial_policies_text(suite: Path, settings: SuiteSettings, executor: Executor) -> str:
    """A row per cell of a suite, ``FR@1 / FR@5 / RR@5`` of each policy in percent, as Markdown."""
    names = [policy.name for policy in BASELINES]
    measured = executor.map(partial(_measure, suite), settings.cells)
    lines = [f"{settings.num_tasks} tasks a cell, seed {settings.seed}:", ""]
    lines += ["| kind | difficulty | " + " | ".join(names) + " |", "|---|---|" + "---:|" * len(names)]
    for cell, values in zip(settings.cells, measured, strict=True):
        shares = " | ".join(_text(values[name]) for name in names)
        lines.append(f"| {cell.kind} | {cell.difficulty} | {shares} |")
    return "\n".join(lines) + "\n"


def _measure(suite: Path, cell: Cell) -> Mapping[str, Mapping[Quantity, float]]:
    """The cell's values by policy; called in a worker."""
    tasks, rules = read_benchmark(suite / cell.file_name), EpisodeSettings()
    found: dict[str, Mapping[Quantity, float]] = {}
    for policy in BASELINES:
        solver = RememberingSolver(HighsSolver())
        found[policy.name] = repair_values(score_table(scores_of(policy, tasks, solver, rules, seed=0)))
    return found


def _text(values: Mapping[Quantity, float]) -> str:
    return " / ".join(f"{100 * values[quantity]:.0f}" for quantity in SHOWN)
