"""Typed reads of JSON objects: the value of a key, or a ValueError that says what was expected and what was got.

Called by benchmark.py and certificate_records.py.
"""

from __future__ import annotations

from collections.abc import Mapping

from lit_grpo.environment.programs.program import Element


def value_of(fields: Mapping[str, object], key: str) -> object:
    """The value of a key that must be there."""
    if key not in fields:
        raise ValueError(f"expected the key {key}, got {', '.join(fields) or 'none'}")
    return fields[key]


def text_of(fields: Mapping[str, object], key: str) -> str:
    """A text."""
    value = value_of(fields, key)
    if not isinstance(value, str):
        raise ValueError(f"expected {key} to be a text, got {value!r}")
    return value


def number_of(fields: Mapping[str, object], key: str) -> float:
    """A number; true and false are none."""
    value = value_of(fields, key)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"expected {key} to be a number, got {value!r}")
    return float(value)


def list_of(fields: Mapping[str, object], key: str) -> list[object]:
    """A list."""
    value = value_of(fields, key)
    if not isinstance(value, list):
        raise ValueError(f"expected {key} to be a list, got {value!r}")
    return value


def object_of(value: object, what: str) -> dict[str, object]:
    """An object; ``what`` names it in the error."""
    if not isinstance(value, dict):
        raise ValueError(f"expected {what} to be an object, got {value!r}")
    return value


def element_of(value: object) -> Element:
    """An element in its text form."""
    if not isinstance(value, str) or not value.startswith(("row:", "var:")):
        raise ValueError(f"expected an element such as row:NAME or var:NAME, got {value!r}")
    return Element(value)
