"""An MPS file cut into sections and fields, each with its place. Called by mps.py.

Fields are words with blanks between them (free MPS). Where a line then has more words than a line of its section can
have, names with blanks are meant, and the whole file is read by the columns of fixed MPS instead; a character outside
of the columns is refused, since lenient readers drop it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from lit_grpo.environment.programs.reading.source import Source, Span

FIXED_COLUMNS = ((1, 3), (4, 12), (14, 22), (24, 36), (39, 47), (49, 61))
"""Columns of the six fields, counted from 0, the end exclusive."""
SECTIONS = ("NAME", "OBJSENSE", "OBJSENSEMAX", "OBJNAME", "ROWS", "COLUMNS", "RHS", "RANGES", "BOUNDS", "ENDATA")
REFUSED = {
    "SOS": ("special ordered sets", "model them with binary variables"),
    "SOS1": ("special ordered sets", "model them with binary variables"),
    "SOS2": ("special ordered sets", "model them with binary variables"),
    "SETS": ("special ordered sets", "model them with binary variables"),
    "QUADOBJ": ("a quadratic objective", "leave out its quadratic terms"),
    "QMATRIX": ("a quadratic objective", "leave out its quadratic terms"),
    "QSECTION": ("quadratic terms", "leave them out"),
    "QCMATRIX": ("quadratic constraints", "leave them out"),
    "CSECTION": ("conic constraints", "leave them out"),
    "INDICATORS": ("indicator constraints", "write them with a big-M and their binary variables"),
    "LAZYCONS": ("lazy constraints", "move them to ROWS and COLUMNS"),
    "USERCUTS": ("user cuts", "leave them out, as cuts say nothing that the rows do not say"),
    "GENCONS": ("general constraints", "write them as linear rows"),
    "PWLOBJ": ("a piecewise linear objective", "write it with linear rows"),
    "BRANCH": ("branching priorities", "leave them out"),
}


@dataclass(frozen=True, slots=True)
class Field:
    """One word of a data line."""

    text: str
    span: Span


@dataclass(frozen=True, slots=True)
class DataLine:
    """A line of a section that holds data."""

    section: str
    fields: tuple[Field, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Header:
    """A line that opens a section."""

    section: str
    rest: tuple[Field, ...]
    """What stands behind its name, e.g. the direction behind OBJSENSE."""
    span: Span


MOST_FIELDS = {"ROWS": 2, "COLUMNS": 5, "RHS": 5, "RANGES": 5, "BOUNDS": 4, "OBJSENSE": 1, "OBJNAME": 1}
"""The most words that a data line has in free format."""


def lines(source: Source) -> tuple[list[Header | DataLine], bool]:
    """Cut a file.

    Returns:
        Headers and data lines in order, and whether they were read by the columns of fixed MPS.

    Raises:
        ProgramError: A section that is unknown or not supported, or data outside of any section.
    """
    free = list(_cut(source, by_columns=False))
    crowded = [
        line for line in free if isinstance(line, DataLine) and len(line.fields) > MOST_FIELDS.get(line.section, 6)
    ]
    return (list(_cut(source, by_columns=True)), True) if crowded else (free, False)


def _cut(source: Source, by_columns: bool) -> Iterator[Header | DataLine]:
    section, start = "", 0
    for line in source.text.split("\n"):
        content, span = line.rstrip(), Span(start, start + len(line.rstrip()))
        start += len(line) + 1
        if not content.strip() or content.lstrip().startswith("*"):
            continue
        words = tuple(
            Field(word[0], Span(span.start + word.start(), span.start + word.end()))
            for word in re.finditer(r"\S+", content)
        )
        if not content[0].isspace():
            section = _section(source, words[0])
            yield Header(section, words[1:], span)
        elif len(words) == 1 and section != "OBJNAME" and words[0].text.upper() in (*SECTIONS, *REFUSED):
            where, remedy = section or "beginning", "take the blanks before it out"
            raise source.refusal(span, where, "a section's name in column 1", repr(content), remedy)
        elif not section:
            raise source.refusal(
                span, "beginning", "NAME or ROWS first", repr(content.strip()[:40]), "check the export"
            )
        elif by_columns and section in ("ROWS", "COLUMNS", "RHS", "RANGES", "BOUNDS"):
            yield DataLine(section, _by_columns(source, content, span, section), span)
        else:
            yield DataLine(section, words, span)


def _section(source: Source, word: Field) -> str:
    name = word.text.upper()
    if name in REFUSED:
        what, remedy = REFUSED[name]
        raise source.refusal(
            word.span, name, "rows, columns and bounds only", f"{what}, which are not supported", remedy
        )
    if name not in SECTIONS:
        raise source.refusal(
            word.span,
            "sections",
            f"one of {', '.join(SECTIONS)}",
            repr(word.text),
            "correct the section's name, or begin a data line with a blank",
        )
    return name


def _by_columns(source: Source, content: str, span: Span, section: str) -> tuple[Field, ...]:
    outside = set(range(len(content))) - {at for begin, end in FIXED_COLUMNS for at in range(begin, end)}
    stray = next((at for at in sorted(outside) if not content[at].isspace()), None)
    if stray is not None or "\t" in content:
        where = Span(span.start + (stray or 0), span.end)
        raise source.refusal(
            where,
            section,
            "fields in columns 2-3, 5-12, 15-22, 25-36, 40-47 and 50-61, as names with blanks need",
            repr(content.strip()[:60]),
            "take the blanks out of names, and fields may stand in any column",
        )
    fields = []
    for begin, end in FIXED_COLUMNS:
        text = content[begin:end]
        if text.strip():
            left = begin + len(text) - len(text.lstrip())
            fields.append(Field(text.strip(), Span(span.start + left, span.start + begin + len(text.rstrip()))))
    return tuple(fields)
