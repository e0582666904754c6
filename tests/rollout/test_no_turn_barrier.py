"""Rollouts with an engine that decodes in the background, and a solver that takes its time.

1. While a program is being solved, or a turn decoded, every other episode is played to its end.
2. A task's first turns go out as soon as its own program is solved.
3. The number of threads that ask the solver, and the engine's order, change nothing in the groups.
4. What the solver raises that is no failure of its own reaches the caller, and no thread is left.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
from repair_rollouts import collect

from lit_grpo.data.conversation import ConversationFormat
from lit_grpo.data.task import Task
from lit_grpo.engines.engine import Completion, GenerationRequest, SamplingSettings
from lit_grpo.engines.scripted import ScriptedEngine
from lit_grpo.environment.episodes.actions import GetConflict, Move, render
from lit_grpo.environment.episodes.observation import ObservationStyle
from lit_grpo.environment.episodes.record import EpisodeSettings
from lit_grpo.environment.programs.edits import SetBounds
from lit_grpo.environment.programs.program import LinearProgram
from lit_grpo.environment.solver.highs import HighsSolver
from lit_grpo.environment.solver.solver import Conflict, Solution, Violation
from lit_grpo.environment.solver.workers import SolverSettings, WorkerSolver
from lit_grpo.rollout.settings import PlaySettings

PATIENCE_S = 60.0
"""Until what is waited for counts as never coming."""
SETTINGS = PlaySettings(
    group_size=2,
    sampling=SamplingSettings(1.0, 120),
    episode=EpisodeSettings(max_turns=3, undo_if_still_infeasible=True, style=ObservationStyle.COMPACT),
)
TROUBLE = 7e5
"""No generated program has this bound."""
SLOW, QUICK = render(Move(SetBounds("x", 0.0, TROUBLE))), render(Move(GetConflict()))


class BackgroundEngine:
    """Gives a script's turns back one at a time, the latest first; those of ``held`` after so many of others."""

    decodes_in_background = True
    max_context_tokens = 1 << 20

    def __init__(self, script: ScriptedEngine, held: int | None = None, others: int = 0) -> None:
        self.requests, self.num_wakes = script.requests, 0
        self.asked_for: dict[int, threading.Event] = defaultdict(threading.Event)
        """By conversation, at its first turn."""
        self._script, self._held, self._others = script, held, others
        self._done: list[Completion] = []
        self._bell = threading.Event()

    def submit(self, request: GenerationRequest, sampling: SamplingSettings) -> None:
        self._script.submit(request, sampling)
        self._done += self._script.wait()
        self.asked_for[request.conversation].set()

    def wait(self) -> Sequence[Completion]:
        for at in reversed(range(len(self._done))):
            is_held = self._done[at].conversation == self._held
            if not is_held or self._others == 0:
                self._others -= not is_held
                return [self._done.pop(at)]
        assert self._bell.wait(PATIENCE_S), "nobody wakes the engine, and it has nothing to give back"
        self._bell.clear()
        self.num_wakes += 1
        return []

    def wake(self) -> None:
        self._bell.set()

    def release(self) -> None:
        assert not self._done


class GatedSolver:
    """HiGHS that waits at some programs. Each thread has its own."""

    def __init__(self, gates: Callable[[LinearProgram], threading.Event | None]) -> None:
        self._gates, self._local = gates, threading.local()

    def solve(self, program: LinearProgram) -> Solution:
        return self._highs(program).solve(program)

    def conflict(self, program: LinearProgram) -> Conflict | None:
        return self._highs(program).conflict(program)

    def minimum_relaxation(self, program: LinearProgram) -> tuple[Violation, ...] | None:
        return self._highs(program).minimum_relaxation(program)

    def _highs(self, program: LinearProgram) -> HighsSolver:
        gate = self._gates(program)
        assert gate is None or gate.wait(PATIENCE_S), "what the solver waits for does not come"
        if "highs" not in vars(self._local):
            self._local.highs = HighsSolver()
        return self._local.highs


Scripted = Callable[..., ScriptedEngine]


def test_1_one_slow_program_holds_nobody_up(
    tasks: list[Task], solver: HighsSolver, conversation: ConversationFormat, scripted: Scripted
) -> None:
    others_are_done, num_turns = threading.Event(), 0

    def policy(request: GenerationRequest) -> str:
        nonlocal num_turns
        if request.conversation == 0:
            return SLOW
        num_turns += 1
        if num_turns == 7 * SETTINGS.episode.max_turns:
            others_are_done.set()
        return QUICK

    def gate(program: LinearProgram) -> threading.Event | None:
        return others_are_done if any(v.upper == TROUBLE for v in program.variables) else None

    engine = BackgroundEngine(scripted(policy))
    groups = collect(tasks, engine, GatedSolver(gate), conversation, SETTINGS, 0, 0, num_threads=2)
    others_are_done.set()
    assert groups == collect(tasks, scripted(policy), solver, conversation, SETTINGS, 0, 0)


def test_1_one_slow_turn_holds_nobody_up(
    tasks: list[Task], solver: HighsSolver, conversation: ConversationFormat, scripted: Scripted
) -> None:
    engine = BackgroundEngine(scripted(lambda request: QUICK), held=3, others=7 * SETTINGS.episode.max_turns)
    groups = collect(tasks, engine, solver, conversation, SETTINGS, 0, 0)
    assert engine.num_wakes > 0
    assert [request.conversation for request in engine.requests[-2:]] == [3, 3]
    assert groups == collect(tasks, scripted(lambda request: QUICK), solver, conversation, SETTINGS, 0, 0)


def test_2_a_task_begins_when_its_own_program_is_solved(
    tasks: list[Task], solver: HighsSolver, conversation: ConversationFormat, scripted: Scripted
) -> None:
    engine = BackgroundEngine(scripted(lambda request: QUICK))
    first, last = tasks[0].fault.faulty, engine.asked_for[2 * (len(tasks) - 1)]
    gated = GatedSolver(lambda program: last if program == first else None)
    groups = collect(tasks, engine, gated, conversation, SETTINGS, 0, 0, num_threads=2)
    asked = [request.conversation for request in engine.requests]
    assert asked.index(2 * (len(tasks) - 1)) < min(asked.index(0), asked.index(1))
    assert groups == collect(tasks, scripted(lambda request: QUICK), solver, conversation, SETTINGS, 0, 0)


@pytest.mark.parametrize("threads", [1, 3])
def test_3_threads_change_nothing(
    threads: int, tasks: list[Task], solver: HighsSolver, conversation: ConversationFormat, scripted: Scripted
) -> None:
    def policy(request: GenerationRequest) -> str:
        return render(Move(SetBounds("x", 0.0, float(request.seed % 1000))))

    settings = replace(SETTINGS, group_size=4)
    plain = collect(tasks, scripted(policy), solver, conversation, settings, 1, 2)
    workers = WorkerSolver(SolverSettings(workers=threads))
    try:
        for engine in (scripted(policy), BackgroundEngine(scripted(policy))):
            assert collect(tasks, engine, workers, conversation, settings, 1, 2, threads) == plain
    finally:
        workers.close()
    in_order = scripted(policy)
    collect(tasks, in_order, GatedSolver(lambda program: None), conversation, settings, 1, 2, threads)
    again = scripted(policy)
    collect(tasks, again, solver, conversation, settings, 1, 2)
    assert in_order.requests == again.requests, "an engine that decodes all together is asked in one order"


def test_4_an_error_reaches_the_caller(
    tasks: list[Task], solver: HighsSolver, conversation: ConversationFormat, scripted: Scripted
) -> None:
    task = tasks[1]
    repaired = replace(task, fault=replace(task.fault, faulty=task.fault.original))
    with pytest.raises(ValueError, match="expected an infeasible program, got an optimal one"):
        collect([tasks[0], repaired], scripted(lambda _: QUICK), solver, conversation, SETTINGS, 0, 0)
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("world")]
