"""Rollouts: collect_groups, and so play, score and pay.

1. Groups come back in the order of the tasks, attempts in theirs, and are the same whatever the order of completions.
2. The context of each turn is prompt, then all tokens sampled and appended before: nothing is encoded twice.
3. The oracle's repair is scored and rewarded as such; an endless inspection ends at the step limit.
4. Seeds differ between attempts, turns, steps and runs, and repeat with all of them.
5. A completion cut off is malformed, and the next turn closes it.
6. A context that has no room for another turn ends the episode; a prompt that has none is refused.
7. Settings without a meaning are refused.
8. With a real engine: log-probs are those of the plain pass over the recorded tokens, and runs repeat.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest
import torch
from repair_rollouts import collect, played
from transformers import AutoModelForCausalLM, PreTrainedModel

from lit_grpo.data.conversation import ConversationFormat
from lit_grpo.data.task import Task
from lit_grpo.engines.engine import GenerationRequest, SamplingSettings
from lit_grpo.engines.scripted import ScriptedEngine
from lit_grpo.engines.transformers.engine import TransformersEngine
from lit_grpo.environment.episodes.actions import GetConflict, Inspect, Move, Restore, render
from lit_grpo.environment.episodes.observation import ObservationStyle
from lit_grpo.environment.episodes.record import EpisodeSettings, StopReason, TurnResult
from lit_grpo.environment.solver.highs import HighsSolver
from lit_grpo.rollout.attempts import Attempt, RepairGroup
from lit_grpo.rollout.settings import PlaySettings

COMPACT = EpisodeSettings(max_turns=3, style=ObservationStyle.COMPACT)
SETTINGS = PlaySettings(group_size=4, sampling=SamplingSettings(1.0, 80), episode=COMPACT)
MOVES = [render(Move(action)) for action in (GetConflict(), Restore(), Inspect("no_such_name"))] + ["not an action"]
AnyAttempt = Attempt[Any]
MakeEngine = Callable[..., ScriptedEngine]


def varied(request: GenerationRequest) -> str:
    """A function of the seed, as a sampled turn is."""
    return Random(request.seed).choice(MOVES)


def contexts_of(prompt_ids: tuple[int, ...], attempt: AnyAttempt) -> list[tuple[int, ...]]:
    """What the policy saw before each turn."""
    contexts, tokens = [], prompt_ids
    for turn in attempt.turns:
        tokens += turn.observation_ids
        contexts.append(tokens)
        tokens += turn.completion_ids
    return contexts


def test_1_the_order_of_completions_changes_nothing(
    tasks: list[Task], solver: HighsSolver, conversation: ConversationFormat, scripted: MakeEngine
) -> None:
    in_order = scripted(varied)
    groups = collect(tasks, in_order, solver, conversation, SETTINGS, run_seed=1, batch=2)
    assert [group.task for group in groups] == tasks
    assert all(len(group.attempts) == 4 for group in groups)
    for shuffle_seed in range(3):
        one_by_one = scripted(varied, shuffle_seed=shuffle_seed)
        assert collect(tasks, one_by_one, solver, conversation, SETTINGS, run_seed=1, batch=2) == groups
        assert [r.conversation for r in one_by_one.requests] != [r.conversation for r in in_order.requests]
        assert sorted(r.token_ids for r in one_by_one.requests) == sorted(r.token_ids for r in in_order.requests)


def test_2_turns_are_appended(
    tasks: list[Task], solver: HighsSolver, conversation: ConversationFormat, scripted: MakeEngine
) -> None:
    engine = scripted(varied)
    groups = collect(tasks, engine, solver, conversation, SETTINGS, run_seed=1, batch=0)
    asked: dict[int, list[tuple[int, ...]]] = {}
    for request in engine.requests:
        asked.setdefault(request.conversation, []).append(request.token_ids)
    pairs = [(group, attempt) for group in groups for attempt in group.attempts]
    for key, (group, attempt) in enumerate(pairs):
        assert asked[key] == contexts_of(group.prompt_ids, attempt)
        assert attempt.turns[0].observation_ids == ()
        for previous, turn in zip(attempt.turns, attempt.turns[1:], strict=False):
            shown = conversation.continuation_ids(previous.answer, closed=True)
            assert turn.observation_ids == shown


def test_3_scores_and_rewards(
    tasks: list[Task], solver: HighsSolver, conversation: ConversationFormat, scripted: MakeEngine
) -> None:
    task = tasks[0]
    repair = render(Move(task.fault.inverse[0], task.fault.faulty_elements))
    # The first attempt repairs, the second asks for the conflict until it may no longer.
    engine = scripted(lambda request: (repair, MOVES[0])[request.conversation], logprob=-0.25)
    settings = PlaySettings(group_size=2, sampling=SETTINGS.sampling, episode=COMPACT)
    (group,) = collect([task], engine, solver, conversation, settings)
    repaired, endless = played(group)
    assert repaired.attempt.stop_reason is StopReason.RECOVERED
    assert repaired.score.faithful
    assert repaired.reward.total == pytest.approx(1.0)
    assert repaired.attempt.turns[0].text == repair
    assert set(repaired.attempt.turns[0].sampler_logprobs) == {-0.25}
    assert endless.attempt.stop_reason is StopReason.TURN_LIMIT
    assert len(endless.attempt.turns) == 3
    assert endless.reward.total == 0.0
    assert not repaired.attempt.truncated
    assert group.observation in conversation.decode(group.prompt_ids)


def test_4_seeds(
    tasks: list[Task], solver: HighsSolver, conversation: ConversationFormat, scripted: MakeEngine
) -> None:
    def seeds(run_seed: int, step: int) -> list[int]:
        engine = scripted(lambda request: MOVES[0])
        collect(tasks, engine, solver, conversation, SETTINGS, run_seed, step)
        return [request.seed for request in engine.requests]

    first = seeds(0, 0)
    assert len(first) == 4 * 4 * 3
    assert len({*first, *seeds(0, 1), *seeds(1, 0)}) == 3 * len(first)
    assert seeds(0, 0) == first


def test_5_a_turn_cut_off_is_closed_for_it(
    tasks: list[Task], solver: HighsSolver, conversation: ConversationFormat, scripted: MakeEngine
) -> None:
    settings = PlaySettings(group_size=1, sampling=SamplingSettings(1.0, 2), episode=COMPACT)
    engine = scripted(lambda request: "a turn of more than two tokens")
    (group,) = collect(tasks[:1], engine, solver, conversation, settings)
    (attempt,) = group.attempts
    first, second, _ = attempt.turns
    assert attempt.truncated
    assert attempt.record.turns[0].result is TurnResult.MALFORMED
    assert len(first.completion_ids) == 2
    assert second.observation_ids == conversation.continuation_ids(first.answer, closed=False)
    assert second.observation_ids[0] in conversation.stop_ids


def test_6_the_context_is_a_limit(
    tasks: list[Task], solver: HighsSolver, conversation: ConversationFormat, scripted: MakeEngine
) -> None:
    def policy(request: GenerationRequest) -> str:
        return MOVES[0]

    arguments = (solver, conversation, SETTINGS, 0, 0)
    (free,) = collect(tasks[:1], scripted(policy), *arguments)
    second_context = len(contexts_of(free.prompt_ids, free.attempts[0])[1])
    room = second_context + SETTINGS.sampling.max_completion_tokens
    (tight,) = collect(tasks[:1], scripted(policy, max_context_tokens=room), *arguments)
    (tighter,) = collect(tasks[:1], scripted(policy, max_context_tokens=room - 1), *arguments)
    for group, num_turns in ((tight, 2), (tighter, 1)):
        for attempt in group.attempts:
            assert attempt.stop_reason is StopReason.TOKEN_LIMIT
            assert attempt.truncated
            assert len(attempt.turns) == num_turns
    with pytest.raises(ValueError, match="max_context_tokens=90"):
        collect(tasks[:1], scripted(policy, max_context_tokens=90), *arguments)


def test_6_a_prompt_that_does_not_fit_is_left_out_where_that_is_asked_for(
    tasks: list[Task], solver: HighsSolver, conversation: ConversationFormat, scripted: MakeEngine
) -> None:
    settings = replace(SETTINGS, leave_out_long_prompts=True)
    engine = scripted(lambda request: MOVES[0], max_context_tokens=90)
    (group,) = collect(tasks[:1], engine, solver, conversation, settings, 0, 0)
    assert len(group.attempts) == settings.group_size
    for attempt, score, reward in played(group):
        assert (attempt.stop_reason, attempt.turns) == (StopReason.PROMPT_LIMIT, ())
        assert attempt.truncated
        assert not score.recovered
        assert reward.total == 0.0


def test_7_settings_without_a_meaning() -> None:
    with pytest.raises(ValueError, match="group_size >= 1, got 0"):
        PlaySettings(group_size=0)


def play(
    model: PreTrainedModel, tasks: list[Task], solver: HighsSolver, conversation: ConversationFormat
) -> list[RepairGroup]:
    settings = PlaySettings(4, SamplingSettings(temperature=1.2, max_completion_tokens=12), COMPACT)
    engine = TransformersEngine(model, conversation.stop_ids)
    return collect(tasks, engine, solver, conversation, settings, run_seed=5, batch=1)


def test_8_a_real_engine(
    tiny_checkpoint: Path, tasks: list[Task], solver: HighsSolver, conversation: ConversationFormat
) -> None:
    model = AutoModelForCausalLM.from_pretrained(tiny_checkpoint)
    groups = play(model, tasks, solver, conversation)
    assert groups == play(model, tasks, solver, conversation)
    assert sum(len(attempt.turns) > 1 for group in groups for attempt in group.attempts) > 8
    for group in groups:
        for attempt in group.attempts:
            for context, turn in zip(contexts_of(group.prompt_ids, attempt), attempt.turns, strict=True):
                tokens = torch.tensor([[*context, *turn.completion_ids]])
                with torch.no_grad():
                    logprobs = (model(tokens).logits[0] / 1.2).log_softmax(-1)
                expected = logprobs[len(context) - 1 : -1].gather(1, tokens[0, len(context) :, None])[:, 0]
                torch.testing.assert_close(torch.tensor(turn.sampler_logprobs), expected, atol=1e-4, rtol=0)
