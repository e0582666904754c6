"""Numbers that a person may have meant who wrote another: digits swapped or mistyped, noughts, units, signs.

Called by proposals.py. The reverse of faults/wrong_numbers.py: from the wrong number to the right ones that it may have
come from.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

NEARLY_WHOLE = 1e-4
"""Relative: a number this close to a round one, and not equal to it, may be what an earlier solve left of it."""


class SlipKind(StrEnum):
    """What may have happened to a number; the value is how a report says it."""

    SWAPPED = "two digits swapped"
    DIGIT = "one digit mistyped"
    NOUGHT = "a nought too many or too few"
    FACTOR = "a factor of 10, 100 or 1000"
    SIGN = "the sign"
    ROUNDING = "a rounding error"
    TEXT = "the number in the text"


PRIOR: dict[SlipKind, float] = {
    SlipKind.SWAPPED: 0.15,
    SlipKind.DIGIT: 0.3,
    SlipKind.NOUGHT: 0.15,
    SlipKind.FACTOR: 0.15,
    SlipKind.SIGN: 0.15,
    SlipKind.ROUNDING: 0.1,
}
"""How often a slip of a number is of each kind: what is plausible, not measured on anyone's models."""

RARE = 0.3
"""Of a sign that was lost, as against one that was put where none belongs."""


@dataclass(frozen=True, slots=True)
class Slip:
    """A number that may have been meant."""

    value: float
    kind: SlipKind
    probability: float
    """Among all slips of the number; those of a kind share what the kind has."""


def slips_of(value: float) -> list[Slip]:
    """The numbers that may have been meant where ``value`` is written, each once, under the likeliest kind."""
    by_kind = {
        SlipKind.ROUNDING: list(_rounded(value)),
        SlipKind.SWAPPED: list(_swapped(value)),
        SlipKind.SIGN: [-value] if value else [],
        SlipKind.NOUGHT: list(_noughts(value)),
        SlipKind.FACTOR: [_shifted(value, places) for places in (1, 2, 3, -1, -2, -3)] if value else [],
        SlipKind.DIGIT: list(_mistyped(value)),
    }
    found: dict[float, Slip] = {}
    for kind, values in by_kind.items():
        for meant in dict.fromkeys(values):
            slip = Slip(meant, kind, PRIOR[kind] / len(values) * (RARE if kind is SlipKind.SIGN and value > 0 else 1.0))
            if meant != value and (meant not in found or found[meant].probability < slip.probability):
                found[meant] = slip
    return list(found.values())


def _digits(value: float) -> tuple[int, str, int] | None:
    """Sign, digits and exponent of the shortest decimal; None for what has no digits worth a slip."""
    if not math.isfinite(value) or value == 0.0:
        return None
    sign, digits, exponent = Decimal(repr(float(value))).normalize().as_tuple()
    assert isinstance(exponent, int)
    text = "".join(map(str, digits))
    if 0 < exponent <= 6:
        text, exponent = text + "0" * exponent, 0
    return (-1 if sign else 1), text, exponent


def _number(sign: int, digits: str, exponent: int) -> float:
    return sign * float(f"{digits}e{exponent}")


def _swapped(value: float) -> Iterator[float]:
    if (parts := _digits(value)) is None:
        return
    sign, digits, exponent = parts
    for i in range(len(digits) - 1):
        if digits[i] != digits[i + 1]:
            yield _number(sign, digits[:i] + digits[i + 1] + digits[i] + digits[i + 2 :], exponent)


def _mistyped(value: float) -> Iterator[float]:
    if (parts := _digits(value)) is None:
        return
    sign, digits, exponent = parts
    for i, digit in enumerate(digits):
        for other in "0123456789":
            if other != digit and not (i == 0 and other == "0"):
                yield _number(sign, digits[:i] + other + digits[i + 1 :], exponent)


def _noughts(value: float) -> Iterator[float]:
    if value:
        yield _shifted(value, 1)
        if value % 10 == 0:
            yield _shifted(value, -1)


def _shifted(value: float, places: int) -> float:
    """The value times a power of ten, by its decimal: 0.57 times 100 is 57."""
    return float(Decimal(repr(float(value))).scaleb(places)) if math.isfinite(value) else value


def _rounded(value: float) -> Iterator[float]:
    nearest = float(round(value))
    if nearest != value and abs(value - nearest) <= NEARLY_WHOLE * max(1.0, abs(value)):
        yield nearest
