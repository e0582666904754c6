"""The servers of one engine: which of them is asked, and what happens when one breaks. Used by engine.py.

A server that breaks is opened again, given the present weights, and asked again for what it owed; a draw depends on its
seed and position, so nothing comes back twice or changed. One that does not come back, or breaks again and again, is
lost: the others get its turns. When the last one is lost, the run stops.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from lit_grpo.engines.engine import EngineFailure
from lit_grpo.engines.vllm.connection import ServerBroken
from lit_grpo.engines.vllm.messages import AnyMessage, Cancel, Generate, Load, Loaded, Message
from lit_grpo.engines.vllm.open_server import OpenServer, OwedTurn, Usage
from lit_grpo.engines.vllm.servers import Place
from lit_grpo.engines.vllm.settings import Deadlines

MAX_RECOVERIES = 3
"""Recoveries of one server until the next weights come: more of them mean a fault that a new start does not mend."""

RETURN_S = 2.0
"""Seconds to wait for a server that somebody else starts, while others live."""

_log = logging.getLogger(__name__)


class ServerPool:
    """Servers that all hold the same weights."""

    def __init__(self, places: Sequence[Place], deadlines: Deadlines) -> None:
        """Open every server; EngineFailure if one does not come up."""
        self._deadlines = deadlines
        self._load: Load | None = None
        self._server_of: dict[int, OpenServer] = {}
        self._server_of_prompt: dict[tuple[int, ...], OpenServer] = {}
        self._servers: list[OpenServer] = []
        self.usage = Usage()
        for place in places:
            try:
                self._servers.append(OpenServer(place, place.open(deadlines.start_s)))
            except ServerBroken as error:
                self.close()
                hint = "" if place.is_started_here else "; start it (`lit-grpo serve`) or mend engine.addresses"
                raise EngineFailure(f"vLLM server {place.name}: {error}{hint}") from None

    @property
    def servers(self) -> list[OpenServer]:
        """The servers that are not lost."""
        return [server for server in self._servers if not server.is_lost]

    def ask(self, message: Generate) -> None:
        """Send a turn to the server that has its conversation."""
        server = self._server_for(message)
        server.owed[message.key] = OwedTurn(message, time.monotonic() + self._deadlines.turn_s)
        try:
            if len(server.owed) == 1:
                server.connection.last_word = time.monotonic()
            server.connection.send(message)
        except ServerBroken as error:
            self.recover(server, error)

    def answers(self, question: Callable[[], Message], kind: type[AnyMessage]) -> list[AnyMessage]:
        """Each server's answer to a question of its own; servers lost in the meantime give none."""
        found: list[AnyMessage] = []
        for server in self.servers:
            while not server.is_lost:
                try:
                    server.connection.send(question())
                    found.append(server.connection.expect(kind, self._deadlines.sync_s))
                    break
                except ServerBroken as error:
                    self.recover(server, error)
        return found

    def release(self) -> None:
        """Forget every conversation; what is still owed is dropped."""
        self._server_of.clear()
        self._server_of_prompt.clear()
        for server in self.servers:
            if server.owed:
                server.owed.clear()
                try:
                    server.connection.send(Cancel())
                except ServerBroken as error:
                    self.recover(server, error)

    def load(self, folder: Path, policy_version: int) -> None:
        """Have every server, and every lost one that is back, load these weights."""
        assert not any(server.owed for server in self._servers), "release comes before new weights"
        self._load = Load(str(folder), policy_version)
        self.usage = Usage()
        self._take_back()
        for server in self.servers:
            server.recoveries = 0
            try:
                server.connection.send(self._load)
            except ServerBroken:
                # Waiting for its answer says so again.
                continue
        for server in self.servers:
            try:
                self._expect_loaded(server)
            except ServerBroken as error:
                self.recover(server, error)

    def close(self) -> None:
        """Hang up; end the servers that this process started."""
        for server in self._servers:
            server.connection.close()
            server.place.close()
        self._servers = []

    # --- faults -----------------------------------------------------------------------------------------------------

    def recover(self, server: OpenServer, reason: ServerBroken) -> None:
        """Open a server again, with the present weights before anything else, and ask again for what it owes.

        If it does not come back, the others are asked; EngineFailure if there are no others.
        """
        started = time.monotonic()
        cause: ServerBroken | None = reason
        while cause is not None:
            self.usage.recoveries += 1
            server.recoveries += 1
            if server.recoveries > MAX_RECOVERIES:
                cause = ServerBroken(f"it broke again after {MAX_RECOVERIES} new starts with {self._version}: {cause}")
                break
            _log.warning("vLLM server %s broke: %s; it is opened again", server.place.name, cause)
            server.connection.close()
            try:
                server.connection = server.place.open(self._may_take_s(server))
            except ServerBroken as again:
                cause = again
                # An address has been waited for. A child may have failed for want of what the dead one still held.
                if len(self.servers) > 1 or not server.place.is_started_here:
                    break
            else:
                cause = self._resumed(server)
        for other in self.servers:
            if other is not server:
                other.pardon(time.monotonic() - started)
        if cause is not None:
            self._lose(server, cause)

    def _may_take_s(self, server: OpenServer) -> float:
        """Seconds that a new start, or a new connection, may take."""
        has_others = len(self.servers) > 1
        if has_others and not server.place.is_started_here:
            return min(RETURN_S, self._deadlines.start_s)
        return self._deadlines.start_s

    def _resumed(self, server: OpenServer) -> ServerBroken | None:
        """Send the present weights, then the turns that it owes; returns the error if that failed."""
        try:
            if self._load is not None:
                server.connection.send(self._load)
                self._expect_loaded(server)
            for owed in server.owed.values():
                owed.deadline = time.monotonic() + self._deadlines.turn_s
                server.connection.send(owed.message)
        except ServerBroken as again:
            return again
        return None

    def _lose(self, server: OpenServer, reason: ServerBroken) -> None:
        """Leave a server out; the others get its turns."""
        server.connection.close()
        server.place.close()
        server.is_lost = True
        if not self.servers:
            raise EngineFailure(
                f"vLLM server {server.place.name} is lost: {reason}; expected one server at least, got none that is "
                "left: look at its log, give it more capacity or longer engine.deadlines, and resume the run"
            ) from reason
        how_long = "for the rest of the run" if server.place.is_started_here else "until it is back at new weights"
        _log.warning("vLLM server %s is lost: %s; the others go on %s", server.place.name, reason, how_long)
        turns = [owed.message for owed in server.owed.values()]
        server.owed.clear()
        self._server_of = {key: other for key, other in self._server_of.items() if other is not server}
        self._server_of_prompt = {key: other for key, other in self._server_of_prompt.items() if other is not server}
        for message in turns:
            self.ask(message)

    def _take_back(self) -> None:
        """Connect to lost servers that somebody has started anew."""
        for server in self._servers:
            if server.is_lost and not server.place.is_started_here:
                try:
                    server.connection = server.place.open(0.0)
                except ServerBroken:
                    # It is asked again at the next weights.
                    continue
                server.is_lost = False
                _log.warning("vLLM server %s is back", server.place.name)

    def _expect_loaded(self, server: OpenServer) -> None:
        assert self._load is not None
        loaded = server.connection.expect(Loaded, self._deadlines.sync_s)
        if loaded.policy_version != self._load.policy_version:
            raise ServerBroken(f"it loaded version {loaded.policy_version}, not {self._load.policy_version}")
        self.usage.load_s = max(self.usage.load_s, loaded.seconds)

    @property
    def _version(self) -> str:
        return "no weights" if self._load is None else f"policy version {self._load.policy_version}"

    # --- which server -----------------------------------------------------------------------------------------------

    def _server_for(self, message: Generate) -> OpenServer:
        """The server of a conversation: the one with its keys and values, or else with those of the same prompt."""
        if message.key not in self._server_of:
            if message.token_ids not in self._server_of_prompt:
                self._server_of_prompt[message.token_ids] = min(self.servers, key=lambda server: len(server.owed))
            self._server_of[message.key] = self._server_of_prompt[message.token_ids]
        return self._server_of[message.key]
