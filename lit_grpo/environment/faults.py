"""Faults: inject one into a true program so that it becomes infeasible, and certify what kind of fault it is.

Called by data/task.py. A fault is kept only with a certificate, checked by the solver; what the candidates of each
kind are is in fault_candidates.py, how hard a fault counts is in difficulty.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from random import Random

from lit_grpo.environment.actions import AgentEdit
from lit_grpo.environment.decoys import count_decoys
from lit_grpo.environment.difficulty import PROFILES, Difficulty
from lit_grpo.environment.domains.base import ProgramSize
from lit_grpo.environment.edits import AddRow, apply, edited_element, inverse
from lit_grpo.environment.fault_candidates import (
    Candidate,
    CandidateSource,
    bound_and_type_candidates,
    coefficient_candidates,
    right_hand_side_candidates,
    sense_candidates,
)
from lit_grpo.environment.program import Element, LinearProgram
from lit_grpo.environment.relaxation import linear_relaxation
from lit_grpo.environment.solver import Solver, SolverStatus

LEAST_VIOLATION = 1e-4
"""A faulty program is infeasible by at least this much (elastic sum): solvers call less than 1e-6 feasible."""


class FaultKind(StrEnum):
    """The kinds of fault, lettered as in the literature."""

    SENSE = "A"
    """The sense of an inequality reversed."""
    BOUND_OR_TYPE = "B"
    """A variable's bound or type is wrong."""
    COEFFICIENT = "C"
    """A coefficient dropped, negated, or off by a unit slip."""
    RIGHT_HAND_SIDE = "D"
    """A right-hand side is wrong, or a contradicting row was added."""


def kinds_of(size: ProgramSize | None) -> tuple[FaultKind, ...]:
    """The kinds of fault that programs of a size can have; None: of any size but TINY."""
    tiny = (FaultKind.SENSE, FaultKind.BOUND_OR_TYPE, FaultKind.COEFFICIENT, FaultKind.RIGHT_HAND_SIDE)
    return tiny if size is ProgramSize.TINY else tuple(FaultKind)


class RejectionReason(StrEnum):
    """Why a base program gave no fault of the kind and difficulty asked for."""

    ORIGINAL_NOT_OPTIMAL = "original not optimal"
    NO_CANDIDATE = "no candidate of the kind"
    FEASIBLE = "candidate left it feasible"
    INCONCLUSIVE = "a solver's limit was reached"
    TOO_SMALL_A_VIOLATION = "violation below 1e-4"
    OTHER_DIFFICULTY = "fault of another difficulty"


@dataclass(frozen=True, slots=True)
class Rejection:
    """No fault was injected."""

    reason: RejectionReason


@dataclass(frozen=True, slots=True)
class Certificate:
    """What the solver has confirmed of a fault (`inject` checks as well that the inverse restores the original)."""

    variant: str
    """Which form of the kind, e.g. ``wrong_rhs`` or ``added_row`` of D."""
    violation: float
    """Smallest elastic sum (L1) of the faulty program's LP relaxation; at least 1e-4. 0.0 where only integrality is
    infeasible, which a completed branch-and-bound has shown."""
    property_margin: float
    """The kind's own property, measured: A the row's redundancy margin in the original, otherwise the violation."""
    conflict_size: int
    """Elements in the canonical conflict of the faulty program."""
    num_decoys: int
    """Other elements of the conflict that look as guilty (decoys.py); 0 where only integrality is infeasible."""


@dataclass(frozen=True, slots=True)
class FaultyProgram:
    """A true program, the faulty one made from it, and the ground truth of the difference."""

    kind: FaultKind
    difficulty: Difficulty
    original: LinearProgram
    faulty: LinearProgram
    inverse: tuple[AgentEdit, ...]
    """Applied to ``faulty`` they give ``original``, exactly."""
    faulty_elements: tuple[Element, ...]
    original_objective: float
    certificate: Certificate


def inject(
    program: LinearProgram,
    kind: FaultKind,
    difficulty: Difficulty,
    rng: Random,
    solver: Solver,
    spare_row_names: Sequence[str],
) -> FaultyProgram | Rejection:
    """Break the program with one certified fault of the kind and difficulty, or say why it cannot be done.

    ``spare_row_names``: names in the program's own style that it does not use, at least one; an added row takes one.
    """
    reason = RejectionReason.NO_CANDIDATE
    for candidate in _CANDIDATES[kind](CandidateSource(program, spare_row_names, rng, solver)):
        faulty = apply(program, candidate.edit)
        element = edited_element(candidate.edit)
        certificate = _certify(faulty, element, difficulty, candidate, solver)
        if isinstance(certificate, RejectionReason):
            reason = certificate
            continue
        solution = solver.solve(program)
        if solution.status is not SolverStatus.OPTIMAL or solution.objective is None:
            return Rejection(RejectionReason.ORIGINAL_NOT_OPTIMAL)
        undo = inverse(program, candidate.edit)
        assert not isinstance(undo, AddRow), "a fault never takes a row out"
        assert apply(faulty, undo) == program
        return FaultyProgram(kind, difficulty, program, faulty, (undo,), (element,), solution.objective, certificate)
    return Rejection(reason)


_CANDIDATES: dict[FaultKind, Callable[[CandidateSource], Iterator[Candidate]]] = {
    FaultKind.SENSE: sense_candidates,
    FaultKind.BOUND_OR_TYPE: bound_and_type_candidates,
    FaultKind.COEFFICIENT: coefficient_candidates,
    FaultKind.RIGHT_HAND_SIDE: right_hand_side_candidates,
}


def _certify(
    faulty: LinearProgram, element: Element, difficulty: Difficulty, candidate: Candidate, solver: Solver
) -> Certificate | RejectionReason:
    """The certificate of a candidate, cheapest test first."""
    relaxed = linear_relaxation(faulty)
    only_integrality = candidate.only_integrality and solver.solve(relaxed).status is SolverStatus.OPTIMAL
    if only_integrality and solver.solve(faulty).status is not SolverStatus.INFEASIBLE:
        return RejectionReason.FEASIBLE
    conflict = solver.conflict(faulty)
    if conflict is None:
        return RejectionReason.INCONCLUSIVE
    num_decoys = 0 if only_integrality else count_decoys(relaxed, conflict, element)
    if not PROFILES[difficulty].admits(len(faulty.variables), len(conflict.elements) - 1 + num_decoys):
        return RejectionReason.OTHER_DIFFICULTY
    violations = () if only_integrality else solver.minimum_relaxation(relaxed)
    violation = sum(v.amount for v in violations or ())
    if not only_integrality and violation < LEAST_VIOLATION:
        return RejectionReason.TOO_SMALL_A_VIOLATION
    margin = violation if candidate.margin is None else candidate.margin
    return Certificate(candidate.variant, violation, margin, len(conflict.elements), num_decoys)
