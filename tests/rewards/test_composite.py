"""The reward: the formula by hand, and every known cheat below an honest attempt, played through real episodes."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import astuple, replace
from itertools import combinations

import pytest

from lit_grpo.environment.episodes.actions import Action, Move, Restore, Submit, render
from lit_grpo.environment.episodes.episode import RepairEpisode
from lit_grpo.environment.episodes.record import EpisodeSettings, StopReason
from lit_grpo.environment.episodes.scoring import DiagnosisScore, RepairScore, diagnosis_score, score_episode
from lit_grpo.environment.faults.difficulty import Difficulty
from lit_grpo.environment.faults.injection import Certificate, FaultKind, FaultyProgram
from lit_grpo.environment.programs.edits import DropRow, SetRhs, SetSense, apply
from lit_grpo.environment.programs.program import Constraint, Direction, Element, LinearProgram, Sense, Variable
from lit_grpo.environment.programs.specification import RepairProblem
from lit_grpo.environment.solver.highs import HighsSolver
from lit_grpo.rewards.base import AttemptKey
from lit_grpo.rewards.components import RewardWeights, components_of
from lit_grpo.rewards.composite import CompositeReward, composite_reward

# max 7 x + 4 y, with wood 3 x + 2 y <= 194, hours x + y <= 90, orders x + y >= 30. The fault: orders asks for 95.
ORIGINAL = LinearProgram(
    Direction.MAXIMIZE,
    (("x", 7.0), ("y", 4.0)),
    (Variable("x"), Variable("y")),
    (
        Constraint("wood", (("x", 3.0), ("y", 2.0)), Sense.LESS_EQUAL, 194.0),
        Constraint("hours", (("x", 1.0), ("y", 1.0)), Sense.LESS_EQUAL, 90.0),
        Constraint("orders", (("x", 1.0), ("y", 1.0)), Sense.GREATER_EQUAL, 30.0),
    ),
)
FAULTY = apply(ORIGINAL, SetRhs("orders", 95.0))
HOURS, ORDERS = Element("row:hours"), Element("row:orders")
EVERY_ELEMENT = tuple(Element(e) for e in ("row:wood", "row:hours", "row:orders", "var:x", "var:y"))
FAULT = FaultyProgram(
    FaultKind.RIGHT_HAND_SIDE,
    Difficulty.EASY,
    ORIGINAL,
    FAULTY,
    (SetRhs("orders", 30.0),),
    (ORDERS,),
    428.0,
    Certificate("wrong_rhs", violation=5.0, property_margin=5.0, conflict_size=2, num_decoys=0),
)


def _score(
    faithful: bool, steps: int, share: float = 0.0, verified: bool = True, min_turns: int = 1, inconclusive: int = 0
) -> RepairScore:
    diagnosis = DiagnosisScore(share, share, share, share == 1.0)
    return RepairScore(faithful, faithful, steps, min_turns, diagnosis, 0, 0, 0, None, 0, inconclusive, verified)


def _reward(*turns: Move) -> float:
    solver = HighsSolver()
    episode = RepairEpisode(RepairProblem(FAULTY), solver, EpisodeSettings())
    for move in turns:
        if episode.stop_reason is None:
            episode.step(render(move))
    if episode.stop_reason is None:
        episode.end(StopReason.TOKEN_LIMIT)
    score = score_episode(episode.record(), FAULT, solver)
    return composite_reward(score, RewardWeights(), 5)


def _move(action: Action, *stated: Element) -> Move:
    return Move(action, stated or None)


# 1. The formula: 0.5 outcome + 0.3 min(precision, recall) + 0.2 (1 - (steps - s*) / (5 - s*)).


@pytest.mark.parametrize(
    ("score", "expected"),
    [
        (_score(True, 1, 1.0), (1.0, 1.0, 1.0, 1.0)),
        (_score(True, 3, 1.0), (1.0, 1.0, 0.5, 0.9)),  # 1 - 2 / 4
        (_score(True, 5, 0.5), (1.0, 0.5, 0.0, 0.65)),  # 0.5 + 0.15
        (_score(True, 3, 1.0, min_turns=2), (1.0, 1.0, 2 / 3, 0.8 + 0.4 / 3)),  # 1 - 1 / 3
        (_score(True, 5, 0.0, min_turns=5), (1.0, 0.0, 1.0, 0.7)),
        (_score(False, 1, 1.0), (0.0, 1.0, 0.0, 0.3)),
        (_score(False, 1, 1.0, verified=False), (0.0, 0.0, 0.0, 0.0)),
        (_score(False, 3, 1.0, inconclusive=1), (0.0, 0.0, 0.0, 0.0)),
        (_score(True, 3, 1.0, inconclusive=1), (1.0, 1.0, 0.5, 0.9)),
    ],
)
def test_1_formula(score: RepairScore, expected: tuple[float, ...]) -> None:
    got = CompositeReward().of(score, 5, AttemptKey(0, 0, "task", 0))
    assert (*astuple(got.components), got.total, got.unshaped) == pytest.approx((*expected, expected[-1]), abs=1e-12)
    assert composite_reward(score, RewardWeights(), 5) == got.total == got.unshaped


@pytest.mark.parametrize("weights", [(0.5, 0.3, 0.3), (0.5, 0.5, 0.5), (1.2, -0.2, 0.0), (math.nan, 0.5, 0.5)])
def test_2_weights_sum_to_one(weights: tuple[float, float, float]) -> None:
    for cls in (RewardWeights, CompositeReward):
        with pytest.raises(ValueError, match="sum to 1"):
            cls(*weights)


# 3. The cheats. The honest attempts they are compared with:
#    found  - errs twice, then names the culprit and repairs it at step 3: 0.5 + 0.3 + 0.2 / 2 = 0.9;
#    last   - the same at the last step, having named two suspects: 0.5 + 0.3 * 1/2 + 0 = 0.65;
#    named  - names the culprit, and never finds its value, nor makes the program optimal: 0.3.

HONEST_FOUND = _reward(
    _move(SetRhs("hours", 91.0), HOURS), _move(Restore(), HOURS), _move(SetRhs("orders", 30.0), ORDERS)
)
HONEST_LAST = _reward(*[_move(SetRhs("orders", 93.0), HOURS)] * 4, _move(SetRhs("orders", 30.0), HOURS, ORDERS))
HONEST_NAMED = _reward(*[_move(SetRhs("orders", 93.0), ORDERS)] * 5)

NOTHING = _reward(*[_move(Submit())])
RESTORING = _reward(*[_move(Restore())] * 5)
ROWS = tuple(Element(f"row:{row}") for row in ("wood", "hours", "orders"))
DELETING_EVERYTHING = _reward(*[_move(DropRow(row[4:]), *ROWS) for row in ROWS])
DELETING_THE_CULPRIT_LAST = _reward(*[_move(DropRow(row[4:]), row) for row in ROWS])
NAMING_EVERYTHING = _reward(_move(Submit(), *EVERY_ELEMENT))
NAMING_AND_DELETING = _reward(_move(DropRow("orders"), *EVERY_ELEMENT))
UNFAITHFUL = _reward(_move(SetRhs("hours", 95.0), HOURS))
UNFAITHFUL_CULPRIT = _reward(_move(SetSense("orders", Sense.LESS_EQUAL), ORDERS))


def test_3_honest_attempts_earn_what_the_formula_says() -> None:
    assert pytest.approx(0.9) == HONEST_FOUND
    assert pytest.approx(0.65) == HONEST_LAST
    assert pytest.approx(0.3) == HONEST_NAMED


@pytest.mark.parametrize(
    "cheat", [NOTHING, RESTORING, DELETING_EVERYTHING, NAMING_EVERYTHING, NAMING_AND_DELETING, UNFAITHFUL]
)
def test_4_every_cheat_is_below_an_honest_attempt_that_only_names_the_culprit(cheat: float) -> None:
    assert cheat < HONEST_NAMED < HONEST_LAST < HONEST_FOUND


@pytest.mark.parametrize("cheat", [UNFAITHFUL_CULPRIT, DELETING_THE_CULPRIT_LAST])
def test_5_naming_the_culprit_earns_its_diagnosis_whatever_else_is_done(cheat: float) -> None:
    # The same as for who fails honestly: being optimal, or having deleted everything, adds nothing to it.
    assert cheat == pytest.approx(0.3)
    assert cheat < HONEST_LAST
    assert UNFAITHFUL == 0.0


def test_6_naming_every_element_pays_its_precision() -> None:
    # 1 right of 5 stated: 0.3 / 5.
    assert pytest.approx(0.06) == NAMING_EVERYTHING
    assert pytest.approx(0.06) == NAMING_AND_DELETING


# 7. Hedging pays no more than a guess: n suspects, k culprits among them, m of the suspects named at random. The
#    expected pay is (m k / n) / max(m, k): k / n for every m >= k, less for fewer. F1 would pay 2 k / (n + k) for all.


@pytest.mark.parametrize(("num_suspects", "num_culprits"), [(2, 1), (3, 1), (7, 1), (5, 2), (6, 3)])
def test_7_hedging_pays_no_more_than_a_guess(num_suspects: int, num_culprits: int) -> None:
    suspects = [Element(f"row:{number}") for number in range(num_suspects)]

    def mean_pay(num_named: int) -> float:
        """Over all choices of so many suspects."""
        named = list(combinations(suspects, num_named))
        scores = [_score_of_diagnosis(choice, suspects[:num_culprits]) for choice in named]
        return sum(components_of(score, 5).diagnosis for score in scores) / len(named)

    chance = num_culprits / num_suspects
    for num_named in range(1, num_suspects + 1):
        assert mean_pay(num_named) == pytest.approx(chance * min(1.0, num_named / num_culprits))


def test_7b_whoever_knows_better_than_chance_names_the_likeliest() -> None:
    # Beliefs 0.5, 0.3, 0.2 that the first, second, third is it. First alone 0.5; the first two 0.8 / 2; all 1/3.
    suspects = [Element(name) for name in ("row:a", "row:b", "row:c")]
    beliefs = (0.5, 0.3, 0.2)

    def pay(num_named: int) -> float:
        scores = [_score_of_diagnosis(suspects[:num_named], [culprit]) for culprit in suspects]
        rewards = [components_of(score, 5).diagnosis for score in scores]
        return sum(belief * reward for belief, reward in zip(beliefs, rewards, strict=True))

    assert [pay(1), pay(2), pay(3)] == pytest.approx([0.5, 0.4, 1 / 3])


def _score_of_diagnosis(stated: Iterable[Element], truth: Iterable[Element]) -> RepairScore:
    return replace(_score(False, 5), diagnosis=diagnosis_score(stated, truth))
