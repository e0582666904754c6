"""JSON as the records and the manifest are written, and nothing else that a JSON reader would forgive.

Called by records.py and manifest.py.
"""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn


class RecordError(Exception):
    """Why a record cannot even be read: what was expected, what was got."""


def read_object(text: str, what: str) -> dict[str, Any]:
    """The JSON object that a text holds and nothing beside it.

    Raises:
        RecordError: No JSON, no object, a key twice, a number that is not finite or is minus zero, or half a
            surrogate pair.
    """
    try:
        value = json.loads(
            text,
            object_pairs_hook=_unique_keys,
            parse_constant=_refused_constant,
            parse_float=_plain_float,
            parse_int=_plain_int,
        )
        text.encode()
    except json.JSONDecodeError as error:
        raise RecordError(f"expected one JSON object as the {what}, got {error.msg} at {error.pos}") from error
    except (RecursionError, UnicodeEncodeError) as error:
        raise RecordError(f"expected one flat JSON object as the {what}, got {type(error).__name__}") from error
    if not isinstance(value, dict):
        raise RecordError(f"expected the {what} to be a JSON object, got {value!r:.80}")
    return value


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    keys = [key for key, _ in pairs]
    repeated = [key for key in dict.fromkeys(keys) if keys.count(key) > 1]
    if repeated:
        raise RecordError(f"expected each key once, got {repeated[0]!r} {keys.count(repeated[0])} times")
    return dict(pairs)


def _refused_constant(text: str) -> NoReturn:
    raise RecordError(f"expected finite numbers, got {text}")


def _plain_float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value) or (value == 0.0 and text.startswith("-")):
        raise RecordError(f"expected finite numbers and no minus zero, got {text}")
    return value


def _plain_int(text: str) -> int:
    if text == "-0" or len(text) > 16:
        raise RecordError(f"expected whole numbers of at most 16 characters and no minus zero, got {text:.40}")
    return int(text)
