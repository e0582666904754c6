"""Faults: inject one into a true program so that it becomes infeasible, and certify what kind of fault it is.

Called by data/task.py. A fault is kept only with a certificate, checked by the solver. What slips there are is in
candidates.py, what makes each kind and how it is certified in kinds/, how hard a fault counts in difficulty.py.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from random import Random

from lit_grpo.environment.faults.candidates import (
    CandidateSource,
    bound_and_type_candidates,
    coefficient_candidates,
    right_hand_side_candidates,
    sense_candidates,
)
from lit_grpo.environment.faults.certificates import (
    LEAST_VIOLATION,
    Certificate,
    CertifiedFault,
    Findings,
    RejectionReason,
)
from lit_grpo.environment.faults.difficulty import Difficulty
from lit_grpo.environment.faults.fault_kinds import FaultKind, kinds_of
from lit_grpo.environment.faults.ground_truth import GroundTruth
from lit_grpo.environment.faults.kinds.ambiguous import ambiguous_faults
from lit_grpo.environment.faults.kinds.bound_conflict import bound_conflict_faults
from lit_grpo.environment.faults.kinds.cascade import cascade_faults
from lit_grpo.environment.faults.kinds.distant import distant_faults
from lit_grpo.environment.faults.kinds.multiple import multiple_faults
from lit_grpo.environment.faults.kinds.plain import plain_faults
from lit_grpo.environment.programs.comparison import differing_elements
from lit_grpo.environment.programs.edits import AddRow, Edit, apply_all, edited_element, inverse
from lit_grpo.environment.programs.program import LinearProgram
from lit_grpo.environment.programs.scale import writable_numbers
from lit_grpo.environment.solver.solver import Solver, SolverStatus

__all__ = [
    "LEAST_VIOLATION",
    "Certificate",
    "FaultKind",
    "FaultyProgram",
    "Rejection",
    "RejectionReason",
    "inject",
    "kinds_of",
]


@dataclass(frozen=True, slots=True)
class Rejection:
    """No fault was injected."""

    reason: RejectionReason
    """Why the last candidate was refused."""


@dataclass(frozen=True, slots=True)
class FaultyProgram(GroundTruth):
    """A true program and the faulty one made from it, certified: before the last edit of ``inverse``, each of another
    element, it stays infeasible."""

    certificate: Certificate


def inject(
    program: LinearProgram,
    kind: FaultKind,
    difficulty: Difficulty,
    rng: Random,
    solver: Solver,
    spare_row_names: Sequence[str],
) -> FaultyProgram | Rejection:
    """Break the program with a certified fault of the kind and difficulty, or say why it cannot be done.

    ``spare_row_names``: names in the program's own style that it does not use, at least one; an added row takes one.
    """
    reason = RejectionReason.NO_CANDIDATE
    for found in _FINDERS[kind](CandidateSource(program, spare_row_names, rng, solver), difficulty):
        if isinstance(found, RejectionReason):
            reason = found
        elif not _is_writable(program, found.edits):
            reason = RejectionReason.BEYOND_THE_SCALE
        else:
            return _with_ground_truth(program, kind, difficulty, found, solver)
    return Rejection(reason)


def _is_writable(program: LinearProgram, edits: Sequence[Edit]) -> bool:
    """Whether an agent may write the numbers that undo the edits: a true one may stand far above all others."""
    writable = writable_numbers(apply_all(program, edits))
    undone = (inverse(program, edit) for edit in edits)
    numbers = (getattr(edit, name) for edit in undone if not isinstance(edit, AddRow) for name in edit.__slots__)
    return all(writable.admit(value) for value in numbers if isinstance(value, float) and math.isfinite(value))


def _with_ground_truth(
    program: LinearProgram, kind: FaultKind, difficulty: Difficulty, found: CertifiedFault, solver: Solver
) -> FaultyProgram | Rejection:
    solution = solver.solve(program)
    if solution.status is not SolverStatus.OPTIMAL or solution.objective is None:
        return Rejection(RejectionReason.ORIGINAL_NOT_OPTIMAL)
    faulty = apply_all(program, found.edits)
    undo = tuple(edit for edit in (inverse(program, edit) for edit in found.edits) if not isinstance(edit, AddRow))
    assert len(undo) == len(found.edits), "a fault never takes a row out"
    assert apply_all(faulty, undo) == program
    elements = tuple(edited_element(edit) for edit in found.edits)
    differing = differing_elements(faulty, program)
    assert set(differing) == set(elements), f"the fault says {elements}, the programs differ in {differing}"
    return FaultyProgram(kind, difficulty, program, faulty, undo, elements, solution.objective, found.certificate)


_FINDERS: dict[FaultKind, Callable[[CandidateSource, Difficulty], Findings]] = {
    FaultKind.SENSE: partial(plain_faults, sense_candidates),
    FaultKind.BOUND_OR_TYPE: partial(plain_faults, bound_and_type_candidates),
    FaultKind.COEFFICIENT: partial(plain_faults, coefficient_candidates),
    FaultKind.RIGHT_HAND_SIDE: partial(plain_faults, right_hand_side_candidates),
    FaultKind.MULTIPLE: multiple_faults,
    FaultKind.DISTANT: distant_faults,
    FaultKind.CASCADE: cascade_faults,
    FaultKind.BOUND_CONFLICT: bound_conflict_faults,
    FaultKind.AMBIGUOUS: ambiguous_faults,
}
