"""Reads what a user asks of a repair: elements to keep, and a file of assertions with rows in LP syntax and points.

Called by explain/reading.py. A file of assertions::

    pay: 3 x + 2 y >= 40
    x - y <= 5
    Points
    last_year: x = 4, y = 2

Rows may stand below ``Rows`` or ``Subject To`` as well. A point gives the values of some variables.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from lit_grpo.environment.programs.program import Constraint, LinearProgram, ProgramError
from lit_grpo.environment.programs.reading.draft import nearest
from lit_grpo.environment.programs.reading.lp_tokens import Section, sections
from lit_grpo.environment.programs.reading.program_file import read_program_text
from lit_grpo.environment.programs.reading.source import Source
from lit_grpo.environment.repairs.protections import Protections, unknown_patterns

_ROWS = re.compile(r"(?i)\s*(rows|subject to|such that|st|s\.t\.)\s*:?\s*$")
_POINTS = re.compile(r"(?i)\s*points?\s*:?\s*$")
_END = re.compile(r"(?i)\s*end\s*$")
_VALUE = re.compile(r"\s*([^\s=]+)\s*=\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*(?:,|$|(?=\s))")


def read_protections(
    keep: Sequence[str], assertions: Path | None, program: LinearProgram, keep_option: str
) -> Protections:
    """What a repair of the program is held to.

    Args:
        keep: Elements that must not be touched, or patterns.
        assertions: The file; None: nothing is asserted.
        program: The program that they are about.
        keep_option: What an error calls the option for ``keep``.

    Raises:
        ProgramError: A pattern fits no element, or the file is refused.
    """
    if unknown := unknown_patterns(keep, program):
        raise ProgramError(
            f"{keep_option}: expected row:NAME or var:NAME of the program, or a pattern for some, got {unknown[0]!r}, "
            "which fits none; check the name"
        )
    rows, points = ((), ()) if assertions is None else read_assertions(assertions, program)
    return Protections(tuple(keep), rows, points)


def read_assertions(
    path: Path, program: LinearProgram
) -> tuple[tuple[Constraint, ...], tuple[Mapping[str, float], ...]]:
    """The rows and the points of the file.

    Raises:
        ProgramError: There is no such file, it cannot be read exactly, or it names a variable that the program lacks.
    """
    if not path.is_file():
        raise ProgramError(f"{path}: expected a file of assertions, got none; check the path")
    rows: list[str] = []
    points: list[Mapping[str, float]] = []
    in_points = False
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise ProgramError(f"{path}: expected text in UTF-8, got {error.reason}; save it as UTF-8") from error
    for number, line in enumerate(lines, start=1):
        text = line.split("\\")[0].rstrip()
        if _ROWS.match(text) or _POINTS.match(text) or _END.match(text):
            in_points = _POINTS.match(text) is not None
            rows.append("")
        elif in_points and text.strip():
            points.append(_point(text, f"{path}:{number}", program))
            rows.append("")
        else:
            # The line stays where it is, so that a refusal has its number.
            rows.append(text)
    return _rows("\n".join(rows), path, program), tuple(points)


def _rows(text: str, path: Path, program: LinearProgram) -> tuple[Constraint, ...]:
    if not text.strip():
        return ()
    whole = f"Minimize\nSubject To\n{text}\nEnd\n"
    source = Source(str(path), whole, first_line=-1)
    for part in sections(source):
        if part.section not in (Section.MINIMIZE, Section.ROWS, Section.END):
            remedy = "write a bound as a row, for example `at_most: x <= 10`"
            raise source.refusal(part.keyword, part.section, "rows and points", "another section", remedy)
    asserted = read_program_text(whole, ".lp", str(path), first_line=-1).program
    known = [variable.name for variable in program.variables]
    for row in asserted.constraints:
        for name, _ in row.terms:
            _require_known(name, known, f"{path}: row {row.name}")
    position = {name: j for j, name in enumerate(known)}
    return tuple(
        Constraint(row.name, tuple(sorted(row.terms, key=lambda term: position[term[0]])), row.sense, row.rhs)
        for row in asserted.constraints
    )


def _point(text: str, where: str, program: LinearProgram) -> Mapping[str, float]:
    known = [variable.name for variable in program.variables]
    values: dict[str, float] = {}
    rest = re.sub(r"^\s*[^\s=,]+\s*:\s", "", text)
    while rest.strip():
        # Names may hold commas (x[1,2]), so values are taken one by one.
        match = _VALUE.match(rest)
        if match is None:
            raise ProgramError(
                f"{where}: expected NAME = NUMBER, with commas between them, got {rest.strip()!r}; fix it"
            )
        _require_known(match[1], known, where)
        values[match[1]], rest = float(match[2]), rest[match.end() :]
    return values


def _require_known(name: str, known: list[str], where: str) -> None:
    if name not in known:
        raise ProgramError(
            f"{where}: expected the name of a variable of the program, got {name!r}{nearest(name, known)}; correct it"
        )
