"""An LP file cut into sections and tokens, each with its place. Called by lp.py.

What the LP format of CPLEX, as HiGHS, Gurobi, SCIP and the modelling languages write it, may hold: anything else is
refused here, where it stands. A keyword begins a section where it is the first word of a line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, StrEnum, auto
from typing import NoReturn

from lit_grpo.environment.programs.reading.numbers import NUMBER
from lit_grpo.environment.programs.reading.source import Source, Span


class Section(StrEnum):
    """A section of an LP file; the value is its name in messages."""

    MINIMIZE = "Minimize"
    MAXIMIZE = "Maximize"
    ROWS = "Subject To"
    BOUNDS = "Bounds"
    GENERAL = "General"
    BINARY = "Binary"
    END = "End"


class Kind(Enum):
    """What a token is."""

    NAME = auto()
    NUMBER = auto()
    SIGN = auto()
    SENSE = auto()
    COLON = auto()


@dataclass(frozen=True, slots=True)
class Token:
    """One word of a section."""

    kind: Kind
    text: str
    span: Span
    line: int


@dataclass(frozen=True, slots=True)
class SectionTokens:
    """A section and what stands in it."""

    section: Section
    keyword: Span
    tokens: tuple[Token, ...]


_KEYWORDS: tuple[tuple[str, Section], ...] = (
    (r"minimi[zs]e|minimum|min", Section.MINIMIZE),
    (r"maximi[zs]e|maximum|max", Section.MAXIMIZE),
    (r"subject\s+to|such\s+that|s\.t\.|st\.|st", Section.ROWS),
    (r"bounds?", Section.BOUNDS),
    (r"generals?|gen|integers?|int", Section.GENERAL),
    (r"binary|binaries|bin", Section.BINARY),
    (r"end", Section.END),
)
_UNSUPPORTED: tuple[tuple[str, str, str], ...] = (
    (r"sos[12]?", "an SOS section", "model special ordered sets with binary variables"),
    (r"semi-?continuous|semis?|semi-?integers?", "a semi-continuous section", "model it with a binary variable"),
    (r"lazy\s+constraints", "a section of lazy constraints", "move its rows to Subject To"),
    (r"user\s+cuts", "a section of user cuts", "leave it out, as cuts say nothing that the rows do not say"),
    (r"general\s+constraints|genconstrs?", "general constraints", "write them as linear rows"),
    (r"pwlobj", "a piecewise linear objective", "write it with linear rows"),
    (r"scenarios?", "scenarios", "write one file for each"),
)
_AFTER = r"(?![\w.\[(])"
_SECTION = re.compile("|".join(f"(?P<k{i}>{words}){_AFTER}" for i, (words, _) in enumerate(_KEYWORDS)), re.IGNORECASE)
_REFUSED = re.compile(
    "|".join(f"(?P<u{i}>{words}){_AFTER}" for i, (words, *_) in enumerate(_UNSUPPORTED)), re.IGNORECASE
)
_KEYWORD = re.compile("|".join(f"(?:{words})" for words, _ in _KEYWORDS), re.IGNORECASE)
_BLANK = re.compile(r"[ \t\r\f\v]*")
_SENSE = re.compile(r"<=|=<|>=|=>|<|>|=")
_NAME_START = r"[^\W\d]|[!#$%&@'`{}~?|\"]"
_NAME = re.compile(rf"(?:{_NAME_START})(?:[\w!#$%&@'`{{}}~?|\".,()]|\[[^\s\[\]]*\])*")
_WORD = re.compile(r"[^\s<>=:+\\]+")


def sections(source: Source) -> list[SectionTokens]:
    """Cut a file.

    Raises:
        ProgramError: What stands before the objective, an unsupported section, or a character that begins no token.
    """
    found: list[tuple[Section, Span, list[Token]]] = []
    for number, (start, end) in enumerate(_lines(source.text), start=1):
        at = _begin_of(source.text, start, end)
        if at == end:
            continue
        opened = _section_at(source, at, end)
        if opened is not None:
            section, keyword = opened
            found.append((section, keyword, []))
            at = keyword.end
        elif not found:
            _refuse_beginning(source, at, end)
        found[-1][2].extend(_tokens(source, at, end, number))
    return [SectionTokens(section, keyword, tuple(tokens)) for section, keyword, tokens in found]


def _lines(text: str) -> Iterator[tuple[int, int]]:
    """Start and end of each line, comments and the line break left out."""
    start = 0
    for line in text.split("\n"):
        yield start, start + len(line.split("\\", 1)[0].rstrip())
        start += len(line) + 1


def _begin_of(text: str, start: int, end: int) -> int:
    blank = _BLANK.match(text, start, end)
    return end if blank is None else blank.end()


def _section_at(source: Source, at: int, end: int) -> tuple[Section, Span] | None:
    """The section that a line opens."""
    refused = _REFUSED.match(source.text, at, end)
    if refused is not None and not source.text[refused.end() : end].lstrip().startswith(":"):
        number = next(i for i in range(len(_UNSUPPORTED)) if refused[f"u{i}"])
        _, what, remedy = _UNSUPPORTED[number]
        span = Span(*refused.span())
        raise source.refusal(
            span, refused[0], "rows, bounds and integers only", f"{what}, which is not supported", remedy
        )
    match = _SECTION.match(source.text, at, end)
    if match is None:
        return None
    section = next(section for i, (_, section) in enumerate(_KEYWORDS) if match[f"k{i}"])
    span, rest = Span(*match.span()), source.text[match.end() : end].strip()
    if rest.startswith(":") and section in (Section.MINIMIZE, Section.MAXIMIZE):
        raise source.refusal(
            span, "objective", "Minimize or Maximize", f"{match[0]}:", "this is lp_solve's format: export as CPLEX LP"
        )
    if rest[:1] in tuple(":<>=+-") and section not in (Section.MINIMIZE, Section.MAXIMIZE, Section.ROWS):
        raise source.refusal(
            span, "names", "names that are no keyword of the format", repr(match[0]), "rename this row or variable"
        )
    if section in (Section.MINIMIZE, Section.MAXIMIZE) and match[0].lower().endswith("ise"):
        raise source.refusal(span, "objective", str(section), repr(match[0]), f"no solver reads that: write {section}")
    if rest.lower().startswith("multi-objectives"):
        raise source.refusal(span, "objective", "one objective", "several", "keep one, or write a file for each")
    return section, span


def _refuse_beginning(source: Source, at: int, end: int) -> NoReturn:
    span = Span(at, end)
    raise source.refusal(
        span,
        "beginning",
        "Minimize or Maximize",
        repr(source.of(span).strip()[:40]),
        "begin an LP file with the objective's direction; comments begin with a backslash",
    )


def _tokens(source: Source, at: int, end: int, line: int) -> Iterator[Token]:
    text = source.text
    while (at := _begin_of(text, at, end)) < end:
        token = _token_at(source, at, end, line)
        yield token
        at = token.span.end


def _token_at(source: Source, at: int, end: int, line: int) -> Token:
    text, character = source.text, source.text[at]
    if text.startswith("->", at) or text.startswith("<->", at):
        raise source.refusal(
            Span(at, at + 2),
            "Subject To",
            "a linear row",
            "an indicator constraint, which is not supported",
            "write it with a big-M and its binary variable",
        )
    if character in "[^*/]":
        _refuse_quadratic(source, at)
    if character in "+-":
        return Token(Kind.SIGN, character, Span(at, at + 1), line)
    if character == ":":
        return Token(Kind.COLON, character, Span(at, at + 1), line)
    if (sense := _SENSE.match(text, at, end)) is not None:
        return Token(Kind.SENSE, sense[0], Span(*sense.span()), line)
    if (number := NUMBER.match(text, at, end)) is not None:
        _require_whole_number(source, number, end)
        return Token(Kind.NUMBER, number[0], Span(*number.span()), line)
    if (name := _NAME.match(text, at, end)) is not None:
        span = Span(*name.span())
        if _KEYWORD.fullmatch(name[0]):
            raise source.refusal(
                span,
                "names",
                "a name that is no keyword of the format",
                repr(name[0]),
                "begin a section on a line of its own, or rename the variable",
            )
        return Token(Kind.NAME, name[0], span, line)
    word = _WORD.match(text, at, end)
    span = Span(at, at + 1) if word is None else Span(*word.span())
    raise source.refusal(
        span, "characters", "a name, a number, a sign or a sense", repr(source.of(span)), "rename or correct it"
    )


def _refuse_quadratic(source: Source, at: int) -> NoReturn:
    character = source.text[at]
    if character == "*":
        remedy = "leave the * out, as in `3 x`; products of variables are not linear"
        raise source.refusal(Span(at, at + 1), "expression", "a coefficient before a variable", "'*'", remedy)
    what = "a division" if character == "/" else "a quadratic term"
    raise source.refusal(
        Span(at, at + 1),
        "expression",
        "linear terms",
        f"{what} ({character!r}), which is not supported",
        "leave quadratic terms out, and white space out of names with brackets",
    )


def _require_whole_number(source: Source, number: re.Match[str], end: int) -> None:
    """Refuse a number that goes on as something else: ``4,5``, ``1.2.3``, ``2e``."""
    following = source.text[number.end() : min(number.end() + 1, end)]
    if not following or following.isspace() or following in "+-<>=:":
        return
    is_name = re.match(_NAME_START, following) is not None
    is_hexadecimal = number[0] == "0" and following in "xX"
    if is_name and following not in "eE_" and not is_hexadecimal:
        return  # 3x is 3 x
    word = re.compile(r"[^\s<>=:]+").match(source.text, number.start(), end)
    assert word is not None
    raise source.refusal(
        Span(*word.span()),
        "numbers",
        "a number with a decimal point, and white space before a name",
        repr(word[0]),
        "write 4.5 for 4,5",
    )


FLIPPED_SENSE = {"<=": ">=", ">=": "<=", "=": "="}
"""Each sense read from the right."""


def canonical_sense(sense: str) -> str:
    """``<=``, ``>=`` or ``=`` for any way to write one of them, such as ``<`` or ``=>``."""
    if sense == "=":
        return "="
    return "<=" if "<" in sense else ">="
