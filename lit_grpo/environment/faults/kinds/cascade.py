"""Kind G: a cascade. Repairing the first conflict reveals the next; deleting its element would have been feasible.

Called by injection.py. The second fault contradicts the *true* first element: it is only just out of range, so that all
that sets the range is in its conflict, and an element without which it would be in range becomes the first. That one is
then made faulty as well, so badly that the conflict seen first does without the second fault.
"""

from __future__ import annotations

from itertools import islice

from lit_grpo.environment.faults.candidates import CandidateSource
from lit_grpo.environment.faults.certificates import Cascade, Certificate, CertifiedFault, Findings, RejectionReason
from lit_grpo.environment.faults.difficulty import Difficulty
from lit_grpo.environment.faults.kinds.measures import (
    conflict_of,
    smallest_relaxation,
    suspicion,
    total,
    with_last,
    without_element,
)
from lit_grpo.environment.faults.kinds.slips import Slip, narrow_slips, slips_of
from lit_grpo.environment.programs.edits import apply
from lit_grpo.environment.programs.program import Element
from lit_grpo.environment.solver.relaxation import linear_relaxation
from lit_grpo.environment.solver.solver import Conflict, Solver, SolverStatus

MOST_SECONDS = 8
"""Second faults examined per base program."""
MOST_FIRSTS = 3
"""First faults examined per second fault and element."""


def cascade_faults(source: CandidateSource, difficulty: Difficulty) -> Findings:
    """Pairs of slips, the second drawn first."""
    for second in islice(narrow_slips(source), MOST_SECONDS):
        revealed = conflict_of(linear_relaxation(second.faulty), source.solver)
        if isinstance(revealed, RejectionReason):
            yield revealed
            continue
        others = [element for element in revealed.elements if element != second.element]
        for element in source.rng.sample(others, len(others)):
            yield from _cascades_at(source, difficulty, element, second, revealed)


def _cascades_at(
    source: CandidateSource, difficulty: Difficulty, element: Element, second: Slip, revealed: Conflict
) -> Findings:
    """Cascades that begin at an element of the second fault's conflict."""
    relaxed = linear_relaxation(without_element(second.faulty, element))
    if source.solver.solve(relaxed).status is not SolverStatus.OPTIMAL:
        yield RejectionReason.NO_OPTIMUM_WITHOUT
        return
    for first in islice(slips_of(source, (element,)), MOST_FIRSTS):
        yield certified(first, second, revealed, difficulty, source.solver)


def certified(
    first: Slip, second: Slip, revealed: Conflict, difficulty: Difficulty, solver: Solver
) -> CertifiedFault | RejectionReason:
    """Both slips, if the second shows only once the first is repaired, and would not without its element.

    ``revealed`` is the canonical conflict of the program with the second alone. The conflict seen first has to do
    without the second wherever that stands. If it does with the second last, it is the same in all places.
    """
    faulty = apply(first.faulty, second.candidate.edit)
    second_last = with_last(faulty, (second.element,))
    suspected = suspicion(second_last, (first.element, second.element), difficulty, solver)
    if isinstance(suspected, RejectionReason):
        return suspected
    if second.element in suspected.conflict.elements:
        return RejectionReason.NOT_REVEALED
    violations = smallest_relaxation(linear_relaxation(faulty), solver)
    if isinstance(violations, RejectionReason):
        return violations
    left = smallest_relaxation(linear_relaxation(second.faulty), solver)
    if isinstance(left, RejectionReason):
        return left
    # Integer optima are what takes longest, so this comes last.
    objective = solver.solve(without_element(second.faulty, first.element)).objective
    if objective is None:
        return RejectionReason.NO_OPTIMUM_WITHOUT
    evidence = Cascade(revealed, objective)
    variant = f"{first.candidate.variant}+{second.candidate.variant}"
    size = len(suspected.conflict.elements)
    return CertifiedFault(
        (first.candidate.edit, second.candidate.edit),
        Certificate(variant, total(violations), total(left), size, suspected.num_decoys, evidence),
    )
