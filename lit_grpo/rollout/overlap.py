"""Generation and training at the same time: the next rollouts are played while this one is trained on.

Used by callbacks/rollout.py with ``rollout.max_staleness`` above 0. When batch s begins, every rank puts the policy's
present weights aside and orders the rollout of batch s + max_staleness with them; then it waits for that of batch s,
which was ordered earlier. So the weights that draw a rollout, and what a curriculum knows when it decides about one,
follow from the number of the batch alone and never from who was faster: the same seed gives the same run. Whatever is
collective happens here, in the main thread, at the beginning of a batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from time import perf_counter

from lightning_utilities.core.rank_zero import rank_zero_info, rank_zero_warn

from lit_grpo.data.stream import TaskStream
from lit_grpo.engines.engine import RolloutEngine
from lit_grpo.engines.policy_engine import PolicyEngine
from lit_grpo.engines.policy_view import PolicyView
from lit_grpo.engines.publishing import Published
from lit_grpo.engines.settings import EngineSettings
from lit_grpo.environment.protocol import Problem
from lit_grpo.rollout.ahead import InterruptibleEngine, PlayAhead
from lit_grpo.rollout.refill import RefilledGroups

Play = Callable[[Sequence[Problem], RolloutEngine, int], RefilledGroups]
"""Takes tasks, an engine with the right weights and the batch's number; returns what was played."""


@dataclass(frozen=True, slots=True)
class PlayedBatch:
    """A batch as it is trained on."""

    tasks: Sequence[Problem]
    groups: RefilledGroups
    seconds: float
    """The seconds that it took to play, new weights included."""


class Overlap:
    """The rollouts of one fit that are ordered and not yet trained on.

    Args:
        max_staleness: Batches between the weights that draw a rollout and those it trains.
        engine: The engine that samples.
        play: Plays a batch.
    """

    def __init__(self, max_staleness: int, engine: PolicyEngine, play: Play) -> None:
        self._max_staleness, self._engine, self._play = max_staleness, engine, play
        self._ahead: PlayAhead[PlayedBatch] = PlayAhead()
        self._weights: dict[int, Published] = {}
        """The weights of each batch that is ordered and not yet trained on."""
        self._ordered_up_to = -1

    def rollout(self, policy: PolicyView, data: TaskStream, batch: int, limits: Iterable[int]) -> PlayedBatch:
        """Order what is to be played from here on, and wait for this batch's rollout. Every rank must call it.

        Args:
            policy: The policy, whose present weights play what is ordered now.
            data: The data whose tasks are played.
            batch: The batch that is to be trained on.
            limits: The number of the last batch under each limit of the fit; nothing is ordered beyond them.

        Raises:
            Exception: Playing this batch failed: the rank that it happened on raises the error itself, the others an
                EngineFailure with its text.
        """
        self._order(policy, data, batch, limits)
        future = self._ahead.taken(batch)
        with policy.ranks.together():
            played = future.result()
        del self._weights[batch]
        self._engine.keep(self._weights.values())
        return played

    def pause(self) -> None:
        """Wait for the rollout that is being played, and begin no other: somebody else wants the engine."""
        self._ahead.pause()

    def resume(self) -> None:
        """Go on, each rollout with the weights it was ordered with."""
        self._ahead.resume()

    def stop(self) -> None:
        """Break off what is being played, end the thread, and say what was played for nothing."""
        left = self._ahead.stop()
        self._weights = {}
        if left.played:
            attempts = sum(len(group.attempts) for played in left.played for group in played.groups.played)
            rank_zero_info(
                f"{len(left.played)} batch(es) were played ahead and not trained on ({attempts} attempts of a rank); a "
                "resumed run plays them again."
            )
        for error in left.errors:
            rank_zero_warn(f"a batch that was not trained on could not be played: {type(error).__name__}: {error}")

    def _order(self, policy: PolicyView, data: TaskStream, batch: int, limits: Iterable[int]) -> None:
        weights = self._engine.publish(policy)
        last = max(batch, min([batch + self._max_staleness, *limits]))
        for number in range(max(batch, self._ordered_up_to + 1), last + 1):
            if number > batch and data.stops_before(number):
                break
            data.begin(number)
            self._weights[number], self._ordered_up_to = weights, number
            self._ahead.order(number, partial(self._played, number, weights, data))

    def _played(self, batch: int, weights: Published, data: TaskStream) -> PlayedBatch:
        """Play an ordered batch, in the other thread."""
        started = perf_counter()
        engine = InterruptibleEngine(self._engine.with_weights(weights), self._ahead.stopping)
        tasks = data.tasks_of(batch)
        return PlayedBatch(tasks, self._play(tasks, engine, batch), perf_counter() - started)


def require_own_engine(max_staleness: int, engine: EngineSettings, world_size: int) -> None:
    """ValueError where ranks would give one engine different weights at the same time."""
    if max_staleness > 0 and world_size > 1 and engine.shared_by_ranks:
        raise ValueError(
            f"rollout.max_staleness: expected 0 with {type(engine).__name__} on {world_size} ranks, got "
            f"{max_staleness}; ranks play ahead at their own pace, and the servers have one version of the weights: "
            "take VllmSettings, which starts servers of each rank's own"
        )
