"""Engines that a canary has to find out: named as ``--engine broken_engines.NAME`` by test_canary.py."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from lit_grpo.data.conversation import ConversationFormat
from lit_grpo.engines.engine import Completion, GenerationRequest, SamplingSettings
from lit_grpo.engines.settings import BuiltEngine, EngineSettings, TransformersSettings
from lit_grpo.modules.base import PolicyModule


class Drifting:
    """Its log-probs fall by another 0.00009 with every sync."""

    def __init__(self, engine: Any) -> None:
        self.engine, self.num_syncs = engine, 0
        self.max_context_tokens: int = engine.max_context_tokens
        self.decodes_in_background: bool = engine.decodes_in_background

    def submit(self, request: GenerationRequest, sampling: SamplingSettings) -> None:
        self.engine.submit(request, sampling)

    def wait(self) -> Sequence[Completion]:
        shift = 9e-5 * self.num_syncs
        return [
            replace(completion, logprobs=tuple(value - shift for value in completion.logprobs))
            for completion in self.engine.wait()
        ]

    def wake(self) -> None:
        self.engine.wake()

    def release(self) -> None:
        self.engine.release()

    def update_weights(self, weights: Iterable[tuple[str, Tensor]], policy_version: int) -> None:
        self.engine.update_weights(weights, policy_version)


class DriftingSettings(EngineSettings):
    def build(self, module: PolicyModule, conversation: ConversationFormat) -> BuiltEngine:
        built = TransformersSettings().build(module, conversation)
        engine = Drifting(built.engine)

        def sync(module: PolicyModule) -> None:
            built.sync(module)
            engine.num_syncs += 1

        return BuiltEngine(engine, sync, built.close)


class OldWeightsSettings(EngineSettings):
    """From the sixth sync on, one tensor of the engine is that of another policy."""

    def build(self, module: PolicyModule, conversation: ConversationFormat) -> BuiltEngine:
        built = TransformersSettings().build(module, conversation)
        num_syncs = 0

        def sync(module: PolicyModule) -> None:
            nonlocal num_syncs
            num_syncs += 1
            built.sync(module)
            if num_syncs > 5:
                name = "model.layers.1.mlp.down_proj.weight"
                tensor = module.policy.model.get_parameter(name)
                noise = torch.randn(tensor.shape, generator=torch.Generator().manual_seed(0)) * tensor.std()
                built.engine.update_weights(iter([(name, tensor.detach() + noise)]), module.policy_version)

        return BuiltEngine(built.engine, sync, built.close)
