"""What must hold of a record: of every kind first, of its own kind in kinds.py.

Called by suite_checker/check.py. Each check yields a line for what does not hold: expected, got.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lit_grpo.suite_checker.case import LEAST_VIOLATION, Case, near
from lit_grpo.suite_checker.difficulty import difficulty_failures
from lit_grpo.suite_checker.evidence import evidence_failures
from lit_grpo.suite_checker.kinds import kind_failures
from lit_grpo.suite_checker.native import native_failures
from lit_grpo.suite_checker.own_programs import is_own, split_failures, text_failures
from lit_grpo.suite_checker.records import Record, content_id, split_of
from lit_grpo.suite_checker.repair import inverse_failures, shorter_failures
from lit_grpo.suite_checker.requirements import InconclusiveError, Judge, elements_of
from lit_grpo.suite_checker.specification import specification_failures
from lit_grpo.suite_checker.tiny_specification import is_tiny, tiny_failures
from lit_grpo.suite_checker.variants import variant_of


def failures(
    record: Record, judge: Judge, size: str | None = None, programs: Sequence[str] | None = None
) -> Iterator[str]:
    """Everything that does not hold of a record; nothing if it is as it says.

    Args:
        record: The record as it was read.
        judge: The solver.
        size: The size of all programs of its suite; None where the difficulty decides.
        programs: The digests of the user's programs that its suite is made of; None where none are known.
    """
    case = Case(record, judge)
    found = [*identity_failures(record, programs), *inverse_failures(record), *native_failures(record)]
    found += _text_failures(record)
    yield from found
    if found:
        return
    try:
        yield from claim_failures(case)
        yield from difficulty_failures(case, size)
    except InconclusiveError as error:
        yield f"expected the solver to settle it, got {error}"


def _text_failures(record: Record) -> Iterator[str]:
    if is_own(record):
        return text_failures(record)
    return tiny_failures(record) if is_tiny(record) else specification_failures(record)


def claim_failures(case: Case) -> Iterator[str]:
    """What the solver says otherwise than the certificate of a record whose inverse restores the original."""
    yield from _objective(case)
    if case.original_objective is None:
        return
    if case.judge.feasible(case.faulty):
        yield "expected the faulty program to be infeasible, got a feasible one"
        return
    yield from _figures(case)
    yield from kind_failures(case)
    yield from shorter_failures(case)
    yield from evidence_failures(case)


def identity_failures(record: Record, programs: Sequence[str] | None = None) -> Iterator[str]:
    """What does not hold of the id and the split, which follow from the content."""
    fields = record.fields
    if fields["id"] != content_id(record):
        yield f"expected the id {content_id(record)} from the content, got {fields['id']}"
    if is_own(record):
        yield from split_failures(record, programs)
    elif programs is not None:
        yield f"expected a user's program, as the manifest says, got one of {fields['domain']}"
    elif fields["split"] != "test" or split_of(record.original) != "test":
        yield f"expected the split test, got {fields['split']}; its original program is of {split_of(record.original)}"


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
