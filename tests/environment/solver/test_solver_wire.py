"""What goes over the pipe of a solver worker.

1. A program comes back as it was, to the last bit of every number, with any name.
2. So does every answer, and every error with its message.
3. A line is a line: no name breaks it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from random_programs import random_edit, random_program

from lit_grpo.environment.programs.edits import apply
from lit_grpo.environment.programs.program import Constraint, Direction, LinearProgram, ProgramError, Sense, Variable
from lit_grpo.environment.solver.highs import HighsSolver
from lit_grpo.environment.solver.solver import (
    Conflict,
    ConflictMember,
    ConflictPart,
    Solution,
    SolverFailure,
    SolverStatus,
    Violation,
    row_element,
)
from lit_grpo.environment.solver.wire import (
    MAX_KNOWN_PARTS,
    Question,
    QuestionWriter,
    Reply,
    answer_line,
    conflict_of,
    read_answer,
    read_question,
    relaxation_of,
    solution_of,
)

ODD_NUMBERS = (0.1 + 0.2, 5e-324, -0.0, 1e308, 999_999_999.5, 1 / 3, -math.inf, math.inf)
ODD_NAMES = ("größe", "ｘ", "\U0001f600", 'a"b', "back\\slash", "tab\tnew\nline", "</script>", "\ud800")


def bits(program: LinearProgram) -> str:
    """Tells -0.0 from 0.0, which == does not."""
    return repr(program)


@pytest.mark.parametrize("question", list(Question))
def test_1_programs(question: Question) -> None:
    rng, writer = Random(0), QuestionWriter()
    for _ in range(50):
        program = random_program(rng, 6, 6, integer_share=0.5)
        for asked_about in (program, apply(program, random_edit(rng, program)), program):
            asked, read = read_question(writer.line(question, asked_about))
            assert (asked, bits(read)) == (question, bits(asked_about))
            assert hash(read) == hash(asked_about)


def test_1_what_is_kept_of_earlier_questions_is_bounded_and_changes_nothing() -> None:
    rng, writer = Random(1), QuestionWriter()
    for _ in range(1000):
        program = random_program(rng, 6, 6)
        line = writer.line(Question.SOLVE, program)
        assert line == QuestionWriter().line(Question.SOLVE, program)
        assert bits(read_question(line)[1]) == bits(program)
    assert len(writer._texts) < MAX_KNOWN_PARTS + 12


@pytest.mark.parametrize("name", ODD_NAMES)
@pytest.mark.parametrize("number", ODD_NUMBERS)
def test_1_odd_names_and_numbers(name: str, number: float) -> None:
    row = Constraint(name, ((name, number),), Sense.EQUAL, number)
    program = LinearProgram(Direction.MAXIMIZE, ((name, number),), (Variable(name, number, number),), (row,), number)
    line = QuestionWriter().line(Question.SOLVE, program)
    assert bits(read_question(line)[1]) == bits(program)
    assert line.index(b"\n") == len(line) - 1


class Answering:
    """Answers what it was given, or raises it."""

    def __init__(self, answer: Any) -> None:
        self._answer = answer

    def solve(self, program: LinearProgram) -> Solution:
        return self._given()

    def conflict(self, program: LinearProgram) -> Conflict | None:
        return self._given()

    def minimum_relaxation(self, program: LinearProgram) -> tuple[Violation, ...] | None:
        return self._given()

    def _given(self) -> Any:
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer


PROGRAM = LinearProgram(Direction.MINIMIZE, (), (Variable("x"),), ())


@pytest.mark.parametrize(
    ("question", "read", "answer"),
    [
        (Question.SOLVE, solution_of, Solution(SolverStatus.OPTIMAL, 0.1 + 0.2, (1 / 3, -0.0))),
        (Question.SOLVE, solution_of, Solution(SolverStatus.INCONCLUSIVE)),
        (Question.CONFLICT, conflict_of, None),
        (
            Question.CONFLICT,
            conflict_of,
            Conflict(tuple(ConflictMember(part, name) for part in ConflictPart for name in ("a", "größe"))),
        ),
        (Question.RELAXATION, relaxation_of, None),
        (Question.RELAXATION, relaxation_of, ()),
        (Question.RELAXATION, relaxation_of, (Violation(row_element("a"), 1e-7, ConflictPart.ROW),)),
    ],
)
def test_2_answers(question: Question, read: Callable[[object], object], answer: object) -> None:
    reply, line = answer_line(Answering(answer), question, PROGRAM)
    assert reply is Reply.ANSWER
    assert read_answer(line)[0] is Reply.ANSWER
    assert repr(read(read_answer(line)[1])) == repr(answer)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ProgramError("two\nlines"), Reply.PROGRAM_ERROR),
        (ValueError("not infeasible"), Reply.VALUE_ERROR),
        (SolverFailure("gone"), Reply.FAILURE),
    ],
)
def test_2_errors(error: Exception, expected: Reply) -> None:
    reply, line = answer_line(Answering(error), Question.CONFLICT, PROGRAM)
    assert reply is expected
    assert read_answer(line) == (expected, str(error))
    assert line.index(b"\n") == len(line) - 1


def test_2_what_is_no_fault_of_the_question_ends_the_worker() -> None:
    with pytest.raises(MemoryError):
        answer_line(Answering(MemoryError()), Question.SOLVE, PROGRAM)
    assert answer_line(HighsSolver(), Question.SOLVE, PROGRAM)[0] is Reply.ANSWER
