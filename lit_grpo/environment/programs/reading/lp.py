"""The reader of LP files: sections to a draft of the program. Called by program_file.py.

Rows may have constants and variables on either side, and a row's terms may be repeated: what the text says is added up
exactly, and noted. What could be read in two ways is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from lit_grpo.environment.programs.program import Direction
from lit_grpo.environment.programs.reading.draft import ProgramDraft, RowDraft
from lit_grpo.environment.programs.reading.lp_bounds import by_line, note_defaults, read_bounds_line, read_integers
from lit_grpo.environment.programs.reading.lp_expressions import Cursor, Expression, expression, read_sense
from lit_grpo.environment.programs.reading.lp_slips import look_for_slips
from lit_grpo.environment.programs.reading.lp_tokens import (
    FLIPPED_SENSE,
    Kind,
    Section,
    SectionTokens,
    Token,
    canonical_sense,
    sections,
)
from lit_grpo.environment.programs.reading.numbers import shown
from lit_grpo.environment.programs.reading.source import Source, Span


def read_lp(source: Source) -> ProgramDraft:
    """Everything that an LP file says.

    Raises:
        ProgramError: It says something that is no linear program, or nothing definite.
    """
    draft = ProgramDraft(source)
    found = sections(source)
    if not found:
        raise source.refusal(Span(0, 0), "beginning", "Minimize or Maximize", "an empty file", "check the export")
    _require_order(source, found)
    for part in found:
        cursor = Cursor(source, part.section, part.tokens, part.keyword)
        match part.section:
            case Section.MINIMIZE | Section.MAXIMIZE:
                is_max = part.section is Section.MAXIMIZE
                draft.direction = Direction.MAXIMIZE if is_max else Direction.MINIMIZE
                _objective(draft, cursor)
            case Section.ROWS:
                _rows(draft, cursor)
            case Section.BOUNDS:
                for line in by_line(part.tokens):
                    read_bounds_line(draft, Cursor(source, part.section, line, part.keyword))
            case Section.GENERAL | Section.BINARY:
                read_integers(draft, part)
            case Section.END:
                if part.tokens:
                    raise cursor.refusal("nothing behind End", "move it before End, or delete it")
    look_for_slips(draft, found)
    note_defaults(draft)
    return draft


def _require_order(source: Source, found: Sequence[SectionTokens]) -> None:
    """One objective first, then one Subject To; nothing behind End, which must be there."""
    seen: list[Section] = []
    for part in found:
        is_objective = part.section in (Section.MINIMIZE, Section.MAXIMIZE)
        if Section.END in seen:
            raise source.refusal(part.keyword, part.section, "nothing behind End", repr(str(part.section)), "delete it")
        if is_objective and seen:
            raise source.refusal(
                part.keyword, part.section, "one objective, at the beginning", "another", "keep one of the two"
            )
        if not is_objective and not seen:
            raise source.refusal(
                part.keyword, part.section, "Minimize or Maximize first", repr(str(part.section)), "add an objective"
            )
        if part.section is Section.ROWS and Section.ROWS in seen:
            raise source.refusal(part.keyword, part.section, "one section of rows", "a second one", "join the two")
        if part.section not in (Section.ROWS, Section.END) and seen and Section.ROWS not in seen:
            raise source.refusal(
                part.keyword, part.section, "Subject To behind the objective", repr(str(part.section)), "add it"
            )
        seen.append(part.section)
    if Section.END not in seen:
        end = Span(len(source.text), len(source.text))
        raise source.refusal(
            end, "end", "End as the last word", "the end of the file", "was it cut off? If not, add End"
        )


def _objective(draft: ProgramDraft, cursor: Cursor) -> None:
    if cursor.begins_row():
        cursor.take()
        cursor.take()
    if cursor.peek() is None:
        return
    found = expression(cursor)
    if cursor.peek() is not None:
        raise cursor.refusal("an objective of linear terms", "write Subject To before the rows")
    draft.objective, draft.offset = found.coefficients, found.constant
    for name in found.coefficients:
        draft.variable(name)
    _note_repeated(draft, found, "the objective")
    _note_double_minus(draft, found, "the objective")


def _rows(draft: ProgramDraft, cursor: Cursor) -> None:
    taken: dict[str, Span] = {}
    unnamed: list[RowDraft] = []
    while cursor.peek() is not None:
        label = None
        if cursor.begins_row():
            label = cursor.take()
            cursor.take()
        row = _row(draft, cursor, label)
        if label is None:
            unnamed.append(row)
        elif label.text in taken:
            line = draft.source.line_of(taken[label.text])
            draft.note(label.span, f"the row name {label.text!r} occurs twice, first in line {line}; see renamed")
        else:
            taken[label.text] = label.span
        draft.rows.append(row)
    number_of_row = {id(row): number for number, row in enumerate(draft.rows, start=1)}
    for row in unnamed:
        row.name = f"r{number_of_row[id(row)]}"
        while row.name in taken:
            row.name += "_"
        taken[row.name] = row.span
    if unnamed:
        draft.note(unnamed[0].span, f"{len(unnamed)} rows without a name are called r1, r2, ... by their position")


def _row(draft: ProgramDraft, cursor: Cursor, label: Token | None) -> RowDraft:
    """A row ``[name:] expression sense expression``, or with a number at either end."""
    start = cursor.peek()
    left = expression(cursor)
    sense = read_sense(cursor)
    right = expression(cursor, on_one_line=True)
    first = left.span if label is None else label.span
    following = cursor.peek()
    if following is not None and following.kind is Kind.SENSE:
        return _range_row(draft, cursor, label, (left, sense, right))
    _require_ended(cursor, left, right)
    assert start is not None
    where = f"row {label.text}" if label else f"the row in line {draft.source.line_of(start.span)}"
    is_turned = not left.coefficients and bool(right.coefficients)
    text = canonical_sense(sense.text)
    if is_turned:
        left, right, text = right, left, FLIPPED_SENSE[text]
    coefficients = dict(left.coefficients)
    for name, value in right.coefficients.items():
        coefficients[name] = coefficients.get(name, Fraction(0)) - value
    rhs = right.constant - left.constant
    row = RowDraft(label.text if label else "", first.to(cursor.last), coefficients, sense_span=sense.span)
    row.lower, row.upper = (None if text == "<=" else rhs), (None if text == ">=" else rhs)
    for name in coefficients:
        draft.variable(name)
    _note_moved(draft, row, left, right, where)
    _note_double_minus(draft, left, where)
    _note_double_minus(draft, right, where)
    if right.is_number and not left.num_constants:
        row.rhs_span = right.span
    occurs = left.occurrences + right.occurrences
    row.coefficient_spans = {name: span for name, span in left.before_names.items() if occurs[name] == 1}
    return row


def _range_row(
    draft: ProgramDraft, cursor: Cursor, label: Token | None, parts: tuple[Expression, Token, Expression]
) -> RowDraft:
    """A row ``number sense expression sense number``."""
    left, sense, middle = parts
    second = read_sense(cursor)
    right = expression(cursor, on_one_line=True)
    texts = {canonical_sense(sense.text), canonical_sense(second.text)}
    if not (left.is_number and right.is_number and middle.coefficients) or texts not in ({"<="}, {">="}):
        raise draft.source.refusal(
            second.span,
            cursor.section,
            "one sense in a row, or a number at either end as in 1 <= x + y <= 5",
            "a second sense",
            "write two rows",
        )
    _require_ended(cursor, left, right)
    low, high = (left, right) if texts == {"<="} else (right, left)
    first = left.span if label is None else label.span
    row = RowDraft(label.text if label else "", first.to(right.span), dict(middle.coefficients))
    row.lower, row.upper = low.constant - middle.constant, high.constant - middle.constant
    for name in middle.coefficients:
        draft.variable(name)
    _note_repeated(draft, middle, f"row {row.name}")
    for part in (low, middle, high):
        _note_double_minus(draft, part, f"row {row.name}")
    if row.lower > row.upper:
        draft.note(row.span, f"the limits of row {row.name} cross: {shown(row.lower)} > {shown(row.upper)}")
    return row


def _require_ended(cursor: Cursor, left: Expression, right: Expression) -> None:
    """Refuse a next line that could go on with this row's right side as well as begin another row."""
    token = cursor.peek()
    if token is not None and token.kind is Kind.SIGN and (right.coefficients or not left.coefficients):
        raise cursor.refusal(
            "a row with variables on its right side to end on its line",
            "write the row on one line, or its variables on the left, and give the next row a name",
        )


def _note_moved(draft: ProgramDraft, row: RowDraft, left: Expression, right: Expression, where: str) -> None:
    if left.num_constants:
        draft.note(row.span, f"{where}: the constant on the side of the variables was moved to the right-hand side")
    if right.coefficients:
        draft.note(row.span, f"{where}: the variables on the right were moved to the left")
    if right.num_constants > 1:
        draft.note(row.span, f"{where}: the numbers of the right-hand side were added")
    both = Expression(row.span, occurrences=left.occurrences + right.occurrences)
    _note_repeated(draft, both, where)


def _note_repeated(draft: ProgramDraft, found: Expression, where: str) -> None:
    repeated = [name for name, count in found.occurrences.items() if count > 1]
    if repeated:
        names = ", ".join(repeated[:5]) + (" and others" if len(repeated) > 5 else "")
        draft.note(found.span, f"{where}: {names} occurs more than once, the coefficients were added")


def _note_double_minus(draft: ProgramDraft, found: Expression, where: str) -> None:
    if found.double_minus is not None:
        draft.note(found.double_minus, f"{where}: two minus signs in succession were read as plus")
