"""Is hard harder? Reference policies over kind x difficulty: ``python scripts/audits/validate_gradient.py SUITE_DIR``.

Without SUITE_DIR a suite of ``--num`` tasks a cell is made from ``--seed`` first. Prints FR@5 (percent, 95 % interval)
of three policies that read the specification, and of two trivial ones, and then what does not hold
(metrics/gradient.py); exits with 1 if there is anything. ``--out FILE`` writes the table as Markdown.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import random
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

from audit_policies.reference_policies import MOST_STEPS, reference_policies, repairs
from gradient import CellGradient, Share, failures
from rich.console import Console
from rich.progress import track
from rich.table import Table

from lit_grpo.data.benchmark import BenchmarkError, read_benchmark
from lit_grpo.data.suite import SuiteSettings
from lit_grpo.data.suite_maker import make_suite
from lit_grpo.data.task import Task, UnfilledCellError
from lit_grpo.environment.episodes.record import EpisodeSettings
from lit_grpo.environment.policies.baselines import (
    BaselineEpisode,
    BaselinePolicy,
    DropFirst,
    MinimumRelaxation,
    run_baseline,
)
from lit_grpo.environment.solver.highs import HighsSolver
from lit_grpo.environment.solver.remembering import RememberingSolver

NUM_READINGS = 4
"""Readings of each specification: what a reader errs in is luck, of which the mean of a task should hold less."""


def measure(path: Path, num_readings: int = NUM_READINGS) -> CellGradient:
    """A cell's file, every task played by every policy; called in a worker."""
    tasks = read_benchmark(path)
    fault = tasks[0].fault
    values: dict[str, list[float]] = {}
    for task in tasks:
        for policy, share in faithful_shares(task, num_readings).items():
            values.setdefault(policy, []).append(share)
    dropped, relaxed = play(DropFirst(), tasks), play(MinimumRelaxation(), tasks)
    without_added_row = [e for e in dropped if "added_row" not in e.task.fault.certificate.variant]
    return CellGradient(
        kind=fault.kind,
        difficulty=fault.difficulty,
        num_tasks=len(tasks),
        policies={policy: Share.of(shares) for policy, shares in values.items()},
        dropped=sum(e.score.faithful for e in dropped) / len(tasks),
        dropped_true=sum(e.score.faithful for e in without_added_row),
        relaxed=sum(e.score.faithful for e in relaxed) / len(tasks),
        relaxed_optimal=sum(e.score.recovered for e in relaxed) / len(tasks),
    )


def faithful_shares(task: Task, num_readings: int) -> dict[str, float]:
    """For each reference policy, the share of readings that led it to a faithful repair."""
    solver = RememberingSolver(HighsSolver())
    repaired: dict[str, list[bool]] = {}
    for reading in range(num_readings):
        for policy in reference_policies(reading):
            rng = random.Random(f"{reading}:{task.id}")
            repaired.setdefault(policy.name, []).append(repairs(policy, task.fault, solver, rng))
    return {name: sum(outcomes) / num_readings for name, outcomes in repaired.items()}


def play(policy: BaselinePolicy, tasks: Sequence[Task]) -> list[BaselineEpisode[Task]]:
    """A trivial policy's episodes."""
    return run_baseline(policy, tasks, HighsSolver(), EpisodeSettings(max_turns=MOST_STEPS), seed=0)


def rows_of(cells: Sequence[CellGradient]) -> tuple[list[str], list[list[str]]]:
    """The table's head, and a row for each cell, in percent."""
    names = list(cells[0].policies)
    head = ["kind", "difficulty", "tasks", *names, "drop-first", "minimum relaxation", "its RR@5"]
    rows = [
        [
            cell.kind.value,
            cell.difficulty.value,
            str(cell.num_tasks),
            *(cell.policies[name].text for name in names),
            *(f"{100 * share:.1f}" for share in (cell.dropped, cell.relaxed, cell.relaxed_optimal)),
        ]
        for cell in cells
    ]
    return head, rows


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """The table as Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def parser() -> argparse.ArgumentParser:
    """The command line."""
    line = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    line.add_argument("suite", nargs="?", type=Path, help="folder of KIND_DIFFICULTY.jsonl files")
    line.add_argument("--num", type=int, default=200, help="tasks of each cell of a suite that is made here")
    line.add_argument("--seed", type=int, default=0, help="of a suite that is made here")
    line.add_argument("--readings", type=int, default=NUM_READINGS, help="of each specification (default: %(default)s)")
    line.add_argument("--out", type=Path, help="file for the table as Markdown")
    line.add_argument("--workers", type=int, default=os.cpu_count(), help="processes (default: one per core)")
    return line


def measured(folder: Path, num_readings: int, num_workers: int, console: Console) -> list[CellGradient]:
    """All cells of a folder, by kind, then difficulty."""
    files = [path for cell in SuiteSettings().cells if (path := folder / cell.file_name).is_file()]
    if not files:
        raise BenchmarkError(f"{folder}: expected KIND_DIFFICULTY.jsonl files, got none; see `lit-grpo suite make`")
    with ProcessPoolExecutor(num_workers, mp_context=multiprocessing.get_context("spawn")) as executor:
        cells = executor.map(partial(measure, num_readings=num_readings), files)
        return list(track(cells, "cells", total=len(files), console=console, transient=True))


def main() -> int:
    """Measure, print, judge."""
    command_line = parser()
    arguments = command_line.parse_args()
    console = Console(stderr=True)
    try:
        with tempfile.TemporaryDirectory() as made_here:
            folder = arguments.suite or Path(made_here)
            if arguments.suite is None:
                settings = SuiteSettings(num_tasks=arguments.num, seed=arguments.seed)
                make_suite(folder, settings, arguments.workers, lambda _cell, _num: None)
            cells = measured(folder, arguments.readings, arguments.workers, console)
    except ValueError as error:
        command_line.error(str(error))
    except UnfilledCellError as error:
        print(error, file=sys.stderr)
        return 1
    head, rows = rows_of(cells)
    table = Table(*head, title=f"FR@5 in percent, 95 % interval; {arguments.readings} readings of each task")
    for row in rows:
        table.add_row(*row)
    Console(width=max(130, console.width)).print(table)
    if arguments.out is not None:
        arguments.out.write_text(markdown(head, rows), encoding="utf-8")
    broken = list(failures(cells))
    print(*(broken or ["Holds: every order with 95 % confidence, and both limits."]), sep="\n")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
