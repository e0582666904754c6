"""One server as the engine keeps it: its place, its connection, and the turns that it owes. Used by engine.py."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from lit_grpo.engines.vllm.connection import Connection, ServerBroken
from lit_grpo.engines.vllm.messages import Generate
from lit_grpo.engines.vllm.servers import Place
from lit_grpo.engines.vllm.settings import Deadlines


@dataclass(slots=True)
class OwedTurn:
    """A turn that a server was asked for."""

    message: Generate
    deadline: float
    """The time, on the monotonic clock, at which the turn is given up."""


@dataclass(slots=True, eq=False)
class OpenServer:
    """One server, and what it owes."""

    place: Place
    connection: Connection
    owed: dict[int, OwedTurn] = field(default_factory=dict)
    """Turns that are not answered yet, by their conversation."""
    recoveries: int = 0
    """The number of recoveries since the last new weights."""
    is_lost: bool = False
    """Whether it broke and did not come back: the others then have its turns."""

    def require_life(self, deadlines: Deadlines) -> None:
        """ServerBroken if it owes something and has been silent for too long, or owes a turn for too long."""
        if not self.owed:
            return
        now = time.monotonic()
        silence = now - self.connection.last_word
        if silence > deadlines.silence_s:
            raise ServerBroken(f"it was silent for {silence:.1f} s with {len(self.owed)} turns owed")
        if now > min(owed.deadline for owed in self.owed.values()):
            raise ServerBroken(f"a turn took longer than {deadlines.turn_s:g} s")

    def pardon(self, seconds: float) -> None:
        """Put its deadlines off: nobody listened to it for so long."""
        self.connection.last_word += seconds
        for owed in self.owed.values():
            owed.deadline += seconds


@dataclass(slots=True)
class Usage:
    """The work of all servers since the last new weights, for benchmarks and tests."""

    context_tokens: int = 0
    cached_tokens: int = 0
    """Context tokens whose keys and values were there already."""
    recoveries: int = 0
    load_s: float = 0.0
    """Seconds that the slowest server took for the weights."""
