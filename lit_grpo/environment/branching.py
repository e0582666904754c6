"""Branch-and-bound on one live LP, for the small trees that most programs here have.

Called by highs.py (the optimum) and conflict.py (proofs of infeasibility). HiGHS's own branch-and-bound takes 0.4 ms to
start, which is twenty nodes of a live LP; a tree that outgrows the limit is left to it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from lit_grpo.environment.highs_model import HighsModel, ModelArrays, Verdict

INTEGRALITY_TOLERANCE = 1e-6
"""A value is integral if it is this close to an integer, as in HiGHS."""

PRUNING_TOLERANCE = 1e-9
"""A node is not worth exploring unless its bound is better than the incumbent by this share."""

NODE_LIMIT = 40
"""Nodes of a tree before it is left to HiGHS."""


class TreeTooLarge(Exception):
    """The tree needs more nodes than it may take, or an LP in it hit its own limit."""


@dataclass(frozen=True, slots=True)
class Incumbent:
    """The best integral point so far."""

    objective: float
    values: tuple[float, ...]


def most_fractional(values: Sequence[float], columns: Sequence[int]) -> int | None:
    """The column whose value is furthest from an integer, the first of equals; None if all are integral."""
    column = max(columns, key=lambda j: abs(values[j] - round(values[j])), default=None)
    if column is None or abs(values[column] - round(values[column])) <= INTEGRALITY_TOLERANCE:
        return None
    return column


class BranchAndBound:
    """Depth first, the nearer child first, from a relaxation that is loaded and was solved to optimality."""

    def __init__(self, arrays: ModelArrays, lp: HighsModel) -> None:
        self._lp = lp
        self._lower, self._upper = list(arrays.column_lower), list(arrays.column_upper)
        self._integral = [j for j, integral in enumerate(arrays.integral) if integral]
        self._sign = -1.0 if arrays.maximize else 1.0
        self._num_nodes = 1
        self._incumbent: Incumbent | None = None

    def optimum(self) -> Incumbent | None:
        """The integer optimum; None if no point is integral.

        Raises:
            TreeTooLarge: The limit on nodes was reached.
        """
        self._explore()
        return self._incumbent

    def _explore(self) -> None:
        """Bound the node just solved by the incumbent, then keep it or branch on it."""
        objective = self._lp.objective
        best = self._incumbent
        if best is not None:
            margin = PRUNING_TOLERANCE * max(1.0, abs(best.objective))
            if self._sign * (objective - best.objective) >= -margin:
                return
        values = self._lp.values
        column = most_fractional(values, self._integral)
        if column is None:
            self._incumbent = Incumbent(objective, tuple(values))
        else:
            self._branch(column, values[column])

    def _branch(self, column: int, value: float) -> None:
        lower, upper = self._lower[column], self._upper[column]
        floor = float(math.floor(value))
        children = [(lower, floor), (floor + 1.0, upper)]
        for child in children if value - floor <= 0.5 else reversed(children):
            self._num_nodes += 1
            if self._num_nodes > NODE_LIMIT:
                raise TreeTooLarge
            self._set_bounds(column, *child)
            verdict = self._lp.run()
            if verdict is Verdict.OPTIMAL:
                self._explore()
            elif verdict is not Verdict.INFEASIBLE:
                raise TreeTooLarge
        self._set_bounds(column, lower, upper)

    def _set_bounds(self, column: int, lower: float, upper: float) -> None:
        self._lower[column], self._upper[column] = lower, upper
        self._lp.set_column_bounds(column, lower, upper)
