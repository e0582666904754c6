"""Whether a fault is written as the program is: in names, numbers and rows that a true one could have.

Called by certificates.py. A fault that stands out is found without being understood.
"""

from __future__ import annotations

from collections.abc import Iterator

from lit_grpo.suite_checker.own_programs import is_own
from lit_grpo.suite_checker.programs import Program, Row
from lit_grpo.suite_checker.records import Record

LARGEST = 999_999
"""Magnitude of a number; of a tiny program, one of three digits."""
LARGEST_TINY = 999


def native_failures(record: Record) -> Iterator[str]:
    """What a true program of the kind would not have."""
    largest = LARGEST_TINY if len(record.original.variables) <= 2 else LARGEST
    # A user's numbers are what they are.
    for program in () if is_own(record) else (record.original, record.faulty):
        odd = [value for value in program.numbers() if not value.is_integer() or abs(value) > largest]
        if odd:
            yield f"expected whole numbers up to {largest}, got {odd[0]!r}"
    for name, row in record.faulty.rows.items():
        if name not in record.original.rows and not _is_native(row, record.original):
            yield f"expected the added row {name} on the pattern of a true one, got {row}"


def _is_native(row: Row, original: Program) -> bool:
    """An inequality on a true row's variables, with their signs, and magnitudes that occur."""
    magnitudes = {abs(value) for true in original.rows.values() for value in true.terms.values()}
    signs = {name: value > 0 for name, value in row.terms.items()}
    patterns = [{name: value > 0 for name, value in true.terms.items()} for true in original.rows.values()]
    return row.sense != "=" and signs in patterns and {abs(value) for value in row.terms.values()} <= magnitudes
