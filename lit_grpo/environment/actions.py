"""THE grammar of what an agent may say: one JSON object per turn. `parse` reads it, `render` writes it.

Called by the episode (parse), by demonstrations, baselines and prompts (render). The text comes from a language model
and is hostile input: `parse` never raises, never evaluates, and never returns an action that was not written.

Which object counts: free text, reasoning or code fences may stand around it; of several complete top-level objects
the last one counts, and no earlier one is fallen back to. A brace opens an object only if a key or its closing brace
follows, so braces in prose are prose.

Who judges numbers: what JSON or a float cannot hold (``NaN``, ``Infinity``, ``1e999``) is Malformed here. A number
that is well-formed but not below `NUMBER_LIMIT` is a Move, which the episode refuses.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from typing import NoReturn, TypeVar, assert_never

from lit_grpo.environment.program import (
    DropRow,
    Element,
    Sense,
    SetBounds,
    SetCoefficient,
    SetRhs,
    SetSense,
    SetType,
    VariableType,
)

MAX_TEXT_CHARACTERS = 200_000
"""A longer turn is malformed: its end cannot be judged without reading its beginning."""
MAX_OBJECT_CHARACTERS = 20_000
MAX_NAME_CHARACTERS = 255
MAX_NESTING = 4
"""A move needs 2 (the object and its diagnosis); bounded so that the JSON decoder cannot run out of stack."""


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


AgentEdit = DropRow | SetRhs | SetSense | SetCoefficient | SetBounds | SetType
"""The edits of program.py that an agent may make as they are (AddRow is not on offer)."""

Action = GetConflict | Inspect | Relax | AgentEdit | Restore | Submit
"""What an agent can do."""


@dataclass(frozen=True, slots=True)
class Move:
    """One well-formed turn: an action, and whom the agent holds responsible."""

    action: Action
    diagnosis: tuple[Element, ...] | None = None
    """The elements stated, in the order written, each once; None if the turn states none."""


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
    if len(text) > MAX_TEXT_CHARACTERS:
        return Malformed(f"expected at most {MAX_TEXT_CHARACTERS} characters, got {len(text)}")
    span = _last_object(text)
    if span is None:
        return Malformed("expected one JSON object, got none that is complete")
    start, end, nesting = span
    if nesting > MAX_NESTING or end - start > MAX_OBJECT_CHARACTERS:
        return Malformed("expected one short flat JSON object, got a deeply nested or a very long one")
    try:
        return _read_move(_DECODER.decode(text[start:end]))
    except _NotAMoveError as error:
        return Malformed(str(error))
    except json.JSONDecodeError as error:
        return Malformed(f"expected valid JSON, got an error at character {error.pos} of the object: {error.msg}")


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


# --- finding the object -------------------------------------------------------------------------------------------

_OBJECT_START = re.compile(r"\{(?=[ \t\r\n]*[\"}])")
_TOKEN = re.compile(r'"[^"\\\x00-\x1f]*+(?:\\.[^"\\\x00-\x1f]*+)*+"|[{}\[\]"]')
"""A whole string, or a single bracket; a lone quote is a string that never ends on its line."""


def _last_object(text: str) -> tuple[int, int, int] | None:
    """(start, end, deepest nesting) of the last complete top-level object; each character is looked at a few times."""
    found, position = None, 0
    while (opening := _OBJECT_START.search(text, position)) is not None:
        end, nesting, is_complete = _scan_object(text, opening.start())
        if is_complete:
            found = (opening.start(), end, nesting)
        position = end
    return found


def _scan_object(text: str, start: int) -> tuple[int, int, bool]:
    """Where the object that opens at ``start`` closes or breaks off, its nesting, and whether it is complete."""
    braces = brackets = nesting = 0
    for token in _TOKEN.finditer(text, start):
        match token.group()[0], token.end() - token.start():
            case "{", _:
                braces += 1
            case "[", _:
                brackets += 1
            case "]", _:
                brackets -= 1
            case '"', 1:
                return token.end(), nesting, False
            case "}", _:
                braces -= 1
                if braces == 0:
                    return token.end(), nesting, True
        nesting = max(nesting, braces + brackets)
    return len(text), nesting, False


# --- reading it ---------------------------------------------------------------------------------------------------


class _NotAMoveError(ValueError):
    """Why a JSON object is no move; becomes the reason of a Malformed."""


def _refuse_constant(spelling: str) -> NoReturn:
    raise _NotAMoveError(f"expected finite numbers, got {spelling}")


def _finite(digits: str) -> float:
    value = float(digits) + 0.0  # -0.0 becomes 0.0: one text per number
    if math.isinf(value):
        raise _NotAMoveError(f"expected numbers that a float can hold, got {_shown(digits)}")
    return value


def _unique_keys(pairs: list[tuple[str, object]]) -> dict[str, object]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        raise _NotAMoveError("expected every key once, got one twice")
    return fields


_DECODER = json.JSONDecoder(
    object_pairs_hook=_unique_keys, parse_float=_finite, parse_int=_finite, parse_constant=_refuse_constant
)


def _shown(value: object) -> str:
    text = ascii(value)
    return text if len(text) <= 40 else text[:37] + "..."


def _read_move(fields: dict[str, object]) -> Move:
    diagnosis = _read_diagnosis(fields.pop("diagnosis")) if "diagnosis" in fields else None
    name = fields.pop("action", None)
    if not isinstance(name, str) or name not in ACTION_KEYS:
        raise _NotAMoveError(f"expected the key action with one of {', '.join(ACTION_KEYS)}, got {_shown(name)}")
    if fields.keys() != set(ACTION_KEYS[name]):
        expected = ", ".join(ACTION_KEYS[name]) or "no further keys"
        raise _NotAMoveError(f"expected for {name}: {expected}; got {_shown(', '.join(fields) or 'none')}")
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
        raise _NotAMoveError(f"expected diagnosis to be a list of elements, got {_shown(value)}")
    for element in value:
        if not isinstance(element, str) or not element.startswith(("row:", "var:")) or not _is_name(element[4:]):
            raise _NotAMoveError(f"expected elements such as row:NAME or var:NAME, got {_shown(element)}")
    return tuple(dict.fromkeys(Element(element) for element in value))


def _is_name(text: str) -> bool:
    return text.isprintable() and len(text) <= MAX_NAME_CHARACTERS


def _name(fields: dict[str, object], key: str) -> str:
    value = fields[key]
    if not isinstance(value, str) or not _is_name(value):
        raise _NotAMoveError(f"expected {key} to be a name, got {_shown(value)}")
    return value


def _number(fields: dict[str, object], key: str) -> float:
    value = fields[key]
    if not isinstance(value, float):
        raise _NotAMoveError(f"expected {key} to be a number, got {_shown(value)}")
    return value


_Choice = TypeVar("_Choice", Sense, VariableType)


def _choice(choices: type[_Choice], value: object) -> _Choice:
    allowed = [choice.value for choice in choices]
    if value not in allowed:
        raise _NotAMoveError(f"expected one of {', '.join(allowed)}, got {_shown(value)}")
    return choices(value)
