"""The engine of a run: built once, shared by rollouts and evaluation, always on the policy's present weights.

Called by RolloutCallback, RepairEvaluation and RepairWriter.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import lightning.pytorch as pl
import torch
from lightning.pytorch.plugins import MixedPrecision
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from lit_grpo.data.conversation import ConversationFormat
from lit_grpo.modules.base import PolicyModule
from lit_grpo.rollout.engine import RolloutEngine
from lit_grpo.rollout.transformers_engine import TransformersEngine
from lit_grpo.rollout.weights import full_weights

EngineBuilder = Callable[[PolicyModule, ConversationFormat], RolloutEngine]
"""Makes an engine for a policy, on the policy's device; its weights are set afterwards."""


class PolicyEngine:
    """An engine, the policy's chat format, and the version of the weights the engine holds."""

    def __init__(self, build: EngineBuilder) -> None:
        self._build = build
        self._engine: RolloutEngine | None = None
        self._conversation: ConversationFormat | None = None
        self._version: int | None = None

    def conversation(self, module: PolicyModule) -> ConversationFormat:
        """The chat format of the tokenizer beside the policy's weights."""
        if self._conversation is None:
            self._conversation = ConversationFormat(load_tokenizer(module))
        return self._conversation

    def synced(self, module: PolicyModule) -> RolloutEngine:
        """The engine with the policy's present weights. Gathers sharded weights, so every rank must call it."""
        if self._engine is None:
            self._engine = self._build(module, self.conversation(module))
        if self._version != module.policy_version:
            self._engine.update_weights(full_weights(module.policy.model), module.policy_version)
            self._version = module.policy_version
        return self._engine

    def forget(self) -> None:
        """The policy's weights were replaced without a step (a checkpoint was loaded): set them at the next use."""
        self._version = None


def transformers_engine(module: PolicyModule, conversation: ConversationFormat) -> RolloutEngine:
    """An engine in this process; of a sharded policy it holds all weights on every rank.

    In a run of mixed precision its weights are bfloat16, as those of the trainer's own matmuls are.
    """
    model = module.policy.model
    if module.device_mesh is not None:
        model = module.policy_settings.load().model.to(module.device)
    precision = module.trainer.precision_plugin
    is_mixed = isinstance(precision, MixedPrecision) and precision.precision == "bf16-mixed"
    return TransformersEngine(model, conversation.stop_ids, dtype=torch.bfloat16 if is_mixed else None)


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
