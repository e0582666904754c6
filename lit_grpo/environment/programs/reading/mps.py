"""The reader of MPS files, free and fixed: sections to a draft of the program. Called by program_file.py.

Names are checked in every section, entries are taken once, numbers whole. Defaults on which readers differ are those of
HiGHS, with a note: an integer column between markers without bounds is 0 or 1; a negative upper bound alone leaves
the lower one at 0; the right-hand side of the objective is minus its constant.
"""

from __future__ import annotations

import re
from fractions import Fraction

from lit_grpo.environment.programs.program import Direction
from lit_grpo.environment.programs.reading.draft import ProgramDraft, RowDraft, nearest
from lit_grpo.environment.programs.reading.mps_bounds import read_bound, set_defaults
from lit_grpo.environment.programs.reading.mps_lines import DataLine, Header, lines
from lit_grpo.environment.programs.reading.mps_state import MpsFile, number_of, pairs, require_one_set, require_row
from lit_grpo.environment.programs.reading.source import Source, Span


def read_mps(source: Source) -> tuple[ProgramDraft, str]:
    """Everything that an MPS file says, and which of its two formats it is in.

    Raises:
        ProgramError: It says something that is no linear program, or nothing definite.
    """
    cut, by_columns = lines(source)
    file = MpsFile(ProgramDraft(source))
    for line in cut:
        if isinstance(line, Header):
            _open(file, line)
        else:
            _data(file, line)
    _require_sections(file)
    _note_direction_in_comment(file)
    _set_sides(file)
    set_defaults(file)
    if file.free_rows:
        names = ", ".join(list(file.free_rows)[:5])
        file.draft.note(next(iter(file.free_rows.values())), f"rows of type N besides the objective left out: {names}")
    return file.draft, "fixed MPS" if by_columns else "MPS"


def _open(file: MpsFile, header: Header) -> None:
    source = file.draft.source
    if "ENDATA" in file.seen:
        raise source.refusal(header.span, header.section, "nothing behind ENDATA", repr(header.section), "delete it")
    if header.section in file.seen:
        raise source.refusal(header.span, header.section, "each section once", "it twice", "join the two")
    file.seen.append(header.section)
    if header.section == "OBJSENSEMAX":
        file.draft.direction = Direction.MAXIMIZE
    elif header.section in ("OBJSENSE", "OBJNAME") and header.rest:
        _data(file, DataLine(header.section, header.rest, header.span))
    elif header.rest and header.section not in ("NAME", "OBJSENSE", "OBJNAME"):
        raise source.refusal(
            header.rest[0].span,
            header.section,
            "nothing behind a section's name",
            repr(header.rest[0].text),
            "delete it",
        )


def _data(file: MpsFile, line: DataLine) -> None:
    match line.section:
        case "OBJSENSE":
            _direction(file, line)
        case "OBJNAME":
            name = line.fields[0]
            if file.wanted_objective is not None:
                raise file.draft.source.refusal(
                    name.span, "OBJNAME", "one name", f"another, {name.text!r}", "keep one of the two"
                )
            file.wanted_objective = name.text
        case "ROWS":
            _row(file, line)
        case "COLUMNS":
            _column(file, line)
        case "RHS" | "RANGES":
            _side(file, line)
        case "BOUNDS":
            read_bound(file, line)
        case _:
            raise file.draft.source.refusal(
                line.span, line.section, "no data here", repr(line.fields[0].text), "begin a section's name in column 1"
            )


def _direction(file: MpsFile, line: DataLine) -> None:
    word = line.fields[0]
    text = word.text.upper()
    if text not in ("MAX", "MAXIMIZE", "MIN", "MINIMIZE") or len(line.fields) > 1:
        raise file.draft.source.refusal(word.span, "OBJSENSE", "MAX or MIN", repr(word.text), "write one of the two")
    if file.has_direction:
        raise file.draft.source.refusal(
            word.span, "OBJSENSE", "one direction", f"another, {word.text!r}", "keep one of the two"
        )
    file.has_direction = True
    file.draft.direction = Direction.MAXIMIZE if text.startswith("MAX") else Direction.MINIMIZE


def _note_direction_in_comment(file: MpsFile) -> None:
    """Note a maximisation that a comment alone speaks of, as PuLP writes it: to a solver a comment says nothing."""
    source = file.draft.source
    found = re.search(r"(?im)^\*\s*sense\s*:\s*max\w*", source.text)
    if found is not None and not file.has_direction and "OBJSENSEMAX" not in file.seen:
        file.draft.note(
            Span(*found.span()),
            f"the comment {found[0]!r} does not count: read as minimize, as other readers do; write OBJSENSE MAX if "
            "the objective is to be maximized",
        )


def _row(file: MpsFile, line: DataLine) -> None:
    source = file.draft.source
    if len(line.fields) != 2:
        raise source.refusal(
            line.span, "ROWS", "a type and a name", repr(source.of(line.span).strip()), "complete the line"
        )
    kind, name = line.fields
    type_ = kind.text.upper()
    if type_ not in ("N", "L", "G", "E"):
        raise source.refusal(kind.span, "ROWS", "a type of N, L, G or E", repr(kind.text), "correct it")
    if name.text in file.types:
        raise source.refusal(
            name.span,
            "ROWS",
            "each row name once",
            f"{name.text!r} twice",
            "rename one of the two rows, here and in its entries: nothing tells which entries belong to which",
        )
    file.types[name.text] = type_
    if type_ != "N":
        file.rows[name.text] = row = RowDraft(name.text, line.span, sense_span=kind.span)
        file.draft.rows.append(row)
    elif file.wanted_objective in (None, name.text) and file.objective is None:
        file.objective = name.text
    else:
        file.free_rows[name.text] = name.span


def _column(file: MpsFile, line: DataLine) -> None:
    source, draft = file.draft.source, file.draft
    if any(word.text.strip("'\"") == "MARKER" for word in line.fields[1:2]):
        _marker(file, line)
        return
    name, *entries = line.fields
    if len(entries) not in (2, 4):
        raise source.refusal(
            line.span,
            "COLUMNS",
            "a column and one or two pairs of a row and a number",
            repr(source.of(line.span).strip()),
            "complete the line, and leave no blanks in names",
        )
    if name.text != file.column and name.text in draft.variables:
        raise source.refusal(
            name.span, "COLUMNS", "the entries of a column together", f"{name.text!r} again", "move them together"
        )
    file.column = name.text
    variable = draft.variable(name.text)
    if file.in_integers:
        variable.is_integer = True
        file.marked.setdefault(name.text, name.span)
    for row, number in pairs(entries):
        value = number_of(source, number, "COLUMNS")
        require_row(file, row, "COLUMNS")
        if (name.text, row.text) in file.entries:
            raise source.refusal(
                row.span,
                "COLUMNS",
                "one entry for a column and a row",
                f"{name.text!r}, {row.text!r} twice",
                "keep one",
            )
        file.entries.add((name.text, row.text))
        if row.text == file.objective:
            draft.objective[name.text] = value
        elif row.text in file.rows:
            file.rows[row.text].coefficients[name.text] = value
            file.rows[row.text].coefficient_spans[name.text] = number.span


def _marker(file: MpsFile, line: DataLine) -> None:
    kind = line.fields[-1].text.strip("'\"").upper()
    expected = "INTEND" if file.in_integers else "INTORG"
    if kind != expected or len(line.fields) != 3:
        remedy = "markers come in pairs, INTORG and INTEND"
        raise file.draft.source.refusal(
            line.fields[-1].span, "COLUMNS", f"'{expected}'", repr(line.fields[-1].text), remedy
        )
    file.in_integers = kind == "INTORG"


def _side(file: MpsFile, line: DataLine) -> None:
    """A line of RHS or RANGES; the name of the vector may be left out."""
    source, fields = file.draft.source, line.fields
    if len(fields) not in (2, 3, 4, 5):
        raise source.refusal(
            line.span, line.section, "pairs of a row and a number", repr(fields[0].text), "complete the line"
        )
    if len(fields) % 2:
        require_one_set(file, line.section, fields[0])
        fields = fields[1:]
    values = file.rhs if line.section == "RHS" else file.ranges
    for row, number in pairs(fields):
        value = number_of(source, number, line.section)
        require_row(file, row, line.section)
        if row.text in values:
            raise source.refusal(
                row.span, line.section, "one number for a row", f"{row.text!r} twice", "keep one of the two"
            )
        if file.types[row.text] == "N" and (row.text != file.objective or line.section == "RANGES"):
            raise source.refusal(
                row.span, line.section, "a row with a limit", f"{row.text!r}, which has none", "delete it"
            )
        values[row.text] = value
        if row.text == file.objective:
            file.draft.note(row.span, "the right-hand side of the objective is read as minus its constant")
        elif line.section == "RHS":
            file.rows[row.text].rhs_span = number.span


def _require_sections(file: MpsFile) -> None:
    source, end = file.draft.source, Span(len(file.draft.source.text), len(file.draft.source.text))
    for section in ("ROWS", "COLUMNS", "ENDATA"):
        if section not in file.seen:
            raise source.refusal(end, section, f"a section {section}", "none", "was the file cut off? Export it again")
    if file.wanted_objective is not None and file.wanted_objective != file.objective:
        known = [name for name, type_ in file.types.items() if type_ == "N"]
        comes_late = file.wanted_objective in known
        got = repr(file.wanted_objective) + ("" if comes_late else nearest(file.wanted_objective, known))
        remedy = "move OBJNAME before ROWS" if comes_late else "correct the name"
        raise source.refusal(end, "OBJNAME", "the name of a row of type N, before ROWS", got, remedy)
    if file.objective is None:
        raise source.refusal(
            end, "ROWS", "a row of type N, the objective", "none", "add one, without entries if need be"
        )
    if file.in_integers:
        raise source.refusal(end, "COLUMNS", "a marker INTEND behind INTORG", "none", "add it")


def _set_sides(file: MpsFile) -> None:
    """Limits of the rows by their type, right-hand side and range (a range's sign counts in equalities alone)."""
    file.draft.offset = -file.rhs.get(file.objective or "", Fraction(0))
    for name, row in file.rows.items():
        rhs, type_ = file.rhs.get(name, Fraction(0)), file.types[name]
        row.lower, row.upper = (None if type_ == "L" else rhs), (None if type_ == "G" else rhs)
        span = file.ranges.get(name)
        if span is None:
            continue
        if type_ == "L" or (type_ == "E" and span < 0):
            row.lower = rhs - abs(span)
        else:
            row.upper = rhs + abs(span)
