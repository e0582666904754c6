"""What check_native_style.py sees of an element, and among which elements the faulty one is to be picked.

The fair choice is among the elements of one sort that could have carried a fault of the kind. Sort: rows; yes-or-no
decisions; other variables (the type is part of the algebra, whatever the name). Could have carried one: the generator's
own candidates of the kind on the true program name the element; an added row could stand for any row. Of kinds without
such a list, all elements of the sort are taken. Where an element stands in the conflict is no feature: the canonical
order of the conflict follows from the order of the program, which the positions cover.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from random import Random
from zlib import crc32

from lit_grpo.data.task import Task
from lit_grpo.environment.domains.base import Domain
from lit_grpo.environment.edits import AddRow, edited_element
from lit_grpo.environment.fault_candidates import (
    Candidate,
    CandidateSource,
    bound_and_type_candidates,
    coefficient_candidates,
    right_hand_side_candidates,
    sense_candidates,
)
from lit_grpo.environment.faults import FaultKind
from lit_grpo.environment.program import (
    Constraint,
    Element,
    LinearProgram,
    Sense,
    Variable,
    VariableType,
    row_element,
    variable_element,
)
from lit_grpo.environment.solver import Solver

FAMILIES = ("names", "positions", "order of terms", "digit formats")
"""Of style: these must give nothing away."""
TOGETHER = "style together"
APART = ("round numbers", "magnitudes and senses", "slacks")
"""Of substance: a slip of the pen may be visible."""
Features = dict[str, list[float]]
"""By family."""

NUM_NAME_BUCKETS = 128
CANDIDATES: dict[FaultKind, Callable[[CandidateSource], Iterator[Candidate]]] = {
    FaultKind.SENSE: sense_candidates,
    FaultKind.BOUND_OR_TYPE: bound_and_type_candidates,
    FaultKind.COEFFICIENT: coefficient_candidates,
    FaultKind.RIGHT_HAND_SIDE: right_hand_side_candidates,
}


@dataclass(frozen=True, slots=True)
class Choice:
    """Elements to choose from, in random order, so that ties are broken at random."""

    features: list[Features]
    """[slot]"""
    faulty: int
    """The slot to pick."""
    half: int = 0
    """Of the instances that it belongs to."""

    def in_half(self, half: int) -> Choice:
        """The same choice in a half."""
        return replace(self, half=half)


def choices_of(task: Task, solver: Solver) -> list[Choice]:
    """One choice per faulty element, among it and the eligible sound ones; none where there is nothing to choose."""
    rng, fault = Random(task.id), task.fault
    able = eligible(task, rng, solver)
    sorts = sorts_of(fault.faulty) | sorts_of(fault.original)
    rows = {row_element(row.name) for row in fault.faulty.constraints}
    variables = {variable_element(v.name) for v in fault.faulty.variables}
    choices = []
    for element in fault.faulty_elements:
        sound = (able & (rows | variables)) - set(fault.faulty_elements)
        slots = sorted([element, *(other for other in sound if sorts[other] == sorts[element])])
        rng.shuffle(slots)
        if len(slots) > 1 and element in rows | variables:
            seen = [features_of(slot, fault.faulty, task.domain) for slot in slots]
            choices.append(Choice(seen, slots.index(element)))
    return choices


def eligible(task: Task, rng: Random, solver: Solver) -> set[Element]:
    """The elements that could have carried the fault."""
    fault = task.fault
    everything = set(sorts_of(fault.faulty))
    if fault.kind not in CANDIDATES or fault.certificate.variant == "added_row":
        return everything
    able: set[Element] = set()
    most = len(fault.original.constraints if fault.kind is not FaultKind.BOUND_OR_TYPE else fault.original.variables)
    for candidate in CANDIDATES[fault.kind](CandidateSource(fault.original, ("added",), rng, solver)):
        if not isinstance(candidate.edit, AddRow):
            able.add(edited_element(candidate.edit))
        if len(able) == most:
            break
    return able


def sorts_of(program: LinearProgram) -> dict[Element, str]:
    """The sort of each element."""
    rows = {row_element(row.name): "row" for row in program.constraints}
    decisions = {v.name for v in program.variables if v.type is VariableType.BINARY}
    return rows | {variable_element(v.name): str(v.name in decisions) for v in program.variables}


def features_of(element: Element, program: LinearProgram, domain: Domain) -> Features:
    """All families' features of an element."""
    rows = {row_element(row.name): (i, row) for i, row in enumerate(program.constraints)}
    if element in rows:
        place, row = rows[element]
        numbers = [row.rhs, *(value for _, value in row.terms)]
        near = place_features(place, len(program.constraints), domain)
        substance = row_magnitudes(row), row_slacks(row, program)
        return families(row.name, near, order_features(row, program), numbers, *substance)
    place, variable = next((i, v) for i, v in enumerate(program.variables) if variable_element(v.name) == element)
    numbers = [x for x in (variable.lower, variable.upper) if math.isfinite(x)]
    near = place_features(place, len(program.variables), domain)
    in_objective = float(variable.name in dict(program.objective))
    substance = variable_magnitudes(variable), [float(variable.lower > variable.upper), 0.0, 0.0, 0.0]
    return families(variable.name, near, [in_objective, 0.0, 0.0, 0.0], numbers, *substance)


def families(
    name: str, place: list[float], order: list[float], numbers: Sequence[float], sizes: list[float], slacks: list[float]
) -> Features:
    """The features by family."""
    families = (name_features(name), place, order, format_features(numbers), round_features(numbers), sizes, slacks)
    return dict(zip((*FAMILIES, *APART), families, strict=True))


def name_features(name: str) -> list[float]:
    """The whole name and its words in hashed buckets, its length, how many words, and whether it ends in a number."""
    buckets = [0.0] * NUM_NAME_BUCKETS
    words = name.split("_")
    for word in (name, *words):
        buckets[crc32(word.encode()) % NUM_NAME_BUCKETS] = 1.0
    number = int(words[-1]) if words[-1].isdigit() else 0
    return [*buckets, float(len(name)), float(len(words)), float(words[-1].isdigit()), float(number)]


def place_features(place: int, number: int, domain: Domain) -> list[float]:
    """Where the element stands among its like, from both ends, and in which domain."""
    ends = [place == 0, place == 1, place == number - 2, place == number - 1]
    part = place / max(1, number - 1)
    return [part, part * part, *map(float, ends), *(float(domain is d) for d in Domain)]


def order_features(row: Constraint, program: LinearProgram) -> list[float]:
    """Terms out of the variables' order, terms given twice, zeros written out, and where the terms start."""
    position = {v.name: i for i, v in enumerate(program.variables)}
    places = [position[name] for name, _ in row.terms]
    inversions = sum(a > b for a, b in pairwise(places))
    repeated, zeros = len(places) - len(set(places)), sum(value == 0 for _, value in row.terms)
    return [float(inversions), float(repeated), float(zeros), float(inversions == 0)]


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
