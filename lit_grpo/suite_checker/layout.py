"""The keys of a record, in their order, and the type of every value: whatever else is there is refused.

Called by records.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lit_grpo.suite_checker.strict_json import RecordError

KINDS = tuple("ABCDEFGHI")
DIFFICULTIES = ("easy", "medium", "hard")
DOMAINS = (
    "production", "blending", "transportation", "lot_sizing", "capital_budgeting", "staffing", "assignment",
    "network_flow", "facility_location", "set_covering", "programs",
)  # fmt: skip
STATUSES = ("optimal", "infeasible", "unbounded")
PARTS = ("row", "lower", "upper", "integrality")
GENERATOR_VERSION = 4
"""The version of the generator whose texts, difficulties and certificates are checked here."""


@dataclass(frozen=True)
class Text:
    """A text that is not empty; of a given list where there is one."""

    choices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Number:
    """A number as a float is written, with a point or an exponent; a whole one, or none at all, where it says so."""

    whole: bool = False
    least: float | None = None
    may_be_null: bool = False


@dataclass(frozen=True)
class Null:
    """A text, or null."""


@dataclass(frozen=True)
class List:
    """A list of values of one shape."""

    of: Shape
    least: int = 0


@dataclass(frozen=True)
class Object:
    """An object with exactly these keys, in this order."""

    keys: Mapping[str, Shape]


Shape = Text | Number | Null | List | Object

_ACTIONS = List(Text())
_CONFLICT = Object({"members": List(Object({"part": Text(PARTS), "name": Text()}), least=1)})
_DELETION = Object({"row": Text(), "status": Text(STATUSES), "objective": Number(may_be_null=True)})
_REPAIR = Object({"element": Text(), "amount": Number(least=0.0)})
EVIDENCE: dict[str, Object] = {
    "E": Object({"conflicts": List(_CONFLICT, least=2)}),
    "F": Object({"deletions": List(_DELETION, least=1), "relaxed": List(Text(), least=1), "alone": Number(least=0.0)}),
    "G": Object({"revealed": _CONFLICT, "objective_without": Number()}),
    "H": Object({"conflicts": List(_CONFLICT, least=1)}),
    "I": Object({"repairs": List(_REPAIR, least=2)}),
}
"""The shapes by the letter of the kind."""


def record_shape(kind: str) -> Object:
    """The shape of a record of that kind."""
    figures: dict[str, Shape] = {
        "variant": Text(),
        "violation": Number(least=0.0),
        "property_margin": Number(least=0.0),
        "conflict_size": Number(whole=True, least=1),
        "num_decoys": Number(whole=True, least=0),
    }
    evidence = {"evidence": EVIDENCE[kind]} if kind in EVIDENCE else {}
    return Object(
        {
            "id": Text(),
            "domain": Text(DOMAINS),
            "kind": Text(KINDS),
            "difficulty": Text(DIFFICULTIES),
            "split": Text(("train", "validation", "test")),
            "specification": List(Object({"text": Text(), "about": Null()}), least=1),
            "original_mps": Text(),
            "original_declarations": _ACTIONS,
            "faulty_mps": Text(),
            "faulty_declarations": _ACTIONS,
            "inverse_actions": List(Text(), least=1),
            "faulty_elements": List(Text(), least=1),
            "original_objective": Number(),
            "certificate": Object({**figures, **evidence}),
            "generator_version": Number(whole=True, least=1),
        }
    )


def require_record(fields: Mapping[str, Any]) -> None:
    """Raise RecordError for the first thing in a record that is not as its shape says."""
    kind = fields.get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        raise RecordError(f"expected a kind of {''.join(KINDS)}, got {kind!r:.40}")
    _require(fields, record_shape(kind), "record")
    if fields["generator_version"] != GENERATOR_VERSION:
        got = fields["generator_version"]
        raise RecordError(
            f"expected generator_version {GENERATOR_VERSION}, got {got}; make the suite again, or check it with the "
            "release that made it"
        )


def _require(value: object, shape: Shape, where: str) -> None:
    match shape:
        case Object(keys=keys):
            _require_keys(value, keys, where)
        case List(of=inner, least=least):
            if not isinstance(value, list) or len(value) < least:
                raise RecordError(f"expected {where} to be a list of at least {least}, got {value!r:.80}")
            for index, item in enumerate(value):
                _require(item, inner, f"{where}[{index}]")
        case Text(choices=choices):
            if not isinstance(value, str) or not value or (choices and value not in choices):
                raise RecordError(f"expected {where} to be {' or '.join(choices) or 'a text'}, got {value!r:.80}")
        case Null():
            if value is not None and not isinstance(value, str):
                raise RecordError(f"expected {where} to be an element or null, got {value!r:.80}")
        case Number():
            _require_number(value, shape, where)


def _require_keys(value: object, keys: Mapping[str, Shape], where: str) -> None:
    if not isinstance(value, dict):
        raise RecordError(f"expected {where} to be a JSON object, got {value!r:.80}")
    unknown, missing = [key for key in value if key not in keys], [key for key in keys if key not in value]
    if unknown or missing:
        raise RecordError(f"expected the keys {', '.join(keys)} in the {where}, got {', '.join(value) or 'none'}")
    if list(value) != list(keys):
        raise RecordError(f"expected the keys of the {where} in the order {', '.join(keys)}, got {', '.join(value)}")
    for key, inner in keys.items():
        _require(value[key], inner, key if where == "record" else f"{where}.{key}")


def _require_number(value: object, shape: Number, where: str) -> None:
    if value is None and shape.may_be_null:
        return
    if not isinstance(value, int if shape.whole else float) or isinstance(value, bool):
        form = "whole number" if shape.whole else "number with a point"
        raise RecordError(f"expected {where} to be a {form}, got {value!r:.80}")
    if shape.least is not None and value < shape.least:
        raise RecordError(f"expected {where} to be at least {shape.least}, got {value}")
