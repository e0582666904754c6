"""The section BOUNDS of MPS files, and the bounds that columns have without it. Called by mps.py."""

from __future__ import annotations

import math

from lit_grpo.environment.programs.reading.draft import VariableDraft, nearest
from lit_grpo.environment.programs.reading.mps_lines import DataLine, Field
from lit_grpo.environment.programs.reading.mps_state import MpsFile, number_of, require_one_set
from lit_grpo.environment.programs.reading.numbers import as_bound, exact, infinity
from lit_grpo.environment.programs.reading.source import Source, Span

_BOUNDS_WITH_VALUE = ("UP", "LO", "FX", "LI", "UI")
_BOUNDS_WITHOUT = ("FR", "MI", "PL", "BV")
_OF_INTEGERS = ("BV", "LI", "UI")


def read_bound(file: MpsFile, line: DataLine) -> None:
    """One line of the section."""
    source, fields = file.draft.source, line.fields
    type_ = fields[0].text.upper()
    if type_ in ("SC", "SI"):
        raise source.refusal(
            fields[0].span,
            "BOUNDS",
            "a bound",
            "a semi-continuous variable, which is not supported",
            "model it with a binary",
        )
    if type_ not in (*_BOUNDS_WITH_VALUE, *_BOUNDS_WITHOUT):
        known = ", ".join((*_BOUNDS_WITH_VALUE, *_BOUNDS_WITHOUT))
        raise source.refusal(fields[0].span, "BOUNDS", f"a type of {known}", repr(fields[0].text), "correct it")
    name, number = _bound_fields(file, line, type_)
    if name.text not in file.draft.variables:
        found = f"{name.text!r}{nearest(name.text, file.draft.variables)}"
        raise source.refusal(name.span, "BOUNDS", "the name of a column", found, "correct the name")
    variable = file.draft.variables[name.text]
    _set_bound(file, variable, type_, number, line.span)
    file.bounded.add(name.text)


def _bound_fields(file: MpsFile, line: DataLine, type_: str) -> tuple[Field, Field | None]:
    """The column and, where the type takes one, the number; the name of the vector may be left out."""
    fields, columns = line.fields[1:], file.draft.variables
    if type_ in _BOUNDS_WITH_VALUE:
        if len(fields) == 3:
            require_one_set(file, "BOUNDS", fields[0])
            fields = fields[1:]
        if len(fields) == 2:
            return fields[0], fields[1]
    elif 1 <= len(fields) <= 3:
        # `x`, `BOUND x`, `x 0` or `BOUND x 0`: a number behind these types means nothing.
        has_set = len(fields) == 3 or (
            len(fields) == 2 and fields[0].text not in columns and exact(fields[1].text) is None
        )
        if has_set:
            require_one_set(file, "BOUNDS", fields[0])
        return fields[1 if has_set else 0], None
    number = " and a number" if type_ in _BOUNDS_WITH_VALUE else ""
    got = repr(file.draft.source.of(line.span).strip())
    raise file.draft.source.refusal(
        line.span, "BOUNDS", f"{type_}, a vector's name, a column{number}", got, "complete the line"
    )


def _set_bound(file: MpsFile, variable: VariableDraft, type_: str, number: Field | None, span: Span) -> None:
    value = 0.0 if number is None else _bound_value(file.draft.source, number)
    place = span if number is None else number.span
    before = (variable.lower, variable.upper)
    had = (variable.lower_span is not None, variable.upper_span is not None)
    if type_ in ("LO", "LI", "FX", "MI", "FR", "BV"):
        variable.lower = {"MI": -math.inf, "FR": -math.inf, "BV": 0.0}.get(type_, value)
        variable.lower_span = place
    if type_ in ("UP", "UI", "FX", "PL", "FR", "BV"):
        variable.upper = {"PL": math.inf, "FR": math.inf, "BV": 1.0}.get(type_, value)
        variable.upper_span = place
    if (had[0] and before[0] != variable.lower) or (had[1] and before[1] != variable.upper):
        file.draft.note(span, f"a bound of {variable.name} is given twice; the last one holds")
    if variable.lower == math.inf or variable.upper == -math.inf:
        raise file.draft.source.refusal(
            place, "BOUNDS", "a bound that some value satisfies", file.draft.source.of(place), "correct its sign"
        )
    variable.is_integer |= type_ in _OF_INTEGERS


def set_defaults(file: MpsFile) -> None:
    """Give integer columns between markers their default bounds, and note where readers differ."""
    unbounded = [name for name in file.marked if name not in file.bounded]
    for name in unbounded:
        file.draft.variables[name].upper = 1.0
    if unbounded:
        names = ", ".join(unbounded[:5]) + (" and others" if len(unbounded) > 5 else "")
        file.draft.note(
            file.marked[unbounded[0]],
            f"default bounds: integer columns between markers without bounds are within 0 and 1 ({names}); "
            "some readers take 0 to infinity, so give them bounds",
        )
    for variable in file.draft.variables.values():
        if variable.upper < 0.0 == variable.lower and variable.lower_span is None:
            file.draft.note(
                variable.upper_span,
                f"negative upper bound of {variable.name} without a lower one: the lower bound stays 0, so that no "
                "value is left (some readers take it to be minus infinity)",
            )


def _bound_value(source: Source, number: Field) -> float:
    unlimited = infinity(number.text)
    return as_bound(number_of(source, number, "BOUNDS")) if unlimited is None else unlimited
