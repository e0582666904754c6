"""A fit goes on while its solver's workers are killed. Real processes, a real trainer, a scripted policy's turns.

1. In every batch one attempt's edit kills its worker, and the next one; one task's own program does so, too. The step
   is taken, with that attempt and that task left out; the counts are logged; the next batch is like any other.
2. The same fit in this process and in a worker gives the same weights, to the last bit.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import pytest
import torch
from lightning.pytorch.callbacks import Callback
from small_runs import ANY_SAMPLER, EPISODE, CoinRewards, make_data, make_module, make_trainer, weights_of
from transformers import AutoTokenizer
from typing_extensions import override

from lit_grpo.callbacks.rollout import RolloutCallback
from lit_grpo.data.batches import TaskBatch
from lit_grpo.data.conversation import ConversationFormat
from lit_grpo.data.task import Task
from lit_grpo.engines.engine import GenerationRequest, SamplingSettings
from lit_grpo.engines.policy_engine import PolicyEngine
from lit_grpo.engines.policy_view import PolicyView
from lit_grpo.engines.scripted import ScriptedEngine
from lit_grpo.engines.settings import BuiltEngine, EngineSettings
from lit_grpo.environment.episodes.actions import Move, Submit, render
from lit_grpo.environment.episodes.record import StopReason
from lit_grpo.environment.episodes.repair_environment import RepairEnvironment
from lit_grpo.environment.programs.edits import SetRhs, apply
from lit_grpo.environment.solver.workers import SolverSettings, WorkerSolver
from lit_grpo.modules.grpo import GRPOModule, Rollout
from lit_grpo.rollout.attempts import RepairGroup
from lit_grpo.rollout.settings import RolloutSettings

BROKEN_WORKER = Path(__file__).parents[1] / "environment" / "solver" / "broken_worker.py"
DIES = 66601.0
"""Of `Trouble` in broken_worker.py: a program with this right-hand side kills the worker that is to solve it."""


def turns_of(task: Task, kills: bool) -> list[str]:
    """Of four attempts: one that kills (or submits), the repair with its diagnosis, nothing, the repair without."""
    (repair,) = task.fault.inverse
    first = Move(SetRhs(task.fault.faulty.constraints[0].name, DIES) if kills else Submit())
    return [render(move) for move in (first, Move(repair, task.fault.faulty_elements), Move(Submit()), Move(repair))]


class ScriptedSettings(EngineSettings):
    def __init__(self, engine: ScriptedEngine) -> None:
        self._engine = engine

    @override
    def build(self, policy: PolicyView, conversation: ConversationFormat, plays_ahead: bool) -> BuiltEngine:
        return BuiltEngine.in_process(self._engine, plays_ahead)


class KilledWorkers(RolloutCallback):
    """Scripted turns: the first task's first attempt kills its workers, the last task cannot be begun."""

    def __init__(self, checkpoint: Path) -> None:
        sampling = SamplingSettings(temperature=1.0, max_completion_tokens=120)
        super().__init__(RolloutSettings(group_size=4, sampling=sampling), EPISODE, transcripts_every=0)
        conversation = ConversationFormat(AutoTokenizer.from_pretrained(checkpoint))
        engine = ScriptedEngine(
            self._answer, lambda text: conversation.completion_ids(text)[:-1], conversation.completion_ids("")[-1]
        )
        self.engine = PolicyEngine(ScriptedSettings(engine))
        self.solver = WorkerSolver(SolverSettings(), (sys.executable, str(BROKEN_WORKER)))
        self.environment = RepairEnvironment(EPISODE, self.solver)
        self._texts: list[str] = []
        self.reasons: list[list[list[StopReason]]] = []

    @override
    def collect(self, tasks: Sequence[Task], *arguments: Any, **named: Any) -> list[RepairGroup]:
        *others, last = tasks
        killing = apply(last.fault.faulty, SetRhs(last.fault.faulty.constraints[0].name, DIES))
        last = replace(last, fault=replace(last.fault, faulty=killing))
        self._texts = [text for n, task in enumerate((*others, last)) for text in turns_of(task, kills=n == 0)]
        groups = super().collect((*others, last), *arguments, **named)
        self.reasons.append([[attempt.record.stop_reason for attempt in group.attempts] for group in groups])
        return groups

    def _answer(self, request: GenerationRequest) -> str:
        return self._texts[request.conversation]


class Advantages(Callback):
    """Those that each batch was trained with."""

    def __init__(self) -> None:
        self.of_batches: list[list[float]] = []

    @override
    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        assert isinstance(batch, TaskBatch)
        assert isinstance(batch.experience, Rollout)
        self.of_batches.append(batch.experience.updates[0].advantages.tolist())


def test_1_a_fit_goes_on(tiny_checkpoint: Path, tmp_path: Path) -> None:
    pl.seed_everything(0)
    rollout, advantages = KilledWorkers(tiny_checkpoint), Advantages()
    module = make_module("grpo", tiny_checkpoint, mismatch_monitor=ANY_SAMPLER)
    trainer = make_trainer(tmp_path, callbacks=[rollout, advantages])
    trainer.fit(module, make_data("grpo", tiny_checkpoint, batches=2))

    failed, recovered, submitted = StopReason.SOLVER_FAILED, StopReason.RECOVERED, StopReason.SUBMITTED
    played = [submitted, recovered, submitted, recovered]
    assert rollout.reasons == [[[failed, *played[1:]], played, played, [failed] * 4]] * 2
    # Rewards 1, 0, 0.7 of the three that have a verdict: deviations 13/30, -17/30, 4/30 from their mean of 17/30, and a
    # sample variance of (169 + 289 + 16) / 900 / 2.
    std = (474 / 1800) ** 0.5 + 1e-6
    for values in advantages.of_batches:
        assert values[:4] == pytest.approx([0.0, 13 / 30 / std, -17 / 30 / std, 4 / 30 / std])
        assert values[0] == 0.0
        assert values[12:] == [0.0] * 4
    logged = {name: float(value) for name, value in trainer.callback_metrics.items()}
    assert logged["rollout/solver_failed"] == 5 / 16
    assert logged["rollout/verified"] == 11 / 16
    assert logged["rollout/inconclusive"] == 0.0
    assert trainer.global_step == 2
    untrained = weights_of(make_untrained(tiny_checkpoint))
    assert any(not torch.equal(weight, untrained[name]) for name, weight in weights_of(module).items())
    assert rollout.solver.worker_pids == ()


def make_untrained(checkpoint: Path) -> GRPOModule:
    module = make_module("grpo", checkpoint)
    assert isinstance(module, GRPOModule)
    module.policy = module.policy_settings.load()
    return module


def test_2_workers_change_nothing(tiny_checkpoint: Path, tmp_path: Path) -> None:
    expected, weights = (fitted(tiny_checkpoint, tmp_path / str(workers), workers) for workers in (0, 1))
    assert weights.keys() == expected.keys()
    assert all(torch.equal(weights[name], tensor) for name, tensor in expected.items())


def fitted(checkpoint: Path, folder: Path, workers: int) -> dict[str, torch.Tensor]:
    pl.seed_everything(0)
    rollout = CoinRewards(solver=SolverSettings(workers))
    module = make_module("grpo", checkpoint)
    make_trainer(folder, callbacks=[rollout]).fit(module, make_data("grpo", checkpoint, batches=2))
    return weights_of(module)
