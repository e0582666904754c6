"""Kinds A to D: one slip that makes the program infeasible.

Called by injection.py with the kind's candidates.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from lit_grpo.environment.faults.candidates import Candidate, CandidateSource
from lit_grpo.environment.faults.certificates import (
    LEAST_VIOLATION,
    Certificate,
    CertifiedFault,
    Findings,
    RejectionReason,
)
from lit_grpo.environment.faults.decoys import count_decoys
from lit_grpo.environment.faults.difficulty import PROFILES, Difficulty
from lit_grpo.environment.faults.kinds.measures import rows_of
from lit_grpo.environment.programs.edits import AddRow, apply, edited_element
from lit_grpo.environment.programs.program import LinearProgram
from lit_grpo.environment.solver.relaxation import linear_relaxation
from lit_grpo.environment.solver.solver import Solver, SolverStatus


def plain_faults(
    candidates: Callable[[CandidateSource], Iterator[Candidate]], source: CandidateSource, difficulty: Difficulty
) -> Findings:
    """Each candidate, certified or refused."""
    for candidate in candidates(source):
        faulty = apply(source.program, candidate.edit)
        certificate = _certify(faulty, difficulty, candidate, source.solver)
        if isinstance(certificate, RejectionReason):
            yield certificate
        else:
            yield CertifiedFault((candidate.edit,), certificate)


def _certify(
    faulty: LinearProgram, difficulty: Difficulty, candidate: Candidate, solver: Solver
) -> Certificate | RejectionReason:
    """The certificate of a candidate, cheapest test first."""
    relaxed = linear_relaxation(faulty)
    only_integrality = candidate.only_integrality and solver.solve(relaxed).status is SolverStatus.OPTIMAL
    if only_integrality and solver.solve(faulty).status is not SolverStatus.INFEASIBLE:
        return RejectionReason.FEASIBLE
    conflict = solver.conflict(faulty)
    if conflict is None or not conflict.is_irreducible:
        return RejectionReason.INCONCLUSIVE
    num_decoys = 0 if only_integrality else count_decoys(relaxed, conflict, edited_element(candidate.edit))
    profile, num_variables = PROFILES[difficulty], len(faulty.variables)
    if not profile.admits(num_variables, len(conflict.elements) - 1, num_decoys):
        return RejectionReason.OTHER_DIFFICULTY
    is_added = isinstance(candidate.edit, AddRow)
    if is_added and not profile.hides_added_row(num_variables, len(rows_of(conflict))):
        return RejectionReason.OTHER_DIFFICULTY
    violations = () if only_integrality else solver.minimum_relaxation(relaxed)
    violation = sum(v.amount for v in violations or ())
    if not only_integrality and violation < LEAST_VIOLATION:
        return RejectionReason.TOO_SMALL_A_VIOLATION
    margin = violation if candidate.margin is None else candidate.margin
    return Certificate(candidate.variant, violation, margin, len(conflict.elements), num_decoys)
