"""Questions to a solver and their answers as lines of JSON, for a solver in another process.

Written by workers.py and read by worker.py, and the other way round. Python's JSON writes a float as the
shortest text that reads back as the same one, infinities included, so nothing is lost on the way. Plain data on
purpose: what comes out of a pipe is parsed, never run.
"""

from __future__ import annotations

import json
from enum import StrEnum
from functools import lru_cache
from typing import Any

from lit_grpo.environment.programs.program import (
    Constraint,
    Direction,
    Element,
    LinearProgram,
    ProgramError,
    Sense,
    Variable,
    VariableType,
)
from lit_grpo.environment.solver.solver import (
    Conflict,
    ConflictMember,
    ConflictPart,
    Solution,
    Solver,
    SolverFailure,
    SolverStatus,
    Violation,
)

MAX_KNOWN_PARTS = 4096
"""Rows and variables whose text, or whose object, is kept: some 2 MiB on either side."""

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


class QuestionWriter:
    """Writes questions. An edit leaves all rows and variables but one as they are, so the text of each is kept."""

    def __init__(self) -> None:
        self._texts: dict[int, tuple[Variable | Constraint, str]] = {}
        """Texts by identity, which costs a tenth of a hash. Holds what it is the text of: nothing else gets that
        identity.
        """

    def line(self, question: Question, program: LinearProgram) -> bytes:
        """The question as one line, with its end: its parts are JSON, which holds no tab that is not escaped."""
        if len(self._texts) > MAX_KNOWN_PARTS:
            self._texts.clear()
        head = _encode((question, len(program.variables), program.direction, program.objective_offset))
        parts = [self._text(part) for part in (*program.variables, *program.constraints)]
        return "\t".join((head, _encode(program.objective), *parts)).encode() + b"\n"

    def _text(self, part: Variable | Constraint) -> str:
        known = self._texts.get(id(part))
        if known is None:
            known = self._texts[id(part)] = (part, _part_text(part))
        return known[1]


def read_question(line: bytes) -> tuple[Question, LinearProgram]:
    """What `QuestionWriter` wrote."""
    head, objective, *parts = line.decode().split("\t")
    question, num_variables, direction, offset = json.loads(head)
    program = LinearProgram(
        Direction(direction),
        _terms(json.loads(objective)),
        tuple(map(_variable, parts[:num_variables])),
        tuple(map(_row, parts[num_variables:])),
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
    if content is None:
        return None
    is_irreducible, members = content
    return Conflict(tuple(ConflictMember(ConflictPart(part), name) for part, name in members), is_irreducible)


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
            if conflict is None:
                return None
            return conflict.is_irreducible, [(member.part, member.name) for member in conflict.members]
        case Question.RELAXATION:
            violations = solver.minimum_relaxation(program)
            return None if violations is None else [(v.element, v.amount, v.part) for v in violations]


def _part_text(part: Variable | Constraint) -> str:
    if isinstance(part, Variable):
        return _encode((part.name, part.lower, part.upper, part.type))
    return _encode((part.name, part.terms, part.sense, part.rhs))


@lru_cache(MAX_KNOWN_PARTS)
def _variable(text: str) -> Variable:
    name, lower, upper, type_ = json.loads(text)
    return Variable(name, lower, upper, VariableType(type_))


@lru_cache(MAX_KNOWN_PARTS)
def _row(text: str) -> Constraint:
    name, terms, sense, rhs = json.loads(text)
    return Constraint(name, _terms(terms), Sense(sense), rhs)


def _terms(pairs: list[Any]) -> tuple[tuple[str, float], ...]:
    return tuple((name, value) for name, value in pairs)
