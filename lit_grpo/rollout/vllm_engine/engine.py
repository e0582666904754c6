"""A rollout engine on one or several vLLM servers. Made by callbacks/engines.py; implements ``RolloutEngine``.

Turns go out as they are submitted and come back as they end: no turn waits for another one's. A server that breaks is
opened again, given the present weights, and asked again for what it owed; a draw depends on its seed and position, so
nothing comes back twice or otherwise. That is tried a few times per version of the weights; then the run stops.
"""

from __future__ import annotations

import logging
import select
import time
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

from torch import Tensor

from lit_grpo.rollout.engine import Completion, GenerationRequest, SamplingSettings
from lit_grpo.rollout.vllm_engine.bell import Bell
from lit_grpo.rollout.vllm_engine.completion_check import problems
from lit_grpo.rollout.vllm_engine.connection import EngineFailure, ServerBroken
from lit_grpo.rollout.vllm_engine.messages import (
    AnyMessage,
    Busy,
    Cancel,
    Completed,
    Export,
    Exported,
    Generate,
    Load,
    Loaded,
    Message,
    Refused,
    Score,
    Scored,
)
from lit_grpo.rollout.vllm_engine.open_server import OpenServer, OwedTurn, Usage
from lit_grpo.rollout.vllm_engine.servers import Place
from lit_grpo.rollout.vllm_engine.settings import Deadlines
from lit_grpo.rollout.vllm_engine.weights_folder import WeightsFolder

MAX_RECOVERIES = 3
"""Of all servers together, until the next weights: more means something that a new start does not mend."""

_log = logging.getLogger(__name__)


class VllmEngine:
    """Samples with servers that all hold the same weights."""

    def __init__(
        self,
        places: Sequence[Place],
        stop_ids: Collection[int],
        weights: WeightsFolder,
        deadlines: Deadlines | None = None,
    ) -> None:
        """Open every server; it samples nothing before the first ``update_weights``.

        Args:
            places: where the servers are.
            stop_ids: tokens that end a turn.
            weights: where new weights are written for them.
            deadlines: None: the defaults.

        Raises:
            EngineFailure: one does not come up.
        """
        self._stop_ids = tuple(sorted(stop_ids))
        self._weights, self._deadlines = weights, deadlines or Deadlines()
        self._policy_version = -1
        self._version_folder: Path | None = None
        self._server_of: dict[int, OpenServer] = {}
        self._server_of_prompt: dict[tuple[int, ...], OpenServer] = {}
        self._done: list[Completion] = []
        self._servers: list[OpenServer] = []
        self._bell = Bell()
        self.usage = Usage()
        for place in places:
            try:
                self._servers.append(OpenServer(place, place.open(self._deadlines.start_s)))
            except ServerBroken as error:
                self.close()
                raise EngineFailure(f"vLLM server {place.name}: {error}") from None

    @property
    def max_context_tokens(self) -> int:
        """Most tokens a context and its completion may have together."""
        return min(server.connection.ready.max_context_tokens for server in self._servers)

    @property
    def vocabulary(self) -> int:
        """Token ids are below it."""
        return min(server.connection.ready.vocabulary for server in self._servers)

    @property
    def decodes_in_background(self) -> bool:
        """Yes: in the servers."""
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
        assert self._version_folder is not None, "update_weights comes before the first request"
        message = Generate(
            request.conversation, request.token_ids, request.seed, sampling, self._stop_ids, self._policy_version
        )
        server = self._server_for(request)
        server.owed[request.conversation] = OwedTurn(message, time.monotonic() + self._deadlines.turn_s)
        try:
            if len(server.owed) == 1:
                server.connection.last_word = time.monotonic()
            server.connection.send(message)
        except ServerBroken as error:
            self._recover(server, error)

    def wait(self) -> Sequence[Completion]:
        """Block until a turn is done, or ``wake``; those that are done. EngineFailure if that cannot be had."""
        is_woken = False
        while not self._done and not is_woken and any(server.owed for server in self._servers):
            busy = [server for server in self._servers if server.owed]
            heard = [self._bell, *(server.connection for server in busy)]
            readable, _, _ = select.select(heard, [], [], self._patience(busy))
            is_woken = self._bell in readable
            for server in busy:
                self._hear(server)
        self._bell.silence()
        done, self._done = self._done, []
        return done

    def wake(self) -> None:
        """Let the ``wait`` that blocks return, or else the next one. Any thread may call it."""
        self._bell.ring()

    def release(self) -> None:
        """Forget every conversation; what is still owed is dropped."""
        self._done = []
        self._server_of.clear()
        self._server_of_prompt.clear()
        for server in self._servers:
            if server.owed:
                server.owed.clear()
                try:
                    server.connection.send(Cancel())
                except ServerBroken as error:
                    self._recover(server, error)

    def update_weights(self, weights: Iterable[tuple[str, Tensor]], policy_version: int) -> None:
        """Write new weights and have every server load them; EngineFailure if one does not."""
        assert not any(server.owed for server in self._servers), "release comes before new weights"
        self._version_folder = self._weights.write(weights)
        self._policy_version = policy_version
        self.usage = Usage()
        for server in self._servers:
            try:
                server.connection.send(self._load_message())
            except ServerBroken:
                continue
        for server in self._servers:
            try:
                self._expect_loaded(server)
            except ServerBroken as error:
                self._recover(server, error)

    def score(self, sequences: Sequence[Sequence[int]]) -> list[tuple[tuple[float, ...], ...]]:
        """For each server: the log-prob at temperature 1 of each token but the first of each sequence."""
        message = Score(tuple(map(tuple, sequences)))
        return [self._answer(server, message, Scored).logprobs for server in self._servers]

    def export(self) -> list[Path]:
        """For each server a folder with the weights that its kernels use; the next weights remove it."""
        folders = [self._weights.for_export() for _ in self._servers]
        for server, folder in zip(self._servers, folders, strict=True):
            self._answer(server, Export(str(folder)), Exported)
        return folders

    def names(self) -> list[str]:
        """Of the servers, for people."""
        return [server.place.name for server in self._servers]

    def close(self) -> None:
        """Hang up; end the servers that this process started."""
        for server in self._servers:
            server.connection.close()
            server.place.close()
        self._servers = []
        self._bell.close()

    # --- what a server says -----------------------------------------------------------------------------------------

    def _hear(self, server: OpenServer) -> None:
        try:
            for message in server.connection.messages():
                self._take(server, message)
            server.require_life(self._deadlines)
        except ServerBroken as error:
            self._recover(server, error)

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

    def _answer(self, server: OpenServer, question: Message, kind: type[AnyMessage]) -> AnyMessage:
        while True:
            try:
                server.connection.send(question)
                return server.connection.expect(kind, self._deadlines.sync_s)
            except ServerBroken as error:
                self._recover(server, error)

    # --- weights and faults -----------------------------------------------------------------------------------------

    def _load_message(self) -> Load:
        return Load(str(self._version_folder), self._policy_version)

    def _expect_loaded(self, server: OpenServer) -> None:
        loaded = server.connection.expect(Loaded, self._deadlines.sync_s)
        if loaded.policy_version != self._policy_version:
            raise ServerBroken(f"it loaded version {loaded.policy_version}, not {self._policy_version}")
        self.usage.load_s = max(self.usage.load_s, loaded.seconds)

    def _recover(self, server: OpenServer, reason: ServerBroken) -> None:
        """Open it again, with the present weights before anything else, and ask again for what it owes."""
        while True:
            self.usage.recoveries += 1
            if self.usage.recoveries > MAX_RECOVERIES:
                raise EngineFailure(
                    f"vLLM server {server.place.name} broke again after {MAX_RECOVERIES} new starts with policy "
                    f"version {self._policy_version}: {reason}; look at its log, give it more capacity or longer "
                    "engine.deadlines"
                ) from reason
            _log.warning("vLLM server %s broke: %s; it is opened again", server.place.name, reason)
            server.connection.close()
            try:
                server.connection = server.place.open(self._deadlines.start_s)
                server.connection.send(self._load_message())
                self._expect_loaded(server)
                for owed in server.owed.values():
                    owed.deadline = time.monotonic() + self._deadlines.turn_s
                    server.connection.send(owed.message)
            except ServerBroken as again:
                reason = again
            else:
                return

    # --- which server -----------------------------------------------------------------------------------------------

    def _server_for(self, request: GenerationRequest) -> OpenServer:
        """A conversation stays where its keys and values are, and so do conversations that begin alike."""
        if request.conversation not in self._server_of:
            if request.token_ids not in self._server_of_prompt:
                self._server_of_prompt[request.token_ids] = min(self._servers, key=lambda server: len(server.owed))
            self._server_of[request.conversation] = self._server_of_prompt[request.token_ids]
        return self._server_of[request.conversation]
