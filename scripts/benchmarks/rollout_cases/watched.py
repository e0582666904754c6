"""The parts of a rollout with clocks on them. Used by cases.py."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from typing_extensions import override

from lit_grpo.data.conversation import ConversationFormat
from lit_grpo.engines.engine import Completion, FinishReason, GenerationRequest, RolloutEngine, SamplingSettings
from lit_grpo.environment.episodes.actions import Move, render
from lit_grpo.environment.programs.edits import SetBounds
from lit_grpo.environment.programs.program import LinearProgram
from lit_grpo.environment.solver.solver import Conflict, Solution, Solver, Violation

Sampled = tuple[tuple[int, ...], int]
"""A turn as vLLM alone is asked for it: its context, and how many tokens were sampled."""

Answer = TypeVar("Answer")


class WatchedEngine:
    """An engine whose turns are counted; with ``barrier``, no turn comes back before all that were asked for do."""

    def __init__(self, engine: RolloutEngine, barrier: bool, all_end: bool) -> None:
        """``all_end``: a turn that was cut off counts as ended by the model."""
        self._engine, self._barrier, self._all_end = engine, barrier, all_end
        self._num_owed, self._since = 0, time.perf_counter()
        self.turn_seconds, self.waited_s = 0.0, 0.0
        self.turns: list[Sampled] = []
        self._context_of: dict[int, tuple[int, ...]] = {}

    @property
    def max_context_tokens(self) -> int:
        """As the engine's."""
        return self._engine.max_context_tokens

    @property
    def decodes_in_background(self) -> bool:
        """As the engine's, but for the barrier."""
        return self._engine.decodes_in_background and not self._barrier

    def submit(self, request: GenerationRequest, sampling: SamplingSettings) -> None:
        """As the engine's."""
        self._engine.submit(request, sampling)
        self._context_of[request.conversation] = request.token_ids
        self._count(1)

    def wait(self) -> Sequence[Completion]:
        """As the engine's."""
        started = time.perf_counter()
        done = list(self._engine.wait())
        while self._barrier and len(done) < self._num_owed:
            done += self._engine.wait()
        self.waited_s += time.perf_counter() - started
        self._count(-len(done))
        self.turns += [(self._context_of[each.conversation], len(each.token_ids)) for each in done]
        return [replace(each, finish_reason=FinishReason.STOP) if self._all_end else each for each in done]

    def wake(self) -> None:
        """As the engine's."""
        self._engine.wake()

    def release(self) -> None:
        """As the engine's."""
        self._engine.release()

    def _count(self, change: int) -> None:
        now = time.perf_counter()
        self.turn_seconds += self._num_owed * (now - self._since)
        self._since, self._num_owed = now, self._num_owed + change


class TimedSolver:
    """A solver with a clock; for one thread."""

    def __init__(self, solver: Solver) -> None:
        self._solver = solver
        self.seconds, self.num_questions = 0.0, 0

    def solve(self, program: LinearProgram) -> Solution:
        """As the solver's."""
        return self._timed(self._solver.solve, program)

    def conflict(self, program: LinearProgram) -> Conflict | None:
        """As the solver's."""
        return self._timed(self._solver.conflict, program)

    def minimum_relaxation(self, program: LinearProgram) -> tuple[Violation, ...] | None:
        """As the solver's."""
        return self._timed(self._solver.minimum_relaxation, program)

    def _timed(self, question: Callable[[LinearProgram], Answer], program: LinearProgram) -> Answer:
        started = time.perf_counter()
        try:
            return question(program)
        finally:
            self.seconds += time.perf_counter() - started
            self.num_questions += 1


class EveryTurnAnEdit(ConversationFormat):
    """Reads an edit into every turn, another one for other tokens: the solver has work, whatever the model can do."""

    @override
    def decode(self, token_ids: Sequence[int]) -> str:
        """Bounds of a variable that every tiny program has."""
        return render(Move(SetBounds("x", 0.0, 1e4 + sum(token_ids) % 1_000_000)))


def cpu_seconds(pid: int) -> float:
    """That a process has taken so far (Linux)."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
