"""Scores: what counts as recovered, as faithful, as diagnosed, worked by hand on the desks."""

from __future__ import annotations

from dataclasses import replace

import pytest
from desk_problem import (
    FAULT,
    FAULTY,
    HOURS,
    ORDERS,
    ORIGINAL,
    PROBLEM,
    REPAIR,
    WOOD,
    ScriptedSolver,
    turn,
)

from lit_grpo.environment.episodes.actions import GetConflict, Relax, Submit
from lit_grpo.environment.episodes.episode import RepairEpisode
from lit_grpo.environment.episodes.faithful import is_faithful
from lit_grpo.environment.episodes.record import EpisodeSettings, StopReason
from lit_grpo.environment.episodes.scoring import DiagnosisScore, RepairScore, diagnosis_score, score_episode
from lit_grpo.environment.programs.comparison import differing_elements
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
from lit_grpo.environment.programs.program import (
    Constraint,
    Direction,
    Element,
    LinearProgram,
    Sense,
    Variable,
    VariableType,
    variable_element,
)
from lit_grpo.environment.solver.highs import HighsSolver
from lit_grpo.environment.solver.solver import SolverFailure, SolverStatus


def _score(*turns: str, solver: ScriptedSolver | None = None) -> RepairScore:
    solver = solver or ScriptedSolver()
    episode = RepairEpisode(PROBLEM, solver, EpisodeSettings())
    for text in turns:
        episode.step(text)
    if episode.stop_reason is None:
        episode.end(StopReason.TOKEN_LIMIT)
    return score_episode(episode.record(), FAULT, solver)


def _faithful(*edits: Edit, original: LinearProgram = ORIGINAL) -> bool:
    return is_faithful(apply_all(original, edits), original, HighsSolver())


def _row(name: str, x: float, y: float, sense: Sense, rhs: float) -> AddRow:
    terms = tuple((v, c) for v, c in (("x", x), ("y", y)) if c)
    return AddRow(Constraint(name, terms, sense, rhs), 0)


# 1. The gold answer scores best on everything.


def test_1_the_gold_answer() -> None:
    score = _score(REPAIR)
    assert (score.recovered, score.faithful, score.verified) == (True, True, True)
    assert (score.turns, score.min_turns, score.edits, score.drift) == (1, 1, 0, 0.0)
    assert score.diagnosis == DiagnosisScore(1.0, 1.0, 1.0, True)
    assert (score.iis_hits, score.iis_rows) == (1, 2)  # orders was acted on, hours was not


def test_2_optimal_again_by_deletion_is_recovered_and_not_faithful() -> None:
    score = _score(turn(DropRow("orders"), ORDERS))
    assert (score.recovered, score.faithful, score.edits, score.drift) == (True, False, 1, 0.0)
    # hours gone, orders 95: 3 x + 2 y <= 194 and x + y >= 95 leave x <= 4, y = 91, so 28 + 364 = 392; 36 / 428 away.
    score = _score(turn(DropRow("hours"), HOURS))
    assert (score.recovered, score.faithful, score.edits) == (True, False, 2)
    assert score.drift == pytest.approx(36 / 428)


def test_3_steps_malformed_and_inconclusive_turns_are_counted() -> None:
    solver = ScriptedSolver([SolverStatus.INCONCLUSIVE])
    score = _score("?", turn(SetRhs("hours", 91.0)), turn(GetConflict()), REPAIR, solver=solver)
    assert (score.turns, score.malformed_turns, score.inconclusive_turns) == (4, 1, 1)
    assert (score.recovered, score.faithful, score.edits) == (True, False, 1)  # hours stayed at 91
    assert (score.iis_hits, score.iis_rows) == (2, 2)


def test_4_giving_up_and_being_cut_off() -> None:
    score = _score(turn(Submit(), ORDERS))
    assert (score.recovered, score.faithful, score.drift, score.diagnosis.f1, score.iis_hits) == (
        False,
        False,
        None,
        1.0,
        0,
    )
    assert _score().turns == 1


def test_5_a_broken_solver_leaves_the_episode_unverified() -> None:
    assert not _score(REPAIR, solver=ScriptedSolver([SolverFailure("gone")])).verified
    # It may also break when asked about the superfluous row; here on the second of two calls.
    program = apply_all(FAULTY, [_row("more", 1, 1, Sense.LESS_EQUAL, 99.0)])
    fault = replace(FAULT, faulty=program)
    solver = ScriptedSolver()
    episode = RepairEpisode(replace(PROBLEM, program=program), solver, EpisodeSettings())
    episode.step(REPAIR)
    solver.script = [SolverFailure("gone")]
    score = score_episode(episode.record(), fault, solver)
    assert (score.recovered, score.faithful, score.verified) == (True, False, False)


# 6. Faithful is the original program, up to what cannot matter.


def test_6_what_counts_as_the_original() -> None:
    assert _faithful()
    assert _faithful(SetRhs("hours", 90.3 * (1 + 5e-7)), original=apply_all(ORIGINAL, [SetRhs("hours", 90.3)]))
    assert _faithful(SetCoefficient("wood", "x", 6.0), SetCoefficient("wood", "y", 4.0), SetRhs("wood", 388.0))
    assert _faithful(DropRow("wood"), _row("wood", 3, 2, Sense.LESS_EQUAL, 194.0))  # another place


def test_6b_whole_numbers_agree_exactly_however_large() -> None:
    """1,000,001 is within 1e-6 of 1,000,000, and it is another number; so are 1,000,000.9 and 1,000,000.5."""
    wood = [SetRhs("wood", 1e7), SetRhs("hours", 1e6), SetBounds("x", 0.0, 2e6)]
    large = apply_all(ORIGINAL, [*wood, SetSense("orders", Sense.LESS_EQUAL), SetRhs("orders", 9e6)])
    for other in (1e6 + 1, 1e6 + 0.9, 1e6 + 0.5, 1e6 + 1e-4):
        assert not _faithful(SetRhs("hours", other), original=large)
    # With at most 1,000,000 pieces of both, x <= 2,000,000 asks for nothing. With 3,000,000 it does.
    assert _faithful(SetBounds("x", 0.0, 2e6 + 1), original=large)
    large = apply_all(large, [SetRhs("hours", 3e6)])
    assert not _faithful(SetBounds("x", 0.0, 2e6 + 1), original=large)
    doubled = [SetCoefficient("hours", "x", 2.0), SetCoefficient("hours", "y", 2.0)]
    assert _faithful(*doubled, SetRhs("hours", 6e6), original=large)
    assert not _faithful(*doubled, SetRhs("hours", 6e6 + 1), original=large)  # 3,000,000.5 on the old scale
    whole = apply_all(large, [SetType("x", VariableType.INTEGER), SetBounds("x", 0.0, 2e6)])
    assert not _faithful(SetBounds("x", 0.0, 2e6 + 1), original=whole)


def test_6c_a_hair_in_a_row_of_whole_numbers_cuts_off_a_point() -> None:
    """At x = 40, y = 37 the wood is used up: 3.000001 * 40 + 74 is 194.00004, more than there is."""
    hair = SetCoefficient("wood", "x", 3.000001)
    assert not _faithful(hair)  # nor is it 3 where nothing is whole: 3 can be written
    whole = apply_all(ORIGINAL, [SetType("x", VariableType.INTEGER), SetType("y", VariableType.INTEGER)])
    assert not _faithful(hair, original=whole)
    assert HighsSolver().solve(whole).objective == 428.0
    assert HighsSolver().solve(apply_all(whole, [hair])).objective == 425.0  # x = 39, y = 38: 273 + 152
    # An added row too: x <= 999,999.5 takes the last of a million away.
    million = apply_all(whole, [SetBounds("x", 0.0, 1e6), SetRhs("wood", 1e8), SetRhs("hours", 1e7)])
    assert not _faithful(_row("more", 1.0, 0, Sense.LESS_EQUAL, 999_999.5), original=million)
    assert _faithful(_row("more", 1.0, 0, Sense.LESS_EQUAL, 1_000_000.5), original=million)


@pytest.mark.parametrize("scale", [1000.0, 0.001, 1e4, 2.0**-14])
def test_6d_a_scaled_row_is_the_same_row_however_it_is_scaled(scale: float) -> None:
    for hair, expected in ((0.0, True), (0.001, False)):
        row = _row("wood", 3 * scale, 2 * scale, Sense.LESS_EQUAL, (194 + hair) * scale)
        assert _faithful(DropRow("wood"), row) is expected


@pytest.mark.parametrize(
    "edits",
    [
        [SetRhs("hours", 90.0 * (1 + 5e-6))],
        [SetRhs("hours", 90.1)],
        [SetCoefficient("wood", "x", 3.001)],
        [SetCoefficient("hours", "x", 0.0)],
        [SetCoefficient("wood", "x", 6.0), SetCoefficient("wood", "y", 4.0)],
        [SetSense("hours", Sense.EQUAL)],
        [DropRow("orders")],  # redundant at the optimum, and still required
        [SetBounds("x", 0.0, 41.0)],
        [SetBounds("y", 0.0, 89.0)],
        [SetBounds("y", 1e-4, float("inf"))],
        [SetType("x", VariableType.INTEGER)],
    ],
)
def test_7_what_does_not(edits: list[Edit]) -> None:
    assert not _faithful(*edits)


@pytest.mark.parametrize(
    "edits",
    [
        [SetBounds("y", 0.0, 1e8)],  # hours keep it at 90
        [SetBounds("y", 0.0, 90.0)],
        [DropRow("wood"), _row("wood", -3, -2, Sense.GREATER_EQUAL, -194.0)],
    ],
)
def test_7b_what_does_all_the_same(edits: list[Edit]) -> None:
    assert _faithful(*edits)


def test_8_another_objective_is_another_program() -> None:
    solver = HighsSolver()
    assert not is_faithful(replace(ORIGINAL, direction=Direction.MINIMIZE), ORIGINAL, solver)
    assert not is_faithful(replace(ORIGINAL, objective=(("x", 7.0), ("y", 5.0))), ORIGINAL, solver)
    assert not is_faithful(replace(ORIGINAL, objective_offset=1.0), ORIGINAL, solver)


def test_9_binary_is_integer_between_0_and_1() -> None:
    original = apply_all(ORIGINAL, [SetType("x", VariableType.BINARY)])
    same = apply_all(original, [SetType("x", VariableType.INTEGER), SetBounds("x", 0.0, 1.0)])
    assert is_faithful(same, original, HighsSolver())
    assert not is_faithful(apply_all(same, [SetBounds("x", 0.0, 2.0)]), original, HighsSolver())
    assert not is_faithful(apply_all(same, [SetType("x", VariableType.CONTINUOUS)]), original, HighsSolver())


def test_9b_whole_numbers_are_compared_as_what_they_allow() -> None:
    whole = apply_all(ORIGINAL, [SetType("x", VariableType.INTEGER), SetType("y", VariableType.INTEGER)])
    assert _faithful(SetBounds("x", -0.5, 40.9), original=whole)  # 0 to 40 all the same
    assert not _faithful(SetBounds("x", 0.0, 39.99999), original=whole)  # 40 is lost
    assert not _faithful(SetBounds("x", 0.00001, 40.0), original=whole)  # 0 is lost
    assert _faithful(SetRhs("wood", 194.5), original=whole)  # 3 x + 2 y is a whole number
    assert not _faithful(SetRhs("orders", 30.00001), original=whole)  # 30 pieces are lost
    assert not _faithful(SetBounds("x", 0.0, 40.9), original=ORIGINAL)
    # A tolerance would let 41 and -1 pass here, and 195 of wood.
    assert _faithful(SetBounds("x", 0.0, 40.9999999), original=whole)
    assert _faithful(SetBounds("x", -0.99999999, 40.0), original=whole)
    assert _faithful(SetRhs("wood", 194.9999999), original=whole)


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        # x + y <= 90 and x <= 40: x + 2 y is at most 180 (x = 0), but wood keeps y at 97 - 1.5 x, so 90 + 90 = 180.
        (_row("more", 1, 2, Sense.LESS_EQUAL, 180.0), True),
        (_row("more", 1, 2, Sense.LESS_EQUAL, 179.0), False),
        (_row("more", 1, 1, Sense.GREATER_EQUAL, 30.0), True),
        (_row("more", 1, 1, Sense.GREATER_EQUAL, 31.0), False),
        (_row("more", 1, 1, Sense.EQUAL, 30.0), False),
        (_row("more", 0, 0, Sense.LESS_EQUAL, 0.0), True),
    ],
)
def test_10_a_row_more_only_if_proven_redundant(row: AddRow, expected: bool) -> None:
    assert _faithful(row) is expected


def test_10b_redundancy_does_not_depend_on_the_scale_of_a_row() -> None:
    """x + y >= 80 excludes the corner of 30 pieces, however small its numbers; x <= 39 does, however large they are."""
    small = Constraint("new", (("x", 1e-10), ("y", 1e-10)), Sense.GREATER_EQUAL, 8e-9)
    assert not _faithful(AddRow(small, 0))
    with_fixed = replace(ORIGINAL, variables=(*ORIGINAL.variables, Variable("z", 7.0, 7.0)))
    large = Constraint("new", (("x", 1.0), ("z", 1e8)), Sense.LESS_EQUAL, 7e8 + 39)
    assert not _faithful(AddRow(large, 0), original=with_fixed)
    assert _faithful(AddRow(replace(large, rhs=7e8 + 41), 0), original=with_fixed)


def test_11_differing_elements() -> None:
    edits = [DropRow("wood"), _row("more", 1, 0, Sense.LESS_EQUAL, 99.0), SetBounds("x", 0.0, 41.0)]
    assert differing_elements(apply_all(FAULTY, edits), ORIGINAL) == (
        WOOD,
        ORDERS,
        Element("row:more"),
        variable_element("x"),
    )


# 12. Diagnosis, micro within an episode.


def test_12_diagnosis() -> None:
    assert diagnosis_score((ORDERS, HOURS), (ORDERS,)) == DiagnosisScore(0.5, 1.0, 2 / 3, False)
    assert diagnosis_score((ORDERS,), (ORDERS, HOURS, WOOD)) == DiagnosisScore(1.0, 1 / 3, 0.5, False)
    assert diagnosis_score((HOURS,), (ORDERS,)) == DiagnosisScore(0.0, 0.0, 0.0, False)
    assert diagnosis_score((), (ORDERS,)) == DiagnosisScore(0.0, 0.0, 0.0, False)
    assert _score(turn(Relax("orders", 65.0), HOURS, ORDERS)).diagnosis.f1 == 2 / 3
