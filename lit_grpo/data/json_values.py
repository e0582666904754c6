"""Typed reads of JSON objects: the value of a key, or a ValueError that says what was expected and what was got.

Called by benchmark.py, certificate_records.py, manifest.py, and by whoever reads an object from a file of a run.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

from lit_grpo.environment.programs.program import Element


def read_object(path: Path, remedy: str) -> dict[str, Any]:
    """The JSON object in a file.

    Args:
        path: The file.
        remedy: What to do where it holds none, for the error.

    Raises:
        ValueError: It holds none; says so with the path.
    """
    try:
        return object_of(json.loads(path.read_text(encoding="utf-8")), str(path))
    except json.JSONDecodeError as error:
        raise ValueError(f"{path}: expected a JSON object, got {error.msg} in line {error.lineno}; {remedy}") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: expected a JSON object, got no text in UTF-8; {remedy}") from error


def strict_object(text: str, what: str) -> dict[str, object]:
    """The object of a JSON text; ValueError for a key that occurs twice and for NaN or an infinity as well."""
    try:
        value = json.loads(text, object_pairs_hook=_unique_keys, parse_constant=_no_number)
    except json.JSONDecodeError as error:
        raise ValueError(f"expected one JSON object, got {error.msg}") from error
    if not isinstance(value, dict):
        raise ValueError(f"expected {what} to be a JSON object, got {type(value).__name__}")
    return value


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
    if not math.isfinite(value):
        raise ValueError(f"expected {key} to be a finite number, got {value!r}")
    return float(value)


def whole_number_of(fields: Mapping[str, object], key: str) -> int:
    """A whole number, written without a point."""
    value = value_of(fields, key)
    if type(value) is not int:
        raise ValueError(f"expected {key} to be a whole number, got {value!r}")
    return value


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


def _unique_keys(pairs: list[tuple[str, object]]) -> dict[str, object]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        keys = [key for key, _ in pairs]
        repeated = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"expected each key once, got {repeated!r} {keys.count(repeated)} times")
    return fields


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"expected finite numbers, got {text}")
