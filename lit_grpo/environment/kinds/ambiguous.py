"""Kind I: an ambiguous fault. Several elements could end all conflicts by giving way equally little.

Called by faults.py. Which of them is wrong, no number in the faulty model tells; the specification does.
"""

from __future__ import annotations

from itertools import chain, islice

from lit_grpo.environment.certificates import (
    Certificate,
    CertifiedFault,
    Findings,
    RejectionReason,
    Repair,
    Tie,
)
from lit_grpo.environment.decoys import farkas_multipliers
from lit_grpo.environment.difficulty import Difficulty
from lit_grpo.environment.fault_candidates import CandidateSource
from lit_grpo.environment.kinds.measures import Suspicion, giving_way_alone, smallest_relaxation, suspicion, total
from lit_grpo.environment.kinds.slips import Slip, narrow_slips, slips
from lit_grpo.environment.program import Element
from lit_grpo.environment.solver import ConflictPart, Solver

WITHIN = 0.01
"""Amounts this close to the smallest, relatively, tie with it."""
MOST_SLIPS = 12
"""Examined per base program, of each sort."""


def ambiguous_faults(source: CandidateSource, difficulty: Difficulty) -> Findings:
    """Any slip whose element has its equals."""
    for slip in chain(islice(narrow_slips(source), MOST_SLIPS), islice(slips(source), MOST_SLIPS)):
        yield _certify(slip, difficulty, source.solver)


def _certify(slip: Slip, difficulty: Difficulty, solver: Solver) -> CertifiedFault | RejectionReason:
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

    In the canonical conflict alone an element would have to move by an amount inverse to its multiplier; in the program
    by no less. So only those near the largest multiplier can be cheapest once one of them is seen to need no more.
    """
    multipliers = farkas_multipliers(suspected.relaxed, suspected.conflict)
    near = max(multipliers.values()) / (1 + WITHIN)
    likely = [element for element, multiplier in multipliers.items() if multiplier >= near]
    if slip.element not in likely or not any(_is_suspect(e, slip, suspected) for e in likely):
        return None
    amounts = {element: giving_way_alone(suspected.relaxed, element, solver) for element in likely}
    cheapest = min(amounts.values())
    others = [e for e, m in multipliers.items() if e not in amounts and cheapest * m < cheapest * near * (1 + WITHIN)]
    amounts |= {e: giving_way_alone(suspected.relaxed, e, solver) for e in others}
    cheapest = min(amounts.values())
    repairs = tuple(Repair(e, amounts[e]) for e in multipliers if amounts[e] <= cheapest * (1 + WITHIN))
    tied = [repair.element for repair in repairs]
    if slip.element not in tied or not any(_is_suspect(e, slip, suspected) for e in tied):
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
