"""What easy, medium and hard mean: the one place where a difficulty becomes measured properties of a task.

Called by faults.py (what a fault must measure up to) and data/task.py (size and wording of the base program).

=====================  ==========  =============  =======================
property               easy        medium         hard
=====================  ==========  =============  =======================
size (if left open)    SMALL       MEDIUM         LARGE
sentences              in order    shuffled       shuffled, 3 distractors
suspects               at most 8   at least 3     at least 4
suspects, 2 variables  at most 2   3              4
=====================  ==========  =============  =======================

The *suspects* of a fault are the other elements of the canonical conflict, its decoys (decoys.py) counted twice:
whoever reads the specification has so many requirements to clear, and clears those as tight as the fault last. Two
variables make conflicts of at most three elements (Helly's theorem), of which two can be decoys: at most 4 suspects.
In larger programs the size says most, since conflicts grow with it; the suspects keep out what is easy by luck.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from lit_grpo.environment.domains.base import ProgramSize, Wording


class Difficulty(StrEnum):
    """How hard a fault is to find."""

    EASY = "easy"
    MEDIUM = "medium"
    HARD = "hard"


@dataclass(frozen=True, slots=True)
class DifficultyProfile:
    """A column of the table above."""

    size: ProgramSize
    wording: Wording
    others: tuple[int, int]
    """Least and most other elements of the conflict."""
    distant_others: tuple[int, int]
    """The same for kind F."""
    tiny_suspects: tuple[int, int]
    """The same for a program of two variables."""

    def admits(self, num_variables: int, num_others: int, num_decoys: int, is_distant: bool = False) -> bool:
        """Whether a fault with so many other elements in its conflict, and decoys among them, is of this difficulty."""
        if num_variables <= 2:
            least, most = self.tiny_suspects
            return least <= num_others + num_decoys <= most
        least, most = self.distant_others if is_distant else self.others
        return least <= num_others <= most


PROFILES: dict[Difficulty, DifficultyProfile] = {
    Difficulty.EASY: DifficultyProfile(ProgramSize.SMALL, Wording(), others=(0, 3), distant_others=(4, 5), tiny_suspects=(0, 2)),
    Difficulty.MEDIUM: DifficultyProfile(
        ProgramSize.MEDIUM, Wording(shuffled=True), others=(4, 8), distant_others=(6, 9), tiny_suspects=(3, 3)
    ),
    Difficulty.HARD: DifficultyProfile(
        ProgramSize.LARGE, Wording(shuffled=True, num_distractors=3), others=(7, 10**6), distant_others=(10, 10**6), tiny_suspects=(4, 4)
    ),
}
