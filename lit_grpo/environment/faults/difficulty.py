"""What easy, medium and hard mean: the one place where a difficulty becomes measured properties of a task.

Called by injection.py (what a fault must measure up to) and data/task.py (size and wording of the base program).

=========================  ==========  ===========  =======================
property                   easy        medium       hard
=========================  ==========  ===========  =======================
size (if left open)        SMALL       MEDIUM       LARGE
sentences                  in order    shuffled     shuffled, 3 distractors
others in the conflict     at most 3   4 to 8       at least 7
the same for kind F        at most 5   6 to 9       at least 10
rows, an added row (D)     any         any          at least 3
faults, kind E             2           2            3
suspects, 2 variables      at most 2   3            4
=========================  ==========  ===========  =======================

The *others* are the true elements of the canonical conflict: whoever reads the specification has so many requirements
to clear beside the faulty one, and each is one more that can be misread. Of several independent faults (kind E) each
one's own conflict is measured. A distant cause (kind F) has a conflict of at least 5 elements by definition. An added
row that contradicts bounds alone, or one other row, is soon found by whoever deletes a row of the conflict. Two
variables make conflicts of at most three elements (Helly's theorem), so that there the decoys among the others
(decoys.py) are counted once more: the *suspects*, at most 4.

In a program of another size than the difficulty's own the limits give way to what is attainable there: at least half as
many others as variables are always enough, and 2 fewer than that (kind F: both with 3 more) are never too many.
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
    """Least and most true elements of the conflict."""
    distant_others: tuple[int, int]
    """The same for kind F."""
    rows_with_added: int
    """Least rows in the conflict of an added row of kind D; of no effect in a program of two variables."""
    tiny_suspects: tuple[int, int]
    """Least and most suspects in a program of two variables."""

    def hides_added_row(self, num_variables: int, num_rows: int) -> bool:
        """Whether an added row in a conflict of so many rows, itself included, can be of this difficulty."""
        return num_variables <= 2 or num_rows >= self.rows_with_added

    def admits(self, num_variables: int, num_others: int, num_decoys: int, is_distant: bool = False) -> bool:
        """Whether a fault with so many other elements in its conflict, and decoys among them, is of this difficulty."""
        if num_variables <= 2:
            least, most = self.tiny_suspects
            return least <= num_others + num_decoys <= most
        least, most = self.distant_others if is_distant else self.others
        attainable = num_variables // 2 + (3 if is_distant else 0)
        return min(least, attainable) <= num_others <= max(most, attainable - 2)


PROFILES: dict[Difficulty, DifficultyProfile] = {
    Difficulty.EASY: DifficultyProfile(
        ProgramSize.SMALL, Wording(), others=(0, 3), distant_others=(0, 5), rows_with_added=1, tiny_suspects=(0, 2)
    ),
    Difficulty.MEDIUM: DifficultyProfile(
        ProgramSize.MEDIUM,
        Wording(shuffled=True),
        others=(4, 8),
        distant_others=(6, 9),
        rows_with_added=1,
        tiny_suspects=(3, 3),
    ),
    Difficulty.HARD: DifficultyProfile(
        ProgramSize.LARGE,
        Wording(shuffled=True, num_distractors=3),
        others=(7, 10**6),
        distant_others=(10, 10**6),
        rows_with_added=3,
        tiny_suspects=(4, 4),
    ),
}
