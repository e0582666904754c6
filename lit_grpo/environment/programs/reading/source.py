"""The text of a file and places in it: what every refusal and note of the readers points at.

Used by lp_tokens.py, lp.py and mps.py. A place is a span of characters, so that a patch can replace exactly what it
changes and keep everything else of the user's file.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field

from lit_grpo.environment.programs.program import ProgramError


@dataclass(frozen=True, slots=True)
class Span:
    """Characters ``start`` to ``end`` (exclusive) of a text, from 0."""

    start: int
    end: int

    def to(self, other: Span) -> Span:
        """The span from the beginning of this one to the end of another."""
        return Span(self.start, other.end)


@dataclass(frozen=True, slots=True)
class Source:
    """A file's text, for messages that name the line."""

    name: str
    """The file's name as the user gave it."""
    text: str
    """What the file says, without a byte order mark; places are places in it."""
    first_line: int = 1
    """The number of the text's first line: below 1 where something was put before the user's own."""
    mark: str = ""
    """The byte order mark that the file begins with, if it does."""
    _line_starts: list[int] = field(init=False)

    def __post_init__(self) -> None:
        starts = [0]
        starts += [at + 1 for at, character in enumerate(self.text) if character == "\n"]
        object.__setattr__(self, "_line_starts", starts)

    def line_of(self, span: Span) -> int:
        """The number of the line that a span begins in."""
        return bisect_right(self._line_starts, span.start) + self.first_line - 1

    def at(self, span: Span) -> str:
        """``FILE:LINE``."""
        return f"{self.name}:{self.line_of(span)}"

    def of(self, span: Span) -> str:
        """The characters of a span."""
        return self.text[span.start : span.end]

    def refusal(self, span: Span, section: str, expected: str, got: str, remedy: str) -> ProgramError:
        """An error, to be raised, that says where the file cannot be read exactly, and what to change.

        Args:
            span: The place.
            section: The section of the file, as users know it, e.g. ``Bounds``.
            expected: What should stand there.
            got: What does.
            remedy: What to change.
        """
        return ProgramError(f"{self.at(span)}: {section}: expected {expected}, got {got}; {remedy}")
