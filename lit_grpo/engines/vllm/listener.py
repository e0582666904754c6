"""The sockets of a vLLM server: who is connected, what they said, and what they are to be told.

Used by server.py, which has one thread: nothing here waits unless it is asked to. A connection that sends anything but
messages, or does not know the token, is closed.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import secrets
import selectors
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field

from lit_grpo.engines.vllm.messages import MAX_LINE_BYTES, Challenge, Hello, Message, decode, encode

PARTS_AT_ONCE = 64
"""Parts of 64 KiB that are read of one client before anybody else's turn comes."""

_log = logging.getLogger(__name__)


def proof_of(token: str, nonce: str) -> str:
    """The answer to a challenge: the token itself is never sent."""
    return hmac.new(token.encode(), nonce.encode(), hashlib.sha256).hexdigest()


@dataclass(slots=True, eq=False)
class Client:
    """One connection."""

    socket: socket.socket
    number: int
    nonce: str
    is_known: bool = False
    """Whether it has proved that it knows the token."""
    received: bytearray = field(default_factory=bytearray)
    unsent: bytearray = field(default_factory=bytearray)


class Listener:
    """Listens, and speaks with any number of clients."""

    def __init__(self, host: str, port: int, token: str) -> None:
        """Bind; ``port`` 0 takes one that is free."""
        self._token = token
        self._socket = socket.create_server((host, port), family=_family(host))
        self._socket.setblocking(False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._socket, selectors.EVENT_READ)
        self._num_clients = 0
        self.clients: list[Client] = []

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return self._socket.getsockname()[1]

    def watch(self, descriptor: int) -> None:
        """Let ``receive`` return when this descriptor can be read (the parent's pipe)."""
        self._selector.register(descriptor, selectors.EVENT_READ)

    def receive(self, wait_s: float | None) -> tuple[list[tuple[Client, Message]], list[Client], bool]:
        """Receive what came in.

        Args:
            wait_s: Seconds to wait for the first event at most; 0: do not wait; None: wait for ever.

        Returns:
            Messages of clients that know the token, clients that are gone, whether a watched descriptor is readable.
        """
        messages: list[tuple[Client, Message]] = []
        gone: list[Client] = []
        other = False
        for key, events in self._selector.select(wait_s):
            client = key.data
            if key.fileobj is self._socket:
                self._accept()
            elif not isinstance(client, Client):
                other = True
            else:
                if events & selectors.EVENT_WRITE:
                    self._flush(client)
                if events & selectors.EVENT_READ and not self._read(client, messages):
                    self._close(client)
                    gone.append(client)
        return messages, gone, other

    def send(self, client: Client, message: Message) -> None:
        """Send a message; the part that the other side does not take yet is kept."""
        if client in self.clients:
            client.unsent += encode(message)
            self._flush(client)

    def close(self) -> None:
        """Hang up on everybody."""
        for client in list(self.clients):
            self._close(client)
        self._selector.close()
        self._socket.close()

    def _accept(self) -> None:
        accepted, _ = self._socket.accept()
        accepted.setblocking(False)
        accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._num_clients += 1
        client = Client(accepted, self._num_clients, secrets.token_hex(16))
        self.clients.append(client)
        self._selector.register(accepted, selectors.EVENT_READ, client)
        self.send(client, Challenge(client.nonce))

    def _read(self, client: Client, messages: list[tuple[Client, Message]]) -> bool:
        """Read what the client has sent, up to some megabytes; false if the connection is gone."""
        for _ in range(PARTS_AT_ONCE):
            try:
                part = client.socket.recv(1 << 16)
            except BlockingIOError:
                return True
            except OSError:
                return False
            client.received += part
            if not part or len(client.received) > MAX_LINE_BYTES:
                return False
            try:
                messages += [(client, message) for message in self._messages(client)]
            except ValueError as error:
                _log.warning("client %d is sent away: %s", client.number, error)
                return False
        return True

    def _messages(self, client: Client) -> Iterator[Message]:
        *lines, rest = client.received.split(b"\n")
        client.received = rest
        for line in lines:
            message = decode(bytes(line))
            if client.is_known:
                yield message
            elif isinstance(message, Hello) and hmac.compare_digest(message.proof, proof_of(self._token, client.nonce)):
                client.is_known = True
                yield message
            else:
                raise ValueError("it does not know the token")

    def _flush(self, client: Client) -> None:
        try:
            while client.unsent:
                del client.unsent[: client.socket.send(client.unsent)]
        except BlockingIOError:
            pass
        except OSError:
            # Reading from it will say that it is gone.
            client.unsent.clear()
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if client.unsent else 0)
        self._selector.modify(client.socket, events, client)

    def _close(self, client: Client) -> None:
        self._selector.unregister(client.socket)
        client.socket.close()
        self.clients.remove(client)


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET
