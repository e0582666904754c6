"""A program while its file is read: what was found so far, with the places, until it is finished into a LinearProgram.

Filled by lp.py and mps.py, finished by files.py. All numbers are fractions until the end, so that each is rounded once.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from difflib import get_close_matches
from fractions import Fraction

from lit_grpo.environment.programs.program import (
    Constraint,
    Direction,
    LinearProgram,
    ProgramError,
    Sense,
    Variable,
    VariableType,
    ordered_terms,
    validate,
)
from lit_grpo.environment.programs.reading.numbers import COEFFICIENT_LIMIT, NEGLIGIBLE, shown
from lit_grpo.environment.programs.reading.report import Note
from lit_grpo.environment.programs.reading.source import Source, Span


@dataclass(slots=True)
class RowDraft:
    """A row as the file has it."""

    name: str
    span: Span
    """The whole row in an LP file, its line in the section ROWS of an MPS file."""
    coefficients: dict[str, Fraction] = field(default_factory=dict)
    lower: Fraction | None = None
    """Least activity; None for none."""
    upper: Fraction | None = None
    """Greatest activity; None for none. Equal to ``lower`` in an equality."""
    sense_span: Span | None = None
    rhs_span: Span | None = None
    """The place of the right-hand side with its sign, where it is one number; None where it is not."""
    coefficient_spans: dict[str, Span] = field(default_factory=dict)
    """The place of sign and number before each variable that occurs once; an empty span where both are left out."""


@dataclass(slots=True)
class VariableDraft:
    """A variable as the file has it."""

    name: str
    lower: float = 0.0
    upper: float = math.inf
    is_integer: bool = False
    is_binary: bool = False
    lower_span: Span | None = None
    """The place of the number that is the lower bound; None for a default."""
    upper_span: Span | None = None
    binary_span: Span | None = None
    """The place where an LP file calls it binary."""


@dataclass(slots=True)
class ProgramDraft:
    """Everything that was read of a file."""

    source: Source
    direction: Direction = Direction.MINIMIZE
    objective: dict[str, Fraction] = field(default_factory=dict)
    offset: Fraction = Fraction(0)
    rows: list[RowDraft] = field(default_factory=list)
    variables: dict[str, VariableDraft] = field(default_factory=dict)
    """All variables by name, in the order of their first appearance, which is that of the program."""
    notes: list[Note] = field(default_factory=list)

    def note(self, span: Span | None, text: str) -> None:
        """Add a note about a place, or about the file as a whole."""
        self.notes.append(Note(0 if span is None else self.source.line_of(span), text))

    def variable(self, name: str) -> VariableDraft:
        """The variable of that name; a new one at the end if there is none yet."""
        return self.variables.setdefault(name, VariableDraft(name))

    def known_variable(self, name: str, span: Span, section: str) -> VariableDraft:
        """The variable of that name; ProgramError, with the nearest name, if neither objective nor a row has it."""
        if name not in self.variables:
            raise self.source.refusal(
                span,
                section,
                "the name of a variable that occurs in the objective or in a row",
                f"{name!r}{nearest(name, self.variables)}",
                "correct the name, or give the variable a coefficient of 0 in the objective",
            )
        return self.variables[name]


@dataclass(frozen=True, slots=True)
class Finished:
    """A draft's program, and what had to change on the way."""

    program: LinearProgram
    renamed: tuple[tuple[str, str], ...]
    split: tuple[str, ...]


def nearest(name: str, known: Iterable[str]) -> str:
    """``", did you mean 'x'?"`` for the known name that is most like it; empty if none is."""
    found = get_close_matches(name, list(known), n=1)
    return f", did you mean {found[0]!r}?" if found else ""


def finish(draft: ProgramDraft) -> Finished:
    """The program of a draft.

    Rows with two different limits become two, ``NAME_lower`` and ``NAME_upper``; rows without limits are left out.
    White space in names becomes ``_``, and a name that is then taken gets ``_2``, ``_3`` and so on.

    Raises:
        ProgramError: The program is not well-formed, or has a number that is too large.
    """
    names = unique_names(draft.variables, "variable")
    new_names = dict(zip(draft.variables, names, strict=True))
    variables = tuple(_variable(new_names[name], found) for name, found in draft.variables.items())
    for row in draft.rows:
        _leave_out_noise(draft, row)
    sides = [side for row in draft.rows for side in _sides(row)]
    row_names = unique_names((name for name, *_ in sides), "row")
    constraints = tuple(
        Constraint(
            new_name,
            _terms(draft, row.coefficients, variables, new_names, f"row {row.name}"),
            sense,
            _limited(draft, rhs, f"right-hand side of row {row.name}"),
        )
        for new_name, (_, row, sense, rhs) in zip(row_names, sides, strict=True)
    )
    objective = _terms(draft, draft.objective, variables, new_names, "objective")
    offset = _limited(draft, draft.offset, "constant of the objective")
    try:
        program = validate(LinearProgram(draft.direction, objective, variables, constraints, offset))
    except ProgramError as error:
        raise ProgramError(f"{draft.source.name}: {error}") from error
    renamed = [(old, new) for old, new in new_names.items() if old != new]
    renamed += [(name, new) for (name, *_), new in zip(sides, row_names, strict=True) if name != new]
    split = dict.fromkeys(row.name for name, row, *_ in sides if name != row.name)
    return Finished(program, tuple(renamed), tuple(split))


def _leave_out_noise(draft: ProgramDraft, row: RowDraft) -> None:
    """Leave out, with a note, coefficients that the solver takes for 0, where that cannot matter; refuse others."""
    small = {name: value for name, value in row.coefficients.items() if value and abs(value) <= NEGLIGIBLE}
    for name, value in small.items():
        variable = draft.variables[name]
        reach = 1.0 if variable.is_binary else max(abs(variable.lower), abs(variable.upper))
        if abs(float(value)) * reach > NEGLIGIBLE:
            raise ProgramError(
                f"{draft.source.name}: row {row.name}, coefficient of {name}: expected 0 or a magnitude above "
                f"{NEGLIGIBLE:g}, got {shown(value)}, which the solver takes for 0; rescale the row, or bound {name} "
                "so that it does not matter"
            )
        del row.coefficients[name]
    if small:
        names = ", ".join(list(small)[:5])
        draft.note(row.span, f"coefficients too small to matter left out of row {row.name}: {names}")


def _sides(row: RowDraft) -> list[tuple[str, RowDraft, Sense, Fraction]]:
    """One (name, row, sense, right-hand side) for each limit of a row."""
    if row.lower is not None and row.lower == row.upper:
        return [(row.name, row, Sense.EQUAL, row.lower)]
    is_range = row.lower is not None and row.upper is not None
    sides: list[tuple[str, RowDraft, Sense, Fraction]] = []
    if row.lower is not None:
        sides.append((f"{row.name}_lower" if is_range else row.name, row, Sense.GREATER_EQUAL, row.lower))
    if row.upper is not None:
        sides.append((f"{row.name}_upper" if is_range else row.name, row, Sense.LESS_EQUAL, row.upper))
    return sides


def _variable(name: str, found: VariableDraft) -> Variable:
    lower, upper = found.lower, found.upper
    if found.is_binary:
        lower, upper = max(lower, 0.0), min(upper, 1.0)
    is_whole = found.is_integer or found.is_binary
    if not is_whole:
        return Variable(name, lower, upper)
    return Variable(name, lower, upper, VariableType.BINARY if (lower, upper) == (0.0, 1.0) else VariableType.INTEGER)


def _terms(
    draft: ProgramDraft,
    coefficients: dict[str, Fraction],
    variables: tuple[Variable, ...],
    new_names: dict[str, str],
    where: str,
) -> tuple[tuple[str, float], ...]:
    numbers = {
        new_names[name]: _limited(draft, value, f"{where}, coefficient of {name}")
        for name, value in coefficients.items()
    }
    return ordered_terms([v for v in variables if v.name in numbers], numbers)


def _limited(draft: ProgramDraft, value: Fraction, what: str) -> float:
    if abs(value) >= COEFFICIENT_LIMIT:
        raise ProgramError(
            f"{draft.source.name}: {what}: expected a magnitude below {COEFFICIENT_LIMIT:g}, got {shown(value)}; "
            "rescale the model, or leave out what has no limit"
        )
    return float(value)


def unique_names(names: Iterable[str], what: str) -> list[str]:
    """The names without white space or control characters, each once; an empty one becomes ``what``."""
    clean = ["".join(ch if ch.isprintable() and not ch.isspace() else "_" for ch in name) or what for name in names]
    taken = set(clean)
    seen: set[str] = set()
    result: list[str] = []
    for name in clean:
        candidate, number = name, 2
        while candidate in seen or (candidate != name and candidate in taken):
            candidate, number = f"{name}_{number}", number + 1
        seen.add(candidate)
        result.append(candidate)
    return result
