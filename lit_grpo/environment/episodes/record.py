"""The rules of an episode, and what it leaves behind: the outcome of every turn, and the record that scoring reads.

Made by episode.py; read by scoring.py, rollout/ and metrics/.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from lit_grpo.environment.episodes.actions import Malformed, Move
from lit_grpo.environment.episodes.levels import SpecificationLevel
from lit_grpo.environment.episodes.observation import ObservationStyle
from lit_grpo.environment.programs.program import Element, LinearProgram
from lit_grpo.environment.protocol import Cutoff
from lit_grpo.environment.solver.solver import Conflict, SolverStatus

MIN_VIEW_TOKENS = 64
"""The fewest tokens of a focused view. The compact style takes about 20 to say what is left out, the full one 120: what
is too few for a program is an error when it is shown."""


class StopReason(StrEnum):
    """Why an episode ended. Members are all truthy: compare with ``is``."""

    RECOVERED = "recovered"
    SUBMITTED = "submitted"
    TURN_LIMIT = "turn_limit"
    TOKEN_LIMIT = Cutoff.TOKENS.value
    MALFORMED_LIMIT = "malformed_limit"
    SOLVER_FAILED = "solver_failed"
    PROMPT_LIMIT = Cutoff.PROMPT.value
    """The first prompt does not fit the policy's context together with a turn: none was played."""


class TurnResult(StrEnum):
    """What became of one turn. Members are all truthy: compare with ``is``."""

    APPLIED = "applied"
    """The edit was made and the program re-solved."""
    INFORMED = "informed"
    """A question was answered, no edit was made (get_conflict, inspect, restore, submit)."""
    REFUSED = "refused"
    """Well-formed, but about an unknown name, with a refused number, or asking for a hidden conflict."""
    MALFORMED = "malformed"
    FAILED = "failed"
    """The solver broke: there is no verdict on this turn."""


@dataclass(frozen=True, slots=True)
class EpisodeSettings:
    """The rules of an episode."""

    max_turns: int = 5
    """Turns of the agent; malformed ones count."""
    max_malformed: int = 5
    """The episode ends at this many malformed turns."""
    undo_if_still_infeasible: bool = False
    """Take back an edit after which the program is not optimal (apt for single faults)."""
    style: ObservationStyle = ObservationStyle.FULL
    show_conflict: bool = True
    """Whether the agent is told anything of the solver's conflict, asked for or not."""
    show_specification: bool = True
    """Whether the agent is shown the specification; hidden, a task looks like a program that has none."""
    specification: SpecificationLevel = SpecificationLevel.BESIDE
    """How a specification is tied to the elements: each sentence beside its own, or one text (levels.py)."""
    view_tokens: int | None = None
    """Most tokens of the first observation: where a program takes more, only its conflict and what is near it is shown
    (focused_view.py), and what comes after a turn has a quarter of that at most. None: the whole program, always."""

    def __post_init__(self) -> None:
        for name, value in (("max_turns", self.max_turns), ("max_malformed", self.max_malformed)):
            if value < 1:
                raise ValueError(f"expected {name} to be at least 1, got {value}; set it to 1 or more")
        if self.view_tokens is None:
            return
        if self.view_tokens < MIN_VIEW_TOKENS:
            raise ValueError(
                f"expected view_tokens of at least {MIN_VIEW_TOKENS}, got {self.view_tokens}; raise it, or set it to "
                "null to show whole programs"
            )
        if not self.show_conflict:
            raise ValueError(
                f"expected show_conflict with view_tokens, which shows what is near the conflict, got view_tokens "
                f"{self.view_tokens} and no conflict; set view_tokens to null, or show the conflict"
            )


@dataclass(frozen=True, slots=True)
class TurnOutcome:
    """The typed result of one turn."""

    move: Move | Malformed
    result: TurnResult
    status: SolverStatus
    """Verdict on the program after the turn (before an undo)."""
    objective: float | None
    """Objective value if OPTIMAL."""
    observation: str
    """What the agent sees next; also written at the end, for transcripts."""


@dataclass(frozen=True, slots=True)
class EpisodeRecord:
    """What scoring needs of a finished (or cut off) episode."""

    turns: tuple[TurnOutcome, ...]
    final_program: LinearProgram
    final_status: SolverStatus
    final_objective: float | None
    stop_reason: StopReason
    first_conflict: Conflict | None
    """The canonical conflict of the faulty program; None if a limit stopped the search for it."""
    diagnosis: tuple[Element, ...]
    """The last one stated; empty if none was."""
    touched: tuple[Element, ...]
    """Elements acted on by edits, each once (for DA_iis)."""
