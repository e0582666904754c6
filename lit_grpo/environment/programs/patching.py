"""A changed program as a patch of the user's own file: only the tokens that change change, all else stays as it is.

Called by whoever writes a repaired file beside the user's. Comments, order and spelling are kept. What comes out is
read again and compared with what was meant; a change that cannot be written so gives None, and the whole program has to
be written instead (files.py).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import unified_diff

from lit_grpo.environment.programs.edits import coefficient
from lit_grpo.environment.programs.files import same_meaning
from lit_grpo.environment.programs.program import (
    Constraint,
    LinearProgram,
    ProgramError,
    Sense,
    Variable,
    VariableType,
)
from lit_grpo.environment.programs.reading.draft import RowDraft
from lit_grpo.environment.programs.reading.program_file import ProgramFile, read_program_text
from lit_grpo.environment.programs.reading.source import Span

_MPS_LETTER = {Sense.LESS_EQUAL: "L", Sense.GREATER_EQUAL: "G", Sense.EQUAL: "E"}
_LP_TAIL = re.compile(r"(?im)^[ \t]*(generals?|gen|integers?|int|binary|binaries|bin|end)\b")
_LP_BOUNDS = re.compile(r"(?im)^[ \t]*bounds?[ \t]*(\\.*)?\r?\n")
_LP_TYPES = re.compile(r"(?im)^[ \t]*(generals?|gen|integers?|int|binary|binaries|bin)[ \t]*(\\.*)?\r?$")
_MPS_END = re.compile(r"(?m)^ENDATA")
_NO_LINE_END = "\\ No newline at end of file"


@dataclass(frozen=True, slots=True)
class Replacement:
    """Characters to be put in place of a span; an empty span inserts."""

    span: Span
    text: str


def patched_text(file: ProgramFile, changed: LinearProgram) -> str | None:
    """The file's text with the changes that make its program ``changed``; None if they cannot be written into it."""
    suffix = ".lp" if file.report.format == "LP" else ".mps"
    source = file.draft.source
    text = source.text
    if file.report.renamed or file.report.split:
        return None
    wanted = sorted(_replacements(file, changed, is_lp=suffix == ".lp"), key=lambda r: (r.span.start, r.span.end))
    line_end = "\r\n" if "\r\n" in text else "\n"
    for replacement in reversed(wanted):
        written = replacement.text.replace("\n", line_end)
        text = text[: replacement.span.start] + written + text[replacement.span.end :]
    try:
        again = read_program_text(text, suffix, source.name).program
    except ProgramError:
        return None
    return source.mark + text if same_meaning(_in_order(again), _in_order(changed)) else None


def patch_of(file: ProgramFile, patched: str) -> str:
    """The unified difference between the file and what it was patched to, as the program patch takes it."""
    source = file.draft.source
    before, after = (_lines(text) for text in (source.mark + source.text, patched))
    changes = unified_diff(before, after, source.name, f"{source.name} (repaired)")
    return "".join(line if line.endswith("\n") else f"{line}\n{_NO_LINE_END}\n" for line in changes)


def _lines(text: str) -> list[str]:
    """Cut where the program patch does: behind line feeds, and nowhere else."""
    return re.findall(r"[^\n]*\n|[^\n]+", text)


def _in_order(program: LinearProgram) -> LinearProgram:
    """The program with everything sorted by name: a row that is gone may take a variable's first place with it."""
    return LinearProgram(
        program.direction,
        tuple(sorted(program.objective)),
        tuple(sorted(program.variables, key=lambda variable: variable.name)),
        tuple(
            Constraint(row.name, tuple(sorted(row.terms)), row.sense, row.rhs)
            for row in sorted(program.constraints, key=lambda row: row.name)
        ),
        program.objective_offset,
    )


def _replacements(file: ProgramFile, changed: LinearProgram, *, is_lp: bool) -> Iterator[Replacement]:
    rows = {row.name: row for row in changed.constraints}
    for draft, old in zip(file.draft.rows, file.program.constraints, strict=True):
        new = rows.get(draft.name)
        if new is None:
            yield from [_dropped(file, draft)] if is_lp else _without_limit(file, draft)
        elif new != old:
            yield from _row_changes(file, draft, old, new, is_lp=is_lp)
    for old in file.program.variables:
        new = changed.variable(old.name)
        if new.type is not old.type and is_lp:
            yield from _type_changes(file, old, new)
        if (new.type, new.lower, new.upper) != (old.type, old.lower, old.upper):
            yield from _bound_changes(file, old, new, is_lp=is_lp)


def _row_changes(
    file: ProgramFile, draft: RowDraft, old: Constraint, new: Constraint, *, is_lp: bool
) -> Iterator[Replacement]:
    text = file.draft.source.text
    if new.sense is not old.sense:
        written = file.draft.source.of(_sense_span(draft))
        yield Replacement(_sense_span(draft), _sense(written, old, new) if is_lp else _MPS_LETTER[new.sense])
    if new.rhs != old.rhs:
        if draft.rhs_span is not None:
            yield Replacement(draft.rhs_span, _number(new.rhs))
        elif not is_lp and (section := re.search(r"(?m)^RHS[ \t]*\r?\n(?:[ \t]+(\S+))?", text)):
            at = text.find("\n", section.start()) + 1
            yield Replacement(Span(at, at), f"    {section[1] or 'RHS'}  {new.name}  {_number(new.rhs)}\n")
    for name in dict.fromkeys([*(n for n, _ in old.terms), *(n for n, _ in new.terms)]):
        before, after = coefficient(old, name), coefficient(new, name)
        if before == after:
            continue
        span = draft.coefficient_spans.get(name)
        if span is not None:
            yield Replacement(span, _factor(text, span, after) if is_lp else _number(after))
        elif is_lp:
            at = _sense_span(draft).start
            yield Replacement(Span(at, at), f"{'-' if after < 0 else '+'} {_number(abs(after))} {name} ")
        else:
            yield from _mps_entry(file, name, new.name, after)


def _mps_entry(file: ProgramFile, variable: str, row: str, value: float) -> Iterator[Replacement]:
    """A line behind another one of the same column."""
    text = file.draft.source.text
    spans = [r.coefficient_spans[variable] for r in file.draft.rows if variable in r.coefficient_spans]
    if spans:
        end = text.find("\n", spans[-1].end) + 1
        yield Replacement(Span(end, end), f"    {variable}  {row}  {_number(value)}\n")


def _type_changes(file: ProgramFile, old: Variable, new: Variable) -> Iterator[Replacement]:
    """The name taken out of the lists of whole variables, and put into the right one."""
    text = file.draft.source.text
    for header in _LP_TYPES.finditer(text):
        following = _LP_TAIL.search(text, header.end())
        end = len(text) if following is None else following.start()
        for match in re.finditer(rf"(?<!\S){re.escape(old.name)}(?!\S)[ \t]?", text[header.end() : end]):
            yield Replacement(Span(header.end() + match.start(), header.end() + match.end()), "")
    if new.type is not VariableType.CONTINUOUS:
        section = "Binary" if new.type is VariableType.BINARY else "General"
        end = _end_of(text)
        yield Replacement(Span(end, end), f"{section}\n {new.name}\n")


def _bound_changes(file: ProgramFile, old: Variable, new: Variable, *, is_lp: bool) -> Iterator[Replacement]:
    draft, text = file.draft.variables[old.name], file.draft.source.text
    sides = (
        (old.lower, new.lower, draft.lower_span, ">=", "LO", "MI"),
        (old.upper, new.upper, draft.upper_span, "<=", "UP", "PL"),
    )
    for before, after, span, sense, given, absent in sides:
        # Bounds that came with a type go with it: those of a continuous variable are 0 and none.
        default = (0.0 if sense == ">=" else math.inf) if new.type is not old.type and is_lp else before
        if after == (default if span is None else before):
            continue
        if span is not None and (is_lp or math.isfinite(after)):
            yield Replacement(span, _number(after))
        elif is_lp:
            yield _new_lp_bound(text, f" {new.name} {sense} {_number(after)}\n")
        else:
            section = re.search(r"(?m)^BOUNDS[ \t]*\r?\n[ \t]+\S+[ \t]+(\S+)", text)
            kind = given if math.isfinite(after) else absent
            number = f"  {_number(after)}" if math.isfinite(after) else ""
            yield _new_mps_bound(text, f" {kind} {section[1] if section else 'BND'}  {new.name}{number}\n")


def _new_lp_bound(text: str, line: str) -> Replacement:
    section = _LP_BOUNDS.search(text)
    if section is not None:
        return Replacement(Span(section.end(), section.end()), line)
    tail = _LP_TAIL.search(text)
    at = len(text) if tail is None else tail.start()
    return Replacement(Span(at, at), f"Bounds\n{line}")


def _new_mps_bound(text: str, line: str) -> Replacement:
    end = _MPS_END.search(text)
    at = len(text) if end is None else end.start()
    return Replacement(Span(at, at), line if re.search(r"(?m)^BOUNDS", text) else f"BOUNDS\n{line}")


def _dropped(file: ProgramFile, draft: RowDraft) -> Replacement:
    """The row without its line, where it has the line to itself but for a comment."""
    text = file.draft.source.text
    start, end = text.rfind("\n", 0, draft.span.start) + 1, text.find("\n", draft.span.end) + 1
    rest = text[draft.span.end : end].strip()
    is_alone = not text[start : draft.span.start].strip() and (not rest or rest.startswith("\\"))
    return Replacement(Span(start, end) if is_alone and end else draft.span, "")


def _without_limit(file: ProgramFile, draft: RowDraft) -> Iterator[Replacement]:
    """An MPS row without a type that limits it, and without its right-hand side: its entries may stay."""
    yield Replacement(_sense_span(draft), "N")
    if draft.rhs_span is None:
        return
    text = file.draft.source.text
    start, end = text.rfind("\n", 0, draft.rhs_span.start) + 1, text.find("\n", draft.rhs_span.end) + 1
    if len(text[start:end].split()) <= 3:
        yield Replacement(Span(start, end), "")
    else:
        name = text.rindex(draft.name, start, draft.rhs_span.start)
        yield Replacement(Span(name, draft.rhs_span.end), "")


def _sense(written: str, old: Constraint, new: Constraint) -> str:
    """The sign for the new sense; the other way round where the row stands with its number first."""
    is_turned = ("<" in written and old.sense is Sense.GREATER_EQUAL) or (
        ">" in written and old.sense is Sense.LESS_EQUAL
    )
    return (new.sense.reversed if is_turned else new.sense).value


def _factor(text: str, span: Span, value: float) -> str:
    """Sign and number before a name, signed as the place asks for."""
    written = text[span.start : span.end].strip()
    sign = "-" if value < 0 else "+" if written.startswith(("+", "-")) else ""
    number = (
        f"{sign} {_number(abs(value))}"
        if sign and " " in text[span.start : span.end]
        else f"{sign}{_number(abs(value))}"
    )
    return number if text[span.end : span.end + 1].isspace() else f"{number} "


def _end_of(text: str) -> int:
    end = list(re.finditer(r"(?im)^[ \t]*end\b", text))
    return end[-1].start() if end else len(text)


def _sense_span(draft: RowDraft) -> Span:
    assert draft.sense_span is not None, "a row without two limits has one sense"
    return draft.sense_span


def _number(value: float) -> str:
    if math.isinf(value):
        return "inf" if value > 0 else "-inf"
    return str(int(value)) if abs(value) < 1e15 and value == int(value) else repr(value)
