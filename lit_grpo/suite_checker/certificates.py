"""What must hold of a record: of every kind first, of its own kind in kinds.py.

Called by suite_checker/check.py. Each check yields a line for what does not hold: expected, got.
"""

from __future__ import annotations

from collections.abc import Iterator

from lit_grpo.suite_checker.case import LEAST_VIOLATION, Case, near
from lit_grpo.suite_checker.evidence import evidence_failures
from lit_grpo.suite_checker.kinds import KIND_CHECKS, kind_failures
from lit_grpo.suite_checker.programs import RecordError
from lit_grpo.suite_checker.records import Record, content_id, split_of
from lit_grpo.suite_checker.requirements import InconclusiveError, Judge, elements_of
from lit_grpo.suite_checker.variants import variant_of

DIFFICULTIES = ("easy", "medium", "hard")


def failures(record: Record, judge: Judge) -> Iterator[str]:
    """Everything that does not hold of a record; nothing if it is as it says."""
    case = Case(record, judge)
    yield from _identity(record)
    yield from _inverse(record)
    if not record.edits or not record.repairs[-1].same_as(record.original):
        return
    try:
        yield from _objective(case)
        if case.original_objective is None:
            return
        if judge.feasible(case.faulty):
            yield "expected the faulty program to be infeasible, got a feasible one"
            return
        yield from _figures(case)
        yield from kind_failures(case)
        yield from evidence_failures(case)
    except InconclusiveError as error:
        yield f"expected the solver to settle it, got {error}"


def _identity(record: Record) -> Iterator[str]:
    fields = record.fields
    if fields["kind"] not in KIND_CHECKS or fields["difficulty"] not in DIFFICULTIES:
        raise RecordError(f"expected a kind of {''.join(KIND_CHECKS)} and a difficulty, got {record.cell}")
    if fields["id"] != content_id(record):
        yield f"expected the id {content_id(record)} from the content, got {fields['id']}"
    if fields["split"] != "test" or split_of(record.original) != "test":
        yield f"expected the split test, got {fields['split']}; its original program is of {split_of(record.original)}"


def _inverse(record: Record) -> Iterator[str]:
    if not record.edits or not record.repairs[-1].same_as(record.original):
        yield "expected inverse_actions to turn the faulty program into the original, got another program"
    recorded = record.fields["faulty_elements"]
    if recorded != record.elements:
        yield f"expected faulty_elements {record.elements}, which the inverse touches, got {recorded}"


def _objective(case: Case) -> Iterator[str]:
    recorded, found = case.record.fields["original_objective"], case.original_objective
    if found is None or not near(found, recorded):
        yield f"expected the original to be optimal with objective {recorded}, got {found}"


def _figures(case: Case) -> Iterator[str]:
    """The certificate's figures that every kind has."""
    certificate = case.record.certificate
    if case.violation >= LEAST_VIOLATION:
        expected = case.violation
    elif case.is_integral_conflict:
        expected = 0.0
    else:
        yield f"expected a violation of at least {LEAST_VIOLATION} in the LP relaxation, got {case.violation}"
        return
    if not near(certificate["violation"], expected):
        yield f"expected violation {expected}, got {certificate['violation']}"
    size = len(elements_of(case.conflict))
    if certificate["conflict_size"] != size:
        yield f"expected conflict_size {size}, got {certificate['conflict_size']}"
    if certificate["num_decoys"] != case.num_decoys:
        yield f"expected num_decoys {case.num_decoys}, got {certificate['num_decoys']}"
    if certificate["variant"] != variant_of(case):
        yield f"expected the variant {variant_of(case)}, got {certificate['variant']}"
