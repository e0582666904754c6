"""Steps per second and core of the environment: ``python scripts/benchmark_environment.py [--programs 60]``.

A step is a whole turn of an episode: parse the text, edit, re-solve, find the new conflict if the program is still
infeasible, write the observation. Programs are the domains' own of medium size (8 to 12 variables and rows), each with
one right-hand side moved until the LP relaxation is infeasible. Times are CPU times of this process; each figure is a
median of rounds. Other load on the machine still matters, through caches and shared cores: look at the load first.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from lit_grpo.environment.actions import Move, render
from lit_grpo.environment.domains import build_base
from lit_grpo.environment.domains.base import Domain, ProgramSize, Wording
from lit_grpo.environment.edits import SetRhs, apply
from lit_grpo.environment.episode import RepairEpisode
from lit_grpo.environment.episode_record import EpisodeSettings
from lit_grpo.environment.highs import HighsSolver
from lit_grpo.environment.observation import ObservationStyle
from lit_grpo.environment.program import LinearProgram, Sense
from lit_grpo.environment.relaxation import linear_relaxation
from lit_grpo.environment.solver import SolverStatus
from lit_grpo.environment.specification import RepairProblem

NUM_ROUNDS = 7
TARGETS = {("LP", "no"): 3000, ("LP", "yes"): 800, ("MILP", "no"): 1000, ("MILP", "yes"): 300}
"""Steps per second to reach, by class of program and whether the step finds a new conflict."""


@dataclass(frozen=True, slots=True)
class TimedStep:
    """An episode about to take one turn."""

    episode: RepairEpisode
    text: str


def tightened(program: LinearProgram, rng: Random, solver: HighsSolver) -> tuple[LinearProgram, SetRhs] | None:
    """The program with one right-hand side moved until the LP relaxation is infeasible, and the edit back."""
    row = rng.choice(program.constraints)
    step = max(1.0, abs(row.rhs) // 4) * (1.0 if row.sense is Sense.GREATER_EQUAL else -1.0)
    for k in range(1, 12):
        faulty = apply(program, SetRhs(row.name, row.rhs + k * step))
        if solver.solve(linear_relaxation(faulty)).status is SolverStatus.INFEASIBLE:
            return faulty, SetRhs(row.name, row.rhs)
    return None


def idle_edit(faulty: LinearProgram, but: str, rng: Random, solver: HighsSolver) -> SetRhs | None:
    """An edit of another row that leaves the LP relaxation infeasible; None if the one tried repairs it."""
    row = rng.choice([row for row in faulty.constraints if row.name != but])
    edit = SetRhs(row.name, row.rhs + (3.0 if row.sense is Sense.LESS_EQUAL else -3.0))
    is_idle = solver.solve(linear_relaxation(apply(faulty, edit))).status is SolverStatus.INFEASIBLE
    return edit if is_idle else None


def prepared_steps(
    is_integer: bool, style: ObservationStyle, num_programs: int, solver: HighsSolver
) -> tuple[list[TimedStep], list[TimedStep]]:
    """As many steps that repair as steps that leave the program infeasible, so that its conflict has to be found."""
    rng = Random(0)
    repairing: list[TimedStep] = []
    idle: list[TimedStep] = []
    while len(repairing) < num_programs:
        base = build_base(rng.choice(list(Domain)), ProgramSize.MEDIUM, Wording(), rng).program
        if base.is_integer is not is_integer:
            continue
        broken = tightened(base, rng, solver)
        edit = broken and idle_edit(broken[0], broken[1].row, rng, solver)
        if broken is None or edit is None:
            continue
        faulty, repair = broken
        episode = RepairEpisode(RepairProblem(faulty), solver, EpisodeSettings(style=style))
        repairing.append(TimedStep(episode, render(Move(repair))))
        idle.append(TimedStep(episode, render(Move(edit))))
    return repairing, idle


def steps_per_second(steps: Sequence[TimedStep]) -> float:
    """The median over rounds of steps per second of CPU time; every round plays fresh episodes."""
    rates = []
    for _ in range(NUM_ROUNDS):
        episodes = [(step.episode.another(), step.text) for step in steps]
        start = time.process_time()
        for episode, text in episodes:
            episode.step(text)
        rates.append(len(episodes) / (time.process_time() - start))
    return statistics.median(rates)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--programs", type=int, default=60, help="programs of each class")
    num_programs = parser.parse_args().programs
    solver = HighsSolver()
    print(f"{'class':<6}{'observation':<13}{'new conflict':<14}{'steps/s':>9}{'target':>9}")
    for style in ObservationStyle:
        for name, is_integer in (("LP", False), ("MILP", True)):
            repairing, idle = prepared_steps(is_integer, style, num_programs, solver)
            for conflict, steps in (("no", repairing), ("yes", idle)):
                rate = steps_per_second(steps)
                print(f"{name:<6}{style.value:<13}{conflict:<14}{rate:>9,.0f}{TARGETS[name, conflict]:>9,}")


if __name__ == "__main__":
    main()
