"""The sections Bounds, General and Binary of LP files. Called by lp.py."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import groupby

from lit_grpo.environment.programs.reading.draft import ProgramDraft, VariableDraft
from lit_grpo.environment.programs.reading.lp_expressions import Cursor, number_of, read_sense
from lit_grpo.environment.programs.reading.lp_tokens import (
    FLIPPED_SENSE,
    Kind,
    Section,
    SectionTokens,
    Token,
    canonical_sense,
)
from lit_grpo.environment.programs.reading.numbers import as_bound, infinity
from lit_grpo.environment.programs.reading.source import Span


def by_line(tokens: Sequence[Token]) -> Iterator[list[Token]]:
    """The tokens of each line."""
    for _, line in groupby(tokens, key=lambda token: token.line):
        yield list(line)


def read_bounds_line(draft: ProgramDraft, cursor: Cursor) -> None:
    """One line of Bounds: ``x free``, ``x <= 4``, ``1 <= x``, ``-5 <= x <= 5``, ``x = 3``."""
    before = _limit(cursor)
    first_sense = read_sense(cursor) if before is not None else None
    token = cursor.peek()
    if token is None or token.kind is not Kind.NAME:
        raise cursor.refusal("the name of a variable", "write one bound a line, such as -5 <= x <= 5 or x free")
    name = cursor.take()
    variable = draft.known_variable(name.text, name.span, cursor.section)
    following = cursor.peek()
    if before is not None and first_sense is not None:
        _set_limit(draft, cursor, variable, FLIPPED_SENSE[canonical_sense(first_sense.text)], *before)
    elif following is not None and following.text.lower() == "free":
        cursor.take()
        _note_twice(draft, variable, name.span)
        variable.lower, variable.upper = -math.inf, math.inf
        variable.lower_span = variable.upper_span = cursor.last
    if (following := cursor.peek()) is not None and following.kind is Kind.SENSE:
        sense = read_sense(cursor)
        limit = _limit(cursor)
        if limit is None:
            raise cursor.refusal("a number or infinity", "a bound is a number; write a row for anything else")
        _set_limit(draft, cursor, variable, canonical_sense(sense.text), *limit)
    elif before is None and cursor.last == name.span:
        raise cursor.refusal("<=, >=, = or free behind the variable", "complete the bound")
    if cursor.peek() is not None:
        raise cursor.refusal("the end of the line", "write one bound a line, without a coefficient")


def _limit(cursor: Cursor) -> tuple[float, Span] | None:
    """A number or an infinity with its sign, if one comes next."""
    sign = cursor.peek()
    has_sign = sign is not None and sign.kind is Kind.SIGN
    token = cursor.peek(1 if has_sign else 0)
    if token is None or (token.kind is not Kind.NUMBER and infinity(token.text) is None):
        return None
    if has_sign:
        cursor.take()
    cursor.take()
    unlimited = infinity(token.text)
    value = as_bound(number_of(cursor, token)) if unlimited is None else unlimited
    is_negative = has_sign and sign is not None and sign.text == "-"
    start = sign.span if has_sign and sign is not None else token.span
    return (-value if is_negative else value), start.to(token.span)


def _set_limit(
    draft: ProgramDraft, cursor: Cursor, variable: VariableDraft, sense: str, value: float, span: Span
) -> None:
    if (sense != "<=" and value == math.inf) or (sense != ">=" and value == -math.inf):
        raise cursor.source.refusal(
            span, cursor.section, "a bound that some value satisfies", cursor.source.of(span), "correct its sign"
        )
    if sense != "<=":
        if variable.lower_span is not None and variable.lower != value:
            _note_twice(draft, variable, span)
        variable.lower, variable.lower_span = value, span
    if sense != ">=":
        if variable.upper_span is not None and variable.upper != value:
            _note_twice(draft, variable, span)
        variable.upper, variable.upper_span = value, span


def _note_twice(draft: ProgramDraft, variable: VariableDraft, span: Span) -> None:
    if variable.lower_span is not None or variable.upper_span is not None:
        draft.note(span, f"a bound of {variable.name} is given twice; the last one holds")


def read_integers(draft: ProgramDraft, part: SectionTokens) -> None:
    """The section General or Binary: names of variables."""
    for token in part.tokens:
        if token.kind is not Kind.NAME:
            raise draft.source.refusal(
                token.span, part.section, "names of variables", repr(token.text), "list names with blanks between them"
            )
        variable = draft.known_variable(token.text, token.span, part.section)
        if part.section is Section.GENERAL:
            variable.is_integer = True
            continue
        variable.is_binary, variable.binary_span = True, token.span


def note_defaults(draft: ProgramDraft) -> None:
    """Note what bounds and types, in whatever order they stand, come to together.

    That is each binary with other bounds, and each variable that a default bound of 0 leaves no value to.
    """
    for variable in draft.variables.values():
        is_within = variable.lower >= 0.0 and (variable.upper <= 1.0 or variable.upper_span is None)
        if variable.binary_span is not None and not is_within:
            bounds = f"[{variable.lower:g}, {variable.upper:g}]"
            text = f"{variable.name} is binary with the bounds {bounds}: read as 0 or 1 within them"
            draft.note(variable.binary_span, text)
        if variable.upper < 0.0 == variable.lower and variable.lower_span is None and variable.upper_span is not None:
            draft.note(
                variable.upper_span,
                f"negative upper bound of {variable.name} without a lower one: the lower bound stays 0, so that no "
                "value is left (some readers take it to be minus infinity)",
            )
