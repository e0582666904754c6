"""The engine of a run: built once, shared by rollouts and evaluation, always on the policy's present weights.

Called by RolloutCallback, RepairEvaluation and RepairWriter.
"""

from __future__ import annotations

from pathlib import Path

import lightning.pytorch as pl
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from lit_grpo.callbacks.engines import BuiltEngine, EngineSettings
from lit_grpo.data.conversation import ConversationFormat
from lit_grpo.modules.base import PolicyModule
from lit_grpo.rollout.engine import RolloutEngine


class PolicyEngine:
    """An engine, the policy's chat format, and the version of the weights the engine holds."""

    def __init__(self, settings: EngineSettings) -> None:
        self._settings = settings
        self._built: BuiltEngine | None = None
        self._conversation: ConversationFormat | None = None
        self._version: int | None = None

    def conversation(self, module: PolicyModule) -> ConversationFormat:
        """The chat format of the tokenizer beside the policy's weights."""
        if self._conversation is None:
            self._conversation = ConversationFormat(load_tokenizer(module))
        return self._conversation

    def synced(self, module: PolicyModule) -> RolloutEngine:
        """The engine with the policy's present weights. Gathers sharded weights, so every rank must call it."""
        if self._built is None:
            self._built = self._settings.build(module, self.conversation(module))
        if self._version != module.policy_version:
            self._version = None
            self._built.sync(module)
            self._version = module.policy_version
        return self._built.engine

    def forget(self) -> None:
        """The policy's weights were replaced without a step (a checkpoint was loaded): set them at the next use."""
        self._version = None

    def close(self) -> None:
        """End the engine; the next use builds another one."""
        if self._built is not None:
            self._built.close()
        self._built = self._version = None


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
