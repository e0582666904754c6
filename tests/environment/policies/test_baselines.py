"""Trivial policies: through the same episodes, reproducible, and each as strong as its definition says."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

import pytest
from desk_problem import (
    FAULT,
    FAULTY,
    HOURS,
    ORDERS,
    ORIGINAL,
    DeskTask,
    ScriptedSolver,
)

from lit_grpo.data.splits import Split
from lit_grpo.data.task import TaskSettings, generate_task
from lit_grpo.environment.domains.base import ProgramSize
from lit_grpo.environment.episodes.actions import Action, Move, Relax, Submit
from lit_grpo.environment.episodes.record import EpisodeSettings, StopReason, TurnResult
from lit_grpo.environment.policies.baselines import (
    BASELINES,
    BaselineView,
    DropFirst,
    InformedElement,
    InformedRandom,
    MinimumRelaxation,
    Oracle,
    RandomInConflict,
    run_baseline,
)
from lit_grpo.environment.programs.edits import DropRow, SetBounds, SetRhs, SetSense, SetType, apply, apply_all
from lit_grpo.environment.programs.program import LinearProgram, Sense, VariableType
from lit_grpo.environment.solver.highs import HighsSolver
from lit_grpo.environment.solver.solver import Conflict, ConflictMember, ConflictPart

SETTINGS = EpisodeSettings()


def _view(program: LinearProgram, *members: ConflictMember, turn: int = 0) -> BaselineView:
    return BaselineView(program, Conflict(members) if members else None, turn, FAULT, HighsSolver())


def test_1_drop_first_recovers_and_is_not_faithful() -> None:
    ((task, record, score),) = run_baseline(DropFirst(), [DeskTask()], ScriptedSolver(), SETTINGS, 0)
    assert task == DeskTask()
    assert record.turns[0].move == Move(DropRow("hours"), (HOURS,))
    assert (score.recovered, score.faithful, score.turns) == (True, False, 1)


@pytest.mark.parametrize(
    ("part", "action"),
    [
        (ConflictPart.LOWER, SetBounds("x", -math.inf, 40.0)),
        (ConflictPart.UPPER, SetBounds("x", 0.0, math.inf)),
        (ConflictPart.INTEGRALITY, SetType("x", VariableType.CONTINUOUS)),
    ],
)
def test_2_a_conflict_without_rows_is_freed(part: ConflictPart, action: Action) -> None:
    view = _view(FAULTY, ConflictMember(part, "x"))
    assert DropFirst().act(view, random.Random(0)).action == action


def test_3_minimum_relaxation_gives_way_where_the_solver_does() -> None:
    ((_, record, score),) = run_baseline(MinimumRelaxation(), [DeskTask()], ScriptedSolver(), SETTINGS, 0)
    (turn,) = record.turns
    assert isinstance(turn.move, Move)
    assert isinstance(turn.move.action, Relax)
    assert turn.move.action.amount == pytest.approx(5.0)  # 95 - 90
    assert (score.recovered, score.faithful) == (True, False)


def test_4_minimum_relaxation_of_an_equality_shifts_it_the_right_way() -> None:
    program = apply(FAULTY, SetSense("orders", Sense.EQUAL))  # x + y = 95 against x + y <= 90
    program = apply(program, DropRow("wood"))
    actions = set()
    for turn in range(2):
        move = MinimumRelaxation().act(_view(program, turn=turn), random.Random(0))
        actions.add(move.action)
    assert actions <= {Relax("orders", -5.0), Relax("hours", 5.0)}
    pinned = apply_all(program, [SetRhs("hours", 9.0), SetSense("hours", Sense.EQUAL), SetBounds("y", 0.0, 0.0)])
    pinned = apply_all(pinned, [SetBounds("x", 9.0, 9.0), DropRow("hours")])  # x = 9, y = 0: x + y = 95 is 86 too much
    move = MinimumRelaxation().act(_view(pinned), random.Random(0))
    assert move.action in (Relax("orders", -86.0), SetBounds("x", 9.0, 95.0), SetBounds("y", 0.0, 86.0))


def test_5_nothing_to_act_on_submits() -> None:
    for policy in (DropFirst(), RandomInConflict(), InformedElement(), InformedRandom()):
        assert policy.act(_view(FAULTY), random.Random(0)) == Move(Submit())
    assert MinimumRelaxation().act(_view(ORIGINAL), random.Random(0)) == Move(Submit())


def test_6_the_informed_policies_know_the_values_and_guess_the_place() -> None:
    members = (ConflictMember(ConflictPart.ROW, "hours"), ConflictMember(ConflictPart.ROW, "orders"))
    moves = {InformedElement().act(_view(FAULTY, *members), random.Random(seed)) for seed in range(20)}
    assert moves == {Move(SetRhs("hours", 90.0), (HOURS,)), Move(SetRhs("orders", 30.0), (ORDERS,))}
    attributes = {InformedRandom().act(_view(FAULTY, *members), random.Random(seed)) for seed in range(200)}
    assert len(attributes) == 8  # right-hand side, sense and two coefficients of each row
    assert moves < attributes


def test_7_the_oracle_is_faithful_at_once_on_generated_tasks_and_all_policies_play_on() -> None:
    solver = HighsSolver()
    tasks = [generate_task(TaskSettings(size=ProgramSize.TINY), Split.TRAIN, 3, i, solver) for i in range(20)]
    for policy in BASELINES:
        for settings in (SETTINGS, EpisodeSettings(undo_if_still_infeasible=True)):
            episodes = run_baseline(policy, tasks, solver, settings, 0)
            results = {turn.result for episode in episodes for turn in episode.record.turns}
            assert results <= {TurnResult.APPLIED, TurnResult.INFORMED}, f"{policy.name} wrote what the episode refuses"
            assert all(episode.score.verified for episode in episodes)
            if isinstance(policy, Oracle):
                assert all(e.score.faithful and e.score.turns == e.score.min_turns for e in episodes)
                assert all(episode.score.diagnosis.exact for episode in episodes)


def test_8_draws_depend_on_the_seed_and_the_task_and_not_on_the_order() -> None:
    tasks = [DeskTask(str(i)) for i in range(8)]
    solver = ScriptedSolver()
    forward = run_baseline(RandomInConflict(), tasks, solver, SETTINGS, 1)
    backward = run_baseline(RandomInConflict(), tasks[::-1], solver, SETTINGS, 1)
    assert forward == backward[::-1]
    assert forward != run_baseline(RandomInConflict(), tasks, solver, SETTINGS, 2)


@dataclass(frozen=True)
class _Mumble:
    name: str = "mumble"

    def act(self, view: BaselineView, rng: random.Random) -> str:
        return "hm"


def test_9_a_policy_may_write_text() -> None:
    ((_, record, score),) = run_baseline(_Mumble(), [DeskTask()], ScriptedSolver(), SETTINGS, 0)
    assert record.stop_reason is StopReason.MALFORMED_LIMIT
    assert score.malformed_turns == 5


def test_what_is_shown_plays_no_part() -> None:
    solver = HighsSolver()
    tasks = [generate_task(TaskSettings(size=ProgramSize.MEDIUM), Split.TRAIN, 3, i, solver) for i in range(3)]
    for policy in BASELINES:
        whole, focused = (
            run_baseline(policy, tasks, solver, rules, 0) for rules in (SETTINGS, EpisodeSettings(view_tokens=300))
        )
        assert whole == focused
