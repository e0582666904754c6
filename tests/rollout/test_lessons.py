"""What a teacher has to say of attempts, and what is learned of it.

1. In a hand-made attempt each lesson is the oracle's move in the state that the turn was taken in: after a refused
   action, a wrong edit, a dropped row, and going back.
2. What precedes a lesson is what the policy read; targets are the lesson's tokens alone, none of the policy's own.
3. Lessons that the attempt went on with share a continuation; the others end theirs.
4. An attempt that the teacher plays alone is a demonstration without wrong tries, token by token.
5. The teacher speaks in its share of the turns, by their seeds, whatever the order of completions; the engine is asked
   for the others only.
6. Without a teacher nothing is said; a lesson that is longer than the longest row is left out and counted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from desk_problem import HOURS, ORDERS, REPAIR, DeskTask, turn

from lit_grpo.data.conversation import ConversationFormat
from lit_grpo.data.demonstrations import DemonstrationSettings, demonstrate
from lit_grpo.data.task import Task
from lit_grpo.engines.engine import NO_WEIGHTS, GenerationRequest, SamplingSettings
from lit_grpo.engines.scripted import ScriptedEngine
from lit_grpo.environment.episodes.actions import Inspect, Restore
from lit_grpo.environment.episodes.observation import ObservationStyle
from lit_grpo.environment.episodes.record import EpisodeSettings
from lit_grpo.environment.episodes.repair_environment import RepairEnvironment
from lit_grpo.environment.faults.ground_truth import GradedProblem
from lit_grpo.environment.programs.edits import DropRow, SetRhs
from lit_grpo.environment.solver.highs import HighsSolver
from lit_grpo.packing import Continuation, PromptGroup, pack
from lit_grpo.rollout.attempts import RepairGroup
from lit_grpo.rollout.collect import collect_groups
from lit_grpo.rollout.lessons import lessons_of
from lit_grpo.rollout.open_attempt import Seeds
from lit_grpo.rollout.settings import PlaySettings
from lit_grpo.rollout.teacher import Teacher

RULES = EpisodeSettings(max_turns=6, style=ObservationStyle.COMPACT)
MakeEngine = Callable[..., ScriptedEngine]


def taught(
    tasks: Sequence[GradedProblem],
    engine: ScriptedEngine,
    solver: HighsSolver,
    conversation: ConversationFormat,
    share: float = 0.0,
    group_size: int = 1,
) -> list[RepairGroup]:
    environment = RepairEnvironment(RULES, solver)
    settings = PlaySettings(group_size, SamplingSettings(1.0, 200), RULES)
    teacher = Teacher(environment.oracle, share)
    return collect_groups(tasks, environment, engine, conversation, settings, Seeds(1, 0), teacher)


def one_after_the_other(texts: Sequence[str]) -> Callable[[GenerationRequest], str]:
    left = iter(texts)
    return lambda request: next(left)


SAID = [
    turn(Inspect("nothing")),
    turn(SetRhs("hours", 91.0), HOURS),
    turn(DropRow("wood")),
    turn(Restore()),
    turn(SetRhs("orders", 94.0), ORDERS),
    REPAIR,
]
RIGHT = [REPAIR, REPAIR, turn(Restore()), turn(Restore()), REPAIR, REPAIR]
"""Beside each of them: the fault is untouched, still so, then there is a wrong edit, and a row is missing; after going
back it is untouched again, and at last the culprit's own number is another wrong one."""


@pytest.fixture
def group(solver: HighsSolver, conversation: ConversationFormat, scripted: MakeEngine) -> RepairGroup:
    (group,) = taught([DeskTask()], scripted(one_after_the_other(SAID)), solver, conversation)
    return group


def test_1_the_move_of_each_state(group: RepairGroup, conversation: ConversationFormat) -> None:
    (attempt,) = group.attempts
    assert [turn.text for turn in attempt.turns] == SAID
    assert [conversation.decode(turn.lesson_ids) for turn in attempt.turns] == RIGHT
    assert group.scores[0].faithful


def test_2_and_3_targets_are_the_lessons_alone(group: RepairGroup, conversation: ConversationFormat) -> None:
    lessons = lessons_of([group])
    assert (lessons.num_turns, lessons.num_right, lessons.num_too_long) == (6, 2, 0)
    (learned,) = lessons.groups
    assert learned.prompt_ids == group.prompt_ids
    # What the policy read before each turn, after the prompt.
    contexts: list[tuple[int, ...]] = []
    read: tuple[int, ...] = ()
    for taken in group.attempts[0].turns:
        read += taken.observation_ids
        contexts.append(read)
        read += taken.completion_ids
    wrong, right = [0, 1, 2, 4], [3, 5]
    *branches, trunk = learned.continuations
    assert branches == [
        Continuation(
            contexts[at] + conversation.completion_ids(RIGHT[at]),
            (False,) * len(contexts[at]) + (True,) * len(conversation.completion_ids(RIGHT[at])),
        )
        for at in wrong
    ]
    assert trunk.token_ids == read
    spans = [range(len(contexts[at]), len(contexts[at]) + len(conversation.completion_ids(RIGHT[at]))) for at in right]
    assert trunk.is_target == tuple(any(place in span for span in spans) for place in range(len(read)))
    targets = [batch.target_ids.tolist() for batch in pack(lessons.groups, 1 << 20)]
    expected = [conversation.completion_ids(RIGHT[at]) for at in [*wrong, *right]]
    assert targets == [[token for ids in expected for token in ids]]


def test_4_the_teacher_alone_demonstrates(
    tasks: list[Task], solver: HighsSolver, conversation: ConversationFormat, scripted: MakeEngine
) -> None:
    engine = scripted(one_after_the_other([]))
    groups = taught(tasks, engine, solver, conversation, share=1.0)
    lessons = lessons_of(groups)
    plain = DemonstrationSettings(share_with_wrong_tries=0.0, share_found_one_by_one=0.0)
    assert list(lessons.groups) == [demonstrate(task, conversation, solver, RULES, plain, 0) for task in tasks]
    assert engine.requests == []
    assert lessons.num_turns == 0
    assert all(score.faithful for group in groups for score in group.scores)
    assert {turn.policy_version for group in groups for a in group.attempts for turn in a.turns} == {NO_WEIGHTS}


def test_5_the_teacher_speaks_in_its_share(
    tasks: list[Task], solver: HighsSolver, conversation: ConversationFormat, scripted: MakeEngine
) -> None:
    inspect = turn(Inspect("nothing"))
    engine = scripted(lambda request: inspect)
    groups = taught(tasks, engine, solver, conversation, share=0.25, group_size=12)
    turns = [turn for group in groups for attempt in group.attempts for turn in attempt.turns]
    spoken = [turn for turn in turns if turn.policy_version == NO_WEIGHTS]
    assert len(engine.requests) == len(turns) - len(spoken)
    # Each turn is the teacher's with probability 1/4, which in about 150 turns leaves an error of 0.035.
    assert len(spoken) / len(turns) == pytest.approx(0.25, abs=0.1)
    assert all(turn.completion_ids == turn.lesson_ids for turn in spoken)
    shuffled = scripted(lambda request: inspect, shuffle_seed=1)
    assert taught(tasks, shuffled, solver, conversation, share=0.25, group_size=12) == groups


def test_6_nothing_and_too_much(
    group: RepairGroup, tasks: list[Task], solver: HighsSolver, conversation: ConversationFormat, scripted: MakeEngine
) -> None:
    environment, engine = RepairEnvironment(RULES, solver), scripted(lambda request: turn(Restore()))
    settings = PlaySettings(1, SamplingSettings(1.0, 200), RULES)
    alone = collect_groups(tasks[:1], environment, engine, conversation, settings, Seeds(1, 0))
    assert {taken.lesson_ids for taken in alone[0].attempts[0].turns} == {()}
    longest = len(group.prompt_ids) + len(conversation.completion_ids(REPAIR))
    cut = lessons_of([group], longest)
    assert cut.num_too_long == 1
    (first,) = [c for c in cut.groups[0].continuations if any(c.is_target)]
    assert first == lessons_of([group]).groups[0].continuations[0]
    assert isinstance(cut.groups[0], PromptGroup)
