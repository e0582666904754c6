"""Programs that do not fit, played as policies play them: the tokens are those of the policy's own tokenizer.

1. A program of 1,002 rows with a sentence about each: five turns, whatever they ask, take 4,000 tokens of
   checkpoints/tiny-base at most, with the chat format and the turns themselves.
2. A demonstration and a rollout of a task open with the same prompt, and its answers are the same tokens.
3. Rollouts of whole programs are the same whoever counts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
from large_programs import horizon
from repair_rollouts import collect

from lit_grpo.data.conversation import ConversationFormat, read_conversation
from lit_grpo.data.demonstrations import DemonstrationSettings, demonstrate
from lit_grpo.data.splits import Split
from lit_grpo.data.task import Task, TaskSettings, generate_task
from lit_grpo.engines.engine import SamplingSettings
from lit_grpo.engines.scripted import ScriptedEngine
from lit_grpo.environment.domains.base import ProgramSize
from lit_grpo.environment.episodes.actions import Action, GetConflict, Inspect, Move, Relax, Restore, render
from lit_grpo.environment.episodes.observation import ObservationStyle
from lit_grpo.environment.episodes.record import EpisodeSettings, StopReason
from lit_grpo.environment.episodes.repair_environment import RepairEnvironment
from lit_grpo.environment.programs.difference import elements_of
from lit_grpo.environment.programs.edits import DropRow, SetRhs
from lit_grpo.environment.programs.specification import RepairProblem, Sentence, Specification
from lit_grpo.environment.solver.highs import HighsSolver
from lit_grpo.repair.attempts import UserProblem
from lit_grpo.rollout.open_attempt import Seeds
from lit_grpo.rollout.play import Players, play
from lit_grpo.rollout.settings import PlaySettings

TINY_BASE = read_conversation(Path(__file__).parents[2] / "checkpoints" / "tiny-base")
SOLVER = HighsSolver()
MakeEngine = Callable[..., ScriptedEngine]


def large_problem() -> RepairProblem:
    program = horizon(1002, Random(1))
    sentences = (
        Sentence(f"{e.partition(':')[2]} : what the plan says of it in week {i} .", e)
        for i, e in enumerate(elements_of(program))
    )
    return RepairProblem(program, Specification(tuple(sentences)))


PROBLEM = large_problem()
WIDE = max(PROBLEM.program.constraints, key=lambda row: len(row.terms)).name
EPISODES: list[Sequence[Action]] = [
    [Inspect("balance166"), Inspect("make165"), Inspect("hours3"), GetConflict(), Restore()],
    [DropRow("balance166"), SetRhs("balance3", 9000.0), GetConflict(), Relax(WIDE, 1.0), Restore()],
]


@pytest.mark.parametrize("style", ObservationStyle)
@pytest.mark.parametrize("actions", EPISODES)
def test_1_a_thousand_rows_in_4000_tokens(actions: Sequence[Action], style: ObservationStyle) -> None:
    """The engine ends an attempt whose next turn might not fit into its context: this one ends at its last turn."""
    rules = EpisodeSettings(style=style, view_tokens=1200)
    turns = iter(render(Move(action)) for action in actions)
    engine = ScriptedEngine(
        lambda request: next(turns),
        encode=lambda text: TINY_BASE.completion_ids(text)[:-1],
        stop_id=TINY_BASE.completion_ids("")[-1],
        max_context_tokens=4000,
    )
    environment = RepairEnvironment(rules, SOLVER).read_by(TINY_BASE.num_tokens)
    players = Players(environment, engine, TINY_BASE, [SamplingSettings(0.0, 100)], Seeds(0, 0))
    (group,) = play([UserProblem(PROBLEM)], players)
    (attempt,) = group.attempts
    assert attempt.stop_reason is StopReason.TURN_LIMIT
    assert [len(turn.completion_ids) < 100 for turn in attempt.turns] == [True] * 5
    assert 800 < TINY_BASE.num_tokens(group.observation) <= 1200
    assert all(TINY_BASE.num_tokens(turn.answer) <= 300 for turn in attempt.turns)
    assert "not shown : 9" in group.observation or "Not shown: 9" in group.observation


def test_2_demonstrations_show_what_rollouts_show(
    solver: HighsSolver, conversation: ConversationFormat, scripted: MakeEngine
) -> None:
    task = generate_task(TaskSettings(size=ProgramSize.MEDIUM), Split.TRAIN, 3, 0, solver)
    rules = EpisodeSettings(style=ObservationStyle.COMPACT, view_tokens=600, undo_if_still_infeasible=True)
    always = DemonstrationSettings(share_with_wrong_tries=1.0)
    shown = demonstrate(task, conversation, solver, rules, always, seed=0)
    whole = demonstrate(task, conversation, solver, replace(rules, view_tokens=None), always, seed=0)
    assert len(shown.prompt_ids) < 620 < len(whole.prompt_ids)
    repair = render(Move(task.fault.inverse[0], task.fault.faulty_elements))
    settings = PlaySettings(group_size=1, sampling=SamplingSettings(1.0, 200), episode=rules)
    (group,) = collect([task], scripted(lambda request: repair), solver, conversation, settings)
    assert group.prompt_ids == shown.prompt_ids
    assert group.scores[0].faithful


def test_3_whole_programs_are_as_ever(
    tasks: list[Task], solver: HighsSolver, conversation: ConversationFormat, scripted: MakeEngine
) -> None:
    rules = EpisodeSettings(style=ObservationStyle.COMPACT, max_turns=2)
    texts = [render(Move(GetConflict())), render(Move(Restore()))]
    players = [
        Players(
            world,
            scripted(lambda request: texts[request.seed % 2]),
            conversation,
            [SamplingSettings(1.0, 50)],
            Seeds(0, 0),
        )
        for environment in [RepairEnvironment(rules, solver)]
        for world in (environment, environment.read_by(lambda text: 10**6))
    ]
    assert play(tasks, players[0]) == play(tasks, players[1])
