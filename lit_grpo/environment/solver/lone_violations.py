"""Which requirements a conflict cannot spare, read off points instead of asked of a solver.

Called by conflict.py for integer programs. A point that violates one active requirement alone shows that the rest can
be met without it. Moving one variable of such a point so that the requirement is met often violates another one alone.
For clauses this is known as model rotation: Belov and Marques-Silva (2011), Accelerating MUS extraction, FMCAD.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Set
from dataclasses import dataclass

from lit_grpo.environment.solver.feasibility import FEASIBILITY_TOLERANCE
from lit_grpo.environment.solver.model_arrays import ModelArrays
from lit_grpo.environment.solver.requirements import Numbering
from lit_grpo.environment.solver.search_tree import INTEGRALITY_TOLERANCE

NOWHERE = -1
"""The row of a side that no row bounds."""


@dataclass(slots=True)
class Window:
    """The range that the rows of one variable allow it while the others stay; both sides with the runner-up."""

    lower: float = -math.inf
    lower_row: int = NOWHERE
    next_lower: float = -math.inf
    upper: float = math.inf
    upper_row: int = NOWHERE
    next_upper: float = math.inf

    def narrow(self, row: int, lower: float, upper: float) -> None:
        """One row more."""
        if lower > self.lower:
            self.next_lower, self.lower, self.lower_row = self.lower, lower, row
        else:
            self.next_lower = max(self.next_lower, lower)
        if upper < self.upper:
            self.next_upper, self.upper, self.upper_row = self.upper, upper, row
        else:
            self.next_upper = min(self.next_upper, upper)

    def without(self, row: int) -> tuple[float, float]:
        """What is left of it without one of its rows."""
        lower = self.next_lower if row == self.lower_row else self.lower
        return lower, self.next_upper if row == self.upper_row else self.upper


class LoneViolations:
    """The requirements of one program that were seen to be the only one violated."""

    def __init__(self, arrays: ModelArrays) -> None:
        self._arrays = arrays
        self._number = Numbering(len(arrays.row_lower), len(arrays.costs))
        self._entries: list[list[tuple[int, float]]] = [[] for _ in arrays.costs]
        for i, (start, end) in enumerate(zip(arrays.starts, arrays.starts[1:], strict=False)):
            for column, value in zip(arrays.columns[start:end], arrays.values[start:end], strict=True):
                self._entries[column].append((i, value))
        self._found: set[int] = set()

    def found_from(self, points: Iterable[list[float]], active: frozenset[int]) -> Set[int]:
        """All that was found, from these points too; it stays true when fewer requirements are active."""
        waiting = [self._with_integers(point, active) for point in points]
        while waiting:
            values = waiting.pop()
            activities = self._activities(values)
            alone = self._violated_alone(values, activities, active)
            if alone is not None and alone not in self._found:
                self._found.add(alone)
                waiting += self._moves(values, activities, alone, active)
        return self._found

    def _with_integers(self, values: list[float], active: frozenset[int]) -> list[float]:
        """The point with values that count as integral made so."""
        integral = {j for j in self._arrays.integral_columns if self._number.integrality(j) in active}
        return [
            float(round(x)) if j in integral and abs(x - round(x)) <= INTEGRALITY_TOLERANCE else x
            for j, x in enumerate(values)
        ]

    def _activities(self, values: list[float]) -> list[float]:
        activities = [0.0] * self._number.num_rows
        for x, entries in zip(values, self._entries, strict=True):
            if x:
                for i, coefficient in entries:
                    activities[i] += coefficient * x
        return activities

    def _violated_alone(self, values: list[float], activities: list[float], active: frozenset[int]) -> int | None:
        alone: int | None = None
        for requirement in self._violated(values, activities, active):
            if alone is not None:
                return None
            alone = requirement
        return alone

    def _violated(self, values: list[float], activities: list[float], active: frozenset[int]) -> Iterator[int]:
        arrays, number, tolerance = self._arrays, self._number, FEASIBILITY_TOLERANCE
        for i, activity in enumerate(activities):
            outside = activity < arrays.row_lower[i] - tolerance or activity > arrays.row_upper[i] + tolerance
            if outside and i in active:
                yield i
        for j, x in enumerate(values):
            if x < arrays.column_lower[j] - tolerance and number.lower(j) in active:
                yield number.lower(j)
            if x > arrays.column_upper[j] + tolerance and number.upper(j) in active:
                yield number.upper(j)
            if arrays.integral[j] and x != round(x) and number.integrality(j) in active:
                yield number.integrality(j)

    def _moves(
        self, values: list[float], activities: list[float], violated: int, active: frozenset[int]
    ) -> Iterator[list[float]]:
        """Points one variable away that meet the violated requirement and may violate a single new one."""
        number = self._number
        if violated < number.num_rows:
            start, end = self._arrays.starts[violated], self._arrays.starts[violated + 1]
            columns = self._arrays.columns[start:end]
        elif number.is_integrality(violated):
            columns = [violated - number.integrality(0)]
        else:
            columns = [number.column_of_bound(violated)]
        for column in columns:
            window = self._window(column, values[column], activities, active)
            for requirement, x in self._targets(column, values[column], window, active):
                if requirement in active and requirement not in self._found:
                    yield [*values[:column], x, *values[column + 1 :]]

    def _window(self, column: int, x: float, activities: list[float], active: frozenset[int]) -> Window:
        arrays, window = self._arrays, Window()
        for i, coefficient in self._entries[column]:
            if i in active:
                below = x + (arrays.row_lower[i] - activities[i]) / coefficient
                above = x + (arrays.row_upper[i] - activities[i]) / coefficient
                window.narrow(i, min(below, above), max(below, above))
        return window

    def _targets(self, column: int, x: float, window: Window, active: frozenset[int]) -> Iterator[tuple[int, float]]:
        """New values of the variable, each with the one requirement that it is meant to violate."""
        number, arrays = self._number, self._arrays
        is_integral = arrays.integral[column] == 1 and number.integrality(column) in active
        least = arrays.column_lower[column] if number.lower(column) in active else -math.inf
        most = arrays.column_upper[column] if number.upper(column) in active else math.inf
        lower, upper = _whole(window.lower, window.upper) if is_integral else (window.lower, window.upper)
        if lower <= upper:
            if upper < least:
                yield number.lower(column), upper
            if lower > most:
                yield number.upper(column), lower
        if is_integral:
            lower, upper = max(window.lower, least), min(window.upper, most)
            if lower <= upper and math.isfinite(lower + upper):
                yield number.integrality(column), (lower + upper) / 2.0
        for row in {window.lower_row, window.upper_row} - {NOWHERE}:
            lower, upper = window.without(row)
            lower, upper = max(lower, least), min(upper, most)
            lower, upper = _whole(lower, upper) if is_integral else (lower, upper)
            if lower <= upper:
                yield row, min(max(x, lower), upper)


def _whole(lower: float, upper: float) -> tuple[float, float]:
    """The least and the greatest integer of an interval, as floats; infinite sides stay."""
    return (
        float(math.ceil(lower - 1e-9)) if math.isfinite(lower) else lower,
        float(math.floor(upper + 1e-9)) if math.isfinite(upper) else upper,
    )
