"""Among which elements the faulty one is to be picked: those that the generator could have made faulty instead.

Called by instances.py. An element is eligible if the generator's own candidates of the kind, drawn from the true
program, name it; whether the certificate would have held is not asked. An added row could stand for any row.

====  ================================================================================================
kind  the candidates
====  ================================================================================================
A-D   of the kind
E-G   of A to D, without those that only integrality contradicts: what kinds/slips.py draws from
H     bounds of B; at easy, also the bounds that can be crossed
I     of A to D where rows count alike, of B and D anywhere
====  ================================================================================================
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from random import Random

from lit_grpo.data.task import Task
from lit_grpo.environment.faults.candidates import (
    Candidate,
    CandidateSource,
    bound_and_type_candidates,
    coefficient_candidates,
    right_hand_side_candidates,
    sense_candidates,
)
from lit_grpo.environment.faults.difficulty import Difficulty
from lit_grpo.environment.faults.injection import FaultKind, FaultyProgram
from lit_grpo.environment.programs.edits import SetBounds
from lit_grpo.environment.programs.program import Element, LinearProgram, VariableType, row_element, variable_element
from lit_grpo.environment.solver.solver import Solver

Candidates = Callable[[CandidateSource], Iterator[Candidate]]

PLAIN: dict[FaultKind, Candidates] = {
    FaultKind.SENSE: sense_candidates,
    FaultKind.BOUND_OR_TYPE: bound_and_type_candidates,
    FaultKind.COEFFICIENT: coefficient_candidates,
    FaultKind.RIGHT_HAND_SIDE: right_hand_side_candidates,
}
NUM_DRAWS: dict[Candidates, int] = {bound_and_type_candidates: 2, right_hand_side_candidates: 4}
"""How often candidates are drawn: of these, an element may have one only at the toss of a coin (as to which side)."""


def eligible_elements(task: Task, solver: Solver) -> set[Element]:
    """The elements of the true program that could have carried the fault; a function of the task."""
    fault = task.fault
    elements = set(sorts_of(fault.original))
    source = CandidateSource(fault.original, ("added",), Random(task.id), solver)
    able = _named_by_kind(source, fault.kind, fault.difficulty, elements)
    if "added_row" in fault.certificate.variant.split("+"):
        able |= {row_element(row.name) for row in fault.original.constraints}
    return able


def sorts_of(program: LinearProgram) -> dict[Element, str]:
    """The sort of each element: a row, a yes-or-no decision, or another variable, as the algebra shows."""
    rows = {row_element(row.name): "row" for row in program.constraints}
    decisions = {v.name for v in program.variables if v.type is VariableType.BINARY}
    return rows | {
        variable_element(v.name): "decision" if v.name in decisions else "variable" for v in program.variables
    }


def slots_by_sort(fault: FaultyProgram, able: set[Element]) -> list[list[Element]]:
    """For each sort that holds a faulty element: the faulty and the other eligible elements of the sort, sorted.

    A variable whose type is wrong counts as what it truly is.
    """
    sorts = sorts_of(fault.faulty) | sorts_of(fault.original)
    slots = sorted(able | set(fault.faulty_elements))
    return [
        [element for element in slots if sorts[element] == sort]
        for sort in sorted({sorts[element] for element in fault.faulty_elements})
    ]


def _named_by_kind(
    source: CandidateSource, kind: FaultKind, difficulty: Difficulty, elements: set[Element]
) -> set[Element]:
    if kind in PLAIN:
        return _named(source, PLAIN[kind], elements)
    if kind is FaultKind.BOUND_CONFLICT:
        crossable = _crossable(source.program) if difficulty is Difficulty.EASY else set()
        return crossable | _named(source, _bound_candidates, elements - crossable)
    anywhere = (bound_and_type_candidates, right_hand_side_candidates)
    able = set[Element]().union(*(_named(source, candidates, elements, linear=True) for candidates in anywhere))
    others = elements - able
    if kind is FaultKind.AMBIGUOUS:
        others &= _counting_alike(source.program)
    for candidates in (sense_candidates, coefficient_candidates):
        able |= _named(source, candidates, others - able, linear=True)
    return able


def _named(
    source: CandidateSource, candidates: Candidates, elements: set[Element], *, linear: bool = False
) -> set[Element]:
    """Which of the elements the candidates name; ``linear``: with a fault that the LP relaxation feels."""
    return {element for element in elements if _names(source, candidates, element, linear)}


def _names(source: CandidateSource, candidates: Candidates, element: Element, linear: bool) -> bool:
    only = replace(source, only=frozenset({element}))
    return any(
        not (linear and candidate.only_integrality)
        for _ in range(NUM_DRAWS.get(candidates, 1))
        for candidate in candidates(only)
    )


def _bound_candidates(source: CandidateSource) -> Iterator[Candidate]:
    return (c for c in bound_and_type_candidates(source) if isinstance(c.edit, SetBounds))


def _crossable(program: LinearProgram) -> set[Element]:
    """The variables with two bounds of which one could be on the other side of the other."""
    return {
        variable_element(v.name)
        for v in program.variables
        if v.type is not VariableType.BINARY and math.isfinite(v.upper - v.lower)
    }


def _counting_alike(program: LinearProgram) -> set[Element]:
    """The rows whose coefficients are of one magnitude, and their variables."""
    rows = [row for row in program.constraints if len({abs(value) for _, value in row.terms}) == 1]
    named = {variable_element(name) for row in rows for name, _ in row.terms}
    return {row_element(row.name) for row in rows} | named
