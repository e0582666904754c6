"""Engines that a canary has to find out: named as ``--engine broken_engines.NAME`` by test_canary.py."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch

from lit_grpo.data.conversation import ConversationFormat
from lit_grpo.engines.engine import Completion, GenerationRequest, SamplingSettings
from lit_grpo.engines.policy_view import PolicyView
from lit_grpo.engines.publishing import Published, publish_in_process
from lit_grpo.engines.settings import BuiltEngine, EngineSettings, TransformersSettings
from lit_grpo.engines.transformers.engine import TransformersEngine


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


class DriftingSettings(EngineSettings):
    def build(self, policy: PolicyView, conversation: ConversationFormat, plays_ahead: bool) -> BuiltEngine:
        built = TransformersSettings().build(policy, conversation, plays_ahead)
        engine = Drifting(built.engine)

        def publish(policy: PolicyView) -> Published:
            engine.num_syncs += 1
            return built.publish(policy)

        return BuiltEngine(engine, publish, built.close)


class OldWeightsSettings(EngineSettings):
    """From the sixth sync on, one tensor of the engine is that of another policy."""

    def build(self, policy: PolicyView, conversation: ConversationFormat, plays_ahead: bool) -> BuiltEngine:
        engine = TransformersEngine(policy.network(), conversation.stop_ids)
        num_syncs = 0

        def publish(policy: PolicyView) -> Published:
            nonlocal num_syncs
            num_syncs += 1
            published = publish_in_process(engine, policy, plays_ahead)
            if num_syncs > 5:
                name = "model.layers.1.mlp.down_proj.weight"
                tensor = dict(policy.weights())[name]
                noise = torch.randn(tensor.shape, generator=torch.Generator().manual_seed(0)) * tensor.std()
                engine.update_weights([(name, tensor + noise)], policy.version)
            return published

        return BuiltEngine(engine, publish, close=lambda: None)
