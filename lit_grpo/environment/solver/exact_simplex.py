"""Whether linear inequalities can be met together, in rational arithmetic: no tolerance, no solver to be trusted.

Called by exact_search.py. Bounds can be tightened and put back, so that a search starts each question from the answer
to the one before. The method: Dutertre and de Moura (2006), A fast linear-arithmetic solver for DPLL(T), CAV; with
Bland's rule, which ends, and with strict bounds as pairs ``(c, k)`` that mean ``c + k`` times something positive and
as small as need be. Pairs compare as Python compares tuples.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

Value = tuple[Fraction, Fraction]
"""A rational number and its share of the infinitesimal."""

ZERO: Value = (Fraction(0), Fraction(0))


class LimitReached(Exception):
    """The question took more effort than it may: it is undecided."""


@dataclass(slots=True)
class _Row:
    """``denominator * x_basic = sum coefficients[j] * x_j`` over columns that are not basic, coprime."""

    denominator: int
    coefficients: dict[int, int]

    def reduce(self) -> None:
        divisor = math.gcd(self.denominator, *self.coefficients.values())
        if divisor > 1:
            self.denominator //= divisor
            self.coefficients = {j: c // divisor for j, c in self.coefficients.items()}


class ExactSimplex:
    """Columns with bounds, of which the last are linear forms over the first."""

    def __init__(self, num_columns: int, forms: Sequence[Mapping[int, int]], max_pivots: int) -> None:
        """``forms``: the columns from ``num_columns`` on, each a sum of coefficient times column, none of them 0."""
        num_all = num_columns + len(forms)
        self.lower: list[Value | None] = [None] * num_all
        self.upper: list[Value | None] = [None] * num_all
        self.values: list[Value] = [ZERO] * num_all
        """Within the bounds after `is_feasible`, if it is."""
        self._rows = {num_columns + i: _Row(1, dict(form)) for i, form in enumerate(forms)}
        self._pivots_left = max_pivots

    def tighten(self, column: int, lower: Value | None, upper: Value | None) -> tuple[Value | None, Value | None]:
        """Both bounds anew, where given; what they were before, for `put_back`."""
        before = self.lower[column], self.upper[column]
        self.lower[column] = lower if lower is not None else before[0]
        self.upper[column] = upper if upper is not None else before[1]
        if column not in self._rows and not self._is_crossed(column):
            low, high = self.lower[column], self.upper[column]
            value = self.values[column]
            if low is not None and value < low:
                self._move(column, low)
            elif high is not None and value > high:
                self._move(column, high)
        return before

    def put_back(self, column: int, bounds: tuple[Value | None, Value | None]) -> None:
        """The wider bounds of before; every value is within them."""
        self.lower[column], self.upper[column] = bounds

    def is_feasible(self) -> bool:
        """Whether all bounds can be met; `values` then do.

        Raises:
            LimitReached: Undecided.
        """
        if any(map(self._is_crossed, range(len(self.values)))):
            return False
        while (violated := self._first_violated()) is not None:
            column, target, must_rise = violated
            entering = self._entering(self._rows[column], must_rise)
            if entering is None:
                return False
            if self._pivots_left == 0:
                raise LimitReached
            self._pivots_left -= 1
            row = self._rows[column]
            step = _times(_minus(target, self.values[column]), Fraction(row.denominator, row.coefficients[entering]))
            self._move(entering, _plus(self.values[entering], step))
            self._pivot(column, entering)
        return True

    def _is_crossed(self, column: int) -> bool:
        low, high = self.lower[column], self.upper[column]
        return low is not None and high is not None and low > high

    def _first_violated(self) -> tuple[int, Value, bool] | None:
        """The first of the basic columns outside their bounds, the bound, and whether it is the lower one."""
        found: tuple[int, Value, bool] | None = None
        for column in self._rows:
            if found is not None and column > found[0]:
                continue
            value, low, high = self.values[column], self.lower[column], self.upper[column]
            if low is not None and value < low:
                found = column, low, True
            elif high is not None and value > high:
                found = column, high, False
        return found

    def _entering(self, row: _Row, must_rise: bool) -> int | None:
        """The first column that can move the basic one the right way."""
        candidates = (
            j
            for j, c in row.coefficients.items()
            if (
                ((high := self.upper[j]) is None or self.values[j] < high)
                if (c > 0) is must_rise
                else ((low := self.lower[j]) is None or self.values[j] > low)
            )
        )
        return min(candidates, default=None)

    def _move(self, column: int, value: Value) -> None:
        """Give a column that is not basic another value; the basic ones follow."""
        step = _minus(value, self.values[column])
        self.values[column] = value
        for basic, row in self._rows.items():
            c = row.coefficients.get(column)
            if c is not None:
                self.values[basic] = _plus(self.values[basic], _times(step, Fraction(c, row.denominator)))

    def _pivot(self, leaving: int, entering: int) -> None:
        row = self._rows.pop(leaving)
        c = row.coefficients.pop(entering)
        sign = 1 if c > 0 else -1
        solved = _Row(sign * c, {j: -sign * k for j, k in row.coefficients.items()})
        solved.coefficients[leaving] = sign * row.denominator
        solved.reduce()
        for other in self._rows.values():
            k = other.coefficients.pop(entering, None)
            if k is None:
                continue
            combined = {j: v * solved.denominator for j, v in other.coefficients.items()}
            for j, v in solved.coefficients.items():
                total = combined.get(j, 0) + k * v
                if total:
                    combined[j] = total
                else:
                    combined.pop(j, None)
            other.denominator *= solved.denominator
            other.coefficients = combined
            other.reduce()
        self._rows[entering] = solved


def _plus(a: Value, b: Value) -> Value:
    return a[0] + b[0], a[1] + b[1]


def _minus(a: Value, b: Value) -> Value:
    return a[0] - b[0], a[1] - b[1]


def _times(a: Value, factor: Fraction) -> Value:
    return a[0] * factor, a[1] * factor
