"""Kind E: several independent faults, so that no single action repairs.

Called by injection.py. Each fault has a conflict of its own that holds no other fault, wherever those stand. An element
that is not in all of those conflicts can be taken out, and one of them stays; only those that are in all of them have
to be tried. The difficulty is that of each fault's own conflict: which of them the solver shows first follows from the
order of the program, and that is to tell nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, islice

from lit_grpo.environment.faults.candidates import CandidateSource
from lit_grpo.environment.faults.certificates import (
    LEAST_VIOLATION,
    Certificate,
    CertifiedFault,
    Findings,
    IndependentConflicts,
    RejectionReason,
)
from lit_grpo.environment.faults.difficulty import Difficulty
from lit_grpo.environment.faults.kinds.measures import (
    conflict_of,
    smallest_relaxation,
    suspicion,
    suspicion_of_any,
    total,
    with_last,
    without_element,
)
from lit_grpo.environment.faults.kinds.slips import Slip, slips
from lit_grpo.environment.programs.edits import apply_all
from lit_grpo.environment.programs.program import Element, LinearProgram
from lit_grpo.environment.solver.irreducible import subsystem
from lit_grpo.environment.solver.relaxation import linear_relaxation
from lit_grpo.environment.solver.solver import Conflict, Solver

NUM_FAULTS = {Difficulty.EASY: 2, Difficulty.MEDIUM: 2, Difficulty.HARD: 3}
MOST_SLIPS = 20
"""Examined per base program."""


@dataclass(frozen=True, slots=True)
class SingleFault:
    """A slip and a conflict that it causes."""

    slip: Slip
    conflict: Conflict

    @classmethod
    def of(cls, slip: Slip, difficulty: Difficulty, solver: Solver) -> SingleFault | RejectionReason:
        """The fault of a slip with its canonical conflict, if that is of the difficulty."""
        suspected = suspicion(slip.faulty, (slip.element,), difficulty, solver)
        return suspected if isinstance(suspected, RejectionReason) else cls(slip, suspected.conflict)

    def may_join(self, other: SingleFault) -> bool:
        """Whether neither is part of the other's conflict, as the program is ordered."""
        return (
            self.slip.element not in other.conflict.elements
            and other.slip.element not in self.conflict.elements
            and self.slip.element != other.slip.element
        )

    def does_without(self, others: Collection[Element], solver: Solver) -> bool:
        """Whether its canonical conflict holds none of these elements, wherever they stand."""
        conflict = conflict_of(linear_relaxation(with_last(self.slip.faulty, others)), solver)
        return not isinstance(conflict, RejectionReason) and not set(others) & set(conflict.elements)


def multiple_faults(source: CandidateSource, difficulty: Difficulty) -> Findings:
    """Combinations of slips, each of which makes the program infeasible on its own."""
    found: list[SingleFault] = []
    for slip in islice(slips(source), MOST_SLIPS):
        fault = SingleFault.of(slip, difficulty, source.solver)
        if isinstance(fault, RejectionReason):
            yield fault
            continue
        yield from (
            certified(source.program, faults, source.solver) for faults in _with_partners(fault, found, difficulty)
        )
        found.append(fault)
    yield RejectionReason.NOT_INDEPENDENT


def _with_partners(
    fault: SingleFault, found: Sequence[SingleFault], difficulty: Difficulty
) -> Iterator[tuple[SingleFault, ...]]:
    """The fault together with earlier ones that may be independent of it."""
    partners = [other for other in found if fault.may_join(other)]
    for others in combinations(partners, NUM_FAULTS[difficulty] - 1):
        yield (fault, *others)


def certified(
    program: LinearProgram, faults: tuple[SingleFault, ...], solver: Solver
) -> CertifiedFault | RejectionReason:
    """The true program with these faults, if they are independent and no single action repairs."""
    elements = tuple(fault.slip.element for fault in faults)
    if not all(one.may_join(other) for one, other in combinations(faults, 2)):
        return RejectionReason.NOT_INDEPENDENT
    if not all(fault.does_without([e for e in elements if e != fault.slip.element], solver) for fault in faults):
        return RejectionReason.NOT_INDEPENDENT
    edits = tuple(fault.slip.candidate.edit for fault in faults)
    faulty = apply_all(program, edits)
    conflicts = tuple(fault.conflict for fault in faults)
    left = _left_without_any_element(linear_relaxation(faulty), conflicts, solver)
    if left < LEAST_VIOLATION:
        return RejectionReason.ONE_ACTION_REPAIRS
    suspected = suspicion_of_any(faulty, elements, solver)
    if isinstance(suspected, RejectionReason):
        return suspected
    violations = smallest_relaxation(suspected.relaxed, solver)
    if isinstance(violations, RejectionReason):
        return violations
    variant = "+".join(fault.slip.candidate.variant for fault in faults)
    size = len(suspected.conflict.elements)
    evidence = IndependentConflicts(conflicts)
    return CertifiedFault(edits, Certificate(variant, total(violations), left, size, suspected.num_decoys, evidence))


def _left_without_any_element(relaxed: LinearProgram, conflicts: Sequence[Conflict], solver: Solver) -> float:
    """What violation is left at least, whichever one element is taken out; 0 if some element leaves none."""
    shared = set(conflicts[0].elements).intersection(*(conflict.elements for conflict in conflicts[1:]))
    alone = [_violation(subsystem(relaxed, conflict.members), solver) for conflict in conflicts]
    left = min(alone)
    for element in sorted(shared):
        if left < LEAST_VIOLATION:
            return left
        left = min(left, _violation_without(relaxed, element, solver))
    return left


def _violation_without(relaxed: LinearProgram, element: Element, solver: Solver) -> float:
    return _violation(without_element(relaxed, element), solver)


def _violation(relaxed: LinearProgram, solver: Solver) -> float:
    return total(solver.minimum_relaxation(relaxed) or ())
