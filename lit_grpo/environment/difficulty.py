"""What easy, medium and hard mean: the one place where a difficulty becomes measured properties of a task.

Called by faults.py (what a fault must measure up to) and data/task.py (size and wording of the base program).

====================  =================  =====================  =========================================
property              easy               medium                 hard
====================  =================  =====================  =========================================
size (if left open)   SMALL              MEDIUM                 LARGE
sentences             in order           shuffled               shuffled, 3 distractors
conflict, elements    at most 4          at least 3             at least 4
decoys                none               any number             at least 2
decoys, 2 variables   none               1                      2
====================  =================  =====================  =========================================

The *conflict* is the canonical one of the faulty program. A *decoy* is another element of it that, moved alone and no
further than the faulty one would have to be, makes the program feasible: a true row or bound that is as tight, so
that a cheapest repair may blame it. Programs of two variables have irreducible conflicts of at most three members
(Helly's theorem), so there the decoys alone make the difference.
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
    conflict_elements: tuple[int, int]
    """Least and most elements of the conflict; programs of two variables are exempt."""
    decoys: tuple[int, int]
    """Least and most decoys."""
    tiny_decoys: tuple[int, int]
    """The same for a program of two variables."""

    def admits(self, num_variables: int, num_elements: int, num_decoys: int) -> bool:
        """Whether a fault with a conflict of that many elements, so many of them decoys, is of this difficulty."""
        if num_variables <= 2:
            return self.tiny_decoys[0] <= num_decoys <= self.tiny_decoys[1]
        long_enough = self.conflict_elements[0] <= num_elements <= self.conflict_elements[1]
        return long_enough and self.decoys[0] <= num_decoys <= self.decoys[1]


ANY = 10**6
PROFILES: dict[Difficulty, DifficultyProfile] = {
    Difficulty.EASY: DifficultyProfile(
        size=ProgramSize.SMALL, wording=Wording(), conflict_elements=(1, 4), decoys=(0, 0), tiny_decoys=(0, 0)
    ),
    Difficulty.MEDIUM: DifficultyProfile(
        size=ProgramSize.MEDIUM,
        wording=Wording(shuffled=True),
        conflict_elements=(3, ANY),
        decoys=(0, ANY),
        tiny_decoys=(1, 1),
    ),
    Difficulty.HARD: DifficultyProfile(
        size=ProgramSize.LARGE,
        wording=Wording(shuffled=True, num_distractors=3),
        conflict_elements=(4, ANY),
        decoys=(2, ANY),
        tiny_decoys=(2, ANY),
    ),
}
