"""Attacks on the reward over generated tasks: nothing pays as repairing does, and nothing passes for it.

The bars. For one task with a single fault: an honest attempt that errs once and then gives the oracle's answer,
0.5 + 0.3 + 0.2 * 3/4 = 0.95. On average: informed-random, which reads every number right and compares nothing.

1. The honest attempt earns 0.95.
2. Each attack: an unfaithful episode earns at most the 0.3 of its diagnosis, a faithful one is the original model by a
   second judge, and the mean stays below informed-random's.
3. What cannot be right by luck earns nothing at all.
4. Searchers find no episode above the oracle's, and none that is faithful by score and differs.
5. The second judge: agrees where the score says faithful, and sees each difference that has a meaning.
6. A program that the solver cannot decide pays nothing; malformed turns cost what others cost.
7. No attack is told the truth.
"""

from __future__ import annotations

import random
from dataclasses import replace
from functools import cache
from statistics import mean

import pytest
from audit_policies.attacks import ATTACKS, Attack
from audit_policies.attacks_by_guessing import GUESSING_ATTACKS
from audit_policies.attacks_on_grammar import GRAMMAR_ATTACKS
from audit_policies.attacks_on_the_verdict import VERDICT_ATTACKS
from audit_policies.searchers import GreedySearcher, RandomSearcher
from desk_problem import FAULT, ORIGINAL, DeskTask, ScriptedSolver, turn
from equivalence import differences

from lit_grpo.data.splits import Split
from lit_grpo.data.task import Task, TaskSettings, generate_task
from lit_grpo.environment.domains.base import ProgramSize
from lit_grpo.environment.episodes.record import EpisodeSettings, StopReason
from lit_grpo.environment.policies.baselines import (
    BaselineEpisode,
    BaselinePolicy,
    BaselineView,
    InformedRandom,
    Oracle,
    run_baseline,
)
from lit_grpo.environment.programs.edits import (
    AddRow,
    DropRow,
    Edit,
    SetBounds,
    SetCoefficient,
    SetRhs,
    SetSense,
    SetType,
    apply_all,
)
from lit_grpo.environment.programs.program import Constraint, Sense, VariableType
from lit_grpo.environment.solver.highs import HighsSolver
from lit_grpo.environment.solver.solver import SolverStatus
from lit_grpo.rewards.components import RewardWeights
from lit_grpo.rewards.composite import composite_reward

DIAGNOSIS_ALONE = 0.3
HONEST = 0.95
ALL_ATTACKS = (*ATTACKS, *GUESSING_ATTACKS, *GRAMMAR_ATTACKS, *VERDICT_ATTACKS)
WORTHLESS = (
    *("submit at once", "unicode names", "unknown names", "a diagnosis in every object", "keys twice"),
    *("names with a space", "names with a NUL", "names in capitals", "a diagnosis in the reasoning"),
    "an object within an object",
)
SOLVER = HighsSolver()


@cache
def _tasks() -> tuple[Task, ...]:
    """Of all kinds; half of two variables, half of 4 to 25."""
    settings = [TaskSettings(size=size) for size in (ProgramSize.TINY, None)]
    return tuple(generate_task(settings[i % 2], Split.TEST, 11, i, SOLVER) for i in range(16))


def _play(policy: BaselinePolicy, seed: int = 0) -> list[BaselineEpisode[Task]]:
    return run_baseline(policy, _tasks(), SOLVER, EpisodeSettings(), seed)


def _reward(played: BaselineEpisode[Task] | BaselineEpisode[DeskTask]) -> float:
    return composite_reward(played.score, RewardWeights(), 5)


@cache
def _bar() -> float:
    return mean(_reward(played) for seed in range(3) for played in _play(InformedRandom(), seed))


def _check_faithful(episodes: list[BaselineEpisode[Task]]) -> None:
    for played in episodes:
        assert played.score.verified
        assert played.record.stop_reason is not StopReason.SOLVER_FAILED
        if played.score.faithful:
            assert not differences(played.record.final_program, played.task.fault.original, SOLVER)
        else:
            assert _reward(played) <= DIAGNOSIS_ALONE + 1e-12


def test_1_the_honest_attempt() -> None:
    honest = Attack("honest", lambda view, rng: "hm" if view.turn == 0 else Oracle().act(view, rng))
    # One wrong turn of the spare ones: four where one edit repairs, fewer where there are several faults.
    expected = [0.8 + 0.2 * (1 - 1 / (5 - len(task.fault.inverse))) for task in _tasks()]
    assert max(expected) == pytest.approx(HONEST)
    assert [_reward(played) for played in _play(honest)] == pytest.approx(expected)
    assert [_reward(played) for played in _play(Oracle())] == pytest.approx([1.0] * len(_tasks()))
    assert DIAGNOSIS_ALONE < _bar() < HONEST


@pytest.mark.parametrize("attack", ALL_ATTACKS, ids=lambda attack: attack.name)
def test_2_attacks_are_below_honest_attempts(attack: Attack) -> None:
    episodes = _play(attack)
    _check_faithful(episodes)
    assert mean(_reward(played) for played in episodes) < _bar()


@pytest.mark.parametrize("attack", [a for a in ALL_ATTACKS if a.name in WORTHLESS], ids=lambda attack: attack.name)
def test_3_what_is_worth_nothing(attack: Attack) -> None:
    assert {_reward(played) for played in _play(attack)} == {0.0}


@pytest.mark.parametrize(("searcher", "num_rounds"), [(RandomSearcher(), 8), (GreedySearcher(), 3)])
def test_4_searchers(searcher: BaselinePolicy, num_rounds: int) -> None:
    for seed in range(num_rounds):
        episodes = _play(searcher, seed)
        _check_faithful(episodes)
        assert max(_reward(played) for played in episodes) <= 1.0 + 1e-12


# 5. On the desks: wood 3 x + 2 y <= 194, hours x + y <= 90, orders x + y >= 30, 0 <= x <= 40.


def _differ(*edits: Edit) -> bool:
    return bool(differences(apply_all(ORIGINAL, edits), ORIGINAL, SOLVER))


def test_5_the_same_feasible_set() -> None:
    assert not _differ()
    assert not _differ(SetCoefficient("wood", "x", 6.0), SetCoefficient("wood", "y", 4.0), SetRhs("wood", 388.0))
    # y <= 90 follows from hours, and a row that follows may be missing for this judge: x + 2 y <= 180 + 1.
    assert not _differ(SetBounds("y", 0.0, 90.0))
    assert not _differ(AddRow(Constraint("more", (("x", 1.0), ("y", 2.0)), Sense.LESS_EQUAL, 181.0), 0))


@pytest.mark.parametrize(
    "edits",
    [
        [SetRhs("orders", 30.001)],
        [SetRhs("orders", 29.999)],
        [SetSense("hours", Sense.EQUAL)],
        [DropRow("orders")],
        [SetBounds("x", 0.0, 41.0)],
        [SetBounds("x", 0.0, 39.0)],
        [SetBounds("y", 0.0, 89.0)],
        [SetType("x", VariableType.INTEGER)],
        [SetCoefficient("wood", "y", 0.0)],
    ],
)
def test_5b_another_feasible_set(edits: list[Edit]) -> None:
    assert _differ(*edits)


def test_5c_among_whole_numbers_a_hair_cuts_off_a_point() -> None:
    """At x = 40, y = 37 the wood is used up; a million pieces may be made, and 999,999.5 may not be all of them."""
    types = [SetType(name, VariableType.INTEGER) for name in ("x", "y")]
    whole = apply_all(ORIGINAL, types)
    assert not differences(apply_all(whole, [SetRhs("wood", 194.5)]), whole, SOLVER)
    assert differences(apply_all(whole, [SetCoefficient("wood", "x", 3.000001)]), whole, SOLVER)
    million = apply_all(whole, [SetBounds("x", 0.0, 1e6), SetRhs("wood", 1e8), SetRhs("hours", 1e7)])
    assert differences(apply_all(million, [SetBounds("x", 0.0, 999_999.5)]), million, SOLVER)


def test_6_the_undecided_pays_nothing() -> None:
    # The right edit, under a solver that gives up on it every time.
    solver = ScriptedSolver([SolverStatus.INCONCLUSIVE] * 5)
    stalled = run_baseline(Oracle(), [DeskTask()], solver, EpisodeSettings(), 0)[0]
    assert (stalled.score.recovered, stalled.score.faithful, stalled.score.verified) == (False, False, True)
    assert _reward(stalled) == 0.0, "less than submitting with the same diagnosis"


@pytest.mark.parametrize(("num_malformed", "expected"), [(0, 1.0), (1, 0.95), (4, 0.8), (5, 0.0)])
def test_6b_malformed_turns_are_not_free(num_malformed: int, expected: float) -> None:
    texts = ["let me think {"] * num_malformed + [turn(FAULT.inverse[0], *FAULT.faulty_elements)]
    policy = Attack("thinks", lambda view, rng: texts[view.turn])
    assert _reward(run_baseline(policy, [DeskTask()], SOLVER, EpisodeSettings(), 0)[0]) == pytest.approx(expected)


def test_7_no_attack_is_told_the_truth() -> None:
    # With another truth behind the same faulty program, every attack writes the same.
    conflict = SOLVER.conflict(FAULT.faulty)
    other = replace(FAULT, original=apply_all(ORIGINAL, [SetRhs("wood", 1.0)]), faulty_elements=(), inverse=())
    for attack in ALL_ATTACKS:
        moves = [
            attack.act(BaselineView(FAULT.faulty, conflict, 0, fault, SOLVER), random.Random(3))
            for fault in (FAULT, other)
        ]
        assert moves[0] == moves[1]
