"""DAggerModule's step.

1. Its loss is the mean cross-entropy of the oracle's tokens, each after what the policy had read, and its gradient that
   of this loss alone: of a plain pass over each state by itself.
2. The teacher alone repairs every program, and the weights move; a batch without anything to learn takes no step.
3. Greedy attempts are allowed; settings without a meaning, an environment without an oracle and a missing callback are
   refused.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import pytest
import torch
from lightning.pytorch.callbacks import Callback
from torch import Tensor
from typing_extensions import override

sys.path.append(str(Path(__file__).parents[1] / "end_to_end"))
from small_runs import ADAMW, make_data, make_module, make_trainer, weights_of

from lit_grpo.callbacks.rollout import RolloutCallback
from lit_grpo.data.conversation import ConversationFormat
from lit_grpo.data.task import Task
from lit_grpo.engines.engine import GenerationRequest, SamplingSettings
from lit_grpo.engines.scripted import ScriptedEngine
from lit_grpo.engines.weights import full_weights
from lit_grpo.environment.episodes.actions import Inspect, Move, Restore, render
from lit_grpo.environment.episodes.observation import ObservationStyle
from lit_grpo.environment.episodes.record import EpisodeSettings
from lit_grpo.environment.episodes.repair_environment import RepairEnvironment
from lit_grpo.environment.programs.edits import DropRow
from lit_grpo.environment.protocol import Environment, Verdict
from lit_grpo.environment.solver.highs import HighsSolver
from lit_grpo.modules.base import PolicySettings
from lit_grpo.modules.dagger import DAggerModule
from lit_grpo.rollout.attempts import RepairGroup
from lit_grpo.rollout.refill import DynamicSampling
from lit_grpo.rollout.settings import RolloutSettings

RULES = EpisodeSettings(max_turns=4, style=ObservationStyle.COMPACT)


def rollout(temperature: float = 1.0) -> RolloutCallback:
    return RolloutCallback(RolloutSettings(1, sampling=SamplingSettings(temperature, 6)), RULES)


class Scripted(RolloutCallback):
    """Says by turn: nonsense, a row dropped, back, and the repair; or the repair at once in every second attempt."""

    def __init__(self) -> None:
        settings = RolloutSettings(group_size=2, sampling=SamplingSettings(1.0, max_completion_tokens=80))
        super().__init__(settings, RULES)
        self.groups: list[RepairGroup] = []

    @override
    def collect(self, tasks: Sequence[Any], engine: Any, conversation: ConversationFormat, batch: int) -> Any:
        num_said: dict[int, int] = {}

        def say(request: GenerationRequest) -> str:
            task: Task = tasks[request.conversation // 2]
            repair = render(Move(task.fault.inverse[0], task.fault.faulty_elements))
            row = next(row.name for row in task.fault.original.constraints)
            moves = [repair] * 4
            if request.conversation % 2:
                moves = ["hm", render(Move(DropRow(row))), render(Move(Restore())), render(Move(Inspect("x")))]
            num_said[request.conversation] = number = num_said.get(request.conversation, -1) + 1
            return moves[number]

        end = conversation.completion_ids("")[-1]
        scripted = ScriptedEngine(say, lambda text: conversation.completion_ids(text)[:-1], end)
        self.groups = super().collect(tasks, scripted, conversation, batch)
        return self.groups


class Gradient(Callback):
    """What the optimizer is given, and the weights before it."""

    def __init__(self) -> None:
        self.of: dict[str, Tensor] = {}
        self.before: dict[str, Tensor] = {}

    @override
    def on_before_optimizer_step(self, trainer: Any, pl_module: Any, optimizer: Any) -> None:
        for name, parameter in pl_module.policy.named_parameters():
            self.of[name], self.before[name] = parameter.grad.clone(), parameter.detach().clone()


def plain_loss(policy: Any, groups: Sequence[RepairGroup]) -> Tensor:
    """-(1/N) sum of log pi over the oracle's tokens, state by state, by a forward pass of the network alone."""
    logprobs: list[Tensor] = []
    for group in groups:
        for attempt in group.attempts:
            read = group.prompt_ids
            for turn in attempt.turns:
                read += turn.observation_ids
                logits = policy.causal_lm(torch.tensor([read + turn.lesson_ids])).logits[0]
                predicted = logits[len(read) - 1 : -1].log_softmax(-1)
                logprobs.append(predicted.gather(1, torch.tensor(turn.lesson_ids)[:, None])[:, 0])
                read += turn.completion_ids
    return -torch.cat(logprobs).mean()


def test_1_the_cross_entropy_of_the_oracles_tokens_alone(tiny_checkpoint: Path, tmp_path: Path) -> None:
    pl.seed_everything(0)
    scripted, gradient = Scripted(), Gradient()
    module = DAggerModule(PolicySettings(tiny_checkpoint), ADAMW, microbatch_tokens=1024)
    trainer = make_trainer(tmp_path, callbacks=[scripted, gradient])
    trainer.fit(module, make_data("dagger", tiny_checkpoint, 1))
    turns = [turn for group in scripted.groups for attempt in group.attempts for turn in attempt.turns]
    num_right = sum(turn.completion_ids == turn.lesson_ids for turn in turns)
    assert 0 < num_right < len(turns)
    logged = {name: float(value) for name, value in trainer.callback_metrics.items()}
    assert logged["train/agreement"] == pytest.approx(num_right / len(turns))
    assert logged["train/tokens"] == sum(len(turn.lesson_ids) for turn in turns)

    with torch.no_grad():
        for name, parameter in module.policy.named_parameters():
            parameter.copy_(gradient.before[name])
    module.zero_grad()
    loss = plain_loss(module.policy, scripted.groups)
    loss.backward()
    assert logged["train/loss"] == pytest.approx(loss.item(), rel=1e-5)
    found = {name: parameter.grad for name, parameter in module.policy.named_parameters()}
    norm = torch.cat([grad.flatten() for grad in found.values() if grad is not None]).norm()
    assert logged["train/grad_norm"] == pytest.approx(norm.item(), rel=1e-4)
    for name, grad in found.items():
        assert grad is not None
        # As it was before it was clipped to a norm of 1.
        unclipped = gradient.of[name] * max(norm.item(), 1.0)
        assert (unclipped - grad).abs().max() <= 1e-4 * grad.abs().max() + 1e-7, name


def test_2_the_teacher_alone(tiny_checkpoint: Path, tmp_path: Path) -> None:
    module = make_module("dagger", tiny_checkpoint, beta=1.0)
    trainer = make_trainer(tmp_path, callbacks=[rollout()])
    trainer.fit(module, make_data("dagger", tiny_checkpoint, 2))
    assert trainer.callback_metrics["rollout/faithful"] == 1.0
    assert "train/agreement" not in trainer.callback_metrics
    assert module.policy_version == 2


def test_2_nothing_to_learn_is_no_step(tiny_checkpoint: Path, tmp_path: Path) -> None:
    # Every state with its lesson is longer than a row may be: the prompt alone is.
    module = DAggerModule(PolicySettings(tiny_checkpoint), ADAMW, microbatch_tokens=8, longest_row_tokens=8)
    trainer = make_trainer(tmp_path, callbacks=[rollout(temperature=0.0)])
    trainer.fit(module, make_data("dagger", tiny_checkpoint, 1))
    start = dict(full_weights(module.policy_settings.load().model, trainable_only=False))
    assert all(torch.equal(tensor, start[name]) for name, tensor in weights_of(module).items())
    numbers = trainer.callback_metrics
    assert (numbers["train/skipped"], numbers["train/tokens"], module.policy_version) == (1.0, 0.0, 0)
    assert numbers["rollout/too_long"] == 1.0


class NobodyKnows(Environment[Any, Any, Any]):
    """An environment without an oracle."""

    max_turns = 1

    @override
    def begin(self, problem: Any, num_attempts: int) -> Any:
        return ()

    @override
    def score(self, problem: Any, record: Any) -> Verdict:
        return Verdict(False, 0.0)


REPAIRS = RepairEnvironment(RULES, HighsSolver())


@pytest.mark.parametrize(
    ("settings", "environment", "expected"),
    [
        (RolloutSettings(1, dynamic_sampling=DynamicSampling(1)), REPAIRS, r"dynamic_sampling: expected null with DA"),
        (RolloutSettings(2, sampling=SamplingSettings(0.0)), REPAIRS, r"rollout\.group_size: expected 1 .*, got 2"),
        (RolloutSettings(1), NobodyKnows(), "expected an environment with an oracle, got NobodyKnows"),
    ],
)
def test_3_what_has_no_meaning(
    settings: RolloutSettings, environment: Environment[Any, Any, Any], expected: str, tiny_checkpoint: Path
) -> None:
    module = DAggerModule(PolicySettings(tiny_checkpoint), ADAMW)
    with pytest.raises(ValueError, match=expected):
        module.require_rollouts(settings, environment)
    module.require_rollouts(RolloutSettings(1, sampling=SamplingSettings(0.0)), REPAIRS)


def test_3_a_share_and_a_callback(tiny_checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"model\.beta: expected a share from 0 to 1, got 1\.5"):
        make_module("dagger", tiny_checkpoint, beta=1.5)
    with pytest.raises(ValueError, match=r"expected RolloutCallback among them, .* DAggerModule .* add it"):
        make_trainer(tmp_path).fit(make_module("dagger", tiny_checkpoint), make_data("dagger", tiny_checkpoint, 1))
