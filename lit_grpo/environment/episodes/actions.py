"""THE grammar of what an agent may say: one JSON object per turn. `parse` reads it, `render` writes it.

Called by the episode (parse), by demonstrations, baselines and prompts (render). The text comes from a language model
and is hostile input: `parse` never raises, never evaluates, and never returns an action that was not written.

Which object counts: free text, reasoning or code fences may stand around it; of several complete top-level objects
the last one counts, and no earlier one is fallen back to. A brace opens an object only if a key or its closing brace
follows, so braces in prose are prose.

Who judges numbers: what JSON or a float cannot hold (``NaN``, ``Infinity``, ``1e999``) is Malformed here. A number
that is well-formed but beyond the program's scale (scale.py) is a Move, which the episode refuses.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeVar, assert_never

from lit_grpo.environment.episodes.json_objects import NotAnObjectError, last_object, shown
from lit_grpo.environment.programs.edits import (
    AgentEdit,
    DropRow,
    SetBounds,
    SetCoefficient,
    SetRhs,
    SetSense,
    SetType,
    edited_element,
)
from lit_grpo.environment.programs.program import MAX_NAME_CHARACTERS, Element, Sense, VariableType

GRAMMAR_VERSION = 2
"""Raised whenever a text is read as another move than before, or is malformed where it was none: results that were
played under another grammar are not comparable."""


@dataclass(frozen=True, slots=True)
class GetConflict:
    """Show the current conflict (IIS)."""


@dataclass(frozen=True, slots=True)
class Inspect:
    """Show a row's or variable's activity range and elastic violation."""

    name: str


@dataclass(frozen=True, slots=True)
class Relax:
    """Widen an inequality's right-hand side by a non-negative amount; shift an equality's by a signed one."""

    row: str
    amount: float


@dataclass(frozen=True, slots=True)
class Restore:
    """Go back to the faulty program the episode began with."""


@dataclass(frozen=True, slots=True)
class Submit:
    """End the episode with the program as it stands."""


Action = GetConflict | Inspect | Relax | AgentEdit | Restore | Submit
"""What an agent can do."""


@dataclass(frozen=True, slots=True)
class Move:
    """One well-formed turn: an action, and whom the agent holds responsible."""

    action: Action
    diagnosis: tuple[Element, ...] | None = None
    """The elements stated, in the order written, each once; None if the turn states none."""

    @classmethod
    def in_repair(cls, edit: AgentEdit, elements: Iterable[Element]) -> Move:
        """One edit of a repair that acts on these elements: all are stated, that of the edit first, each once.

        So what is named first is what is edited, in each turn of a repair of several edits as in one of a single edit.
        """
        own = edited_element(edit)
        return cls(edit, tuple(dict.fromkeys(sorted(elements, key=lambda element: element != own))))


@dataclass(frozen=True, slots=True)
class Malformed:
    """A turn that holds no action: data, with the reason that the next observation explains."""

    reason: str
    """One line: expected, got."""


ACTION_KEYS: dict[str, tuple[str, ...]] = {
    "drop": ("row",),
    "relax": ("row", "amount"),
    "set_rhs": ("row", "value"),
    "set_sense": ("row", "sense"),
    "set_coefficient": ("row", "variable", "value"),
    "set_bounds": ("variable", "lower", "upper"),
    "set_type": ("variable", "type"),
    "inspect": ("name",),
    "get_conflict": (),
    "restore": (),
    "submit": (),
}
"""Each action and exactly the keys it takes beside ``action`` and, optionally, ``diagnosis``."""


def parse(text: str) -> Move | Malformed:
    """Read one turn, in time linear in its length; whatever is not exactly a move is Malformed."""
    try:
        return _read_move(last_object(text))
    except NotAnObjectError as error:
        return Malformed(str(error))


def render(move: Move) -> str:
    """The canonical text of a move: the diagnosis first, so that the culprit is named before it is acted on."""
    fields: dict[str, object] = {} if move.diagnosis is None else {"diagnosis": list(move.diagnosis)}
    return json.dumps(fields | _action_fields(move.action), separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def number_text(value: float) -> str:
    """The shortest text that parses back to the same float; integral values below 1e15 without a point."""
    return str(_plain(value))


# --- writing ------------------------------------------------------------------------------------------------------


def _plain(value: float) -> int | float:
    return int(value) if abs(value) < 1e15 and float(value).is_integer() else value


def _bound(value: float) -> int | float | None:
    return None if math.isinf(value) else _plain(value)


def _action_fields(action: Action) -> dict[str, object]:
    match action:
        case DropRow(row=row):
            return {"action": "drop", "row": row}
        case Relax(row=row, amount=amount):
            return {"action": "relax", "row": row, "amount": _plain(amount)}
        case SetRhs(row=row, value=value):
            return {"action": "set_rhs", "row": row, "value": _plain(value)}
        case SetSense(row=row, sense=sense):
            return {"action": "set_sense", "row": row, "sense": sense.value}
        case SetCoefficient(row=row, variable=name, value=value):
            return {"action": "set_coefficient", "row": row, "variable": name, "value": _plain(value)}
        case SetBounds(variable=name, lower=lower, upper=upper):
            assert lower < math.inf, "a lower bound of +inf has no text"
            assert upper > -math.inf, "an upper bound of -inf has no text"
            return {"action": "set_bounds", "variable": name, "lower": _bound(lower), "upper": _bound(upper)}
        case SetType(variable=name, type=type_):
            return {"action": "set_type", "variable": name, "type": type_.value}
        case Inspect(name=name):
            return {"action": "inspect", "name": name}
        case GetConflict():
            return {"action": "get_conflict"}
        case Restore():
            return {"action": "restore"}
        case Submit():
            return {"action": "submit"}
        case _:
            assert_never(action)


# --- reading it ---------------------------------------------------------------------------------------------------


def _read_move(fields: dict[str, object]) -> Move:
    diagnosis = _read_diagnosis(fields.pop("diagnosis")) if "diagnosis" in fields else None
    name = fields.pop("action", None)
    if not isinstance(name, str) or name not in ACTION_KEYS:
        raise NotAnObjectError(f"expected the key action with one of {', '.join(ACTION_KEYS)}, got {shown(name)}")
    if fields.keys() != set(ACTION_KEYS[name]):
        expected = ", ".join(ACTION_KEYS[name]) or "no further keys"
        raise NotAnObjectError(f"expected for {name}: {expected}; got {shown(', '.join(fields) or 'none')}")
    return Move(_read_action(name, fields), diagnosis)


def _read_action(name: str, fields: dict[str, object]) -> Action:
    match name:
        case "drop":
            return DropRow(_name(fields, "row"))
        case "relax":
            return Relax(_name(fields, "row"), _number(fields, "amount"))
        case "set_rhs":
            return SetRhs(_name(fields, "row"), _number(fields, "value"))
        case "set_sense":
            return SetSense(_name(fields, "row"), _choice(Sense, fields["sense"]))
        case "set_coefficient":
            return SetCoefficient(_name(fields, "row"), _name(fields, "variable"), _number(fields, "value"))
        case "set_bounds":
            lower = -math.inf if fields["lower"] is None else _number(fields, "lower")
            upper = math.inf if fields["upper"] is None else _number(fields, "upper")
            return SetBounds(_name(fields, "variable"), lower, upper)
        case "set_type":
            return SetType(_name(fields, "variable"), _choice(VariableType, fields["type"]))
        case "inspect":
            return Inspect(_name(fields, "name"))
        case "get_conflict":
            return GetConflict()
        case "restore":
            return Restore()
        case _:
            assert name == "submit", f"ACTION_KEYS has {name}, which is not read here"
            return Submit()


def _read_diagnosis(value: object) -> tuple[Element, ...]:
    if not isinstance(value, list):
        raise NotAnObjectError(f"expected diagnosis to be a list of elements, got {shown(value)}")
    for element in value:
        if not isinstance(element, str) or not element.startswith(("row:", "var:")) or not _is_name(element[4:]):
            raise NotAnObjectError(f"expected elements such as row:NAME or var:NAME, got {shown(element)}")
    return tuple(dict.fromkeys(Element(element) for element in value))


def _is_name(text: str) -> bool:
    return text.isprintable() and len(text) <= MAX_NAME_CHARACTERS


def _name(fields: dict[str, object], key: str) -> str:
    value = fields[key]
    if not isinstance(value, str) or not _is_name(value):
        raise NotAnObjectError(f"expected {key} to be a name, got {shown(value)}")
    return value


def _number(fields: dict[str, object], key: str) -> float:
    value = fields[key]
    if not isinstance(value, float):
        raise NotAnObjectError(f"expected {key} to be a number, got {shown(value)}")
    return value


_Choice = TypeVar("_Choice", Sense, VariableType)


def _choice(choices: type[_Choice], value: object) -> _Choice:
    allowed = [choice.value for choice in choices]
    if value not in allowed:
        raise NotAnObjectError(f"expected one of {', '.join(allowed)}, got {shown(value)}")
    return choices(value)
