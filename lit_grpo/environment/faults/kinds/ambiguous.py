"""Kind I: an ambiguous fault. Several elements could end all conflicts by giving way equally little.

Called by injection.py. Which of them is wrong, no number in the faulty model tells; the specification does.
"""

from __future__ import annotations

import math
from itertools import chain, islice

from lit_grpo.environment.faults.candidates import CandidateSource
from lit_grpo.environment.faults.certificates import (
    Certificate,
    CertifiedFault,
    Findings,
    RejectionReason,
    Repair,
    Tie,
)
from lit_grpo.environment.faults.decoys import farkas_multipliers
from lit_grpo.environment.faults.difficulty import Difficulty
from lit_grpo.environment.faults.kinds.measures import (
    Suspicion,
    giving_way_alone,
    smallest_relaxation,
    suspicion,
    total,
)
from lit_grpo.environment.faults.kinds.slips import Slip, narrow_slips, slips_of
from lit_grpo.environment.programs.program import Element, row_element, variable_element
from lit_grpo.environment.solver.solver import ConflictPart, Solver

WITHIN = 0.01
"""Amounts this close to the smallest, relatively, tie with it."""
MOST_SLIPS = 16
"""Examined per base program where rows count alike."""
MOST_OTHER_SLIPS = 8
"""Examined per base program anywhere."""


def ambiguous_faults(source: CandidateSource, difficulty: Difficulty) -> Findings:
    """Slips where rows count alike first, since what counts alike has to give way alike; then narrow ones."""
    alike = islice(slips_of(source, _alike(source)), MOST_SLIPS)
    for slip in chain(alike, islice(narrow_slips(source), MOST_OTHER_SLIPS)):
        yield certified(slip, difficulty, source.solver)


def _alike(source: CandidateSource) -> set[Element]:
    """The rows that count all their variables alike, and those variables."""
    rows = [row for row in source.program.constraints if len({abs(value) for _, value in row.terms}) == 1]
    named = {variable_element(name) for row in rows for name, _ in row.terms}
    return {row_element(row.name) for row in rows} | named


def certified(slip: Slip, difficulty: Difficulty, solver: Solver) -> CertifiedFault | RejectionReason:
    """The slip, if another element repairs as cheaply."""
    suspected = suspicion(slip.faulty, (slip.element,), difficulty, solver)
    if isinstance(suspected, RejectionReason):
        return suspected
    tie = _tie(slip, suspected, solver)
    if tie is None:
        return RejectionReason.NO_TIE
    violations = smallest_relaxation(suspected.relaxed, solver)
    if isinstance(violations, RejectionReason):
        return violations
    amounts = [repair.amount for repair in tie.repairs]
    spread = max(amounts) / min(amounts) - 1
    size = len(suspected.conflict.elements)
    return CertifiedFault(
        (slip.candidate.edit,),
        Certificate(slip.candidate.variant, total(violations), spread, size, suspected.num_decoys, tie),
    )


def _tie(slip: Slip, suspected: Suspicion, solver: Solver) -> Tie | None:
    """The elements that repair most cheaply, if the faulty one is among them and not the only one a reader suspects.

    What repairs alone is in every conflict, so it is in the canonical one. There an element has to move by an amount
    inverse to its multiplier: slips whose multiplier is not among the largest are not worth the solves.
    """
    multipliers = farkas_multipliers(suspected.relaxed, suspected.conflict)
    large = max(multipliers.values()) / (1 + WITHIN)
    likely = [element for element, multiplier in multipliers.items() if multiplier >= large]
    if slip.element not in likely or not any(_is_suspect(e, slip, suspected) for e in likely):
        return None
    amounts = {e: giving_way_alone(suspected.relaxed, e, solver) for e in suspected.conflict.elements}
    most = min(amounts.values()) * (1 + WITHIN)
    repairs = tuple(Repair(element, amount) for element, amount in amounts.items() if amount <= most)
    tied = [repair.element for repair in repairs]
    if math.isinf(most) or slip.element not in tied or not any(_is_suspect(e, slip, suspected) for e in tied):
        return None
    return Tie(repairs)


def _is_suspect(element: Element, slip: Slip, suspected: Suspicion) -> bool:
    """Whether a reader could think this true element wrong: a row, or a bound other than 0."""
    if element == slip.element:
        return False
    kind, _, name = element.partition(":")
    if kind == "row":
        return True
    variable = suspected.relaxed.variable(name)
    in_conflict = {member.part for member in suspected.conflict.members if member.element == element}
    sides = {ConflictPart.LOWER: variable.lower, ConflictPart.UPPER: variable.upper}
    return any(sides[part] != 0 for part in in_conflict)
