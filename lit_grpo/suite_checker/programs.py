"""A record's programs: MPS text and declarations read into plain data, and the actions that change them.

Called by records.py.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import highspy

from lit_grpo.suite_checker.actions import read_action
from lit_grpo.suite_checker.strict_json import RecordError

INFINITE = 1e20
"""HiGHS's bound for no bound."""


@dataclass(frozen=True)
class Variable:
    """Bounds as written and a type: continuous, integer or binary."""

    lower: float
    upper: float
    type: str

    @property
    def bounds(self) -> tuple[float, float]:
        """The bounds as they hold: a binary is within [0, 1]."""
        return (max(self.lower, 0.0), min(self.upper, 1.0)) if self.type == "binary" else (self.lower, self.upper)


@dataclass(frozen=True)
class Row:
    """A constraint; no coefficient is zero."""

    terms: dict[str, float]
    sense: str
    """``<=``, ``>=`` or ``=``."""
    rhs: float


@dataclass(frozen=True)
class Program:
    """A linear program; names map to parts, in order."""

    maximize: bool
    offset: float
    costs: dict[str, float]
    variables: dict[str, Variable]
    rows: dict[str, Row]

    def same_as(self, other: Program) -> bool:
        """Equal in every number, name and position."""
        orders = [(list(program.variables), list(program.rows)) for program in (self, other)]
        return self == other and orders[0] == orders[1]

    def numbers(self) -> Iterator[float]:
        """All that are written but infinite bounds."""
        yield from self.costs.values()
        for row in self.rows.values():
            yield row.rhs
            yield from row.terms.values()
        for variable in self.variables.values():
            yield from (bound for bound in (variable.lower, variable.upper) if math.isfinite(bound))


def read_program(mps: str, declarations: list[str]) -> Program:
    """The program of an MPS text, with what the declarations add to the text.

    Raises:
        RecordError: HiGHS cannot read the text, or a declaration is no edit of its program.
    """
    program = _read_mps(mps)
    for text in declarations:
        program, _ = apply_action(program, text)
    return program


@dataclass(frozen=True)
class Edit:
    """What an action does, and to which element."""

    action: str
    element: str


def apply_action(program: Program, text: str) -> tuple[Program, Edit]:
    """The program after one action that edits, and which that was.

    Raises:
        RecordError: The text is no edit of the grammar, or it names what the program does not have.
    """
    fields = read_action(text)
    name = fields.pop("action")
    if "variable" in fields and fields["variable"] not in program.variables:
        raise RecordError(f"expected the name of a variable in {text}")
    if name in ("set_bounds", "set_type"):
        return _edit_variable(program, name, **fields)
    if fields["row"] not in program.rows:
        raise RecordError(f"expected the name of a row in {text}")
    return _edit_row(program, name, **fields)


def _edit_variable(program: Program, action: str, variable: str, **change: Any) -> tuple[Program, Edit]:
    old = program.variables[variable]
    if action == "set_type":
        new = replace(old, type=change["type"])
    else:
        lower, upper = change["lower"], change["upper"]
        new = replace(old, lower=-math.inf if lower is None else lower, upper=math.inf if upper is None else upper)
    return replace(program, variables=program.variables | {variable: new}), Edit(action, f"var:{variable}")


def _edit_row(program: Program, action: str, row: str, **change: Any) -> tuple[Program, Edit]:
    old = program.rows[row]
    match action:
        case "drop":
            rows = {name: other for name, other in program.rows.items() if name != row}
            return replace(program, rows=rows), Edit(action, f"row:{row}")
        case "set_rhs":
            new = replace(old, rhs=change["value"])
        case "set_sense":
            new = replace(old, sense=change["sense"])
        case _:
            terms = old.terms | {change["variable"]: change["value"]}
            new = replace(old, terms={name: terms[name] for name in program.variables if terms.get(name)})
    return replace(program, rows=program.rows | {row: new}), Edit(action, f"row:{row}")


def _read_mps(text: str) -> Program:
    highs = highspy.Highs()
    highs.setOptionValue("output_flag", False)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "program.mps"
        path.write_text(text, encoding="utf-8")
        status = highs.readModel(str(path))
    lp = highs.getLp()
    if status == highspy.HighsStatus.kError or not lp.num_col_:
        raise RecordError(f"expected an MPS text that HiGHS can read, got {text[:40]!r}")
    names = list(lp.col_names_)
    integral = [kind == highspy.HighsVarType.kInteger for kind in lp.integrality_] or [False] * len(names)
    bounds = [(_bound(lower), _bound(upper)) for lower, upper in zip(lp.col_lower_, lp.col_upper_, strict=True)]
    variables = {
        name: Variable(*pair, "continuous" if not whole else "binary" if pair == (0.0, 1.0) else "integer")
        for name, pair, whole in zip(names, bounds, integral, strict=True)
    }
    costs = {name: float(cost) for name, cost in zip(names, lp.col_cost_, strict=True) if cost}
    return Program(lp.sense_ == highspy.ObjSense.kMaximize, lp.offset_, costs, variables, _read_rows(lp, names))


def _read_rows(lp: highspy.HighsLp, names: list[str]) -> dict[str, Row]:
    matrix = lp.a_matrix_
    starts, indices, values = list(matrix.start_), list(matrix.index_), [float(value) for value in matrix.value_]
    terms: list[dict[str, float]] = [{} for _ in range(lp.num_row_)]
    for j, name in enumerate(names):
        for k in range(starts[j], starts[j + 1]):
            if values[k]:
                terms[indices[k]][name] = values[k]
    rows: dict[str, Row] = {}
    for i, name in enumerate(lp.row_names_):
        lower, upper = _bound(lp.row_lower_[i]), _bound(lp.row_upper_[i])
        if name in rows or (lower != upper and math.isfinite(lower) is math.isfinite(upper)):
            raise RecordError(f"expected every row once, with one side, got {name} in {lower} .. {upper}")
        sense = "=" if lower == upper else "<=" if math.isfinite(upper) else ">="
        rows[name] = Row(terms[i], sense, lower if math.isfinite(lower) else upper)
    return rows


def _bound(value: float) -> float:
    """The bound or side; minus zero becomes zero, and so is not in the form in which it is written."""
    return math.copysign(math.inf, value) if abs(value) >= INFINITE else float(value) + 0.0
