"""Speed of the environment on one core: ``python scripts/benchmarks/environment.py [--programs 20] [--rounds 3]``.

A step is a whole turn of an episode: parse the text, edit, re-solve, find the new conflict if the program is still
infeasible, write the observation. Programs are the domains' own, of the sizes of easy, medium and hard tasks, each with
one right-hand side moved until it is infeasible; "integers" are those whose LP relaxation is feasible all the same, so
that integrality is in the conflict. Times are CPU times of this process after a round to warm up; steps/s is a median
of rounds, a conflict's time one of programs. HiGHS's share is by its own clock, which runs on while others have the
core, as the whole does: look at the load first. The last line takes longer than all the others.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

from lit_grpo.environment.domains import build_base, domains_of
from lit_grpo.environment.domains.base import Wording
from lit_grpo.environment.episodes.actions import Move, render
from lit_grpo.environment.episodes.episode import RepairEpisode
from lit_grpo.environment.episodes.record import EpisodeSettings
from lit_grpo.environment.faults.difficulty import PROFILES, Difficulty
from lit_grpo.environment.programs.edits import SetRhs, apply
from lit_grpo.environment.programs.program import LinearProgram, Sense
from lit_grpo.environment.programs.specification import RepairProblem
from lit_grpo.environment.solver.highs import HighsSolver
from lit_grpo.environment.solver.relaxation import linear_relaxation
from lit_grpo.environment.solver.solver import SolverStatus

MAX_STEPS_OF_RHS = 24
"""How often a right-hand side is moved, by a twelfth of itself, before another program is tried."""


@dataclass(frozen=True, slots=True)
class ProgramClass:
    """What programs a line of the table is about."""

    name: str
    is_integer: bool
    integers_at_fault: bool
    """Whether the LP relaxation is feasible."""

    def admits(self, faulty: LinearProgram, solver: HighsSolver) -> bool:
        """Whether an infeasible program is of this class."""
        relaxation = solver.solve(linear_relaxation(faulty)).status
        return (relaxation is not SolverStatus.INFEASIBLE) is self.integers_at_fault


CLASSES = (ProgramClass("LP", False, False), ProgramClass("MILP", True, False), ProgramClass("integers", True, True))


@dataclass(frozen=True, slots=True)
class Case:
    """A faulty program, its episode, the action that repairs it, and one that leaves it infeasible."""

    program: LinearProgram
    episode: RepairEpisode
    repair: str
    idle: str


@dataclass(frozen=True, slots=True)
class Timing:
    """What a run over all cases took."""

    cpu_s: Sequence[float]
    """Of each case."""
    highs_share: float
    """HiGHS's part of the time on the wall."""


def tightened(program: LinearProgram, rng: Random, solver: HighsSolver, wanted: ProgramClass) -> Case | None:
    """A case made of the program by moving one right-hand side; None if that leads to none of the class."""
    row = rng.choice(program.constraints)
    step = max(1.0, abs(row.rhs) // 12) * (1.0 if row.sense is Sense.GREATER_EQUAL else -1.0)
    for k in range(1, MAX_STEPS_OF_RHS):
        faulty = apply(program, SetRhs(row.name, row.rhs + k * step))
        if solver.solve(faulty).status is not SolverStatus.INFEASIBLE:
            continue
        if wanted.admits(faulty, solver):
            idle = idle_edit(faulty, row.name, rng, solver, wanted)
            episode = RepairEpisode(RepairProblem(faulty), solver, EpisodeSettings())
            return idle and Case(faulty, episode, render(Move(SetRhs(row.name, row.rhs))), render(Move(idle)))
        if wanted.integers_at_fault:
            return None
    return None


def idle_edit(faulty: LinearProgram, but: str, rng: Random, solver: HighsSolver, wanted: ProgramClass) -> SetRhs | None:
    """An edit of another row that leaves the program in its class; None if the one tried does not."""
    row = rng.choice([row for row in faulty.constraints if row.name != but])
    edit = SetRhs(row.name, row.rhs + (3.0 if row.sense is Sense.LESS_EQUAL else -3.0))
    edited = apply(faulty, edit)
    is_idle = solver.solve(edited).status is SolverStatus.INFEASIBLE and wanted.admits(edited, solver)
    return edit if is_idle else None


def prepared(wanted: ProgramClass, difficulty: Difficulty, num_programs: int, solver: HighsSolver) -> list[Case]:
    """As many cases of a class, with programs of the difficulty's size."""
    rng = Random(0)
    size = PROFILES[difficulty].size
    cases: list[Case] = []
    while len(cases) < num_programs:
        program = build_base(rng.choice(domains_of(size)), size, Wording(), rng).program
        case = tightened(program, rng, solver, wanted) if program.is_integer is wanted.is_integer else None
        cases += [] if case is None else [case]
    return cases


def timed(work: Sequence[Callable[[], object]], solver: HighsSolver) -> Timing:
    """Each piece of work once."""
    cpu_s: list[float] = []
    in_highs, wall = solver.run_time_s, time.perf_counter()
    for do in work:
        start = time.process_time()
        do()
        cpu_s.append(time.process_time() - start)
    return Timing(cpu_s, (solver.run_time_s - in_highs) / (time.perf_counter() - wall))


def steps(cases: Sequence[Case], texts: Sequence[str], num_rounds: int, solver: HighsSolver) -> tuple[float, float]:
    """Steps per second of CPU time, median of rounds after one to warm up, and HiGHS's share; in fresh episodes."""
    rounds: list[Timing] = []
    for _ in range(num_rounds + 1):
        episodes = [case.episode.another() for case in cases]
        turns = [lambda e=e, t=t: e.step(t) for e, t in zip(episodes, texts, strict=True)]
        rounds.append(timed(turns, solver))
    per_second = statistics.median(len(cases) / sum(timing.cpu_s) for timing in rounds[1:])
    return per_second, statistics.median(timing.highs_share for timing in rounds[1:])


def line(wanted: ProgramClass, difficulty: Difficulty, num_programs: int, num_rounds: int, solver: HighsSolver) -> str:
    """One line of the table."""
    cases = prepared(wanted, difficulty, num_programs, solver)
    without, without_share = steps(cases, [case.repair for case in cases], num_rounds, solver)
    with_conflict, _ = steps(cases, [case.idle for case in cases], num_rounds, solver)
    asked = [lambda p=case.program: solver.conflict(p) for case in cases]
    timings = [timed(asked, solver) for _ in range(num_rounds + 1)][1:]
    conflict_ms = sorted(1e3 * statistics.median(times) for times in zip(*(t.cpu_s for t in timings), strict=True))
    shape = "x".join(
        f"{statistics.median(sizes):.0f}"
        for sizes in zip(*((len(c.program.variables), len(c.program.constraints)) for c in cases), strict=True)
    )
    return (
        f"{wanted.name:<10}{difficulty:<8}{shape:>7}{without:>9,.0f}{without_share:>7.0%}{with_conflict:>9,.0f}"
        f"{statistics.median(conflict_ms):>10.2f}{conflict_ms[int(0.95 * len(conflict_ms))]:>10.2f}"
        f"{statistics.median(timing.highs_share for timing in timings):>7.0%}"
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--programs", type=int, default=20, help="programs of each line (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of each figure (default: %(default)s)")
    arguments = parser.parse_args()
    solver = HighsSolver()
    print(f"{'':<25}{'steps/s, no new':>16}{'new':>9}{'conflict, ms':>20}")
    print(
        f"{'programs':<18}{'size':>7}{'conflict':>9}{'HiGHS':>7}{'conflict':>9}{'median':>10}{'95 %':>10}{'HiGHS':>7}"
    )
    for wanted in CLASSES:
        for difficulty in Difficulty:
            print(line(wanted, difficulty, arguments.programs, arguments.rounds, solver), flush=True)


if __name__ == "__main__":
    main()
