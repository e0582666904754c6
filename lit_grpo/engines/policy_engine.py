"""The engine of a run: made once, fed with the policy's weights whenever they differ from its own, ended once.

One callback of a run owns it: RolloutCallback where there is one, from which RepairEvaluation borrows it, else
RepairEvaluation or RepairWriter. Whoever owns it closes it.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from lit_grpo.data.conversation import ConversationFormat, read_conversation
from lit_grpo.engines.engine import RolloutEngine
from lit_grpo.engines.policy_view import PolicyView
from lit_grpo.engines.publishing import Published
from lit_grpo.engines.settings import BuiltEngine, EngineSettings


class _State(NamedTuple):
    """The state that tells published weights apart."""

    version: int
    fingerprint: str
    occasion: int
    """How often the same weights were to be published again."""


class PolicyEngine:
    """An engine, the policy's chat format, and the weights that were published to it.

    Nobody says that the weights changed: each time that they are to be published they are compared (fingerprint.py).
    Two threads never sample at once: the callers see to that.

    Args:
        settings: The settings that make the engine.
        plays_ahead: Whether the engine may still sample with older weights while new ones are published.
    """

    def __init__(self, settings: EngineSettings, plays_ahead: bool = False) -> None:
        self._settings, self._plays_ahead = settings, plays_ahead
        self._built: BuiltEngine | None = None
        self._conversation: ConversationFormat | None = None
        self._published: dict[_State, Published] = {}
        """Published weights that may still be adopted; those asked for last are at the end."""
        self._held: Published | None = None
        """The weights that the engine has."""
        self._occasion = 0

    def conversation(self, policy: PolicyView) -> ConversationFormat:
        """The chat format of the folder that the policy's weights came from."""
        if self._conversation is None:
            self._conversation = read_conversation(policy.checkpoint, policy.base)
        return self._conversation

    @property
    def max_context_tokens(self) -> int:
        """Most tokens that a context and its completion may have together, once something was published."""
        assert self._built is not None, "publish comes first"
        return self._built.engine.max_context_tokens

    def current(self, policy: PolicyView) -> RolloutEngine:
        """The engine with the policy's present weights. Every rank must call it; what fails on one fails on all."""
        weights = self.publish(policy)
        with policy.ranks.together():
            return self.with_weights(weights)

    def publish(self, policy: PolicyView) -> Published:
        """The policy's present weights, to be adopted later. Every rank must call it."""
        built = self._engine_of(policy)
        state = _State(policy.version, policy.fingerprint(), self._occasion)
        if state not in self._published and not self._plays_ahead:
            # Nobody needs the older ones, and their room may be needed.
            self._drop_all()
        weights = self._published.pop(state, None) or built.publish(policy)
        self._published[state] = weights
        return weights

    def with_weights(self, weights: Published) -> RolloutEngine:
        """The engine with weights that were published. Nothing is said to other ranks."""
        assert self._built is not None, "publish comes first"
        if self._held is not weights:
            self._held = None
            weights.adopt()
            self._held = weights
        return self._built.engine

    def keep(self, needed: Collection[Published]) -> None:
        """Drop all published weights but those needed and the last ones. All ranks must be done with the rest."""
        for state, weights in list(self._published.items())[:-1]:
            if weights not in needed:
                del self._published[state]
                weights.drop()

    def publish_anew(self) -> None:
        """Have the next `publish` send the weights even if nothing changed: the canary tests the way they take."""
        self._occasion += 1

    def close(self) -> None:
        """End the engine; the next use makes another one, for whichever policy it is given."""
        self._drop_all()
        if self._built is not None:
            self._built.close()
        self._built = self._conversation = None

    def _engine_of(self, policy: PolicyView) -> BuiltEngine:
        if self._built is None:
            self._built = self._settings.build(policy, self.conversation(policy), self._plays_ahead)
        return self._built

    def _drop_all(self) -> None:
        self._held = None
        for weights in self._published.values():
            weights.drop()
        self._published = {}
