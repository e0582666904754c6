"""Logs the numbers of every refilled step: what dynamic sampling costs, with a warning when it finds nothing.

Called by RolloutCallback in runs with ``rollout.dynamic_sampling``.
"""

from __future__ import annotations

from lightning_utilities.core.rank_zero import rank_zero_warn

from lit_grpo.modules.base import PolicyModule
from lit_grpo.rollout.refill import RefilledGroups


class RefillLog:
    """Logs each step over all ranks, and warns of steps that found no group with signal: the 1st, 2nd, 4th, 8th ..."""

    def __init__(self) -> None:
        self._num_empty = 0
        """Steps in a row without a group."""

    def log(self, module: PolicyModule, played: RefilledGroups, num_tasks: int) -> None:
        """Log a batch, as ``rollout/NAME``. Every rank must call it.

        Args:
            module: The module that logs.
            played: The groups that this rank played.
            num_tasks: Groups that the step was to have, over all ranks.
        """
        counts = (len(played.played), len(played.kept), played.num_extra_attempts, played.num_extra_tokens)
        num_played, num_kept, num_attempts, num_tokens = module.over_ranks(counts)
        (num_rounds,) = module.over_ranks([len(played.rounds) - 1], "max")
        numbers = {
            "refill_rounds": num_rounds,
            "refill_attempts": num_attempts,
            "refill_tokens": num_tokens,
            "flat_groups": num_played - num_kept,
            "kept_share": num_kept / num_played,
            "filled": num_kept / num_tasks,
            "empty": num_kept == 0,
        }
        module.log_dict({f"rollout/{name}": float(number) for name, number in numbers.items()})
        self._warn(num_kept, num_played)

    def _warn(self, num_kept: int, num_played: int) -> None:
        self._num_empty = 0 if num_kept else self._num_empty + 1
        if self._num_empty and self._num_empty.bit_count() == 1:
            rank_zero_warn(
                f"dynamic sampling: none of {num_played} groups had attempts that earned differently, for "
                f"{self._num_empty} batch(es) in a row; such a batch has no policy gradient. Where attempts never "
                "succeed (rollout/faithful near 0), take easier tasks (data.tasks.difficulties, data.curriculum) or "
                "more attempts (rollout.group_size); where they always do, harder tasks"
            )
