"""Linear expressions in LP files: signs, numbers and names in a row, added up exactly. Called by lp.py."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from lit_grpo.environment.programs.program import ProgramError
from lit_grpo.environment.programs.reading.lp_tokens import Kind, Token
from lit_grpo.environment.programs.reading.numbers import exact
from lit_grpo.environment.programs.reading.source import Source, Span

RESERVED = {"free", "inf", "infinity", "nan"}
"""Words that some readers take for a number or for the end of a bound, so that no variable can have them as a name."""


class Cursor:
    """Walks through the tokens of a section."""

    def __init__(self, source: Source, section: str, tokens: Sequence[Token], keyword: Span) -> None:
        self.source, self.section = source, section
        self._tokens, self._keyword, self._at = tokens, keyword, 0

    def peek(self, ahead: int = 0) -> Token | None:
        """The next token, or one further on; None behind the last."""
        at = self._at + ahead
        return self._tokens[at] if at < len(self._tokens) else None

    def take(self) -> Token:
        """The next token, which there must be."""
        token = self._tokens[self._at]
        self._at += 1
        return token

    @property
    def last(self) -> Span:
        """The place of the token taken last, or of the section's keyword before the first."""
        return self._tokens[self._at - 1].span if self._at else self._keyword

    def begins_row(self) -> bool:
        """Whether a label comes next: a name and a colon."""
        name, colon = self.peek(), self.peek(1)
        return name is not None and name.kind is Kind.NAME and colon is not None and colon.kind is Kind.COLON

    def refusal(self, expected: str, remedy: str) -> ProgramError:
        """An error, to be raised, about the next token, or about the end of the section."""
        token = self.peek()
        got = "the end of the section" if token is None else repr(token.text)
        return self.source.refusal(self.last if token is None else token.span, self.section, expected, got, remedy)


@dataclass(slots=True)
class Expression:
    """A sum of terms and constants."""

    span: Span
    coefficients: dict[str, Fraction] = field(default_factory=dict)
    constant: Fraction = Fraction(0)
    num_constants: int = 0
    occurrences: Counter[str] = field(default_factory=Counter)
    before_names: dict[str, Span] = field(default_factory=dict)
    """The place of sign and number before each variable's last occurrence."""
    double_minus: Span | None = None
    """The place of the first term with two minus signs."""

    @property
    def is_number(self) -> bool:
        """Whether it is one constant and nothing else."""
        return self.num_constants == 1 and not self.coefficients


def expression(cursor: Cursor, on_one_line: bool = False) -> Expression:
    """Read terms until something comes that goes on with none.

    Args:
        cursor: Before the first term.
        on_one_line: Whether the expression ends with the line of its first term, as a right-hand side does: what
            follows on the next line is another row.

    Raises:
        ProgramError: There is no term, a sign without a term, or two terms without a sign between them.
    """
    first = cursor.peek()
    if first is None or first.kind not in (Kind.SIGN, Kind.NUMBER, Kind.NAME) or cursor.begins_row():
        raise cursor.refusal("a term such as 3 x, or a number", "complete the row")
    found = Expression(first.span)
    while True:
        line = _term(cursor, found, on_one_line)
        token = cursor.peek()
        if token is None or token.kind is not Kind.SIGN or (on_one_line and token.line != line):
            break
    found.span = first.span.to(cursor.last)
    _require_sign(cursor, found, on_one_line, line)
    return found


def _term(cursor: Cursor, found: Expression, on_one_line: bool) -> int:
    """Read signs, a number, a name; the line that the term ends on."""
    num_minus, start = 0, cursor.peek()
    while (token := cursor.peek()) is not None and token.kind is Kind.SIGN:
        num_minus += cursor.take().text == "-"
    if token is None or token.kind not in (Kind.NUMBER, Kind.NAME) or cursor.begins_row():
        raise cursor.refusal("a number or a variable behind a sign", "complete the term or leave out the sign")
    assert start is not None
    if num_minus > 1:
        found.double_minus = found.double_minus or start.span
    value = Fraction(1)
    if token.kind is Kind.NUMBER:
        value = number_of(cursor, cursor.take())
    number_end = cursor.last.end if token.kind is Kind.NUMBER else token.span.start
    value = -value if num_minus % 2 else value
    following = cursor.peek()
    is_variable = following is not None and following.kind is Kind.NAME and not cursor.begins_row()
    if on_one_line and following is not None and following.line != token.line:
        is_variable = False
    if token.kind is Kind.NAME or is_variable:
        name = cursor.take()
        if name.text.lower() in RESERVED:
            raise cursor.source.refusal(
                name.span,
                cursor.section,
                "a number or the name of a variable",
                f"{name.text!r}, a word of the format",
                "leave out a row or a side without a limit, or rename the variable",
            )
        found.coefficients[name.text] = found.coefficients.get(name.text, Fraction(0)) + value
        found.occurrences[name.text] += 1
        found.before_names[name.text] = Span(start.span.start, number_end)
        return name.line
    found.constant += value
    found.num_constants += 1
    return token.line


def _require_sign(cursor: Cursor, found: Expression, on_one_line: bool, line: int) -> None:
    """Refuse two terms side by side, which lenient readers add up or cut off."""
    token = cursor.peek()
    if token is None or token.kind in (Kind.SENSE, Kind.SIGN) or cursor.begins_row():
        return
    if on_one_line and token.line != line:
        return
    if token.kind is Kind.COLON:
        raise cursor.refusal("a label of one word before a colon", "join the words of the row's name with _")
    before = cursor.source.of(cursor.last)
    raise cursor.refusal(
        f"a sign between {before!r} and {token.text!r}", "write + or - there, or join the words with _"
    )


def number_of(cursor: Cursor, token: Token) -> Fraction:
    """The value of a number's token; ProgramError if double precision cannot hold it."""
    value = exact(token.text)
    if value is None:
        raise cursor.source.refusal(
            token.span,
            cursor.section,
            "a number that double precision holds",
            repr(token.text[:40]),
            "rescale or round it",
        )
    return value


def read_sense(cursor: Cursor) -> Token:
    """The sense that has to come next."""
    token = cursor.peek()
    if token is None or token.kind is not Kind.SENSE:
        raise cursor.refusal("<=, >= or = behind the row's terms", "complete the row, or join the words of a name")
    return cursor.take()
