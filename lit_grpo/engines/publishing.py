"""The one way that weights take to an engine: they are published, and then adopted by whoever samples next.

Publishing is the half that needs the policy and all ranks; adopting needs neither, and may come later, in another
thread, while the policy moves on. Called by policy_engine.py alone. This file publishes weights to an engine of
this process; vllm/publishing.py publishes to servers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from lit_grpo.engines.engine import RolloutEngine
from lit_grpo.engines.policy_view import PolicyView


@dataclass(frozen=True, slots=True, eq=False)
class Published:
    """One state of the weights, whole, apart from the policy."""

    version: int
    """The ``PolicyView.version`` of the weights."""
    adopt: Callable[[], None]
    """Gives them to the engine, and proves what there is to prove. Nothing is said to other ranks."""
    drop: Callable[[], None]
    """Frees the room they take; they will not be adopted any more."""


class InProcessEngine(RolloutEngine, Protocol):
    """An engine whose weights lie in this process."""

    def update_weights(self, weights: Iterable[tuple[str, Tensor]], policy_version: int) -> None:
        """Take new weights, by the names of the policy's own ``state_dict``; KeyError for a name it does not have."""
        ...


def publish_in_process(engine: InProcessEngine, policy: PolicyView, plays_ahead: bool) -> Published:
    """Publish a policy's present weights. Every rank must call it.

    Args:
        engine: The engine that is to adopt them.
        policy: The policy whose weights it gets.
        plays_ahead: Whether the engine may be sampling with other weights meanwhile. Then they are copied and wait
            beside it; otherwise they go into the engine's own tensors as they are gathered, so that no second copy
            exists, and nothing is left for ``adopt`` to do.
    """
    version = policy.version
    if not plays_ahead:
        engine.update_weights(policy.weights(), version)
        return Published(version, adopt=_nothing, drop=_nothing)
    kept = {name: tensor.clone() for name, tensor in policy.weights()}
    return Published(version, lambda: engine.update_weights(kept.items(), version), kept.clear)


def _nothing() -> None:
    """Do nothing: the weights are where they belong."""
