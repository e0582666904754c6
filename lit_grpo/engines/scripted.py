"""An engine that says what it is told to: for tests of everything around an engine.

It answers with texts of a policy function, in whatever order and portions it is set to, and keeps what it was asked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from random import Random

from torch import Tensor

from lit_grpo.engines.engine import Completion, FinishReason, GenerationRequest, SamplingSettings


class ScriptedEngine:
    """Answers each request with a text, encoded and closed with a stop token.

    Attributes:
        requests: Every request submitted, in order.
        policy_version: The version of the last weights; 0 before any came.
    """

    def __init__(
        self,
        policy: Callable[[GenerationRequest], str],
        encode: Callable[[str], Sequence[int]],
        stop_id: int,
        logprob: float = 0.0,
        max_context_tokens: int = 1 << 20,
        shuffle_seed: int | None = None,
    ) -> None:
        """Make the engine.

        Args:
            policy: Gives the text of a turn for its request.
            encode: Gives the token ids of a text, without special tokens.
            stop_id: The token that closes a turn that is not longer than ``max_completion_tokens``.
            logprob: The log-prob of every token.
            max_context_tokens: Most tokens of context and completion together.
            shuffle_seed: If given, completions come back one at a time and in random order; else all, in order.
        """
        self.requests: list[GenerationRequest] = []
        self.policy_version = 0
        self._policy = policy
        self._encode = encode
        self._stop_id = stop_id
        self._logprob = logprob
        self._max_context_tokens = max_context_tokens
        self._order = None if shuffle_seed is None else Random(shuffle_seed)
        self._queue: list[tuple[GenerationRequest, SamplingSettings]] = []

    @property
    def max_context_tokens(self) -> int:
        """Most tokens a context and its completion may have together."""
        return self._max_context_tokens

    @property
    def decodes_in_background(self) -> bool:
        """False: it decodes in ``wait``."""
        return False

    def submit(self, request: GenerationRequest, sampling: SamplingSettings) -> None:
        """Queue a request; ValueError if context and completion cannot fit."""
        needed = len(request.token_ids) + sampling.max_completion_tokens
        if needed > self._max_context_tokens:
            raise ValueError(
                f"expected at most max_context_tokens={self._max_context_tokens}, got {needed}; shorten the prompt"
            )
        self.requests.append(request)
        self._queue.append((request, sampling))

    def wait(self) -> Sequence[Completion]:
        """The queued requests' completions: all in order of submission, or one of them at random."""
        if self._order is None:
            done, self._queue = self._queue, []
        else:
            done = [self._queue.pop(self._order.randrange(len(self._queue)))]
        return [self._completion(request, sampling) for request, sampling in done]

    def wake(self) -> None:
        """Do nothing: ``wait`` does not block."""

    def release(self) -> None:
        """Forget what is queued; nothing is kept of a conversation."""
        self._queue = []

    def update_weights(self, weights: Iterable[tuple[str, Tensor]], policy_version: int) -> None:
        """Take the version; there are no weights."""
        self.policy_version = policy_version

    def _completion(self, request: GenerationRequest, sampling: SamplingSettings) -> Completion:
        ids = (*self._encode(self._policy(request)), self._stop_id)
        finish = FinishReason.STOP if len(ids) <= sampling.max_completion_tokens else FinishReason.LENGTH
        ids = ids[: sampling.max_completion_tokens]
        return Completion(
            request.conversation, ids, (self._logprob,) * len(ids), finish, policy_version=self.policy_version
        )
