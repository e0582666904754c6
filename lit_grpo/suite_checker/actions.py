"""Actions that edit a program, read and written: the second implementation of that part of the action grammar.

Called by programs.py and writing.py. An action has one text; any other that means the same is refused.
"""

from __future__ import annotations

import json
from typing import Any

from lit_grpo.suite_checker.strict_json import RecordError, read_object

GRAMMAR_VERSION = 2
"""The version of the grammar that is read here."""
LARGEST_NUMBER = 1e9
"""Numbers in actions are below this in magnitude."""
KEYS: dict[str, dict[str, tuple[type, ...]]] = {
    "drop": {"row": (str,)},
    "set_rhs": {"row": (str,), "value": (float,)},
    "set_sense": {"row": (str,), "sense": (str,)},
    "set_coefficient": {"row": (str,), "variable": (str,), "value": (float,)},
    "set_bounds": {"variable": (str,), "lower": (float, type(None)), "upper": (float, type(None))},
    "set_type": {"variable": (str,), "type": (str,)},
}
"""The keys of each action, beside ``action``."""
_CHOICES = {"sense": ("<=", ">=", "="), "type": ("continuous", "integer", "binary")}


def read_action(text: str) -> dict[str, Any]:
    """The keys of an edit, each of its type; numbers as floats.

    Raises:
        RecordError: The text is no edit of the grammar, or is not written as an agent is to write it.
    """
    raw = read_object(text, "action")
    keys = KEYS.get(str(raw.get("action")), {})
    if not keys or set(raw) != {"action", *keys}:
        raise RecordError(f"expected one of {', '.join(KEYS)} with its keys, got {text:.120}")
    fields = {key: float(value) if type(value) is int else value for key, value in raw.items()}
    for key, types in keys.items():
        value = fields[key]
        is_wrong_choice = key in _CHOICES and value not in _CHOICES[key]
        is_large = isinstance(value, float) and not abs(value) < LARGEST_NUMBER
        if not isinstance(value, types) or is_wrong_choice or is_large:
            raise RecordError(f"expected another {key} in {text:.120}")
    if action_text(fields) != text:
        raise RecordError(f"expected the action {action_text(fields)}, got it written as {text:.120}")
    return fields


def action_text(fields: dict[str, Any]) -> str:
    """An action as an agent writes it: keys in order, no white space, whole numbers without a point."""
    ordered = {"action": fields["action"], **{key: fields[key] for key in KEYS[fields["action"]]}}
    plain = {key: _plain(value) if isinstance(value, float) else value for key, value in ordered.items()}
    return json.dumps(plain, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def _plain(value: float) -> int | float:
    return int(value) if value.is_integer() and abs(value) < 1e15 else value
