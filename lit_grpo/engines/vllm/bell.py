"""Wakes a thread that waits for sockets. Used by engine.py."""

from __future__ import annotations

import socket


class Bell:
    """A bell that any thread may ring; it is readable for ``select`` until it is silenced."""

    def __init__(self) -> None:
        self._ringing, self._rung = socket.socketpair()
        for end in (self._ringing, self._rung):
            end.setblocking(False)

    def fileno(self) -> int:
        """The file descriptor that ``select`` waits for."""
        return self._rung.fileno()

    def ring(self) -> None:
        """Ring; to ring several times before it is silenced is the same as once."""
        try:
            self._ringing.send(b"!")
        except BlockingIOError:
            # So full that it is heard.
            return

    def silence(self) -> None:
        """Stop the ringing, if there is any."""
        try:
            while self._rung.recv(4096):
                pass
        except BlockingIOError:
            return

    def close(self) -> None:
        """Close its sockets; it cannot be rung any more."""
        self._ringing.close()
        self._rung.close()
