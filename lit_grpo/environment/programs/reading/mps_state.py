"""What is known of an MPS file while it is read, and what every section checks. Used by mps.py and mps_bounds.py."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from lit_grpo.environment.programs.reading.draft import ProgramDraft, RowDraft, nearest
from lit_grpo.environment.programs.reading.mps_lines import Field
from lit_grpo.environment.programs.reading.numbers import NUMBER, decimal_commas, exact
from lit_grpo.environment.programs.reading.source import Source, Span


@dataclass(slots=True)
class MpsFile:
    """What is known of a file while it is read."""

    draft: ProgramDraft
    has_direction: bool = False
    """Whether OBJSENSE has said which."""
    objective: str | None = None
    """Name of the objective's row."""
    wanted_objective: str | None = None
    """The objective's row that OBJNAME asks for."""
    free_rows: dict[str, Span] = field(default_factory=dict)
    """Rows of type N besides the objective."""
    rows: dict[str, RowDraft] = field(default_factory=dict)
    types: dict[str, str] = field(default_factory=dict)
    """N, L, G or E of each row by its name."""
    rhs: dict[str, Fraction] = field(default_factory=dict)
    ranges: dict[str, Fraction] = field(default_factory=dict)
    entries: set[tuple[str, str]] = field(default_factory=set)
    column: str = ""
    in_integers: bool = False
    marked: dict[str, Span] = field(default_factory=dict)
    """Integer columns between markers."""
    bounded: set[str] = field(default_factory=set)
    sets: dict[str, str] = field(default_factory=dict)
    """Section to the name of its one vector."""
    seen: list[str] = field(default_factory=list)


def pairs(fields: Sequence[Field]) -> Iterator[tuple[Field, Field]]:
    """Each name of a row with the number behind it."""
    yield from zip(fields[::2], fields[1::2], strict=True)


def require_row(file: MpsFile, row: Field, section: str) -> None:
    """ProgramError, with the nearest name, for a row that the section ROWS does not have."""
    if row.text not in file.types:
        got = f"{row.text!r}{nearest(row.text, file.types)}"
        raise file.draft.source.refusal(
            row.span, section, "the name of a row", got, "correct the name, or add the row to ROWS"
        )


def require_one_set(file: MpsFile, section: str, name: Field) -> None:
    """ProgramError for a second vector in a section: which one is meant cannot be known."""
    known = file.sets.setdefault(section, name.text)
    if known != name.text:
        raise file.draft.source.refusal(
            name.span, section, f"one vector, {known!r}", f"another, {name.text!r}", "keep the one that is meant"
        )


def number_of(source: Source, number: Field, section: str) -> Fraction:
    """The value of a field, exactly; ProgramError for a field that is no number."""
    value = exact(number.text)
    if value is None and NUMBER.fullmatch(number.text.lstrip("+-")):
        raise source.refusal(
            number.span, section, "a number that double precision holds", repr(number.text[:40]), "rescale or round it"
        )
    if value is None:
        commas = [word for word in decimal_commas(source.text) if word != number.text]
        further = f" (and {', '.join(commas)})" if commas and "," in number.text else ""
        raise source.refusal(
            number.span,
            section,
            "a number with a decimal point",
            f"{number.text[:40]!r}{further}",
            "write it in full, as in 4.5 or 1e-3",
        )
    return value
