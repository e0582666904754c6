"""What easy, medium and hard mean, written out a second time, and whether a record is what it is called.

Called by certificates.py and specification.py. A test holds the table equal to the generator's.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from lit_grpo.suite_checker.case import Case
from lit_grpo.suite_checker.own_programs import is_own
from lit_grpo.suite_checker.requirements import elements_of
from lit_grpo.suite_checker.tiny_specification import is_tiny
from lit_grpo.suite_checker.wording import WORDS

MANY = 10**6
SIZES = ("tiny", "small", "medium", "large")


@dataclass(frozen=True)
class Wording:
    """How the text is written."""

    is_shuffled: bool
    num_distractors: int


WORDING = {"easy": Wording(False, 0), "medium": Wording(True, 0), "hard": Wording(True, 3)}
SIZE = {"easy": "small", "medium": "medium", "hard": "large"}
"""The size of the program, unless the suite has one size."""
OTHERS = {"easy": (0, 3), "medium": (4, 8), "hard": (7, MANY)}
"""Least and most true elements of the conflict."""
DISTANT_OTHERS = {"easy": (0, 5), "medium": (6, 9), "hard": (10, MANY)}
"""The same for kind F."""
ROWS_WITH_ADDED = {"easy": 1, "medium": 1, "hard": 3}
"""Least rows in the conflict of an added row (kind D)."""
TINY_SUSPECTS = {"easy": (0, 2), "medium": (3, 3), "hard": (4, 4)}
"""Other elements and decoys of a program of two variables."""
NUM_FAULTS = {"easy": 2, "medium": 2, "hard": 3}
"""The number of faults of kind E."""


def difficulty_failures(case: Case, size: str | None) -> Iterator[str]:
    """What does not fit the difficulty that the record has; ``size``: the one of its suite, None for none."""
    difficulty, num_variables = case.record.fields["difficulty"], len(case.record.original.variables)
    if not is_own(case.record):
        yield from _size_failures(case, size or ("tiny" if is_tiny(case.record) else SIZE[difficulty]))
    if num_variables <= 2:
        least, most = TINY_SUSPECTS[difficulty]
        suspects = case.num_others + case.num_decoys
        if not least <= suspects <= most:
            yield f"expected {least} to {most} suspects at {difficulty}, got {suspects}"
        return
    least, most = _limits(case, num_variables)
    for element, others in _conflicts(case):
        if not least <= others <= most:
            yield f"expected {least} to {most} others in the conflict of {element} at {difficulty}, got {others}"
    rows = [element for element in elements_of(case.conflict) if element.startswith("row:")]
    is_added = case.record.fields["kind"] == "D" and case.record.edits[0].action == "drop"
    if is_added and len(rows) < ROWS_WITH_ADDED[difficulty]:
        yield f"expected an added row among {ROWS_WITH_ADDED[difficulty]} rows at {difficulty}, got {len(rows)}"
    if case.record.fields["kind"] == "E" and len(case.record.elements) != NUM_FAULTS[difficulty]:
        yield f"expected {NUM_FAULTS[difficulty]} faults at {difficulty}, got {len(case.record.elements)}"


def _size_failures(case: Case, size: str) -> Iterator[str]:
    domain, number = case.record.fields["domain"], len(case.record.original.variables)
    if is_tiny(case.record) != (size == "tiny"):
        yield f"expected a program of size {size}, got one that is {'not ' if size == 'tiny' else ''}tiny"
    elif size == "tiny":
        if case.record.fields["kind"] not in "ABCD":
            yield f"expected kinds A to D in tiny programs, got {case.record.fields['kind']}"
    else:
        least, most = WORDS[domain].sizes[size]
        if not least <= number <= most:
            yield f"expected {least} to {most} variables of {domain} in size {size}, got {number}"


def _limits(case: Case, num_variables: int) -> tuple[int, int]:
    """Least and most others: of another size than the difficulty's own, what is attainable there is enough."""
    is_distant = case.record.fields["kind"] == "F"
    least, most = (DISTANT_OTHERS if is_distant else OTHERS)[case.record.fields["difficulty"]]
    attainable = num_variables // 2 + (3 if is_distant else 0)
    return min(least, attainable), max(most, attainable - 2)


def _conflicts(case: Case) -> Iterator[tuple[str, int]]:
    """Whose conflicts are measured, and their true elements; of several independent faults, each one's own."""
    if case.record.fields["kind"] != "E":
        yield " and ".join(case.record.elements), case.num_others
        return
    for element, members in case.own_conflicts.items():
        yield element, len(set(elements_of(members)) - {element})
