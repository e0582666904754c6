"""THE grammar of what an agent may say: one JSON object per turn. `parse` reads it, `render` writes it.

Called by the episode (parse), by demonstrations, baselines and prompts (render). The text comes from a language model
and is hostile input: `parse` never raises, never evaluates, and never returns an action that was not written.
"""

from __future__ import annotations

from dataclasses import dataclass

from lit_grpo.environment.program import DropRow, Element, SetBounds, SetCoefficient, SetRhs, SetSense, SetType


@dataclass(frozen=True, slots=True)
class GetConflict:
    """Show the current conflict (IIS)."""


@dataclass(frozen=True, slots=True)
class Inspect:
    """Show a row's or variable's activity range and elastic violation."""

    name: str


@dataclass(frozen=True, slots=True)
class Relax:
    """Widen an inequality's right-hand side by a non-negative amount; shift an equality's by a signed one."""

    row: str
    amount: float


@dataclass(frozen=True, slots=True)
class Restore:
    """Go back to the faulty program the episode began with."""


@dataclass(frozen=True, slots=True)
class Submit:
    """End the episode with the program as it stands."""


Action = (
    GetConflict
    | Inspect
    | Relax
    | DropRow
    | SetRhs
    | SetSense
    | SetCoefficient
    | SetBounds
    | SetType
    | Restore
    | Submit
)
"""What an agent can do. The edits among them are the edits of program.py themselves (AddRow is not on offer)."""


@dataclass(frozen=True, slots=True)
class Move:
    """One well-formed turn: an action, and whom the agent holds responsible."""

    action: Action
    diagnosis: tuple[Element, ...] | None = None
    """The elements stated, in the order written, each once; None if the turn states none."""


@dataclass(frozen=True, slots=True)
class Malformed:
    """A turn that holds no action: data, with the reason that the next observation explains."""

    reason: str
    """One line: expected, got."""
