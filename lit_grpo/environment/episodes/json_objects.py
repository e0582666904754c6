"""The last JSON object in a text from a language model, strictly read: the lower half of actions.parse.

Bounded in length and nesting, in time linear in the text; numbers are finite floats and keys are unique.
"""

from __future__ import annotations

import json
import math
import re
from typing import NoReturn

MAX_TEXT_CHARACTERS = 200_000
"""A longer turn is malformed: its end cannot be judged without reading its beginning."""
MAX_OBJECT_CHARACTERS = 20_000
MAX_NESTING = 4
"""A move needs 2 (the object and its diagnosis); bounded so that the JSON decoder cannot run out of stack."""


def last_object(text: str) -> dict[str, object]:
    """The last complete top-level object; NotAnObjectError in one line if there is none that can be read."""
    if len(text) > MAX_TEXT_CHARACTERS:
        raise NotAnObjectError(f"expected at most {MAX_TEXT_CHARACTERS} characters, got {len(text)}")
    span = _find_last(text)
    if span is None:
        raise NotAnObjectError("expected one JSON object, got none that is complete")
    start, end, nesting = span
    if nesting > MAX_NESTING or end - start > MAX_OBJECT_CHARACTERS:
        raise NotAnObjectError("expected one short flat JSON object, got a deeply nested or a very long one")
    try:
        return _DECODER.decode(text[start:end])
    except json.JSONDecodeError as error:
        reason = f"expected valid JSON, got an error at character {error.pos} of the object: {error.msg}"
        raise NotAnObjectError(reason) from error


_OBJECT_START = re.compile(r"\{(?=[ \t\r\n]*[\"}])")
_TOKEN = re.compile(r'"[^"\\\x00-\x1f]*+(?:\\.[^"\\\x00-\x1f]*+)*+"|[{}\[\]"]')
"""A whole string, or a single bracket; a lone quote is a string that never ends on its line."""


def _find_last(text: str) -> tuple[int, int, int] | None:
    """(start, end, deepest nesting) of the last complete top-level object; each character is looked at a few times.

    An object that breaks off within a string may have been given up for the next one, or hold that one in the string,
    where it was to be quoted and no action. A brace that closes after the inner one tells: then it was inside.
    """
    found, position = None, 0
    is_one_broken_off = may_be_inside = False
    while (opening := _OBJECT_START.search(text, position)) is not None:
        if may_be_inside and "}" in text[position : opening.start()]:
            found, is_one_broken_off, may_be_inside = None, False, False
        end, nesting, is_complete = _scan_object(text, opening.start())
        if is_complete:
            found, may_be_inside = (opening.start(), end, nesting), is_one_broken_off
        else:
            is_one_broken_off = True
        position = end
    return None if may_be_inside and "}" in text[position:] else found


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


class NotAnObjectError(ValueError):
    """Why a text holds no object, or no move: becomes the reason of a Malformed."""


def _refuse_constant(spelling: str) -> NoReturn:
    raise NotAnObjectError(f"expected finite numbers, got {spelling}")


def _finite(digits: str) -> float:
    value = float(digits) + 0.0  # -0.0 becomes 0.0: one text per number
    if math.isinf(value):
        raise NotAnObjectError(f"expected numbers that a float can hold, got {shown(digits)}")
    return value


def _unique_keys(pairs: list[tuple[str, object]]) -> dict[str, object]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        raise NotAnObjectError("expected every key once, got one twice")
    return fields


_DECODER = json.JSONDecoder(
    object_pairs_hook=_unique_keys, parse_float=_finite, parse_int=_finite, parse_constant=_refuse_constant
)


def shown(value: object) -> str:
    """A value for an error message, short and in ASCII."""
    text = ascii(value)
    return text if len(text) <= 40 else text[:37] + "..."
