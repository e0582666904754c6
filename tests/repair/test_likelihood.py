"""How likely a policy thinks a repair.

1. The sum over the tokens of the move, the end of the turn included: what the policy gives the whole text, as one
   forward pass over it says. All repairs have one prompt.
2. Several edits are one conversation, with the environment's answers in between, which are given and not judged.
3. What the rules, or the context, have no room for has no likelihood.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
from bakery import BREAD, MakePolicy

from lit_grpo.data.conversation import ConversationFormat
from lit_grpo.environment.episodes.actions import Move, render
from lit_grpo.environment.episodes.episode import RepairEpisode
from lit_grpo.environment.episodes.observation import ObservationStyle
from lit_grpo.environment.episodes.record import EpisodeSettings
from lit_grpo.environment.episodes.repair_environment import RepairEnvironment
from lit_grpo.environment.programs.edits import AgentEdit, DropRow, SetRhs
from lit_grpo.environment.programs.program import row_element
from lit_grpo.environment.programs.reading.program_file import read_program_text
from lit_grpo.environment.programs.specification import RepairProblem
from lit_grpo.environment.solver.highs import HighsSolver
from lit_grpo.modules.policy import load_policy
from lit_grpo.modules.served_policy import ServedPolicy
from lit_grpo.packing import PromptGroup
from lit_grpo.repair.attempts import AskedPolicy
from lit_grpo.repair.likelihood import log_likelihoods

PROBLEM = RepairProblem(read_program_text(BREAD, ".lp", "plan.lp").program)
RULES = EpisodeSettings(style=ObservationStyle.COMPACT)
OVEN, DEMAND = row_element("oven"), row_element("demand")
FIRST, SECOND = SetRhs("oven", 20.0), SetRhs("demand", 10.0)
"""Together they are enough: 10 bread take 20. The first alone is not."""


def asked(policy: AskedPolicy, *repairs: tuple[AgentEdit, ...], rules: EpisodeSettings = RULES) -> list[float | None]:
    return log_likelihoods(repairs, PROBLEM, policy, RepairEnvironment(rules, HighsSolver()))


def test_1_and_2_a_sum_over_tokens(
    make_policy: MakePolicy, conversation: ConversationFormat, tiny_checkpoint: Path
) -> None:
    served = ServedPolicy(load_policy(tiny_checkpoint), tiny_checkpoint, version=0)
    scripted = make_policy([])
    policy = AskedPolicy(
        scripted.engine, conversation, partial(served.continuation_logprobs, microbatch_tokens=4096), 64
    )
    single, double = asked(policy, (DropRow("oven"),), (FIRST, SECOND))

    episode = RepairEpisode(PROBLEM, HighsSolver(), RULES)
    prompt = conversation.prompt_ids(episode.instructions, episode.observation)
    move = conversation.completion_ids(render(Move(DropRow("oven"), (OVEN,))))
    (tokens,) = served.logprobs([(*prompt, *move)])
    assert single == pytest.approx(sum(tokens[-len(move) :]), abs=1e-3)

    stated = ((FIRST, (OVEN, DEMAND)), (SECOND, (DEMAND, OVEN)))
    moves = [conversation.completion_ids(render(Move(edit, elements))) for edit, elements in stated]
    answer = conversation.continuation_ids(episode.step(render(Move(FIRST, (OVEN, DEMAND)))).observation, closed=True)
    (tokens,) = served.logprobs([(*prompt, *moves[0], *answer, *moves[1])])
    said = tokens[len(prompt) - 1 : len(prompt) - 1 + len(moves[0])] + tokens[-len(moves[1]) :]
    assert double == pytest.approx(sum(said), abs=1e-3)


def test_1_one_prompt(make_policy: MakePolicy) -> None:
    groups: list[PromptGroup] = []
    scripted = make_policy([])

    def logprobs(group: PromptGroup) -> list[float]:
        groups.append(group)
        return [float(-number) for number in range(len(group.continuations))]

    policy = AskedPolicy(scripted.engine, scripted.conversation, logprobs, 64)
    assert asked(policy, (FIRST,), (SECOND,), (DropRow("oven"),)) == [0.0, -1.0, -2.0]
    assert [len(group.continuations) for group in groups] == [3]
    assert asked(policy) == []
    assert len(groups) == 1


def test_3_no_room(make_policy: MakePolicy) -> None:
    undone = EpisodeSettings(style=ObservationStyle.COMPACT, undo_if_still_infeasible=True)
    assert asked(make_policy([]), (FIRST, SECOND), (FIRST,), rules=undone) == [None, -1.0]
    one_turn = EpisodeSettings(style=ObservationStyle.COMPACT, max_turns=1)
    assert asked(make_policy([]), (FIRST, SECOND), (FIRST,), rules=one_turn) == [None, -1.0]
    # 90 is enough by itself: after it there is no second turn.
    assert asked(make_policy([]), (SetRhs("oven", 90.0), SECOND)) == [None]
    episode = RepairEpisode(PROBLEM, HighsSolver(), RULES)
    policy = make_policy([])
    prompt = policy.conversation.prompt_ids(episode.instructions, episode.observation)
    move = policy.conversation.completion_ids(render(Move(FIRST, (OVEN,))))
    for room, value in ((0, -1.0), (-1, None)):
        narrow = make_policy([], max_context_tokens=len(prompt) + len(move) + room)
        assert asked(narrow, (FIRST,)) == [value]
