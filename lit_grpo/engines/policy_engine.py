"""The engine of a run: built once, shared by rollouts and evaluation, always on the policy's present weights.

Called by RolloutCallback, RepairEvaluation and RepairWriter.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import lightning.pytorch as pl
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from lit_grpo.data.conversation import ConversationFormat
from lit_grpo.engines.engine import RolloutEngine
from lit_grpo.engines.published import Published, publish_in_memory
from lit_grpo.engines.settings import BuiltEngine, EngineSettings
from lit_grpo.modules.base import PolicyModule


class PolicyEngine:
    """An engine, the policy's chat format, and the version of the weights the engine holds.

    Where rollouts are played ahead, weights are put aside in the main thread (`publish`) and taken over by whoever
    samples next (`with_weights`). Two threads never sample at once: the callers see to that.

    Args:
        settings: What makes the engine.
        plays_ahead: Whether weights are published.
    """

    def __init__(self, settings: EngineSettings, plays_ahead: bool = False) -> None:
        self._settings, self._plays_ahead = settings, plays_ahead
        self._built: BuiltEngine | None = None
        self._conversation: ConversationFormat | None = None
        self._version: int | None = None
        self._published: list[Published] = []
        """What is put aside, the newest at the end."""
        self._held: Published | None = None
        """That the engine has."""

    def conversation(self, module: PolicyModule) -> ConversationFormat:
        """The chat format of the tokenizer beside the policy's weights."""
        if self._conversation is None:
            self._conversation = ConversationFormat(load_tokenizer(module))
        return self._conversation

    def synced(self, module: PolicyModule) -> RolloutEngine:
        """The engine with the policy's present weights. Gathers sharded weights, so every rank must call it."""
        if self._plays_ahead:
            return self.with_weights(self.publish(module))
        built = self._engine_of(module)
        if self._version != module.policy_version:
            self._version = None
            built.sync(module)
            self._version = module.policy_version
        return built.engine

    def publish(self, module: PolicyModule) -> Published:
        """The policy's present weights, put aside. Gathers sharded weights, so every rank must call it."""
        built = self._engine_of(module)
        if not self._published or self._published[-1].version != module.policy_version:
            make = built.publish
            new = publish_in_memory(built.engine, module) if make is None else make(module)
            self._published.append(new)
        return self._published[-1]

    def with_weights(self, weights: Published) -> RolloutEngine:
        """The engine with weights that were put aside. Speaks to no other rank."""
        assert self._built is not None, "publish comes first"
        if self._held is not weights:
            self._held = None
            weights.adopt()
            self._held = weights
        return self._built.engine

    def keep(self, needed: Collection[Published]) -> None:
        """Drop what was put aside, but for what is needed and the newest. All ranks must be done with the rest."""
        for weights in [old for old in self._published[:-1] if old not in needed]:
            self._published.remove(weights)
            weights.drop()

    def forget(self) -> None:
        """The policy's weights were replaced without a step (a checkpoint was loaded): set them at the next use."""
        self._version = self._held = None
        for weights in self._published:
            weights.drop()
        self._published = []

    def close(self) -> None:
        """End the engine; the next use builds another one."""
        self.forget()
        if self._built is not None:
            self._built.close()
        self._built = None

    def _engine_of(self, module: PolicyModule) -> BuiltEngine:
        if self._built is None:
            self._built = self._settings.build(module, self.conversation(module))
        return self._built


def load_tokenizer(module: PolicyModule) -> PreTrainedTokenizerBase:
    """The tokenizer beside the policy's weights."""
    return AutoTokenizer.from_pretrained(module.policy_settings.checkpoint)


def run_folder(trainer: pl.Trainer) -> Path:
    """Where a run's files go. (``trainer.log_dir`` depends on the logger, and asking one rank for it alone hangs.)"""
    return Path(trainer.default_root_dir)


def transcripts_file(trainer: pl.Trainer) -> str:
    """Name of the file that this rank's episodes go to: ``episodes.jsonl``, ``episodes.rank1.jsonl``, ..."""
    return f"episodes.rank{trainer.global_rank}.jsonl" if trainer.global_rank else "episodes.jsonl"


def require_policy_module(module: pl.LightningModule, callback: str) -> PolicyModule:
    """ValueError if a callback of this package is used with a module that has no policy."""
    if not isinstance(module, PolicyModule):
        raise ValueError(f"{callback}: expected SFTModule or GRPOModule as the model, got {type(module).__name__}")
    return module
