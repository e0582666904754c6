"""The real rollout with a sampler that says other log-probs than it drew with: for tests of the mismatch monitor."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from small_runs import CoinRewards

from lit_grpo.data.task import Task
from lit_grpo.environment.episodes.record import EpisodeRecord
from lit_grpo.rollout.attempts import Attempt, RepairGroup
from lit_grpo.rollout.staleness import Staleness


class Off(CoinRewards):
    """The sampler says other log-probs than those it drew with, of some attempts, from some rollout on."""

    def __init__(self, shift: float, attempts: Callable[[int], bool], versions: int = 0, since: int = 0) -> None:
        super().__init__()
        self.shift, self.attempts, self.versions, self.since = shift, attempts, versions, since
        # Or the callback would refuse tokens that are older than it allows.
        self._staleness = Staleness(versions)
        self._staleness.begin(-versions, -versions)

    def collect(self, tasks: Sequence[Task], *arguments: Any) -> list[RepairGroup]:
        groups, step = super().collect(tasks, *arguments), arguments[-1]
        if step < self.since:
            return groups
        return [
            replace(
                group, attempts=tuple(self._off(a) if self.attempts(n) else a for n, a in enumerate(group.attempts))
            )
            for group in groups
        ]

    def _off(self, attempt: Attempt[EpisodeRecord]) -> Attempt[EpisodeRecord]:
        turns = [
            replace(
                turn,
                sampler_logprobs=tuple(value - self.shift for value in turn.sampler_logprobs),
                policy_version=turn.policy_version - self.versions,
            )
            for turn in attempt.turns
        ]
        return replace(attempt, turns=tuple(turns))
