"""What solver workers cost: ``python scripts/benchmarks/solver_workers.py [--tasks 40]``.

The same steps of the same episodes with the solver in this process and in a worker, round by round in turn: a step
that repairs the program (one question), and one that leaves it infeasible (two: the verdict and the new conflict). Wall
clock needs an otherwise idle machine, since a question changes processes twice; CPU time is that of both processes.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from lit_grpo.data.splits import Split
from lit_grpo.data.task import Task, TaskSettings, generate_task
from lit_grpo.environment.episodes.actions import Move, Relax, render
from lit_grpo.environment.episodes.episode import RepairEpisode
from lit_grpo.environment.episodes.record import EpisodeSettings
from lit_grpo.environment.faults.difficulty import Difficulty
from lit_grpo.environment.faults.fault_kinds import FaultKind
from lit_grpo.environment.solver.highs import HighsSolver
from lit_grpo.environment.solver.solver import Solver
from lit_grpo.environment.solver.workers import SolverSettings, WorkerSolver

NUM_ROUNDS = 15


@dataclass(frozen=True, slots=True)
class Cost:
    """Of a step, in microseconds."""

    wall: float
    cpu: float


def tasks_of(is_integer: bool, num: int, solver: Solver) -> list[Task]:
    """Of medium difficulty, of kinds whose inverse is a single edit."""
    settings = TaskSettings(kinds=dict.fromkeys(map(FaultKind, "ABCD"), 1.0), difficulties={Difficulty.MEDIUM: 1.0})
    found: list[Task] = []
    index = 0
    while len(found) < num:
        task = generate_task(settings, Split.TEST, 0, index, solver)
        index += 1
        if task.fault.faulty.is_integer is is_integer:
            found.append(task)
    return found


def repairing(task: Task) -> str:
    """A turn after which the program is optimal."""
    return render(Move(task.fault.inverse[0]))


def idle(task: Task) -> str:
    """A turn that changes nothing, of which the environment knows only after it has asked."""
    return render(Move(Relax(task.fault.faulty.constraints[0].name, 0.0)))


def costs(tasks: Sequence[Task], turn: Callable[[Task], str], solvers: Sequence[Solver], worker: int) -> list[Cost]:
    """Medians over rounds, one of each solver; every round plays fresh episodes.

    Args:
        tasks: One step each.
        turn: The step.
        solvers: That are compared.
        worker: Process number of the worker among them.
    """
    begun = [[RepairEpisode(task.problem, solver, EpisodeSettings()) for task in tasks] for solver in solvers]
    texts = [turn(task) for task in tasks]
    rounds: list[list[Cost]] = [[] for _ in solvers]
    for _ in range(NUM_ROUNDS):
        for first, found in zip(begun, rounds, strict=True):
            episodes = [episode.another() for episode in first]
            wall, cpu = time.perf_counter_ns(), time.process_time_ns() + _cpu_ns(worker)
            for episode, text in zip(episodes, texts, strict=True):
                episode.step(text)
            cpu, wall = time.process_time_ns() + _cpu_ns(worker) - cpu, time.perf_counter_ns() - wall
            found.append(Cost(wall / len(tasks) / 1e3, cpu / len(tasks) / 1e3))
    return [
        Cost(statistics.median(one.wall for one in found), statistics.median(one.cpu for one in found))
        for found in rounds
    ]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=40, help="of each class")
    num_tasks = parser.parse_args().tasks
    highs, workers = HighsSolver(), WorkerSolver(SolverSettings())
    print(f"{'':<22}{'in process':>18}{'in a worker':>18}{'ratio':>14}")
    print(f"{'us a step':<22}{'wall':>9}{'CPU':>9}{'wall':>9}{'CPU':>9}{'wall':>7}{'CPU':>7}")
    for name, is_integer in (("LP", False), ("MILP", True)):
        tasks = tasks_of(is_integer, num_tasks, highs)
        workers.solve(tasks[0].fault.faulty)
        (pid,) = workers.worker_pids
        for step, turn in (("repaired", repairing), ("new conflict", idle)):
            here, there = costs(tasks, turn, (highs, workers), pid)
            print(
                f"{f'{name}, {step}':<22}{here.wall:>9,.0f}{here.cpu:>9,.0f}{there.wall:>9,.0f}{there.cpu:>9,.0f}"
                f"{there.wall / here.wall:>7.2f}{there.cpu / here.cpu:>7.2f}"
            )
    workers.close()


def _cpu_ns(process: int) -> int:
    """Time a process has had a processor."""
    return int(Path(f"/proc/{process}/schedstat").read_text(encoding="ascii").split()[0])


if __name__ == "__main__":
    main()
