"""How likely a policy thinks a repair: the log-prob of the moves that make it, by teacher forcing.

Called by prediction.py. For a repair of the edits e_1 .. e_k, with o_1 the first observation and o_2 .. o_k what the
environment answers,

    log p = sum over i of log p(move_i | o_1, move_1, .., o_i),
    log p(move | context) = sum over its tokens of log p(token | context, the tokens before)

at temperature 1, the end of the turn included. A move is written as demonstrations are: the elements of the repair as
the diagnosis, that of the edit first, then the action. Tokens are summed and not averaged: the sum is the log-prob that
the policy says exactly this, so that exp of it is a probability, and the probabilities of different repairs add up to 1
at most. A mean would prefer long moves, whose tokens follow from those before.
"""

from __future__ import annotations

from collections.abc import Sequence

from lit_grpo.data.demonstrations import spoken
from lit_grpo.environment.episodes.actions import Move
from lit_grpo.environment.episodes.repair_environment import RepairEnvironment
from lit_grpo.environment.programs.edits import AgentEdit, edited_element
from lit_grpo.environment.programs.specification import RepairProblem
from lit_grpo.packing import Continuation, PromptGroup
from lit_grpo.repair.attempts import AskedPolicy, UserProblem


def log_likelihoods(
    repairs: Sequence[tuple[AgentEdit, ...]],
    problem: RepairProblem,
    policy: AskedPolicy,
    environment: RepairEnvironment,
) -> list[float | None]:
    """The log-prob of each repair, all under one prompt.

    Args:
        repairs: Each with at least one edit.
        problem: The user's program with its text.
        policy: Whose likelihood it is.
        environment: Its rules decide what is observed, and what can be said: where they take back an edit that leaves
            the program infeasible, no repair of several edits can.

    Returns:
        None for a repair that the rules, or the policy's context, have no room for.
    """
    if not repairs:
        return []
    episodes = environment.begin(UserProblem(problem), len(repairs))
    first = episodes[0]
    prompt = policy.conversation.prompt_ids(first.instructions, first.observation)
    room = policy.engine.max_context_tokens - len(prompt)
    continuations: dict[int, Continuation] = {}
    for number, (edits, episode) in enumerate(zip(repairs, episodes, strict=True)):
        if len(edits) > 1 and environment.rules.undo_if_still_infeasible:
            continue
        elements = [edited_element(edit) for edit in edits]
        moves = [(Move.in_repair(edit, elements), True) for edit in edits]
        continuation = spoken(moves, episode, policy.conversation)
        if continuation is not None and len(continuation.token_ids) <= room:
            continuations[number] = continuation
    if not continuations:
        return [None] * len(repairs)
    sums = policy.continuation_logprobs(PromptGroup(prompt, tuple(continuations.values())))
    by_number = dict(zip(continuations, sums, strict=True))
    return [by_number.get(number) for number in range(len(repairs))]
