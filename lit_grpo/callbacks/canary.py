"""Canary: records what a fit at learning rate 0 shows of the engine: rewards, mismatch on every token, the weights.

Installed by experiments/canary.py, after RolloutCallback. The weights are sent again before every batch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import Callback
from torch import Tensor
from typing_extensions import override

from lit_grpo.callbacks.rollout import RolloutCallback
from lit_grpo.data.batches import TaskBatch
from lit_grpo.dtypes import Dtype
from lit_grpo.engines.weights import full_weights
from lit_grpo.metrics.policy import PolicyMetrics
from lit_grpo.modules.grpo import GRPOModule
from lit_grpo.modules.mismatch_monitor import MAXIMA, MEANS, MismatchMonitor
from lit_grpo.rollout.experience import Rollout


@dataclass(frozen=True, slots=True)
class CanaryStep:
    """The measurements of one batch, over all ranks."""

    reward: float
    """Mean of its episodes."""
    mismatch: Mapping[str, float]
    """``mismatch_mean`` and so on, over all sampled tokens, whether or not they have a gradient."""
    not_finite: float = 0.0
    """Share of attempts whose reward or log-probs are not finite: these are in neither of the other numbers."""


@dataclass(frozen=True, slots=True)
class CanaryRun:
    """The measurements of a whole fit."""

    steps: tuple[CanaryStep, ...]
    dtype: Dtype
    limits: Mapping[str, float]
    """Limits of each step, by the names of MismatchLimits."""
    num_episodes: int
    """Episodes of a step, over all ranks."""
    changed: tuple[str, ...]
    """Names of the weights that are not what they were at the start."""


class Canary(Callback):
    """Records a fit as the module says; ``run`` holds the record after the fit."""

    def __init__(self) -> None:
        self.run: CanaryRun | None = None
        self._steps: list[CanaryStep] = []
        self._mismatch: Mapping[str, float] = {}
        self._digests: dict[str, bytes] = {}

    @override
    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Remember the weights."""
        self._digests = _digests(_grpo(pl_module))

    @override
    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Score what was sampled, before anything is learned from it."""
        assert isinstance(batch, TaskBatch)
        assert isinstance(batch.experience, Rollout), "RolloutCallback comes before"
        self._mismatch = _measured(_grpo(pl_module), batch.experience)

    @override
    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Note the step, and have the weights sent again."""
        logged = trainer.callback_metrics
        reward, not_finite = float(logged["rollout/reward"]), float(logged["rollout/not_finite"])
        self._steps.append(CanaryStep(reward, self._mismatch, not_finite))
        _rollout(trainer).engine.publish_anew()

    @override
    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Compare the weights with those at the start."""
        module = _grpo(pl_module)
        now = _digests(module)
        dtype = module.compute_dtype
        self.run = CanaryRun(
            steps=tuple(self._steps),
            dtype=dtype,
            limits=module.mismatch_monitor.settings.warns_beyond(dtype),
            num_episodes=trainer.datamodule.num_tasks  # pyright: ignore[reportAttributeAccessIssue]
            * _rollout(trainer).settings.group_size,
            changed=tuple(name for name, digest in now.items() if digest != self._digests[name]),
        )


def _measured(module: GRPOModule, rollout: Rollout) -> dict[str, float]:
    """Measure all sampled tokens. The weights never change, so that no token is one of older weights."""
    batches = [batch for experience in rollout.updates for batch in experience.batches]
    # Called outside the training step, which sets the precision.
    with module.trainer.precision_plugin.forward_context():
        packed = [batch.packed for batch in batches]
        logprobs = module.frozen_passes(module.policy, packed, rollout.temperature)
    monitor = MismatchMonitor(module.mismatch_monitor.settings, PolicyMetrics(MEANS, MAXIMA).to(module.device))
    for batch, own in zip(batches, logprobs, strict=True):
        monitor.measure(own, batch.sampler_logprobs.to(own.device), torch.zeros(own.numel(), dtype=torch.bool))
    return monitor.numbers()


def _digests(module: GRPOModule) -> dict[str, bytes]:
    """A digest of each weight. Gathers sharded ones, so every rank must call it."""
    return {name: _digest(tensor) for name, tensor in full_weights(module.policy.model)}


def _digest(tensor: Tensor) -> bytes:
    # Adding 0 makes one of the two zeros, which a step of size 0 may swap.
    plain = (tensor.detach().cpu() + 0).contiguous().flatten().view(torch.uint8)
    return blake2b(plain.numpy().tobytes(), digest_size=16).digest()


def _grpo(module: pl.LightningModule) -> GRPOModule:
    assert isinstance(module, GRPOModule)
    return module


def _rollout(trainer: pl.Trainer) -> RolloutCallback:
    return next(callback for callback in trainer.callbacks if isinstance(callback, RolloutCallback))  # pyright: ignore[reportAttributeAccessIssue]
