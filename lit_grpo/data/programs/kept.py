"""Reads a program, and a large one only once: the readers take seconds for each megabyte, in every process of a run.

Called by folder.py. What was read is kept as JSON under the hash of the file's bytes and of the readers' own source, so
that neither a changed file nor a changed reader is answered from there.
"""

from __future__ import annotations

import hashlib
import json
from functools import cache
from pathlib import Path

from lit_grpo.data.programs.cache import cache_folder, keep
from lit_grpo.environment.programs import reading
from lit_grpo.environment.programs.program import (
    Constraint,
    Direction,
    LinearProgram,
    Sense,
    Variable,
    VariableType,
    validate,
)
from lit_grpo.environment.programs.reading.program_file import format_suffix, read_program_file

LARGE = 50_000
"""Bytes of a file from which on it is kept."""


def read_kept(file: Path) -> LinearProgram:
    """The program in a file; raises like `read_program_file`."""
    if not file.is_file() or file.stat().st_size < LARGE:
        return read_program_file(file).program
    content = file.read_bytes()
    key = hashlib.sha256(content + format_suffix(file).encode() + _readers()).hexdigest()
    kept = cache_folder() / f"{key}.program.json"
    if (known := _read(kept)) is not None:
        return known
    program = read_program_file(file).program
    keep(kept, _to_text(program))
    return program


def _read(kept: Path) -> LinearProgram | None:
    """What is kept; None if there is nothing, or not what was written there."""
    if not kept.is_file():
        return None
    try:
        return _from_text(kept.read_text(encoding="utf-8"))
    except (AttributeError, KeyError, TypeError, ValueError):
        return None


@cache
def _readers() -> bytes:
    """What the readers are made of."""
    files = sorted(path for folder in reading.__path__ for path in Path(folder).glob("*.py"))
    return b"\0".join(path.read_bytes() for path in files)


def _to_text(program: LinearProgram) -> str:
    return json.dumps(
        {
            "direction": program.direction.value,
            "objective": program.objective,
            "offset": program.objective_offset,
            "variables": [(v.name, v.lower, v.upper, v.type.value) for v in program.variables],
            "rows": [(c.name, c.terms, c.sense.value, c.rhs) for c in program.constraints],
        }
    )


def _from_text(text: str) -> LinearProgram:
    fields = json.loads(text)
    variables = (Variable(name, lower, upper, VariableType(kind)) for name, lower, upper, kind in fields["variables"])
    rows = (Constraint(name, _terms(terms), Sense(sense), rhs) for name, terms, sense, rhs in fields["rows"])
    direction, objective = Direction(fields["direction"]), _terms(fields["objective"])
    return validate(LinearProgram(direction, objective, tuple(variables), tuple(rows), fields["offset"]))


def _terms(terms: list[tuple[str, float]]) -> tuple[tuple[str, float], ...]:
    return tuple((name, value) for name, value in terms)
