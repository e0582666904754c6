"""The engine of a run follows what the weights are.

1. Weights are published once for as long as nothing changes, and again with each optimizer step.
2. Whoever swaps them, and however (``.data``, ``load_state_dict``, in place, another tensor), the engine samples with
   the swapped ones, and with the others once they are back; with whole weights and with adapters.
3. Played ahead, older weights are there until they are dropped, and what was swapped back is not copied again.
4. A publication that fails leaves nothing that would pass for published.
5. Whoever owns the engine closes it: RepairEvaluation its own, and never that of the rollouts.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor
from typing_extensions import override

from lit_grpo.callbacks.evaluation import RepairEvaluation
from lit_grpo.callbacks.rollout import RolloutCallback
from lit_grpo.data.conversation import ConversationFormat
from lit_grpo.engines.engine import GenerationRequest, SamplingSettings
from lit_grpo.engines.policy_engine import PolicyEngine
from lit_grpo.engines.policy_view import PolicyView
from lit_grpo.engines.publishing import Published
from lit_grpo.engines.settings import BuiltEngine, EngineSettings, TransformersSettings
from lit_grpo.modules.adapters import LoraSettings
from lit_grpo.modules.base import PolicySettings
from lit_grpo.modules.optimizers import OptimizerSettings
from lit_grpo.modules.policy import CausalPolicy, load_policy
from lit_grpo.modules.served_policy import ServedPolicy
from lit_grpo.modules.sft import SFTModule


class Counted(EngineSettings):
    """The transformers engine, and what is done with it."""

    def __init__(self) -> None:
        self.publications = self.drops = self.closed = 0
        self.fails = False

    @override
    def build(self, policy: PolicyView, conversation: ConversationFormat, plays_ahead: bool) -> BuiltEngine:
        built = TransformersSettings().build(policy, conversation, plays_ahead)

        def publish(policy: PolicyView) -> Published:
            self.publications += 1
            published = built.publish(policy)
            if self.fails:
                raise OSError("no room")
            return Published(published.version, published.adopt, lambda: self.drop(published))

        return BuiltEngine(built.engine, publish, self.close)

    def drop(self, published: Published) -> None:
        self.drops += 1
        published.drop()

    def close(self) -> None:
        self.closed += 1


def served(policy: CausalPolicy, checkpoint: Path, version: int = 0) -> ServedPolicy:
    return ServedPolicy(policy, checkpoint, version)


def distance(engine: Any, view: ServedPolicy) -> float:
    """Of the log-probs of sampled tokens from the policy's own."""
    context = tuple(range(10, 30))
    engine.submit(GenerationRequest(0, context, seed=1), SamplingSettings(1.0, 8))
    (completion,) = engine.wait()
    engine.release()
    assert completion.policy_version == view.version
    (own,) = view.logprobs([context + completion.token_ids])
    return max(abs(one - other) for one, other in zip(own[len(context) - 1 :], completion.logprobs, strict=True))


def moved(tensor: Tensor) -> Tensor:
    generator = torch.Generator().manual_seed(tensor.numel())
    return tensor + torch.randn(tensor.shape, generator=generator)


def trained(policy: CausalPolicy) -> list[torch.nn.Parameter]:
    return [parameter for parameter in policy.parameters() if parameter.requires_grad]


def by_data_copy(policy: CausalPolicy, to: Callable[[Tensor], Tensor]) -> None:
    for parameter in trained(policy):
        parameter.data.copy_(to(parameter.data))


def by_another_tensor(policy: CausalPolicy, to: Callable[[Tensor], Tensor]) -> None:
    for parameter in trained(policy):
        parameter.data = to(parameter.data)


@torch.no_grad()
def in_place(policy: CausalPolicy, to: Callable[[Tensor], Tensor]) -> None:
    for parameter in trained(policy):
        parameter.add_(to(parameter) - parameter)


def by_state_dict(policy: CausalPolicy, to: Callable[[Tensor], Tensor]) -> None:
    own = {name for name, parameter in policy.named_parameters() if parameter.requires_grad}
    state = {name: to(tensor) if name in own else tensor for name, tensor in policy.state_dict().items()}
    # A tied head is the embeddings, and must not move by itself.
    policy.load_state_dict({name: tensor for name, tensor in state.items() if "lm_head" not in name}, strict=False)


WAYS = [by_data_copy, by_another_tensor, in_place, by_state_dict]


def test_1_once_while_nothing_changes(tiny_checkpoint: Path) -> None:
    policy, settings = load_policy(tiny_checkpoint), Counted()
    engine = PolicyEngine(settings)
    for _ in range(3):
        assert distance(engine.current(served(policy, tiny_checkpoint)), served(policy, tiny_checkpoint)) < 1e-5
    assert settings.publications == 1
    assert distance(engine.current(served(policy, tiny_checkpoint, 1)), served(policy, tiny_checkpoint, 1)) < 1e-5
    assert (settings.publications, settings.drops) == (2, 1)
    engine.publish_anew()
    engine.current(served(policy, tiny_checkpoint, 1))
    assert settings.publications == 3


@pytest.mark.parametrize("lora", [None, LoraSettings(r=2)], ids=["whole weights", "adapters"])
@pytest.mark.parametrize("way", WAYS)
def test_2_swapped_and_back(
    way: Callable[[CausalPolicy, Callable[[Tensor], Tensor]], None], lora: LoraSettings | None, tiny_checkpoint: Path
) -> None:
    torch.manual_seed(0)
    policy, settings = load_policy(tiny_checkpoint, lora=lora), Counted()
    view, engine = served(policy, tiny_checkpoint), PolicyEngine(settings)
    first = [parameter.detach().clone() for parameter in trained(policy)]
    assert distance(engine.current(view), view) < 1e-5
    way(policy, moved)
    assert distance(engine.with_weights(next(iter(engine._published.values()))), view) > 1e-2, "a change that shows"
    assert distance(engine.current(view), view) < 1e-5
    back = iter(first)
    by_data_copy(policy, lambda tensor: next(back))
    assert distance(engine.current(view), view) < 1e-5
    assert settings.publications == 3


def test_3_played_ahead(tiny_checkpoint: Path) -> None:
    policy, settings = load_policy(tiny_checkpoint), Counted()
    view, engine = served(policy, tiny_checkpoint), PolicyEngine(settings, plays_ahead=True)
    first = [parameter.detach().clone() for parameter in trained(policy)]
    ordered = engine.publish(view)
    by_data_copy(policy, moved)
    assert distance(engine.current(view), view) < 1e-5
    back = iter(first)
    by_data_copy(policy, lambda tensor: next(back))
    assert distance(engine.with_weights(ordered), view) < 1e-5
    assert engine.publish(view) is ordered
    engine.keep([])
    assert (settings.publications, settings.drops) == (2, 1)
    assert engine.publish(view) is ordered, "the last is kept"


def test_4_a_publication_that_fails(tiny_checkpoint: Path) -> None:
    policy, settings = load_policy(tiny_checkpoint), Counted()
    view, engine = served(policy, tiny_checkpoint), PolicyEngine(settings)
    first = [parameter.detach().clone() for parameter in trained(policy)]
    engine.current(view)
    by_data_copy(policy, moved)
    settings.fails = True
    with pytest.raises(OSError, match="no room"):
        engine.current(view)
    settings.fails = False
    back = iter(first)
    by_data_copy(policy, lambda tensor: next(back))
    assert distance(engine.current(view), view) < 1e-5
    assert settings.publications == 3


def test_5_who_closes_it(tiny_checkpoint: Path) -> None:
    shared, own = Counted(), Counted()
    rollouts, evaluation = RolloutCallback(engine=shared), RepairEvaluation(engine=own)
    module = SFTModule(PolicySettings(tiny_checkpoint), OptimizerSettings())
    view = served(load_policy(tiny_checkpoint), tiny_checkpoint)
    trainer: Any = SimpleNamespace(callbacks=[rollouts, evaluation], datamodule=None)
    evaluation.setup(trainer, module, "fit")
    evaluation._engine.current(view)
    assert (shared.publications, own.publications) == (1, 0)
    evaluation.teardown(trainer, module, "fit")
    assert (shared.closed, own.closed) == (0, 0)
    rollouts.teardown(trainer, module, "fit")
    rollouts.teardown(trainer, module, "fit")
    assert shared.closed == 1

    alone = RepairEvaluation(engine=own)
    trainer.callbacks = [alone]
    alone.setup(trainer, module, "test")
    for count in (1, 2):
        alone._engine.current(view)
        alone.teardown(trainer, module, "test")
        assert (own.publications, own.closed) == (count, count), "closed, and made anew"
