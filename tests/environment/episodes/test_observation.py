"""What is shown: everything needed to repair, the same in both styles, short in the compact one."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from desk_problem import FAULTY, HOURS, ORDERS, PROBLEM

from lit_grpo.data.splits import Split
from lit_grpo.data.task import TaskSettings, generate_task
from lit_grpo.environment.domains.base import ProgramSize
from lit_grpo.environment.episodes.actions import ACTION_KEYS, Move, parse
from lit_grpo.environment.episodes.inspection import inspect
from lit_grpo.environment.episodes.observation import (
    ObservationStyle,
    conflict_names,
    conflict_text,
    edit_observation,
    initial_observation,
    inspection_observation,
    instructions,
    refusal_observation,
)
from lit_grpo.environment.programs.edits import SetBounds, SetRhs, SetType, apply, apply_all
from lit_grpo.environment.programs.program import VariableType
from lit_grpo.environment.programs.specification import RepairProblem, Sentence, Specification
from lit_grpo.environment.solver.highs import HighsSolver
from lit_grpo.environment.solver.solver import Conflict, ConflictMember, ConflictPart, SolverStatus

FULL, COMPACT = ObservationStyle.FULL, ObservationStyle.COMPACT
CONFLICT = Conflict((ConflictMember(ConflictPart.ROW, "hours"), ConflictMember(ConflictPart.ROW, "orders")))


def test_1_compact_layout_conflict_first_and_sentences_beside_the_algebra() -> None:
    assert initial_observation(PROBLEM, CONFLICT, COMPACT) == (
        "* hours 1 x + 1 y <= 90 | one hour each , 90 in all .\n"
        "* orders 1 x + 1 y >= 95 | 30 pieces are ordered .\n"
        "wood 3 x + 2 y <= 194 | 3 wood a desk , 2 a shelf , 194 in stock .\n"
        "x 0 .. 40 | at most 40 desks .\n"
        "y 0 .. null\n"
        "max 7 x + 4 y | a desk x earns 7 , a shelf y earns 4 ."
    )


def test_2_bounds_and_integrality_in_a_conflict_are_marked() -> None:
    program = apply(FAULTY, SetType("x", VariableType.INTEGER))
    members = (
        ConflictMember(ConflictPart.ROW, "hours"),
        ConflictMember(ConflictPart.LOWER, "x"),
        ConflictMember(ConflictPart.UPPER, "y"),
        ConflictMember(ConflictPart.INTEGRALITY, "x"),
    )
    lines = initial_observation(RepairProblem(program), Conflict(members), COMPACT).splitlines()
    assert lines[:3] == ["* hours 1 x + 1 y <= 90", "># x 0 .. 40 integer", "< y 0 .. null"]
    assert conflict_names(Conflict(members), COMPACT) == "hours , x ># , y <"


def test_3_both_styles_hold_the_same_numbers_names_and_sentences() -> None:
    compact, full = (initial_observation(PROBLEM, CONFLICT, style) for style in (COMPACT, FULL))
    words = re.compile(r"[\w.]+")
    assert set(words.findall(compact)) <= set(words.findall(full))
    assert PROBLEM.specification is not None
    assert all(sentence.text in compact and sentence.text in full for sentence in PROBLEM.specification.sentences)
    assert full.count(f"  {HOURS}  1 x + 1 y <= 90") == 2  # in the model and in the conflict


@pytest.mark.parametrize("style", ObservationStyle)
def test_4_numbers_parse_back_to_the_same_float(style: ObservationStyle) -> None:
    program = apply_all(FAULTY, [SetRhs("wood", 0.1 + 0.2), SetBounds("x", -1e-7, 12345678.9)])
    text = initial_observation(RepairProblem(program), CONFLICT, style)
    for value in (0.1 + 0.2, 1e-7, 12345678.9):
        assert repr(value) in text
    assert "194" not in text


@pytest.mark.parametrize("style", ObservationStyle)
def test_5_a_users_own_text_and_no_text_at_all(style: ObservationStyle) -> None:
    own = Specification((Sentence("Ninety hours a week; thirty pieces are ordered."),))
    assert own.text in initial_observation(RepairProblem(FAULTY, own), CONFLICT, style)
    bare = initial_observation(RepairProblem(FAULTY), CONFLICT, style)
    assert "|" not in bare
    assert "Specification" not in bare
    assert "unknown" in initial_observation(RepairProblem(FAULTY), None, style)


def test_6_a_sentence_about_a_row_that_is_gone_is_still_shown() -> None:
    program = replace(FAULTY, constraints=FAULTY.constraints[:2])
    text = initial_observation(RepairProblem(program, PROBLEM.specification), None, COMPACT)
    assert text.endswith("a shelf y earns 4 . 30 pieces are ordered .")


def test_7_tiny_tasks_fit_into_200_tokens() -> None:
    # Names and words, single digits, punctuation marks and line ends count one each.
    tokens = re.compile(r"[A-Za-z_]+|\d|[^\sA-Za-z_\d]|\n")
    solver = HighsSolver()
    tasks = [generate_task(TaskSettings(size=ProgramSize.TINY), Split.TRAIN, 1, i, solver) for i in range(12)]
    lengths = [
        len(tokens.findall(initial_observation(t.problem, solver.conflict(t.problem.program), COMPACT))) for t in tasks
    ]
    assert max(lengths) <= 200
    assert sum(lengths) / len(lengths) <= 170


def test_8_follow_ups() -> None:
    infeasible = SolverStatus.INFEASIBLE
    names = conflict_names(CONFLICT, COMPACT)
    assert edit_observation(infeasible, None, True, names, COMPACT) == "still hours , orders"
    shown = conflict_text(FAULTY, CONFLICT, COMPACT)
    assert edit_observation(infeasible, None, False, shown, COMPACT) == (
        "infeasible\n* hours 1 x + 1 y <= 90\n* orders 1 x + 1 y >= 95"
    )
    assert edit_observation(SolverStatus.UNBOUNDED, None, True, "", COMPACT) == "unbounded"
    assert edit_observation(SolverStatus.OPTIMAL, 428.0, False, "", COMPACT) == "optimal 428"
    full = edit_observation(infeasible, None, True, conflict_names(CONFLICT, FULL), FULL)
    assert "taken back" in full
    assert f"{HOURS}, {ORDERS}" in full
    assert refusal_observation("unknown name", "expected a row", COMPACT) == "unknown name"
    assert "expected a row" in refusal_observation("unknown name", "expected a row", FULL)


def test_9_inspection() -> None:
    # wood = 3 x + 2 y over 0 <= x <= 40, 0 <= y is 0 .. infinity. y at most 10: up to 120 + 20 = 140.
    program = apply(FAULTY, SetBounds("y", 0.0, 10.0))
    answers = inspect(program, "wood", HighsSolver())
    assert inspection_observation(answers, program, COMPACT) == "wood 0 .. 140 violation 0"
    answers = inspect(FAULTY, "y", HighsSolver())
    assert inspection_observation(answers, FAULTY, COMPACT) == "y 0 .. null violation 0"
    assert inspect(FAULTY, "nothing", HighsSolver()) == ()


def test_10_instructions_name_every_action_and_their_example_parses() -> None:
    text = instructions(FULL)
    assert all(f'"action":"{name}"' in text for name in ACTION_KEYS)
    assert parse(text) == Move(SetRhs("oven", 90.0), (("row:oven"),))  # type: ignore[arg-type]
    assert instructions(COMPACT) == ""
