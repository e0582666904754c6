"""What the solver has confirmed of a fault, kind by kind, and why a candidate was refused.

Made by kinds/, kept by injection.py, written and read by data/. The evidence of a kind is what somebody with a plain
solver needs to check the kind's claim again, and what was measured on the way; all numbers are of the LP relaxation
unless said otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from lit_grpo.environment.programs.edits import Edit
from lit_grpo.environment.programs.program import Element
from lit_grpo.environment.solver.solver import Conflict, SolverStatus

LEAST_VIOLATION = 1e-4
"""A faulty program is infeasible by at least this much (elastic sum): solvers call less than 1e-6 feasible."""


class RejectionReason(StrEnum):
    """Why a candidate, or in the end a base program, gave no fault of the kind and difficulty asked for."""

    ORIGINAL_NOT_OPTIMAL = "original not optimal"
    NO_CANDIDATE = "no candidate of the kind"
    FEASIBLE = "candidate left it feasible"
    INCONCLUSIVE = "a solver's limit was reached"
    TOO_SMALL_A_VIOLATION = "violation below 1e-4"
    OTHER_DIFFICULTY = "fault of another difficulty"
    NOT_INDEPENDENT = "a fault is part of another's conflict"
    ONE_ACTION_REPAIRS = "one action repairs all faults"
    SHORT_CONFLICT = "conflict of too few elements or rows"
    SYMPTOM_AT_THE_FAULT = "cheapest repair at the fault itself"
    OBJECTIVE_KEPT = "deleting a true row keeps the objective"
    NOT_REVEALED = "second fault already in the first conflict"
    NO_OPTIMUM_WITHOUT = "deleting the first fault's element gives no optimum"
    ONE_CONFLICT = "no second conflict that shares only bounds"
    NO_TIE = "no other element repairs as cheaply"
    BEYOND_THE_SCALE = "a repair that no action may write"


@dataclass(frozen=True, slots=True)
class IndependentConflicts:
    """What shows that a fault is of kind E. An element that is not in all of these can be taken out and leaves one of
    them; the elements that are in all of them were taken out one by one, and the rest stayed infeasible.
    """

    conflicts: tuple[Conflict, ...]
    """One for each faulty element in order: a conflict that holds it and no other faulty element: the canonical one of
    that fault alone, wherever the other elements stand among their like.
    """


@dataclass(frozen=True, slots=True)
class RowDeletion:
    """What deleting a row of the faulty program leads to, integrality included."""

    row: str
    status: SolverStatus
    objective: float | None
    """None unless OPTIMAL."""


@dataclass(frozen=True, slots=True)
class DistantCause:
    """What shows that a fault is of kind F."""

    deletions: tuple[RowDeletion, ...]
    """What deleting each true row of the canonical conflict leads to: infeasible, unbounded, or optimal with another
    objective.
    """
    relaxed: tuple[Element, ...]
    """Elements that the smallest relaxation violates; the faulty one is not among them."""
    alone: float
    """How far the faulty element alone would have to give way: more than ``violation``, so that every smallest
    relaxation violates another one."""


@dataclass(frozen=True, slots=True)
class Cascade:
    """What shows that a fault is of kind G. The first of the faulty elements is restored first; without it the program
    is feasible, so that every conflict, before and after, holds it.
    """

    revealed: Conflict
    """The canonical conflict once the first is restored: it holds both faulty elements. The first conflict did not hold
    the second, and would not wherever that stood among its like."""
    objective_without: float
    """Optimum with the first element taken out instead, integrality included."""


@dataclass(frozen=True, slots=True)
class BoundConflicts:
    """What shows that a fault is of kind H."""

    conflicts: tuple[Conflict, ...]
    """Two that share bounds and nothing else; or one, of two crossed bounds of one variable. Whichever row is deleted,
    one of them stays."""


@dataclass(frozen=True, slots=True)
class Repair:
    """One element that can end all conflicts by giving way alone."""

    element: Element
    amount: float
    """How far it must give way."""


@dataclass(frozen=True, slots=True)
class Tie:
    """What shows that a fault is of kind I."""

    repairs: tuple[Repair, ...]
    """The cheapest, all within 1 % of the cheapest of them; the faulty element among them."""


Evidence = IndependentConflicts | DistantCause | Cascade | BoundConflicts | Tie
"""What supports a claim beyond those of A to D."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """What the solver has confirmed of a fault (`inject` checks as well that the inverse restores the original)."""

    variant: str
    """Which form of the kind, e.g. ``wrong_rhs`` or ``added_row`` of D; of several faults joined by ``+``, in order."""
    violation: float
    """Smallest elastic sum (L1) of the faulty program's LP relaxation; at least 1e-4. 0.0 where only integrality is
    infeasible, which a completed branch-and-bound has shown."""
    property_margin: float
    """The kind's own property, measured. A: the row's redundancy margin in the original. B to D: the violation.
    E: violation that is left at least, whichever one element is taken out. F: ``alone`` less the violation. G: the
    violation once the first fault is repaired. H: the violation without the rows of the first conflict. I: relative
    spread of the tie."""
    conflict_size: int
    """Elements in the canonical conflict of the faulty program."""
    num_decoys: int
    """Other elements of the conflict that look as guilty (decoys.py); 0 where only integrality is infeasible."""
    evidence: Evidence | None = None
    """What kinds E to I need beyond that; None for A to D."""


@dataclass(frozen=True, slots=True)
class CertifiedFault:
    """Edits that make a true program faulty, and the proof."""

    edits: tuple[Edit, ...]
    """Edits of different elements, in the order in which they are to be repaired."""
    certificate: Certificate


Findings = Iterator[CertifiedFault | RejectionReason]
"""What comes of a kind's candidates, one by one."""
