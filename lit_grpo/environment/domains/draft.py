"""A base model on the way: the rows so far, what is said of each, and the names that are left.

Called by every domain for its programs above TINY. A name that says "demand" would give a reversed sense away, and one
that is only ever given to rows that a fault adds would give those away; here every row, and every spare name, is drawn
from one list, whatever the row asks.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random

from lit_grpo.environment.domains.base import BaseModel, Domain, Wording, make_program
from lit_grpo.environment.domains.rows import (
    implied_row,
    make_row,
    planned_row,
    smallest_activity,
    total_row,
    upper_bound,
)
from lit_grpo.environment.domains.wording import Phrasings, on_subject, specify
from lit_grpo.environment.programs.program import Constraint, Direction, Sense, Variable, VariableType

COEFFICIENTS = (2, 20)
"""Least and most in a row on something shared."""
SHARING = 0.5
"""Share of the variables in a row on something shared."""


@dataclass(frozen=True, slots=True)
class Topics:
    """What rows on something shared are about."""

    templates: tuple[str, ...]
    """Sentences with ``{subject}``, ``{terms}`` and ``{limit}``."""
    subjects: tuple[str, ...]
    """What is limited, with units, e.g. ``litres of diesel``; at least as many as rows are asked for."""


def variables_around(
    rng: Random, plan: Mapping[str, int], decisions: Collection[str], type_: VariableType, spare: int
) -> list[Variable]:
    """The plan's variables: the decisions are binary, the others of the type, from 0 to mostly so much above the plan.

    In random order, so that the place of a variable says nothing about its kind.
    """
    total = sum(planned for name, planned in plan.items() if name not in decisions)
    variables = [
        Variable(name, 0.0, 1.0, VariableType.BINARY)
        if name in decisions
        else Variable(name, 0.0, upper_bound(rng, planned, spare, total), type_)
        for name, planned in plan.items()
    ]
    return rng.sample(variables, len(variables))


@dataclass(slots=True)
class Draft:
    """Rows over given variables, collected one by one; each is met by the plan."""

    rng: Random
    variables: Sequence[Variable]
    plan: Mapping[str, int]
    """A feasible point, integer."""
    names: list[str]
    """Names of rows, in random order, that are still to be had."""
    rows: list[Constraint] = field(default_factory=list)
    phrasings: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """What can be said of each row, by its name."""

    def planned(self, coefficients: Mapping[str, int], sense: Sense, phrasings: tuple[str, ...]) -> Constraint:
        """A row that the plan meets with little to spare (an equality: exactly)."""
        return self._keep(
            planned_row(self.rng, self.variables, self.names.pop(), coefficients, sense, self.plan), phrasings
        )

    def exact(self, coefficients: Mapping[str, int], sense: Sense, rhs: int, phrasings: tuple[str, ...]) -> Constraint:
        """A row with a given right-hand side, which the plan must meet."""
        return self._keep(make_row(self.variables, self.names.pop(), coefficients, sense, rhs), phrasings)

    def implied(self, coefficients: Mapping[str, int], sense: Sense, phrasings: tuple[str, ...]) -> Constraint:
        """A row that the bounds and one of the rows so far imply strictly; of a demand, they must imply 2 or more."""
        row = implied_row(self.rng, self.variables, self.names.pop(), coefficients, sense, self.rows)
        assert sense is Sense.LESS_EQUAL or row.rhs >= 1, f"expected a demand of at least 1, got {row}"
        return self._keep(row, phrasings)

    def total(self, sense: Sense, rows: Sequence[Constraint], phrasings: tuple[str, ...]) -> Constraint:
        """A row that these rows imply strictly, and only together."""
        return self._keep(total_row(self.rng, self.variables, self.names.pop(), sense, rows), phrasings)

    def shared(self, number: int, used: Topics, owed: Topics) -> None:
        """Rows on what many variables use up or contribute to: by turns one that the plan nearly fills, one implied.

        Limits and demands take coefficients from one range, so a sense can't be told from them.
        """
        used_subjects, owed_subjects = (self.rng.sample(t.subjects, len(t.subjects)) for t in (used, owed))
        first = self.rng.randint(0, 1)
        for i in range(first, first + number):
            is_implied = i % 2 == 1
            sense = self.rng.choice((Sense.LESS_EQUAL, Sense.GREATER_EQUAL))
            coefficients = self._coefficients(sense, is_implied)
            if is_implied and sense is Sense.GREATER_EQUAL and not self.implies_demand(coefficients):
                sense = Sense.LESS_EQUAL
            topics, subjects = (used, used_subjects) if sense is Sense.LESS_EQUAL else (owed, owed_subjects)
            phrasings = on_subject(topics.templates, subjects.pop())
            add = self.implied if is_implied else self.planned
            add(coefficients, sense, phrasings)

    def finish(
        self, domain: Domain, direction: Direction, objective: dict[str, int], phrasings: Phrasings, wording: Wording
    ) -> BaseModel:
        """The base model, its rows in random order; the names left are its spare ones."""
        self.rng.shuffle(self.rows)
        program = make_program(direction, objective, self.variables, self.rows)
        text = specify(self.rng, wording, phrasings, program, self.phrasings)
        return BaseModel(domain, program, text, tuple(self.names))

    def _coefficients(self, sense: Sense, is_implied: bool) -> dict[str, int]:
        """Coefficients for some of the variables, at least one that the plan uses, and all of a demand that is to imply
        the row.
        """
        names = {v.name for v in self.variables if self.rng.random() < SHARING}
        names.add(self.rng.choice([name for name, planned in self.plan.items() if planned > 0]))
        demands = [c for c in self.rows if c.sense is not Sense.LESS_EQUAL and c.rhs > 0]
        if is_implied and sense is Sense.GREATER_EQUAL and demands:
            names |= {name for name, _ in self.rng.choice(demands).terms}
        return {v.name: self.rng.randint(*COEFFICIENTS) for v in self.variables if v.name in names}

    def implies_demand(self, coefficients: Mapping[str, int]) -> bool:
        """Whether the rows so far imply that these terms come to 2 or more, so that a demand of 1 can be implied."""
        return smallest_activity(coefficients, self.variables, self.rows) >= 2

    def _keep(self, row: Constraint, phrasings: tuple[str, ...]) -> Constraint:
        self.rows.append(row)
        self.phrasings[row.name] = phrasings
        return row
