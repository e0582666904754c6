"""Room for text, in tokens of whoever reads it, and lists that are cut to fit and say how much is left out.

Used by focused_view.py. The environment has no tokenizer: who plays hands it the function that counts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

TokenCount = Callable[[str], int]
"""How many tokens a text has for the policy that reads it."""


@dataclass(frozen=True, slots=True)
class Room:
    """So many tokens, as one tokenizer counts."""

    tokens: int
    count: TokenCount

    def holds(self, text: str) -> bool:
        """Whether the text fits."""
        return self.count(text) <= self.tokens

    def part(self, divisor: int) -> Room:
        """A half of it for 2, a quarter for 4."""
        return Room(self.tokens // divisor, self.count)

    def beside(self, text: str) -> Room:
        """What is left beside a text."""
        return Room(max(self.tokens - self.count(text), 0), self.count)

    def most(self, number: int, write: Callable[[int], str]) -> int:
        """How many of ``number`` things fit, where ``write`` gives the text that holds the first so many of them.

        Found by doubling and halving, so that hardly more is ever written than fits. 0 says no more than that one thing
        does not fit: whether the text without any does is for the caller to see.
        """
        fitting, step = 0, 1
        while fitting < number and self.holds(write(min(fitting + step, number))):
            fitting, step = min(fitting + step, number), 2 * step
        while fitting < number and step > 1:
            step //= 2
            if fitting + step <= number and self.holds(write(fitting + step)):
                fitting += step
        return fitting

    def listed(self, pieces: Sequence[str], separator: str, behind: str = "") -> str:
        """The pieces with ``separator`` between them: all, or the first ones that fit and how many more there are.

        ``behind`` is what they will stand behind: it takes room and is not returned.
        """
        whole = separator.join(pieces)
        if self.holds(behind + whole):
            return whole
        number = self.most(len(pieces), lambda number: behind + shortened(pieces, number, separator))
        return shortened(pieces, number, separator)

    def cut(self, text: str) -> str:
        """The text, or its first words and how many more there are."""
        return self.listed(text.split(" "), " ")


def shortened(pieces: Sequence[str], number: int, separator: str) -> str:
    """The first ``number`` pieces, and how many more there are."""
    return separator.join([*pieces[:number], *left_out(len(pieces) - number)])


def left_out(number: int) -> list[str]:
    """``... and 12 more``; nothing for 0."""
    return [f"... and {number} more"] if number else []
