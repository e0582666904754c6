"""Steps per second and core of the environment: ``python scripts/benchmark_environment.py [--programs 60]``.

A step is a whole turn of an episode: parse the text, edit, re-solve, find the new conflict if the program is still
infeasible, write the observation. Programs have 10 variables and 10 rows; half the variables of a MILP are integral.
Times are CPU times of this process, so other load on the machine matters little; each figure is a median of rounds.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from lit_grpo.environment.actions import Move, render
from lit_grpo.environment.episode import EpisodeSettings, RepairEpisode
from lit_grpo.environment.highs import HighsSolver
from lit_grpo.environment.observation import ObservationStyle
from lit_grpo.environment.program import (
    Constraint,
    Direction,
    LinearProgram,
    Sense,
    SetRhs,
    Variable,
    VariableType,
    apply,
    validate,
)
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


def planned_program(rng: Random, is_integer: bool, size: int = 10) -> LinearProgram:
    """A random program that a known plan satisfies, four tenths dense, with bounds on every variable."""
    plan = [rng.randint(0, 20) for _ in range(size)]
    types = [VariableType.INTEGER if is_integer and j % 2 else VariableType.CONTINUOUS for j in range(size)]
    variables = tuple(Variable(f"x{j}", 0.0, 40.0, types[j]) for j in range(size))
    rows = []
    for i in range(size):
        columns = [j for j in range(size) if rng.random() < 0.4] or [i]
        coefficients = {j: rng.randint(1, 9) for j in columns}
        activity = sum(value * plan[j] for j, value in coefficients.items())
        sense = rng.choice((Sense.LESS_EQUAL, Sense.GREATER_EQUAL))
        slack = rng.randint(0, 20) if sense is Sense.LESS_EQUAL else -rng.randint(0, 20)
        terms = tuple((f"x{j}", float(value)) for j, value in coefficients.items())
        rows.append(Constraint(f"r{i}", terms, sense, float(activity + slack)))
    objective = tuple((f"x{j}", float(rng.randint(1, 9))) for j in range(size))
    return validate(LinearProgram(rng.choice(list(Direction)), objective, variables, tuple(rows)))


def tightened(program: LinearProgram, rng: Random, solver: HighsSolver) -> tuple[LinearProgram, SetRhs] | None:
    """The program with one right-hand side moved until it is just infeasible, and the edit that moves it back."""
    row = rng.choice(program.constraints)
    step = max(1.0, abs(row.rhs) // 4) * (1.0 if row.sense is Sense.GREATER_EQUAL else -1.0)
    for k in range(1, 12):
        faulty = apply(program, SetRhs(row.name, row.rhs + k * step))
        if solver.solve(faulty).status is SolverStatus.INFEASIBLE:
            return faulty, SetRhs(row.name, row.rhs)
    return None


def idle_edit(faulty: LinearProgram, but: str, rng: Random, solver: HighsSolver) -> SetRhs | None:
    """An edit of another row that leaves the program infeasible; None if the one tried repairs it."""
    row = rng.choice([row for row in faulty.constraints if row.name != but])
    edit = SetRhs(row.name, row.rhs + (3.0 if row.sense is Sense.LESS_EQUAL else -3.0))
    is_idle = solver.solve(apply(faulty, edit)).status is SolverStatus.INFEASIBLE
    return edit if is_idle else None


def prepared_steps(
    is_integer: bool, style: ObservationStyle, num_programs: int, solver: HighsSolver
) -> tuple[list[TimedStep], list[TimedStep]]:
    """As many steps that repair as steps that leave the program infeasible, so that its conflict has to be found."""
    rng = Random(0)
    repairing: list[TimedStep] = []
    idle: list[TimedStep] = []
    while len(repairing) < num_programs:
        broken = tightened(planned_program(rng, is_integer), rng, solver)
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
