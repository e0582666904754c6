"""A training's end of the line to one vLLM server. Used by engine.py; opened by servers.py.

Everything has a deadline. Whatever goes wrong, and whatever the server should not have said, raises `ServerBroken`:
the connection is then of no more use, and engine.py opens another one.
"""

from __future__ import annotations

import math
import select
import socket
import time
from collections import deque

from lit_grpo.engines.engine import EngineFailure
from lit_grpo.engines.vllm.listener import proof_of
from lit_grpo.engines.vllm.messages import (
    MAX_LINE_BYTES,
    AnyMessage,
    Busy,
    Challenge,
    Hello,
    Message,
    Ready,
    Refused,
    decode,
    encode,
)

SEND_S = 60.0
"""Seconds in which a server that lives takes what it is sent."""


class ServerBroken(Exception):
    """A server died, fell silent or talked nonsense; the message says which."""


class Connection:
    """Messages to and from one server."""

    def __init__(self, host: str, port: int, token: str, deadline_s: float) -> None:
        """Connect, and prove that the token is known.

        Raises:
            ServerBroken: The server cannot be reached, or hangs up.
        """
        self.port = port
        self._received = bytearray()
        self._messages: deque[Message] = deque()
        self.last_word = time.monotonic()
        """When the server last said something, or was last asked something while it had nothing to do."""
        try:
            self._socket = socket.create_connection((host, port), deadline_s)
        except OSError as error:
            raise ServerBroken(f"no connection to {host}:{port}: {error}") from None
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.settimeout(deadline_s)
        try:
            challenge = self.expect(Challenge, deadline_s)
            self.send(Hello(proof_of(token, challenge.nonce)))
            self.ready: Ready = self.expect(Ready, deadline_s)
        except ServerBroken as error:
            self.close()
            raise ServerBroken(f"{error} (a server hangs up on a wrong token)") from None
        # Not what was left of the time for connecting: a server reads between two of its steps.
        self._socket.settimeout(SEND_S)

    def fileno(self) -> int:
        """The file descriptor that ``select`` waits for."""
        return self._socket.fileno()

    def send(self, message: Message) -> None:
        """Send a message."""
        try:
            self._socket.sendall(encode(message))
        except OSError as error:
            raise ServerBroken(f"it does not listen: {error}") from None

    def messages(self) -> list[Message]:
        """The messages that have come in, without waiting."""
        while _can_be_read(self._socket, 0):
            self._read()
        found = list(self._messages)
        self._messages.clear()
        return found

    def expect(self, kind: type[AnyMessage], deadline_s: float) -> AnyMessage:
        """Wait for an answer; anything else that comes, signs of life aside, is nonsense.

        Raises:
            ServerBroken: No answer came in time, or one of another kind.
            EngineFailure: The server refuses, and would refuse again.
        """
        deadline = time.monotonic() + deadline_s
        while True:
            while not self._messages:
                if not _can_be_read(self._socket, deadline - time.monotonic()):
                    raise ServerBroken(f"no {kind.__name__} within {deadline_s:g} s")
                self._read()
            message = self._messages.popleft()
            if isinstance(message, kind):
                return message
            if isinstance(message, Refused):
                raise EngineFailure(f"the vLLM server refuses: {message.reason}")
            if not isinstance(message, Busy):
                raise ServerBroken(f"it says {type(message).__name__} where {kind.__name__} is due")

    def close(self) -> None:
        """Hang up."""
        self._socket.close()

    def _read(self) -> None:
        try:
            part = self._socket.recv(1 << 16)
        except OSError as error:
            raise ServerBroken(f"the connection is lost: {error}") from None
        if not part:
            raise ServerBroken("it hung up")
        self.last_word = time.monotonic()
        self._received += part
        if len(self._received) > MAX_LINE_BYTES:
            raise ServerBroken(f"a line of more than {MAX_LINE_BYTES} bytes")
        *lines, self._received = self._received.split(b"\n")
        try:
            self._messages += [decode(bytes(line)) for line in lines]
        except (ValueError, RecursionError) as error:
            raise ServerBroken(f"a line that is no message: {error}") from None


def _can_be_read(connection: socket.socket, wait_s: float) -> bool:
    poll = select.poll()
    poll.register(connection, select.POLLIN)
    return bool(poll.poll(max(0, math.ceil(wait_s * 1000))))
