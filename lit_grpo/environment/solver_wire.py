"""Questions to a solver and their answers as lines of JSON, for a solver in another process.

Written by solver_workers.py and read by solver_worker.py, and the other way round. Python's JSON writes a float as the
shortest text that reads back as the same one, infinities included, so nothing is lost on the way. Plain data on
purpose: what comes out of a pipe is parsed, never run.
"""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Any

from lit_grpo.environment.program import (
    Constraint,
    Direction,
    Element,
    LinearProgram,
    ProgramError,
    Sense,
    Variable,
    VariableType,
)
from lit_grpo.environment.solver import (
    Conflict,
    ConflictMember,
    ConflictPart,
    Solution,
    Solver,
    SolverFailure,
    SolverStatus,
    Violation,
)

# A lookup costs a fifth of an enum's constructor, and there are two for each row and variable.
_SENSES = {sense.value: sense for sense in Sense}
_TYPES = {type_.value: type_ for type_ in VariableType}

_encode = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode
"""Half the time of ``json.dumps``, which makes an encoder for every call that names its separators."""


class Question(StrEnum):
    """The methods of `Solver`."""

    SOLVE = "solve"
    CONFLICT = "conflict"
    RELAXATION = "minimum_relaxation"


class Reply(StrEnum):
    """What became of a question."""

    ANSWER = "answer"
    PROGRAM_ERROR = "program_error"
    VALUE_ERROR = "value_error"
    FAILURE = "failure"
    """The solver raised SolverFailure: its objects are not to be asked again."""


def question_line(question: Question, program: LinearProgram) -> bytes:
    """The question as one line, with its end."""
    variables = [(v.name, v.lower, v.upper, v.type) for v in program.variables]
    rows = [(c.name, c.terms, c.sense, c.rhs) for c in program.constraints]
    parts = (question, program.direction, program.objective_offset, program.objective, variables, rows)
    return _encode(parts).encode() + b"\n"


def read_question(line: bytes) -> tuple[Question, LinearProgram]:
    """What `question_line` wrote."""
    question, direction, offset, objective, variables, rows = json.loads(line)
    program = LinearProgram(
        Direction(direction),
        _terms(objective),
        tuple([Variable(name, lower, upper, _TYPES[type_]) for name, lower, upper, type_ in variables]),
        tuple([Constraint(name, _terms(terms), _SENSES[sense], rhs) for name, terms, sense, rhs in rows]),
        offset,
    )
    return Question(question), program


def answer_line(solver: Solver, question: Question, program: LinearProgram) -> tuple[Reply, bytes]:
    """Ask the solver; its answer, or what it raised, as one line with its end."""
    try:
        reply, content = Reply.ANSWER, _ask(solver, question, program)
    except ProgramError as error:
        reply, content = Reply.PROGRAM_ERROR, str(error)
    except ValueError as error:
        reply, content = Reply.VALUE_ERROR, str(error)
    except SolverFailure as failure:
        reply, content = Reply.FAILURE, str(failure)
    return reply, _encode((reply, content)).encode() + b"\n"


def read_answer(line: bytes) -> tuple[Reply, Any]:
    """The kind of an answer and its content, for `solution_of`, `conflict_of` or `relaxation_of`, or a message."""
    reply, content = json.loads(line)
    return Reply(reply), content


def solution_of(content: Any) -> Solution:
    """The answer to SOLVE."""
    status, objective, values = content
    return Solution(SolverStatus(status), objective, None if values is None else tuple(values))


def conflict_of(content: Any) -> Conflict | None:
    """The answer to CONFLICT."""
    return None if content is None else Conflict(tuple(ConflictMember(ConflictPart(p), name) for p, name in content))


def relaxation_of(content: Any) -> tuple[Violation, ...] | None:
    """The answer to RELAXATION."""
    if content is None:
        return None
    return tuple(Violation(Element(element), amount, ConflictPart(part)) for element, amount, part in content)


def _ask(solver: Solver, question: Question, program: LinearProgram) -> Any:
    match question:
        case Question.SOLVE:
            solution = solver.solve(program)
            return solution.status, solution.objective, solution.values
        case Question.CONFLICT:
            conflict = solver.conflict(program)
            return None if conflict is None else [(member.part, member.name) for member in conflict.members]
        case Question.RELAXATION:
            violations = solver.minimum_relaxation(program)
            return None if violations is None else [(v.element, v.amount, v.part) for v in violations]


def _terms(pairs: list[Any]) -> tuple[tuple[str, float], ...]:
    return tuple(map(tuple, pairs))
