"""Turns attempts with a teacher beside them into what is learned from it: its turns, each after what the policy read.

Called by modules/dagger.py once per rollout. Targets are the tokens of the teacher's turns alone. The states are those
that the attempts came through, whoever spoke in them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from lit_grpo.engines.engine import NO_WEIGHTS
from lit_grpo.packing import Continuation, PromptGroup, fitting, num_with_targets
from lit_grpo.rollout.attempts import AnyGroup, Attempt


@dataclass(frozen=True, slots=True)
class Lessons:
    """One rank's attempts of a batch, as what a teacher has to say of them."""

    groups: tuple[PromptGroup, ...]
    """A prompt each, with a continuation for every turn that the policy should have said otherwise, and one for all
    those of an attempt that it said right."""
    num_turns: int
    """Turns that the policy took itself, with the teacher beside it."""
    num_right: int
    """How many of them were the teacher's, token by token."""
    num_too_long: int = 0
    """Attempts with something left out, since it is longer than the longest row."""


def lessons_of(groups: Sequence[AnyGroup], longest_row_tokens: int | None = None) -> Lessons:
    """What a teacher has to say of some attempts.

    Args:
        groups: Played with a teacher.
        longest_row_tokens: Tokens of a continuation with its prompt at most; longer ones have no targets. None: any
            number.
    """
    turns = [turn for group in groups for attempt in group.attempts for turn in attempt.turns]
    own = [turn for turn in turns if turn.policy_version != NO_WEIGHTS]
    learned: list[PromptGroup] = []
    num_too_long = 0
    for group in groups:
        continuations: tuple[Continuation, ...] = ()
        for attempt in group.attempts:
            whole = PromptGroup(group.prompt_ids, tuple(_continuations(attempt)))
            kept = fitting(whole, longest_row_tokens)
            num_too_long += num_with_targets([kept]) < num_with_targets([whole])
            continuations += kept.continuations
        learned.append(PromptGroup(group.prompt_ids, continuations))
    num_right = sum(turn.completion_ids == turn.lesson_ids for turn in own)
    return Lessons(tuple(learned), len(own), num_right, num_too_long)


def _continuations(attempt: Attempt[Any]) -> Iterator[Continuation]:
    """Yield what follows the prompt up to the end of each lesson.

    Lessons that the attempt itself went on with share one continuation, so that what they have in common is computed
    once.
    """
    token_ids: tuple[int, ...] = ()
    is_target: tuple[bool, ...] = ()
    for turn in attempt.turns:
        token_ids += turn.observation_ids
        is_target += (False,) * len(turn.observation_ids)
        is_said = turn.completion_ids == turn.lesson_ids
        if not is_said:
            before = (False,) * len(token_ids)
            yield Continuation(token_ids + turn.lesson_ids, before + (True,) * len(turn.lesson_ids))
        token_ids += turn.completion_ids
        is_target += (is_said,) * len(turn.completion_ids)
    if any(is_target):
        yield Continuation(token_ids, is_target)
