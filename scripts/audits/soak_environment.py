"""Does the environment leak? ``python scripts/audits/soak_environment.py --episodes 20000 --workers 0 1``.

Plays random, greedy and oracle episodes on fresh tasks of all kinds, with the solver in this process and in workers,
and prints resident memory, open file descriptors and workers after each quarter. Exits with 1 if, over the last half,
memory grew by more than the margin or descriptors grew at all, or if a worker was replaced. Linux only.
"""

from __future__ import annotations

import argparse
import gc
import itertools
import os
import resource
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from audit_policies.searchers import GreedySearcher, RandomSearcher
from rich.console import Console
from rich.progress import track
from rich.table import Table

from lit_grpo.data.splits import Split
from lit_grpo.data.task import Task, TaskSettings, generate_task
from lit_grpo.environment.domains.base import ProgramSize
from lit_grpo.environment.episodes.record import EpisodeSettings, StopReason
from lit_grpo.environment.faults.difficulty import Difficulty
from lit_grpo.environment.faults.fault_kinds import FaultKind, kinds_of
from lit_grpo.environment.policies.baselines import BaselinePolicy, Oracle, run_baseline
from lit_grpo.environment.solver.highs import HighsSolver
from lit_grpo.environment.solver.workers import SolverSettings, WorkerSolver, make_solver

POLICIES: tuple[BaselinePolicy, ...] = (RandomSearcher(), GreedySearcher(), Oracle())
EPISODES_PER_TASK = 10
"""Of each policy; then the task is dropped for a fresh one."""
WARM_UP_SHARE = 20
"""One episode in so many is played before the first figure: caches fill and allocators settle."""
MIB = 2**20


@dataclass(frozen=True, slots=True)
class Footprint:
    """What the process, and its workers, hold."""

    episodes: int
    seconds: float
    own_bytes: int
    """Resident."""
    worker_bytes: int
    """Resident, of all workers."""
    descriptors: int
    """Open in this process."""
    workers: tuple[int, ...]
    """Process numbers: a worker that was replaced would hide what the first one leaked."""


def tasks_of(seed: int, num: int, solver: HighsSolver | WorkerSolver) -> list[Task]:
    """Fresh ones: each kind in turn, tiny where it comes so, small otherwise."""
    kinds = itertools.islice(itertools.cycle(FaultKind), num)
    return [
        generate_task(
            TaskSettings(
                size=ProgramSize.TINY if kind in kinds_of(ProgramSize.TINY) else ProgramSize.SMALL,
                kinds={kind: 1.0},
                difficulties={Difficulty.EASY: 1.0},
            ),
            Split.TEST,
            seed,
            index,
            solver,
        )
        for index, kind in enumerate(kinds)
    ]


def play(num_episodes: int, seed: int, solver: HighsSolver | WorkerSolver) -> None:
    """So many episodes, the policies in turn.

    Raises:
        RuntimeError: The solver failed.
    """
    rounds = -(-num_episodes // len(POLICIES))
    tasks = tasks_of(seed, -(-rounds // EPISODES_PER_TASK), solver)
    for number in track(range(num_episodes), f"workers: {_num_workers(solver)}", transient=True):
        policy, task = POLICIES[number % len(POLICIES)], tasks[number // len(POLICIES) % len(tasks)]
        (played,) = run_baseline(policy, [task], solver, EpisodeSettings(), seed=number)
        if played.record.stop_reason is StopReason.SOLVER_FAILED:
            raise RuntimeError(f"{task.id}: expected episodes that end, got a solver that failed")


def footprint(episodes: int, started: float, solver: HighsSolver | WorkerSolver) -> Footprint:
    """Measured after a collection of garbage."""
    gc.collect()
    pids = solver.worker_pids if isinstance(solver, WorkerSolver) else ()
    return Footprint(
        episodes,
        time.monotonic() - started,
        _resident("self"),
        sum(_resident(str(pid)) for pid in pids),
        len(os.listdir("/proc/self/fd")),
        pids,
    )


def soak(num_episodes: int, workers: int, seed: int) -> list[Footprint]:
    """The footprint before the first episode that counts, and after each quarter."""
    solver, started = make_solver(SolverSettings(workers)), time.monotonic()
    play(num_episodes // WARM_UP_SHARE, seed, solver)
    prints = [footprint(0, started, solver)]
    for quarter in range(1, 5):
        play(num_episodes // 4, seed + quarter, solver)
        prints.append(footprint(quarter * (num_episodes // 4), started, solver))
    if isinstance(solver, WorkerSolver):
        solver.close()
    return prints


def leaks(prints: Sequence[Footprint], margin_mb: float) -> list[str]:
    """What grew over the last half."""
    half, end = prints[2], prints[4]
    found = []
    for name, before, after in (
        ("resident memory", half.own_bytes, end.own_bytes),
        ("the workers' resident memory", half.worker_bytes, end.worker_bytes),
    ):
        if after - before > margin_mb * MIB:
            found.append(f"{name} grew by {(after - before) / MIB:.1f} MiB over the last half; allowed: {margin_mb:g}")
    if end.descriptors > half.descriptors:
        found.append(f"open descriptors grew from {half.descriptors} to {end.descriptors} over the last half")
    if end.workers != prints[0].workers:
        found.append(f"workers were replaced: {prints[0].workers} at the start, {end.workers} at the end")
    return found


def table_of(prints: Sequence[Footprint], workers: int) -> Table:
    """One row a quarter."""
    table = Table("episodes", "s", "MiB", "MiB of workers", "descriptors", "workers", title=f"--workers {workers}")
    for one in prints:
        sizes = (f"{one.own_bytes / MIB:.1f}", f"{one.worker_bytes / MIB:.1f}")
        table.add_row(f"{one.episodes:,}", f"{one.seconds:.0f}", *sizes, str(one.descriptors), str(len(one.workers)))
    return table


def main() -> None:
    """Play, print, judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--episodes", type=int, default=20_000, help="for each number of workers")
    parser.add_argument("--workers", type=int, nargs="+", default=[0, 1], help="0: the solver in this process")
    parser.add_argument("--margin-mb", type=float, default=2.0, help="growth of memory that is none, in MiB")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    if arguments.episodes < 4 * WARM_UP_SHARE:
        parser.error(f"--episodes: expected at least {4 * WARM_UP_SHARE}, got {arguments.episodes}")
    console, found = Console(), []
    for workers in arguments.workers:
        prints = soak(arguments.episodes, workers, arguments.seed)
        console.print(table_of(prints, workers))
        found += [f"--workers {workers}: {leak}" for leak in leaks(prints, arguments.margin_mb)]
    for leak in found:
        console.print(leak, style="red", markup=False)
    raise SystemExit(1 if found else 0)


def _num_workers(solver: HighsSolver | WorkerSolver) -> int:
    return len(solver.worker_pids) if isinstance(solver, WorkerSolver) else 0


def _resident(process: str) -> int:
    """Bytes of memory that a process has in use."""
    return int(Path(f"/proc/{process}/statm").read_text(encoding="ascii").split()[1]) * resource.getpagesize()


if __name__ == "__main__":
    main()
