"""What check_native_style.py sees of an element: style in four families, and apart what is substance.

Called by classifier.py's callers. Nothing of the text is looked at. Where an element stands in the conflict is no
feature: the canonical order of the conflict follows from the order of the program, which the positions cover. What can
be compared between elements is given as ranks too: their order among the slots of a choice.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from zlib import crc32

from lit_grpo.environment.domains import domains_of
from lit_grpo.environment.domains.base import Domain
from lit_grpo.environment.programs.program import (
    Constraint,
    Element,
    LinearProgram,
    Sense,
    Variable,
    VariableType,
    row_element,
    variable_element,
)

FAMILIES = ("names", "positions", "order of terms", "digit formats")
"""Of style: these must give nothing away."""
TOGETHER = "style together"
APART = ("round numbers", "magnitudes and senses", "slacks")
"""Of substance: a slip of the pen may be visible."""
Features = dict[str, list[float]]
"""By family."""

NUM_NAME_BUCKETS = 128
RANK_OF_PLACE = -3
"""Where the positions hold an element's rank among the slots, 0 for the first."""


def features_of(slots: Sequence[Element], program: LinearProgram, domain: Domain) -> list[Features]:
    """All families' features of each slot of a choice."""
    rows = {row_element(row.name): (i, row) for i, row in enumerate(program.constraints)}
    variables = {variable_element(v.name): (i, v) for i, v in enumerate(program.variables)}
    seen = [
        _of_row(*rows[slot], program, domain) if slot in rows else _of_variable(*variables[slot], program, domain)
        for slot in slots
    ]
    names = [slot.partition(":")[2] for slot in slots]
    places = [(rows[slot] if slot in rows else variables[slot])[0] for slot in slots]
    for features, *ranks in zip(seen, *(_ranks(keys) for keys in (names, _numbers(names))), strict=True):
        features["names"] += ranks
    for features, rank in zip(seen, _ranks(places), strict=True):
        features["positions"] += [rank, float(rank == 0), float(rank == 1)]
    return seen


def _ranks(keys: Sequence[str] | Sequence[int]) -> list[float]:
    """Of each key the share of the others that are smaller."""
    return [sum(other < key for other in keys) / max(1, len(keys) - 1) for key in keys]  # type: ignore[operator]


def _numbers(names: Sequence[str]) -> list[int]:
    """What each name ends in, 0 if that is no number."""
    last = [name.split("_")[-1] for name in names]
    return [int(word) if word.isdecimal() else 0 for word in last]


def _of_row(place: int, row: Constraint, program: LinearProgram, domain: Domain) -> Features:
    near = place_features(place, len(program.constraints), domain)
    numbers = [row.rhs, *(value for _, value in row.terms)]
    substance = row_magnitudes(row), row_slacks(row, program)
    return _families(row.name, near, order_features(row, program), numbers, *substance)


def _of_variable(place: int, variable: Variable, program: LinearProgram, domain: Domain) -> Features:
    near = place_features(place, len(program.variables), domain)
    numbers = [x for x in (variable.lower, variable.upper) if math.isfinite(x)]
    substance = variable_magnitudes(variable), [float(variable.lower > variable.upper), 0.0, 0.0, 0.0]
    return _families(variable.name, near, [0.0] * 3, numbers, *substance)


def _families(
    name: str, place: list[float], order: list[float], numbers: Sequence[float], sizes: list[float], slacks: list[float]
) -> Features:
    values = (name_features(name), place, order, format_features(numbers), round_features(numbers), sizes, slacks)
    return dict(zip((*FAMILIES, *APART), values, strict=True))


def name_features(name: str) -> list[float]:
    """The whole name and its words in hashed buckets, its length, how many words, and the number it ends in."""
    buckets = [0.0] * NUM_NAME_BUCKETS
    words = name.split("_")
    for word in (name, *words):
        buckets[crc32(word.encode()) % NUM_NAME_BUCKETS] = 1.0
    (number,) = _numbers([name])
    return [*buckets, float(len(name)), float(len(words)), float(words[-1].isdecimal()), float(number)]


def place_features(place: int, number: int, domain: Domain) -> list[float]:
    """Where the element stands among its like, from both ends, and in which domain."""
    ends = [place == 0, place == 1, place == number - 2, place == number - 1]
    part = place / max(1, number - 1)
    return [part, part * part, *map(float, ends), *(float(domain is d) for d in domains_of(None))]


def order_features(row: Constraint, program: LinearProgram) -> list[float]:
    """Terms out of the variables' order, terms given twice, and zeros written out."""
    position = {v.name: i for i, v in enumerate(program.variables)}
    places = [position[name] for name, _ in row.terms]
    inversions = sum(a > b for a, b in pairwise(places))
    repeated, zeros = len(places) - len(set(places)), sum(value == 0 for _, value in row.terms)
    return [float(inversions), float(repeated), float(zeros)]


def format_features(numbers: Sequence[float]) -> list[float]:
    """How numbers are written: decimals, exponents, a signed zero, more than nine digits."""
    texts = [f"{number:.12g}" for number in numbers]
    decimals = [len(text.partition(".")[2]) for text in texts]
    signed_zero = any(number == 0 and math.copysign(1.0, number) < 0 for number in numbers)
    long = any(sum(c.isdigit() for c in text) > 9 for text in texts)
    exponent = any("e" in text for text in texts)
    return [float(max(decimals, default=0)), float(exponent), float(signed_zero), float(long)]


def round_features(numbers: Sequence[float]) -> list[float]:
    """Trailing noughts: of the first number (a right-hand side, a lower bound), the last one, and their share."""
    is_round = [float(number != 0 and number % 10 == 0) for number in numbers]
    share = sum(is_round) / max(1, len(is_round))
    return [is_round[0] if is_round else 0.0, is_round[-1] if is_round else 0.0, share]


def row_magnitudes(row: Constraint) -> list[float]:
    """Sense, right-hand side, least and largest coefficient, signs, and the number of terms."""
    sizes = [abs(value) for _, value in row.terms] or [0.0]
    negative = sum(value < 0 for _, value in row.terms)
    numbers = [row.rhs, min(sizes), max(sizes), max(sizes) / max(min(sizes), 1.0), float(negative)]
    senses = [float(row.sense is sense) for sense in Sense]
    return [*map(signed_log, numbers), *senses, float(len(row.terms))]


def row_slacks(row: Constraint, program: LinearProgram) -> list[float]:
    """How far the right-hand side lies from the least and the largest that the bounds allow the terms."""
    bounds = {v.name: v.effective_bounds for v in program.variables}
    ends = [sorted(value * bound for bound in bounds[name]) for name, value in row.terms if value]
    lowest, highest = sum(low for low, _ in ends), sum(high for _, high in ends)
    sides = [signed_log(row.rhs - lowest), signed_log(highest - row.rhs)]
    return [*sides, *(side * (row.sense is Sense.LESS_EQUAL) for side in sides)]


def variable_magnitudes(variable: Variable) -> list[float]:
    """Bounds and type."""
    types = [float(variable.type is t) for t in VariableType]
    width = variable.upper - variable.lower
    numbers = [signed_log(x) for x in (variable.lower, variable.upper, width)]
    return [*numbers, *types, *[0.0] * 3]


def signed_log(value: float) -> float:
    """A number in about [-20, 20], infinite ones included."""
    return math.copysign(min(20.0, math.log1p(abs(value))), value)
