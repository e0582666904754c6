"""One line of a benchmark: read, undone by its own inverse, and identified anew from its content.

Called by certificates.py and suite_checker/check.py.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from lit_grpo.suite_checker.programs import Edit, Program, RecordError, apply_action, read_program

FIELDS: dict[str, type] = {
    "id": str,
    "domain": str,
    "kind": str,
    "difficulty": str,
    "split": str,
    "specification": list,
    "original_mps": str,
    "original_declarations": list,
    "faulty_mps": str,
    "faulty_declarations": list,
    "inverse_actions": list,
    "faulty_elements": list,
    "original_objective": float,
    "certificate": dict,
    "generator_version": int,
}
"""Every key of a record, and what it holds."""

FIGURES: dict[str, type] = {
    "variant": str,
    "violation": float,
    "property_margin": float,
    "conflict_size": int,
    "num_decoys": int,
}
"""Of a certificate."""


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
        """Before any repair."""
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
    def cell(self) -> tuple[str, str]:
        """Kind and difficulty."""
        return self.fields["kind"], self.fields["difficulty"]


def read_record(line: str) -> Record:
    """The record of a line; RecordError if it is none."""
    try:
        fields = json.loads(line)
    except json.JSONDecodeError as error:
        raise RecordError(f"expected one JSON object, got {error.msg}") from error
    _require(fields, FIELDS, "record")
    _require(fields["certificate"], FIGURES, "certificate")
    original = read_program(fields["original_mps"], fields["original_declarations"])
    program = read_program(fields["faulty_mps"], fields["faulty_declarations"])
    programs, edits = [program], []
    for text in fields["inverse_actions"]:
        program, edit = apply_action(program, text)
        programs.append(program)
        edits.append(edit)
    return Record(fields, original, tuple(programs), tuple(edits))


def _require(value: object, keys: dict[str, type], what: str) -> None:
    """Raise unless the keys are there, each of its type."""
    if not isinstance(value, dict):
        raise RecordError(f"expected the {what} to be a JSON object, got {value!r}")
    for key, type_ in keys.items():
        if key not in value:
            raise RecordError(f"expected the key {key} in the {what}")
        is_whole = type(value[key]) is int
        if not (isinstance(value[key], type_) or (type_ is float and is_whole)):
            raise RecordError(f"expected {key} to be of type {type_.__name__}, got {value[key]!r}")


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
    bucket = int(program_digest(program), 16) % 10
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
