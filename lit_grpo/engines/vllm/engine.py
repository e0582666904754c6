"""A rollout engine on one or several vLLM servers. Made by engines/settings.py; implements ``RolloutEngine``.

Turns go out as they are submitted and come back as they end: no turn waits for another. A server's words are
checked before they are believed. server_pool.py decides what becomes of a server that breaks.
"""

from __future__ import annotations

import select
import time
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

from torch import Tensor

from lit_grpo.engines.engine import Completion, GenerationRequest, SamplingSettings
from lit_grpo.engines.vllm.bell import Bell
from lit_grpo.engines.vllm.completion_check import problems
from lit_grpo.engines.vllm.connection import ServerBroken
from lit_grpo.engines.vllm.messages import (
    Busy,
    Completed,
    Export,
    Exported,
    Generate,
    Message,
    Refused,
    Score,
    Scored,
)
from lit_grpo.engines.vllm.open_server import OpenServer, Usage
from lit_grpo.engines.vllm.server_pool import ServerPool
from lit_grpo.engines.vllm.servers import Place
from lit_grpo.engines.vllm.settings import Deadlines
from lit_grpo.engines.vllm.weights_folder import WeightsFolder


class VllmEngine:
    """Samples with servers that all hold the same weights."""

    def __init__(
        self,
        places: Sequence[Place],
        stop_ids: Collection[int],
        weights: WeightsFolder,
        deadlines: Deadlines | None = None,
    ) -> None:
        """Open every server; it samples nothing before the first `load`.

        Args:
            places: The places of the servers.
            stop_ids: Tokens that end a turn.
            weights: The folder where new weights are written for them.
            deadlines: The deadlines of the servers; None: the defaults.

        Raises:
            EngineFailure: A server does not come up.
        """
        self._stop_ids = tuple(sorted(stop_ids))
        self._weights, self._deadlines = weights, deadlines or Deadlines()
        self._policy_version = -1
        self._done: list[Completion] = []
        self._bell = Bell()
        self._pool = ServerPool(places, self._deadlines)

    @property
    def usage(self) -> Usage:
        """Counts since the last new weights."""
        return self._pool.usage

    @property
    def max_context_tokens(self) -> int:
        """Most tokens a context and its completion may have together."""
        return min(server.connection.ready.max_context_tokens for server in self._pool.servers)

    @property
    def vocabulary(self) -> int:
        """The number that token ids are below."""
        return min(server.connection.ready.vocabulary for server in self._pool.servers)

    @property
    def dtypes(self) -> list[str]:
        """The dtype of each server's weights."""
        return [server.connection.ready.dtype for server in self._pool.servers]

    @property
    def decodes_in_background(self) -> bool:
        """True: it decodes in the servers."""
        return True

    def submit(self, request: GenerationRequest, sampling: SamplingSettings) -> None:
        """Send a request at once; ValueError if context and completion cannot fit."""
        context, completion = len(request.token_ids), sampling.max_completion_tokens
        if context + completion > self.max_context_tokens:
            raise ValueError(
                f"expected context and completion within max_context_tokens={self.max_context_tokens}, got {context} "
                f"+ {completion} tokens; lower max_completion_tokens, shorten the prompt (compact observations, "
                f"smaller programs), or take a model with a longer context"
            )
        assert self._policy_version >= 0, "load comes before the first request"
        self._pool.ask(
            Generate(
                request.conversation, request.token_ids, request.seed, sampling, self._stop_ids, self._policy_version
            )
        )

    def wait(self) -> Sequence[Completion]:
        """Block until a turn is done, or ``wake``; returns those that are done. EngineFailure if no server is left."""
        is_woken = False
        while not self._done and not is_woken and (busy := [server for server in self._pool.servers if server.owed]):
            heard = [self._bell, *(server.connection for server in busy)]
            readable, _, _ = select.select(heard, [], [], self._patience(busy))
            is_woken = self._bell in readable
            for server in busy:
                # The loss of one may have been found out while another one's turns were moved.
                if not server.is_lost:
                    self._hear(server)
        self._bell.silence()
        done, self._done = self._done, []
        return done

    def wake(self) -> None:
        """Let the ``wait`` that blocks, or else the next one, return. Any thread may call it."""
        self._bell.ring()

    def release(self) -> None:
        """Forget every conversation; what is still owed is dropped."""
        self._done = []
        self._pool.release()

    def publish(self, weights: Iterable[tuple[str, Tensor]]) -> Path:
        """Write weights for `load`, whatever the servers do meanwhile; they are kept until `drop`.

        It gathers sharded weights, so every rank must call it.
        """
        folder = self._weights.write(weights)
        self._weights.hold(folder)
        return folder

    def drop(self, folder: Path) -> None:
        """Let go of the weights that `publish` wrote there: no rank needs them any more."""
        self._weights.drop(folder)

    def load(self, folder: Path, policy_version: int) -> None:
        """Have every server load weights that are written; EngineFailure if no server is left that does."""
        self._policy_version = policy_version
        self._pool.load(folder, policy_version)

    def score(self, sequences: Sequence[Sequence[int]]) -> list[tuple[tuple[float, ...], ...]]:
        """The log-prob at temperature 1 of each sequence's tokens but the first, for each server in ``names``."""
        message = Score(tuple(map(tuple, sequences)))
        return [answer.logprobs for answer in self._pool.answers(lambda: message, Scored)]

    def export(self) -> list[Path]:
        """A folder with the weights that the kernels use, for each server in ``names``; the next weights remove it."""
        answers = self._pool.answers(lambda: Export(str(self._weights.for_export())), Exported)
        return [Path(answer.folder) for answer in answers]

    def names(self) -> list[str]:
        """The names, for people, of the servers that are not lost."""
        return [server.place.name for server in self._pool.servers]

    def close(self) -> None:
        """Hang up; end the servers that this process started."""
        self._pool.close()
        self._bell.close()

    # --- what a server says -----------------------------------------------------------------------------------------

    def _hear(self, server: OpenServer) -> None:
        try:
            for message in server.connection.messages():
                self._take(server, message)
            server.require_life(self._deadlines)
        except ServerBroken as error:
            self._pool.recover(server, error)

    def _take(self, server: OpenServer, message: Message) -> None:
        match message:
            case Busy():
                return
            case Completed():
                owed = server.owed.get(message.key)
                if owed is None:
                    raise ServerBroken(f"it completed {message.key}, which it was not asked for")
                for problem in problems(message, owed.message, server.connection.ready.vocabulary):
                    raise ServerBroken(f"its completion of {message.key} is malformed: {problem}")
                del server.owed[message.key]
                self.usage.context_tokens += len(owed.message.token_ids)
                self.usage.cached_tokens += message.cached_tokens
                self._done.append(
                    Completion(
                        message.key,
                        message.token_ids,
                        message.logprobs,
                        message.finish_reason,
                        message.policy_version,
                    )
                )
            case Refused():
                raise ServerBroken(f"it refuses: {message.reason}")
            case _:
                raise ServerBroken(f"it says {type(message).__name__} where completions are due")

    def _patience(self, busy: Sequence[OpenServer]) -> float:
        """Seconds until the next deadline of a server that owes something."""
        ends = [server.connection.last_word + self._deadlines.silence_s for server in busy]
        ends += [owed.deadline for server in busy for owed in server.owed.values()]
        return max(0.0, min(ends) - time.monotonic()) + 0.01
