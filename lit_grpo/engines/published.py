"""Weights that the training has put aside for an engine, to be taken over later: the half of a sync that is collective.

Made on every rank together by engines.py and policy_sync.py; taken over by policy_engine.py, perhaps in another thread
and while the policy's own weights move on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from lit_grpo.engines.engine import RolloutEngine
from lit_grpo.engines.weights import full_weights
from lit_grpo.modules.base import PolicyModule


@dataclass(frozen=True, slots=True, eq=False)
class Published:
    """One version of the weights."""

    version: int
    """``policy_version``."""
    adopt: Callable[[], None]
    """Give them to the engine, and prove what there is to prove. Speaks to no other rank."""
    drop: Callable[[], None]
    """They will not be adopted any more."""


def publish_in_memory(engine: RolloutEngine, module: PolicyModule) -> Published:
    """A copy of the weights beside the policy's own. Gathers sharded ones, so every rank must call it."""
    version = module.policy_version
    weights = {name: tensor.clone() for name, tensor in full_weights(module.policy.model)}
    return Published(version, lambda: engine.update_weights(weights.items(), version), weights.clear)
