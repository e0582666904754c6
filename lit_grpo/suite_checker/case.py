"""A record beside the solver's answers about it, each asked for once.

Called by certificates.py and kinds.py.
"""

from __future__ import annotations

import math
from functools import cached_property

from lit_grpo.suite_checker.records import Record
from lit_grpo.suite_checker.requirements import (
    Judge,
    Requirements,
    conflict,
    elements_of,
    relaxed,
    requirements_of,
    without,
)

LEAST_VIOLATION = 1e-4
"""A fault counts from here on: solvers call 1e-6 feasible."""
TOLERANCE = 1e-7
"""Relative above 1, absolute below: a hundred times what the figures of honest records are off by."""
TIE = 1e-6
"""Relative; amounts that differ by less are equal."""


def near(a: float, b: float) -> bool:
    """Equal as far as two runs of a solver can tell."""
    return math.isclose(a, b, rel_tol=TOLERANCE, abs_tol=TOLERANCE)


class Case:
    """What the checks of a record ask."""

    def __init__(self, record: Record, judge: Judge) -> None:
        self.record, self.judge = record, judge
        self.original = requirements_of(record.original)
        self.faulty = requirements_of(record.faulty)

    @cached_property
    def original_objective(self) -> float | None:
        """None if the original is infeasible."""
        return self.judge.optimum(self.record.original)

    @cached_property
    def violation(self) -> float:
        """The violation of the faulty program."""
        return self.violation_of(self.faulty)

    def violation_of(self, requirements: Requirements) -> float:
        """Smallest sum by which rows and bounds of the LP relaxation must give way."""
        linear = relaxed(requirements)
        least = self.judge.least_violation(linear, frozenset(linear))
        assert least is not None, "with everything soft there is nothing to break"
        return least

    @cached_property
    def is_integral_conflict(self) -> bool:
        """Whether only integrality is infeasible."""
        return self.judge.feasible(relaxed(self.faulty))

    @cached_property
    def conflict(self) -> Requirements:
        """What the deletion filter leaves of the infeasible program."""
        return conflict(self.judge, self.faulty)

    def without(self, *elements: str) -> Requirements:
        """The faulty program with rows deleted and variables freed."""
        return without(self.faulty, elements)

    def repairs(self, *elements: str) -> bool:
        """Whether deleting the rows and freeing the variables makes the faulty program feasible."""
        return self.judge.feasible(self.without(*elements))

    def amount(self, element: str) -> float:
        """How far one element alone must give way in the LP relaxation; infinite if that does not help."""
        linear = relaxed(self.faulty)
        soft = {r for r in linear if r.element == element}
        least = self.judge.least_violation(linear, soft) if soft else None
        return math.inf if least is None else least

    @property
    def num_others(self) -> int:
        """True elements of the conflict."""
        return len(set(elements_of(self.conflict)) - set(self.record.elements))

    @cached_property
    def own_conflicts(self) -> dict[str, Requirements]:
        """For each faulty element, what the deletion filter leaves of the original with that fault alone (LP
        relaxation).
        """
        texts = self.record.fields["inverse_actions"]
        return {
            edit.element: conflict(
                self.judge, relaxed(requirements_of(self.record.after([*texts[:at], *texts[at + 1 :]])))
            )
            for at, edit in enumerate(self.record.edits)
        }

    @cached_property
    def num_decoys(self) -> int:
        """True elements of the conflict that end it by moving no further than a faulty one; 0 for integrality."""
        if self.is_integral_conflict:
            return 0
        amounts = dict.fromkeys(elements_of(self.conflict), math.inf)
        for member in self.conflict:
            amount = self.judge.least_violation(self.conflict, {member})
            amounts[member.element] = min(amounts[member.element], math.inf if amount is None else amount)
        least = min((amounts.pop(e) for e in self.record.elements if e in amounts), default=-math.inf)
        return sum(amount <= least * (1 + TIE) for amount in amounts.values())
