"""What an episode shows of its program: all of it, or the part around the conflict that fits into a number of tokens.

Made once for all attempts at a problem, by episode.py, which asks it for every text that holds a part of the program.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from lit_grpo.environment.episodes.focused_view import FocusedView
from lit_grpo.environment.episodes.inspection import Inspection
from lit_grpo.environment.episodes.observation import (
    conflict_names,
    conflict_text,
    initial_observation,
    inspection_observation,
)
from lit_grpo.environment.episodes.record import EpisodeSettings
from lit_grpo.environment.episodes.room import Room, TokenCount
from lit_grpo.environment.programs.program import LinearProgram
from lit_grpo.environment.programs.specification import RepairProblem
from lit_grpo.environment.solver.solver import Conflict


class View(Protocol):
    """Writes what is shown of a program."""

    @property
    def first(self) -> str:
        """The first observation."""
        ...

    def conflict(self, program: LinearProgram, conflict: Conflict | None) -> str:
        """The conflict of the program as it stands; None: the search for it hit a limit."""
        ...

    def names(self, conflict: Conflict | None) -> str:
        """The names of the conflict that the episode began with."""
        ...

    def inspection(self, answers: Sequence[Inspection], program: LinearProgram) -> str:
        """What `inspect` found out about a name of the program as it stands."""
        ...

    def bounded(self, answer: str) -> str:
        """What is shown after a turn, within the room that there is for it."""
        ...


@dataclass(frozen=True, slots=True)
class WholeView:
    """Everything, whatever its length."""

    problem: RepairProblem
    """Without its specification where that is hidden."""
    first_conflict: Conflict | None
    rules: EpisodeSettings

    @property
    def first(self) -> str:
        """The program, its specification and its conflict."""
        rules = self.rules
        return initial_observation(
            self.problem, self.first_conflict, rules.style, rules.show_conflict, rules.specification
        )

    def conflict(self, program: LinearProgram, conflict: Conflict | None) -> str:
        """The conflict with its algebra."""
        return conflict_text(program, conflict, self.rules.style)

    def names(self, conflict: Conflict | None) -> str:
        """All names."""
        return conflict_names(conflict, self.rules.style)

    def inspection(self, answers: Sequence[Inspection], program: LinearProgram) -> str:
        """Ranges, and what is violated where the conflict is shown."""
        return inspection_observation(answers, program, self.rules.style, self.rules.show_conflict)

    def bounded(self, answer: str) -> str:
        """The answer as it is."""
        return answer


def view_of(
    problem: RepairProblem, conflict: Conflict | None, rules: EpisodeSettings, count_tokens: TokenCount | None
) -> View:
    """The view that the rules ask for.

    Args:
        problem: What is to be repaired.
        conflict: The first one; None: the search for it hit a limit.
        rules: Its ``view_tokens`` decide.
        count_tokens: Counts for a focused view; not needed for a whole one.

    Raises:
        ValueError: A focused view without anybody who counts, or with too little room to say even what is left out.
    """
    shown = problem if rules.show_specification else replace(problem, specification=None)
    if rules.view_tokens is None:
        return WholeView(shown, conflict, rules)
    if count_tokens is None:
        raise ValueError(
            f"episode.view_tokens: expected somebody who counts tokens, got {rules.view_tokens} of them and no "
            "count_tokens; hand the episode, or RepairEnvironment.read_by, the number of tokens of a text"
        )
    return FocusedView(shown, conflict, rules.style, rules.specification, Room(rules.view_tokens, count_tokens))
