"""Dynamic sampling: groups that teach nothing are replaced by groups of new tasks (DAPO, arXiv:2503.14476).

Called by the rollout callback after a batch was played. Plain functions: what plays and what draws tasks is passed in.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from lit_grpo.environment.protocol import ProblemT
from lit_grpo.rollout.attempts import AnyScoredGroup


@dataclass(frozen=True, slots=True)
class DynamicSampling:
    """How long a batch looks for groups that teach something."""

    max_rounds: int = 4
    """Times that the groups without signal are replaced, at most. The batch then trains on what is there."""

    def __post_init__(self) -> None:
        """ValueError for a number without a meaning."""
        if self.max_rounds < 1:
            raise ValueError(
                f"rollout.dynamic_sampling.max_rounds: expected at least 1, got {self.max_rounds}; leave "
                "dynamic_sampling out to train on every group"
            )


@dataclass(frozen=True, slots=True)
class RefilledGroups:
    """The groups that one rank played for one batch."""

    rounds: tuple[tuple[AnyScoredGroup, ...], ...]
    """Everything, in the order in which it was played: the batch itself, then each refill."""
    kept: tuple[AnyScoredGroup, ...]
    """Groups with signal, by their place in the batch: what the batch trains on."""

    @property
    def played(self) -> tuple[AnyScoredGroup, ...]:
        """All groups, flat ones included."""
        return tuple(group for groups in self.rounds for group in groups)

    @property
    def num_extra_attempts(self) -> int:
        """Attempts beyond those of the batch itself."""
        return sum(len(group.attempts) for groups in self.rounds[1:] for group in groups)

    @property
    def num_extra_tokens(self) -> int:
        """Tokens sampled in these extra attempts."""
        attempts = (attempt for groups in self.rounds[1:] for group in groups for attempt in group.attempts)
        return sum(attempt.num_sampled_tokens for attempt in attempts)


def refill(
    groups: Sequence[AnyScoredGroup],
    settings: DynamicSampling,
    draw: Callable[[int, Sequence[int]], Sequence[ProblemT]],
    play: Callable[[Sequence[ProblemT]], Sequence[AnyScoredGroup]],
    has_signal: Callable[[Sequence[AnyScoredGroup]], Sequence[bool]],
) -> RefilledGroups:
    """Replace groups without signal until every place has one with signal, or the rounds are used up.

    Each place is refilled by itself: which task stands in it in which round does not depend on the other places. So the
    result is the same however places are spread over ranks, and a rank that needs no refill has nothing to wait for.

    Args:
        groups: The groups of the batch, by place.
        settings: How often groups are replaced.
        draw: Takes the number of the round (from 1) and places; returns the tasks for these places.
        play: Takes tasks; returns their groups, in order.
        has_signal: Takes groups; returns whether each can teach anything.
    """
    rounds = [tuple(replace(group, place=place) for place, group in enumerate(groups))]
    kept: dict[int, AnyScoredGroup] = {}
    missing: Sequence[int] = range(len(groups))
    for number in range(settings.max_rounds + 1):
        if number > 0:
            played = play(draw(number, missing))
            in_place = zip(missing, played, strict=True)
            rounds.append(tuple(replace(group, refill_round=number, place=place) for place, group in in_place))
        signals = zip(missing, rounds[-1], has_signal(rounds[-1]), strict=True)
        kept |= {place: group for place, group, signal in signals if signal}
        missing = [place for place in missing if place not in kept]
        if not missing:
            break
    return RefilledGroups(tuple(rounds), tuple(kept[place] for place in sorted(kept)))
