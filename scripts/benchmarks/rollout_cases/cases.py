"""The cases of scripts/benchmarks/rollouts.py: each plays, or samples, the same turns once per call."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol

from lit_grpo.data.conversation import ConversationFormat
from lit_grpo.data.task import Task
from lit_grpo.engines.transformers.engine import TransformersEngine
from lit_grpo.engines.vllm.engine import VllmEngine
from lit_grpo.engines.vllm.servers import Child
from lit_grpo.engines.vllm.settings import Capacity, ModelSettings, ServerSettings
from lit_grpo.engines.weights import full_weights
from lit_grpo.environment.episodes.repair_environment import RepairEnvironment
from lit_grpo.environment.solver.workers import WorkerSolver
from lit_grpo.modules.policy import CausalPolicy
from lit_grpo.rollout.collect import collect_groups
from lit_grpo.rollout.open_attempt import Seeds
from lit_grpo.rollout.settings import PlaySettings
from rollout_cases.watched import Sampled, TimedSolver, WatchedEngine, cpu_seconds

_versions = count(1)
"""Of weights: one each time they are sent."""


@dataclass(frozen=True, slots=True)
class Workload:
    """What is played."""

    policy: CausalPolicy
    tasks: list[Task]
    conversation: ConversationFormat
    settings: PlaySettings
    solver: WorkerSolver
    all_end: bool
    """No turn counts as cut off."""


@dataclass(frozen=True, slots=True)
class Round:
    """What one call of a case took."""

    seconds: float
    num_tokens: int
    """Sampled."""
    num_run: int
    """Context tokens that no cache had; 0 where nobody counts."""
    in_flight: float = 0.0
    """Turns that the engine works on: mean over the time."""
    waited_s: float = 0.0
    """For the engine."""
    solver_s: float = 0.0
    """In which the solver worked."""
    own_cpu_s: float = 0.0
    """Of the process that plays."""
    solver_cpu_s: float = 0.0
    server_cpu_s: float = 0.0

    @property
    def tokens_per_s(self) -> float:
        """Sampled tokens over the whole time."""
        return self.num_tokens / self.seconds


class Case(Protocol):
    """One line of the table."""

    name: str

    def round(self) -> Round:
        """Once."""
        ...

    def close(self) -> None:
        """End what was started."""
        ...


@dataclass(slots=True)
class Rollout:
    """Whole rollouts with an engine."""

    name: str
    engine: VllmEngine | TransformersEngine
    workload: Workload
    server: Child | None = None
    barrier: bool = False
    turns: list[Sampled] = field(default_factory=list)
    """Of the last round."""

    def round(self) -> Round:
        """Send the weights anew, which empties the caches, and then play and measure."""
        work = self.workload
        self._send_weights(next(_versions))
        engine, solver = WatchedEngine(self.engine, self.barrier, work.all_end), TimedSolver(work.solver)
        before, started = self._cpu_seconds(), time.perf_counter()
        environment = RepairEnvironment(work.settings.episode, solver)
        collect_groups(work.tasks, environment, engine, work.conversation, work.settings, Seeds(0, 0))
        seconds = time.perf_counter() - started
        own, of_solver, of_server = (then - now for then, now in zip(self._cpu_seconds(), before, strict=True))
        self.turns = engine.turns
        return Round(
            seconds=seconds,
            num_tokens=sum(count for _, count in engine.turns),
            num_run=self._num_run(),
            in_flight=engine.turn_seconds / seconds,
            waited_s=engine.waited_s,
            solver_s=solver.seconds,
            own_cpu_s=own,
            solver_cpu_s=of_solver,
            server_cpu_s=of_server,
        )

    def _send_weights(self, version: int) -> None:
        weights = full_weights(self.workload.policy.model)
        if isinstance(self.engine, TransformersEngine):
            self.engine.update_weights(weights, version)
            return
        folder = self.engine.publish(weights)
        self.engine.load(folder, version)
        self.engine.drop(folder)

    def close(self) -> None:
        """End the server."""
        if isinstance(self.engine, VllmEngine):
            self.engine.close()

    def _num_run(self) -> int:
        if not isinstance(self.engine, VllmEngine):
            return 0
        return self.engine.usage.context_tokens - self.engine.usage.cached_tokens

    def _cpu_seconds(self) -> tuple[float, float, float]:
        server = self.server.pid if self.server is not None else None
        return (
            time.process_time(),
            sum(map(cpu_seconds, self.workload.solver.worker_pids)),
            0.0 if server is None else cpu_seconds(server),
        )


class Bare:
    """vLLM alone on given turns, all at once."""

    name = "vLLM alone, all turns at once"

    def __init__(self, model: ModelSettings, capacity: Capacity, turns: Sequence[Sampled]) -> None:
        self._folder = TemporaryDirectory()
        self._num_tokens = sum(count for _, count in turns)
        settings, file = Path(self._folder.name) / "settings.json", Path(self._folder.name) / "turns.json"
        settings.write_text(ServerSettings(model, capacity).to_json(), encoding="utf-8")
        file.write_text(json.dumps(turns), encoding="utf-8")
        program = Path(__file__).with_name("bare.py")
        self._process = subprocess.Popen(
            [sys.executable, str(program), str(settings), str(file)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"OMP_NUM_THREADS": str(capacity.num_threads)},
        )

    def round(self) -> Round:
        """Once."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        before = cpu_seconds(self._process.pid)
        self._process.stdin.write("go\n")
        self._process.stdin.flush()
        seconds, num_run = json.loads(self._process.stdout.readline())
        return Round(seconds, self._num_tokens, num_run, server_cpu_s=cpu_seconds(self._process.pid) - before)

    def close(self) -> None:
        """End the process."""
        self._process.communicate()
        self._folder.cleanup()
