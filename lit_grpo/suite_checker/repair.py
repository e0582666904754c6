"""The inverse of a fault: it restores the original, nothing shorter does, and an agent may write it.

Called by certificates.py. An action changes one number or word of a program, so a repair takes as many as there are
differences; that many are the smallest number of turns that a reward counts from.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

from lit_grpo.suite_checker.actions import read_action
from lit_grpo.suite_checker.case import Case
from lit_grpo.suite_checker.programs import Program
from lit_grpo.suite_checker.records import Record
from lit_grpo.suite_checker.requirements import requirements_of

ROOM = 1e4
"""What an agent may write is at most this much larger than the faulty program's numbers, or smaller."""
Difference = tuple[str, ...]
"""An action and what it is applied to."""


def inverse_failures(record: Record) -> Iterator[str]:
    """What does not hold of the inverse, by comparing programs alone."""
    if not record.repairs[-1].same_as(record.original):
        yield "expected inverse_actions to turn the faulty program into the original, got another program"
    recorded = record.fields["faulty_elements"]
    if recorded != record.elements:
        yield f"expected faulty_elements {record.elements}, which the inverse touches, got {recorded}"
    least = differences(record.faulty, record.original)
    if len(least) != len(record.edits):
        yield f"expected an inverse of {len(least)} actions, one for each difference, got {len(record.edits)}"
    if len(record.elements) != len(record.edits):
        yield f"expected each action of the inverse on another element, got {record.fields['inverse_actions']}"
    yield from unwritable_failures(record)


def unwritable_failures(record: Record) -> Iterator[str]:
    """Numbers of the inverse that an agent may not write, because they are beyond the scale of the faulty program."""
    magnitudes = [abs(number) for number in record.faulty.numbers() if number]
    smallest, largest = min(magnitudes, default=1.0) / ROOM, max(magnitudes, default=1.0) * ROOM
    for text in record.fields["inverse_actions"]:
        written = [abs(value) for value in read_action(text).values() if isinstance(value, float) and value]
        if written and not smallest <= min(written) <= max(written) <= largest:
            yield f"expected an inverse of numbers from {smallest:g} to {largest:g} in magnitude, got {text}"


def differences(faulty: Program, original: Program) -> set[Difference]:
    """Whatever an action could set right, one by one; none for what no action can."""
    found: set[Difference] = {("drop", name) for name in faulty.rows if name not in original.rows}
    for name, row in original.rows.items():
        if (wrong := faulty.rows.get(name)) is None:
            continue
        found |= {("set_rhs", name)} if wrong.rhs != row.rhs else set()
        found |= {("set_sense", name)} if wrong.sense != row.sense else set()
        variables = wrong.terms.keys() | row.terms.keys()
        found |= {("set_coefficient", name, v) for v in variables if wrong.terms.get(v) != row.terms.get(v)}
    for name, variable in original.variables.items():
        if (other := faulty.variables.get(name)) is None:
            continue
        found |= {("set_type", name)} if other.type != variable.type else set()
        found |= {("set_bounds", name)} if (other.lower, other.upper) != (variable.lower, variable.upper) else set()
    return found


def shorter_failures(case: Case) -> Iterator[str]:
    """No proper part of the inverse, in whatever order, makes the program feasible: all parts are tried."""
    texts = case.record.fields["inverse_actions"]
    for size in range(1, len(texts)):
        for part in combinations(texts, size):
            if case.judge.feasible(requirements_of(case.record.after(part))):
                yield f"expected it to stay infeasible after a part of the inverse, got a feasible program after {part}"
