"""The seam to whatever an attempt is paid by in training: a score in, a breakdown out.

Implemented by repair.py (and so composite.py and hybrid.py) and verdict.py; called by rollout/collect.py. A config
chooses one as ``rollout.reward``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import ChainMap
from dataclasses import asdict, astuple, dataclass, fields, is_dataclass
from inspect import signature
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar, final

from lit_grpo.environment.protocol import Score, ScoreT

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    ComponentsT = TypeVar("ComponentsT", bound=DataclassInstance)
else:
    ComponentsT = TypeVar("ComponentsT")


TOO_LARGE = (2.0 - 2.0**-24) * 2.0**127
"""Numbers of this magnitude or more are infinite in float32, in which a loss has them."""


@dataclass(frozen=True, slots=True)
class AttemptKey:
    """Which attempt is paid. Whatever a reward draws is a function of it, never of the order of attempts."""

    run_seed: int
    batch: int
    """The number of the batch in the run: the same task may come again."""
    task_id: str
    sample: int
    """The number of the attempt among those at the task, 0-based."""


@dataclass(frozen=True, slots=True)
class RewardBreakdown(Generic[ComponentsT]):
    """One attempt's reward: the number that trains, beside those that are logged whatever trains."""

    components: ComponentsT
    """A dataclass of numbers in [0, 1], each logged under the name of its field."""
    total: float
    """The number that trains, on the scale of the reward that is configured."""
    unshaped: float
    """A number in [0, 1], the same under all rewards that pay the same scores: one scale to compare runs on."""

    @property
    def is_finite(self) -> bool:
        """Whether all of its numbers are, in float32: an attempt that is paid NaN or infinity is not learned from."""
        return all(abs(value) < TOO_LARGE for value in (self.total, self.unshaped, *astuple(self.components)))

    def as_dict(self) -> dict[str, float]:
        """All numbers by name, for files."""
        return asdict(self.components) | {"total": self.total, "unshaped": self.unshaped}


class Reward(ABC, Generic[ScoreT]):
    """Pays attempts for their scores."""

    __slots__ = ()

    pays: ClassVar[type[Score]]
    """The type of score that it pays."""
    components: ClassVar[type[DataclassInstance]]
    """The dataclass of its breakdown's components."""

    @property
    def component_weights(self) -> DataclassInstance | None:
        """Weights by the names of the components, for PER_COMPONENT; None unless the total is their weighted sum."""
        return None

    @property
    def is_noisy(self) -> bool:
        """Whether attempts that did the same are paid differently."""
        return False

    @abstractmethod
    def breakdown(self, score: ScoreT, max_turns: int, key: AttemptKey) -> RewardBreakdown[Any]:
        """The reward of an attempt of at most ``max_turns`` turns."""

    @abstractmethod
    def describe(self) -> str:
        """The reward in words, for the start of a run."""

    @final
    def require_complete(self) -> None:
        """ValueError, before anything is played, for a reward of one's own that could not pay an attempt."""
        own = type(self)
        name, said = own.__name__, ChainMap(*(dict(vars(cls)) for cls in own.__mro__))
        if not isinstance(said.get("pays"), type):
            raise ValueError(
                f"rollout.reward: expected {name} to say which type of score it pays, got none; write, in its class, "
                "pays = Verdict or whatever your environment gives: RepairScore where programs are repaired"
            )
        if not is_dataclass(said.get("components")):
            raise ValueError(
                f"rollout.reward: expected {name} to name the dataclass of its components, got none; write, in its "
                "class, components = ValueAlone or one of your own"
            )
        try:
            signature(own.breakdown).bind(self, "score", "max_turns", "key")
        except TypeError as error:
            raise ValueError(
                f"rollout.reward: expected {name}.breakdown to take (score, max_turns, key), got: {error}; give it "
                "these arguments"
            ) from error

    @final
    @property
    def component_names(self) -> tuple[str, ...]:
        """The names of the breakdown's components, in their order."""
        return tuple(field.name for field in fields(self.components))

    @final
    def of(self, score: ScoreT, max_turns: int, key: AttemptKey) -> RewardBreakdown[Any]:
        """The breakdown of an attempt of at most ``max_turns`` turns.

        Raises:
            ValueError: The score is of another environment, or what a reward of one's own returns is no breakdown.
        """
        if not isinstance(score, self.pays):
            raise ValueError(
                f"rollout.reward: expected one that pays {type(score).__name__}, as the environment gives it, got "
                f"{type(self).__name__}, which pays {self.pays.__name__}; set rollout.reward to VerdictReward or to "
                "one of your own"
            )
        breakdown = self.breakdown(score, max_turns, key)
        self._require_breakdown(breakdown)
        return breakdown

    def _require_breakdown(self, found: object) -> None:
        name, components = type(self).__name__, self.components.__name__
        if not isinstance(found, RewardBreakdown) or not isinstance(found.components, self.components):
            got = f"one of {type(found.components).__name__}" if isinstance(found, RewardBreakdown) else _kind(found)
            raise ValueError(
                f"rollout.reward: expected {name} to return a RewardBreakdown of {components}, got {got}; return "
                f"RewardBreakdown({components}(...), total, unshaped)"
            )
        for part, value in found.as_dict().items():
            if not isinstance(value, int | float):
                raise ValueError(
                    f"rollout.reward: expected {name} to pay numbers, got {_kind(value)} as {part}; return a float, "
                    "for example float(value)"
                )


def _kind(value: object) -> str:
    return "None" if value is None else f"a {type(value).__name__}"
