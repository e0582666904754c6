"""What an environment is to whoever plays it: text in, text out, an end, and a verdict.

Implemented by episodes/repair_environment.py and by whatever else is to be trained on (examples/guess_the_number.py).
rollout/play.py needs a `World` and no more; a run also needs verdicts, and names an `Environment` in its config.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Generic, Protocol, TypeVar, final


class Problem(Protocol):
    """What is played."""

    @property
    def id(self) -> str:
        """A name that no other problem has: together with seed, batch, attempt and turn it seeds each draw."""
        ...


class Cutoff(StrEnum):
    """Why an attempt is ended from outside. Members are all truthy: compare with ``is``."""

    TOKENS = "token_limit"
    """The policy's context has no room for another turn."""
    PROMPT = "prompt_limit"
    """Nor for the first one: no turn was played."""


class Score(Protocol):
    """What an attempt is worth, whatever it is paid by."""

    @property
    def verified(self) -> bool:
        """Whether there is a verdict; without one an attempt is left out of advantages and means."""
        ...

    @property
    def success(self) -> bool:
        """Whether the attempt did what was asked for."""
        ...


ProblemT = TypeVar("ProblemT", bound=Problem)
RecordT = TypeVar("RecordT")
ScoreT = TypeVar("ScoreT", bound=Score)
_PlayedT = TypeVar("_PlayedT", bound=Problem, contravariant=True)
_RecordT = TypeVar("_RecordT", covariant=True)


class Episode(Protocol[_RecordT]):
    """The environment's side of one attempt."""

    @property
    def instructions(self) -> str:
        """The system message, the same for all attempts at a problem; empty for none."""
        ...

    @property
    def observation(self) -> str:
        """The first message, the same for all attempts at a problem."""
        ...

    @property
    def stop_reason(self) -> str | None:
        """Why there is no next turn; None while there is one."""
        ...

    def answer(self, text: str, truncated: bool) -> str:
        """Take one turn, and say what the policy reads next. ``truncated``: the text was cut off at a token limit."""
        ...

    def end(self, reason: Cutoff) -> None:
        """End it from outside."""
        ...

    def record(self) -> _RecordT:
        """What happened, once it is over: all that a verdict needs beside the problem."""
        ...


class World(Protocol[_PlayedT, _RecordT]):
    """A place where problems are played."""

    def begin(self, problem: _PlayedT, num_attempts: int) -> Sequence[Episode[_RecordT]]:
        """One episode for each attempt at a problem, perhaps over already. Called in a thread of its own."""
        ...


Oracle = Callable[[ProblemT, Episode[RecordT]], str]
"""Takes a problem and an episode of it that is not over; gives the text of the best next turn, without changing
anything, and soon: it is called between turns, in the thread that talks to the engine."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """A score that says no more than a run needs."""

    success: bool
    value: float
    """What the attempt is worth, in [0, 1]: `VerdictReward` pays it."""
    verified: bool = True


def _once(record: object, score: object) -> float:
    return 1.0


@dataclass(frozen=True, slots=True)
class Measure(Generic[RecordT, ScoreT]):
    """A number that is logged of every rollout as ``rollout/NAME``: the sum of values over the sum of weights."""

    name: str
    value: Callable[[RecordT, ScoreT], float]
    """The value of one attempt, which is multiplied by its weight."""
    weight: Callable[[RecordT, ScoreT], float] = _once
    """The weight of one attempt: 1, or what it is counted in."""


class Environment(ABC, Generic[ProblemT, RecordT, ScoreT]):
    """A world whose attempts have a score. A config names one as RolloutCallback's ``environment``."""

    max_turns: int
    """Most turns of an attempt."""
    num_threads: int = 1
    """Calls that may run at a time, each in a thread of its own."""

    @abstractmethod
    def begin(self, problem: ProblemT, num_attempts: int) -> Sequence[Episode[RecordT]]:
        """One episode for each attempt at a problem, as `World` says."""

    @abstractmethod
    def score(self, problem: ProblemT, record: RecordT) -> ScoreT:
        """What an attempt is worth: a function of the two, whenever it is asked for."""

    def read_by(self, count_tokens: Callable[[str], int]) -> World[ProblemT, RecordT]:
        """The world as it shows itself to a policy, given how many tokens a text has for it; asked before each rollout.

        For environments that show as much as fits into so many tokens; any other is the same for everybody.
        """
        return self

    @property
    def measures(self) -> Sequence[Measure[RecordT, ScoreT]]:
        """What is logged of every rollout beside rewards, lengths and times."""
        return (Measure("success", lambda record, score: score.success),)

    @property
    def oracle(self) -> Oracle[ProblemT, RecordT] | None:
        """Knows what to do in every state of an attempt; None where nobody does. DAggerModule learns from it."""
        return None

    def require_playable(self, problem: ProblemT) -> None:
        """ValueError if the rules leave no room for solving a problem; asked before anything is played."""
        return

    def labels(self, problem: ProblemT) -> Mapping[str, str]:
        """What stands beside a problem in transcripts."""
        return {}

    def turn_labels(self, record: RecordT, turn: int) -> Mapping[str, str]:
        """What stands beside a turn (0-based) in transcripts."""
        return {}

    @final
    def require_complete(self) -> None:
        """ValueError, before anything is played, for an environment that does not say how long an attempt may be."""
        turns = self.max_turns if "max_turns" in dir(self) else None
        if not isinstance(turns, int) or turns < 1:
            raise ValueError(
                f"environment: expected {type(self).__name__} to have max_turns, most turns of an attempt, as a number "
                f"above 0, got {turns}; write max_turns = 1, or another number, in its class"
            )

    def close(self) -> None:
        """End what runs outside of this process; the next use starts it again."""
        return


AnyEnvironment = Environment[Any, Any, Any]
"""An environment as it is to the parts of a run that hand problems, records and scores on without looking into them."""
