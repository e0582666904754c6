"""Logs what of a rollout is left out as too long, and refuses settings under which that is everything.

Called by RolloutCallback at each batch.
"""

from __future__ import annotations

from collections.abc import Sequence

from lit_grpo.modules.base import PolicyModule
from lit_grpo.modules.policy import context_of
from lit_grpo.modules.too_long import TooLong
from lit_grpo.rollout.attempts import AnyScoredGroup
from lit_grpo.rollout.settings import RolloutSettings


class TooLongLog:
    """Counts prompts that do not fit the policy's context, and attempts beyond `model.longest_row_tokens`."""

    def __init__(self) -> None:
        self._prompts, self._rows = TooLong(), TooLong()
        self._is_first = True

    def log(self, module: PolicyModule, groups: Sequence[AnyScoredGroup], num_too_long: int, room: int) -> None:
        """Log a batch, as ``rollout/too_long``. Every rank must call it.

        Args:
            module: The module that logs.
            groups: The groups that this rank played.
            num_too_long: Attempts of this rank that are longer than the longest row.
            room: Tokens that a prompt may have, beside a turn.

        Raises:
            ValueError: Not one prompt of the fit's first batch fits: the settings are wrong.
        """
        of_prompts = "a prompt may have {} tokens, and there was one of {}; take {}"
        of_rows = "model.longest_row_tokens is {}; raise it if memory allows"
        own = (
            sum(len(group.attempts) for group in groups),
            sum(attempt.is_too_long_to_begin for group in groups for attempt in group.attempts),
            num_too_long,
        )
        num_attempts, num_prompts, num_rows = module.over_ranks(own)
        remedy = (
            "compact observations (episode.style), a part of each program (episode.view_tokens), smaller programs "
            "(data.tasks.size), fewer rollout.sampling.max_completion_tokens, or a model with a longer context"
        )
        (longest,) = module.over_ranks([max((len(group.prompt_ids) for group in groups), default=0)], "max")
        if self._is_first and num_prompts == num_attempts:
            raise ValueError(
                f"rollout: expected prompts of at most {room} tokens, as the context leaves beside a turn, got none in "
                f"the first batch, and up to {longest} tokens; take {remedy}"
            )
        self._is_first = False
        self._prompts.found(num_prompts, of_prompts.format(room, longest, remedy))
        self._rows.found(num_rows, of_rows.format(module.longest_row_tokens))
        module.log("rollout/too_long", (num_prompts + num_rows) / max(num_attempts, 1))


def require_room_for_prompts(module: PolicyModule, settings: RolloutSettings) -> None:
    """ValueError, before anything is played, if the policy's context has no room for a prompt beside a turn."""
    context, turn = context_of(module.policy.causal_lm), settings.sampling.max_completion_tokens
    if turn >= context:
        raise ValueError(
            f"rollout.sampling.max_completion_tokens: expected less than the policy's context of {context} tokens, got "
            f"{turn}; lower it, or take a model with a longer context"
        )
