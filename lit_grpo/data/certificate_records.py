"""Certificates as plain JSON values, and back without loss.

Called by benchmark.py. A certificate of kinds A to D has no evidence and no such key; the others have one object, whose
keys are the fields of the kind's class in environment/certificates.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict

from lit_grpo.data.json_values import element_of, list_of, number_of, object_of, text_of
from lit_grpo.environment.faults.certificates import (
    BoundConflicts,
    Cascade,
    Certificate,
    DistantCause,
    Evidence,
    IndependentConflicts,
    Repair,
    RowDeletion,
    Tie,
)
from lit_grpo.environment.faults.fault_kinds import FaultKind
from lit_grpo.environment.solver.solver import Conflict, ConflictMember, ConflictPart, SolverStatus

Fields = Mapping[str, object]


def certificate_to_record(certificate: Certificate) -> dict[str, object]:
    """The certificate's fields; without ``evidence`` where there is none."""
    fields = asdict(certificate, dict_factory=_recorded)
    return fields if certificate.evidence is not None else {k: v for k, v in fields.items() if k != "evidence"}


def _recorded(fields: list[tuple[str, object]]) -> dict[str, object]:
    """Of a conflict its members alone: one that may not be irreducible certifies nothing (faults/kinds/measures.py)."""
    return {name: value for name, value in fields if name != "is_irreducible"}


def certificate_from_record(kind: FaultKind, value: object) -> Certificate:
    """The certificate of a fault of that kind; ValueError if a field is missing or is not what it should be."""
    fields = object_of(value, "certificate")
    read = _EVIDENCE.get(kind)
    return Certificate(
        variant=text_of(fields, "variant"),
        violation=number_of(fields, "violation"),
        property_margin=number_of(fields, "property_margin"),
        conflict_size=int(number_of(fields, "conflict_size")),
        num_decoys=int(number_of(fields, "num_decoys")),
        evidence=None if read is None else read(object_of(fields.get("evidence"), f"evidence of kind {kind}")),
    )


def _independent_conflicts(fields: Fields) -> IndependentConflicts:
    return IndependentConflicts(_conflicts(fields))


def _distant_cause(fields: Fields) -> DistantCause:
    deletions = (object_of(value, "deletion") for value in list_of(fields, "deletions"))
    relaxed = tuple(element_of(value) for value in list_of(fields, "relaxed"))
    return DistantCause(tuple(map(_deletion, deletions)), relaxed, number_of(fields, "alone"))


def _deletion(fields: Fields) -> RowDeletion:
    objective = None if fields.get("objective") is None else number_of(fields, "objective")
    return RowDeletion(text_of(fields, "row"), SolverStatus(text_of(fields, "status")), objective)


def _cascade(fields: Fields) -> Cascade:
    return Cascade(_conflict(fields.get("revealed")), number_of(fields, "objective_without"))


def _bound_conflicts(fields: Fields) -> BoundConflicts:
    return BoundConflicts(_conflicts(fields))


def _tie(fields: Fields) -> Tie:
    repairs = (object_of(value, "repair") for value in list_of(fields, "repairs"))
    return Tie(tuple(Repair(element_of(r.get("element")), number_of(r, "amount")) for r in repairs))


def _conflicts(fields: Fields) -> tuple[Conflict, ...]:
    return tuple(_conflict(value) for value in list_of(fields, "conflicts"))


def _conflict(value: object) -> Conflict:
    members = (object_of(member, "member") for member in list_of(object_of(value, "conflict"), "members"))
    return Conflict(tuple(ConflictMember(ConflictPart(text_of(m, "part")), text_of(m, "name")) for m in members))


_EVIDENCE: dict[FaultKind, Callable[[Fields], Evidence]] = {
    FaultKind.MULTIPLE: _independent_conflicts,
    FaultKind.DISTANT: _distant_cause,
    FaultKind.CASCADE: _cascade,
    FaultKind.BOUND_CONFLICT: _bound_conflicts,
    FaultKind.AMBIGUOUS: _tie,
}
