"""Rows with integer numbers: some that a plan satisfies with little to spare, some that the others imply strictly.

Called by the domains. A row that the others imply strictly is what a real model is full of (capacities that do not
bind), and what a reversed sense needs: reversing a row that can bind leaves the program feasible. Nothing is solved.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from random import Random

from lit_grpo.environment.programs.program import Constraint, Sense, Variable, ordered_terms

ROOMY_SHARE = 0.3
"""Share of bounds that never bind, which is where a wrong lower bound can contradict the rows."""


def make_row(
    variables: Sequence[Variable], name: str, coefficients: Mapping[str, int], sense: Sense, rhs: int
) -> Constraint:
    """A row from integers; terms in canonical order, zeros left out."""
    terms = ordered_terms(variables, {k: float(v) for k, v in coefficients.items()})
    return Constraint(name, terms, sense, float(rhs))


def upper_bound(rng: Random, planned: int, spare: int, total: int) -> float:
    """An upper bound of a variable: mostly a little above the plan, at times above what all variables have together."""
    return float(total + rng.randint(1, spare) if rng.random() < ROOMY_SHARE else planned + rng.randint(2, spare))


def planned_row(
    rng: Random,
    variables: Sequence[Variable],
    name: str,
    coefficients: Mapping[str, int],
    sense: Sense,
    plan: Mapping[str, int],
) -> Constraint:
    """An inequality that the plan satisfies with at most a sixth to spare, or an equality that it meets."""
    activity = sum(value * plan[variable] for variable, value in coefficients.items())
    spare = 0 if sense is Sense.EQUAL else rng.randint(0, max(1, activity // 6))
    rhs = activity + spare if sense is Sense.LESS_EQUAL else max(min(1, activity), activity - spare)
    return make_row(variables, name, coefficients, sense, rhs)


def implied_row(
    rng: Random,
    variables: Sequence[Variable],
    name: str,
    coefficients: Mapping[str, int],
    sense: Sense,
    rows: Sequence[Constraint],
) -> Constraint:
    """An inequality that the bounds and one of the rows imply strictly; its variables have finite bounds."""
    if sense is Sense.LESS_EQUAL:
        least = math.floor(largest_activity(coefficients, variables, rows)) + 1
        return make_row(variables, name, coefficients, sense, least + rng.randint(0, max(1, least // 4)))
    most = math.ceil(smallest_activity(coefficients, variables, rows)) - 1
    return make_row(variables, name, coefficients, sense, most - rng.randint(0, max(0, most // 4)))


def total_row(
    rng: Random, variables: Sequence[Variable], name: str, sense: Sense, rows: Sequence[Constraint]
) -> Constraint:
    """The sum of the rows, which are of the sense given or equalities, with up to a quarter to spare, at least 1.

    The rows imply it strictly, and only together: reversed, it is in a conflict with all of them.
    """
    coefficients: dict[str, int] = {}
    for row in rows:
        for variable, value in row.terms:
            coefficients[variable] = coefficients.get(variable, 0) + round(value)
    total = round(sum(row.rhs for row in rows))
    spare = rng.randint(1, max(1, abs(total) // 4))
    return make_row(variables, name, coefficients, sense, total + (spare if sense is Sense.LESS_EQUAL else -spare))


def largest_activity(
    coefficients: Mapping[str, int], variables: Sequence[Variable], rows: Sequence[Constraint]
) -> float:
    """An upper bound on ``sum a_j x_j`` over the bounds and any single one of the ``<=`` rows: the least of these.

    Exact for each row alone (continuous knapsack, solved greedily by the ratio of gain to use). Coefficients of the
    activity are non-negative, lower bounds are finite; a row with a negative coefficient is passed over. ``inf`` if
    nothing limits the activity.
    """
    best = _knapsack(coefficients, variables, {}, math.inf)
    for row in rows:
        if row.sense is not Sense.GREATER_EQUAL and _only_adds(row):
            best = min(best, _knapsack(coefficients, variables, dict(row.terms), row.rhs))
    return best


def smallest_activity(
    coefficients: Mapping[str, int], variables: Sequence[Variable], rows: Sequence[Constraint]
) -> float:
    """A lower bound on ``sum a_j x_j`` over the bounds and any single one of the ``>=`` rows: the largest of these."""
    best = sum(coefficients.get(v.name, 0) * v.effective_bounds[0] for v in variables)
    for row in rows:
        if row.sense is not Sense.LESS_EQUAL and _only_adds(row):
            best = max(best, _cover(coefficients, variables, dict(row.terms), row.rhs))
    return best


def _only_adds(row: Constraint) -> bool:
    return all(value > 0 for _, value in row.terms)


def _knapsack(
    gain: Mapping[str, int], variables: Sequence[Variable], use: Mapping[str, float], capacity: float
) -> float:
    """Maximise the gain within bounds and ``use x <= capacity``."""
    total = 0.0
    choices: list[tuple[float, float, float]] = []
    for v in variables:
        lower, upper = v.effective_bounds
        a, c = gain.get(v.name, 0), use.get(v.name, 0.0)
        total += a * lower
        capacity -= c * lower
        if a > 0 and upper > lower:
            choices.append((a / c if c > 0 else math.inf, a * (upper - lower), c * (upper - lower)))
    for ratio, most, needed in sorted(choices, reverse=True):
        taken = min(needed, max(capacity, 0.0))
        total += most if ratio == math.inf else taken * ratio
        capacity -= taken
    return total


def _cover(cost: Mapping[str, int], variables: Sequence[Variable], give: Mapping[str, float], need: float) -> float:
    """Minimise the cost within bounds and ``give x >= need``; the bounds alone are assumed able to cover the need."""
    total = 0.0
    choices: list[tuple[float, float]] = []
    for v in variables:
        lower, upper = v.effective_bounds
        a, c = cost.get(v.name, 0), give.get(v.name, 0.0)
        total += a * lower
        need -= c * lower
        if c > 0 and upper > lower:
            choices.append((a / c, c * (upper - lower)))
    for ratio, most in sorted(choices):
        taken = min(most, max(need, 0.0))
        total += taken * ratio
        need -= taken
    return total
