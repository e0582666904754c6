"""One line of a benchmark: read, undone by its own inverse, and identified anew from its content.

Called by certificates.py and suite_checker/check.py.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from lit_grpo.suite_checker.layout import require_record
from lit_grpo.suite_checker.programs import Edit, Program, apply_action, read_program
from lit_grpo.suite_checker.strict_json import RecordError, read_object
from lit_grpo.suite_checker.writing import declarations, mps_text


@dataclass(frozen=True)
class Sentence:
    """A sentence of the specification."""

    text: str
    about: str | None
    """The element that it determines."""


@dataclass(frozen=True)
class Record:
    """A record with its programs."""

    fields: dict[str, Any]
    original: Program
    repairs: tuple[Program, ...]
    """The faulty program, then as it is after each action of the inverse."""
    edits: tuple[Edit, ...]
    """The actions of the inverse."""

    @property
    def faulty(self) -> Program:
        """The program before any repair."""
        return self.repairs[0]

    @property
    def certificate(self) -> dict[str, Any]:
        """The figures that are claimed."""
        return self.fields["certificate"]

    @property
    def elements(self) -> list[str]:
        """What the inverse touches, each once."""
        return list(dict.fromkeys(edit.element for edit in self.edits))

    @property
    def sentences(self) -> tuple[Sentence, ...]:
        """The specification, at least one."""
        return tuple(Sentence(fields["text"], fields["about"]) for fields in self.fields["specification"])

    def after(self, actions: Iterable[str]) -> Program:
        """The faulty program after some actions."""
        program = self.faulty
        for text in actions:
            program, _ = apply_action(program, text)
        return program

    @property
    def cell(self) -> tuple[str, str]:
        """Kind and difficulty."""
        return self.fields["kind"], self.fields["difficulty"]


def read_record(line: str) -> Record:
    """The record of a line.

    Raises:
        RecordError: It is not as layout.py says, not written as a record is, or holds a program or an action that
            cannot be read or has another text.
    """
    fields = read_object(line, "record")
    require_record(fields)
    if line != json.dumps(fields, ensure_ascii=False):
        raise RecordError("expected the record as Python's json.dumps writes it, got other white space or escapes")
    original = _program(fields, "original")
    program = _program(fields, "faulty")
    programs, edits = [program], []
    for text in fields["inverse_actions"]:
        program, edit = apply_action(program, text)
        programs.append(program)
        edits.append(edit)
    return Record(fields, original, tuple(programs), tuple(edits))


def _program(fields: dict[str, Any], which: str) -> Program:
    """The original or the faulty program, if its texts are the ones that it has."""
    mps, declared = fields[f"{which}_mps"], fields[f"{which}_declarations"]
    program = read_program(mps, declared)
    for key, got, expected in (("mps", mps, mps_text(program)), ("declarations", declared, declarations(program))):
        if got != expected:
            raise RecordError(f"expected {which}_{key} in the form in which the program is written, got another")
    return program


# --- identity -----------------------------------------------------------------------------------------------------


def content_id(record: Record) -> str:
    """The id that follows from specification, original and faulty program."""
    sentences = [f"Sentence(text={s['text']!r}, about={s['about']!r})" for s in record.fields["specification"]]
    specification = f"Specification(sentences={_tuple(sentences)})"
    return _digest(f"({specification}, {_program_text(record.original)}, {_program_text(record.faulty)})")


def program_digest(program: Program) -> str:
    """A hash that is blind to names and to the order of rows."""
    position = {name: j for j, name in enumerate(program.variables)}

    def by_position(terms: dict[str, float]) -> list[tuple[int, float]]:
        return [(position[name], terms[name]) for name in program.variables if name in terms]

    rows = sorted((by_position(row.terms), row.sense, row.rhs) for row in program.rows.values())
    variables = [(v.lower, v.upper, v.type) for v in program.variables.values()]
    direction = "maximize" if program.maximize else "minimize"
    return _digest(repr((direction, by_position(program.costs), variables, rows)))


def split_of(program: Program) -> str:
    """The split that an original program belongs to: 80 : 10 : 10."""
    return split_of_digest(program_digest(program))


def split_of_digest(digest: str) -> str:
    """The split that a program's digest says."""
    bucket = int(digest, 16) % 10
    return {8: "validation", 9: "test"}.get(bucket, "train")


_NAMES = {"<=": "LESS_EQUAL", ">=": "GREATER_EQUAL", "=": "EQUAL"}


def _program_text(program: Program) -> str:
    """How the hashed content writes a program."""
    direction = "maximize" if program.maximize else "minimize"
    variables = [
        f"Variable(name={name!r}, lower={v.lower!r}, upper={v.upper!r}, "
        f"type=<VariableType.{v.type.upper()}: {v.type!r}>)"
        for name, v in program.variables.items()
    ]
    rows = [
        f"Constraint(name={name!r}, terms={tuple(row.terms.items())!r}, "
        f"sense=<Sense.{_NAMES[row.sense]}: {row.sense!r}>, rhs={row.rhs!r})"
        for name, row in program.rows.items()
    ]
    return (
        f"LinearProgram(direction=<Direction.{direction.upper()}: {direction!r}>, "
        f"objective={tuple(program.costs.items())!r}, variables={_tuple(variables)}, "
        f"constraints={_tuple(rows)}, objective_offset={program.offset!r})"
    )


def _tuple(parts: list[str]) -> str:
    return f"({', '.join(parts)}{',' if len(parts) == 1 else ''})"


def _digest(content: str) -> str:
    return hashlib.sha256(content.encode()).hexdigest()
