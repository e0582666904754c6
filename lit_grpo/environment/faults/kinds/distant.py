"""Kind F: a distant cause. The conflict is long, and the cheapest repair is elsewhere than the fault.

Called by injection.py. Deleting a true row of the conflict shows in the objective, if it ends the conflict at all.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import chain, islice

from lit_grpo.environment.faults.candidates import CandidateSource
from lit_grpo.environment.faults.certificates import (
    Certificate,
    CertifiedFault,
    DistantCause,
    Findings,
    RejectionReason,
    RowDeletion,
)
from lit_grpo.environment.faults.difficulty import Difficulty
from lit_grpo.environment.faults.kinds.measures import (
    giving_way_alone,
    rows_of,
    smallest_relaxation,
    suspicion,
    total,
)
from lit_grpo.environment.faults.kinds.slips import Slip, narrow_slips, slips
from lit_grpo.environment.programs.edits import DropRow, apply
from lit_grpo.environment.programs.program import LinearProgram, row_element
from lit_grpo.environment.solver.solver import Conflict, Solver, SolverStatus

LEAST_ELEMENTS = 5
LEAST_ROWS = 3
LEAST_DRIFT = 1e-3
"""The least drift of the objective, relative to the original's (to 1 if that is smaller)."""
LEAST_EXTRA = 0.01
"""What the faulty element alone has to give way by, over the smallest relaxation, relative to it."""
MOST_SLIPS = 16
"""Examined per base program, of each sort."""


def distant_faults(source: CandidateSource, difficulty: Difficulty) -> Findings:
    """Slips only just out of range first, since their conflicts are longest; then any."""
    original = source.solver.solve(source.program)
    if original.status is not SolverStatus.OPTIMAL or original.objective is None:
        yield RejectionReason.ORIGINAL_NOT_OPTIMAL
        return
    for slip in _candidates(source):
        yield certified(slip, difficulty, original.objective, source.solver)


def _candidates(source: CandidateSource) -> Iterator[Slip]:
    return chain(islice(narrow_slips(source), MOST_SLIPS), islice(slips(source), MOST_SLIPS))


def certified(
    slip: Slip, difficulty: Difficulty, original_objective: float, solver: Solver
) -> CertifiedFault | RejectionReason:
    """The slip, if its conflict is long and all that it suggests is elsewhere and wrong."""
    suspected = suspicion(slip.faulty, (slip.element,), difficulty, solver, is_distant=True)
    if isinstance(suspected, RejectionReason):
        return suspected
    conflict, relaxed = suspected.conflict, suspected.relaxed
    if len(conflict.elements) < LEAST_ELEMENTS or len(rows_of(conflict)) < LEAST_ROWS:
        return RejectionReason.SHORT_CONFLICT
    violations = smallest_relaxation(relaxed, solver)
    if isinstance(violations, RejectionReason):
        return violations
    blamed = tuple(dict.fromkeys(violation.element for violation in violations))
    alone = giving_way_alone(relaxed, slip.element, solver)
    if math.isinf(alone):
        return RejectionReason.INCONCLUSIVE
    if slip.element in blamed or alone < (1 + LEAST_EXTRA) * total(violations):
        return RejectionReason.SYMPTOM_AT_THE_FAULT
    deletions = _telling_deletions(slip, conflict, original_objective, solver)
    if isinstance(deletions, RejectionReason):
        return deletions
    violation = total(violations)
    evidence = DistantCause(deletions, blamed, alone)
    size = len(conflict.elements)
    return CertifiedFault(
        (slip.candidate.edit,),
        Certificate(slip.candidate.variant, violation, alone - violation, size, suspected.num_decoys, evidence),
    )


def _telling_deletions(
    slip: Slip, conflict: Conflict, original_objective: float, solver: Solver
) -> tuple[RowDeletion, ...] | RejectionReason:
    """What deleting each true row of the conflict leads to, if none gives the original's objective."""
    deletions: list[RowDeletion] = []
    for row in rows_of(conflict):
        if row_element(row) == slip.element:
            continue
        deletion = _deletion(slip.faulty, row, solver)
        if deletion.status is SolverStatus.INCONCLUSIVE:
            return RejectionReason.INCONCLUSIVE
        if deletion.objective is not None:
            drift = abs(deletion.objective - original_objective)
            if drift < LEAST_DRIFT * max(1.0, abs(original_objective)):
                return RejectionReason.OBJECTIVE_KEPT
        deletions.append(deletion)
    return tuple(deletions)


def _deletion(faulty: LinearProgram, row: str, solver: Solver) -> RowDeletion:
    solution = solver.solve(apply(faulty, DropRow(row)))
    return RowDeletion(row, solution.status, solution.objective)
