"""A program's LP feasibility under any subset of its requirements, with a Farkas certificate where there is none.

Called by conflict.py and search_tree.py. One LP is loaded once, without costs; requirements are freed and put back by
live edits, and each run starts from the basis of the one before. What it says is a verdict with a proof, so the path
does not matter.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Set

from lit_grpo.environment.solver.highs_model import HighsModel, Verdict
from lit_grpo.environment.solver.model_arrays import ModelArrays
from lit_grpo.environment.solver.requirements import Numbering

FEASIBILITY_TOLERANCE = 1e-7
"""HiGHS calls a point feasible if it violates no row and no bound by more."""

NEGLIGIBLE_MULTIPLIER = 1e-9
"""Multipliers below this share of the largest are rounding errors of the ray."""

NO_BRANCHES: Mapping[int, float] = {}
"""The program's own bounds."""


class LimitReached(Exception):
    """A limit stopped a test, so it is not known whether the requirements can be met together."""


class FeasibilityLp:
    """The loaded LP relaxation of one program, of which any requirements can be left out.

    Args:
        arrays: The program.
        lp: Solves it.
        negligible: Multipliers below this share of the largest count as rounding errors. With 0 every requirement that
            a proof touches at all belongs to it: slower, and sound where variables are as large as multipliers small.
    """

    def __init__(self, arrays: ModelArrays, lp: HighsModel, negligible: float = NEGLIGIBLE_MULTIPLIER) -> None:
        self._negligible = negligible
        self.numbering = Numbering(len(arrays.row_lower), len(arrays.costs))
        self._arrays = arrays
        self._lp = lp
        self._active: frozenset[int] = frozenset(self.numbering.all(arrays))
        self._branches: Mapping[int, float] = NO_BRANCHES
        self._stale_rows: set[int] = set()
        self._stale_columns: set[int] = set()
        self._lower = list(arrays.column_lower)
        self._upper = list(arrays.column_upper)
        lp.load(arrays.without_costs().relaxed())

    def proof(self, active: frozenset[int]) -> Set[int] | None:
        """An infeasible subset of the active requirements; None if they can be met together.

        Raises:
            LimitReached: The iteration limit was reached.
        """
        rows = [requirement for requirement in active if requirement < self.numbering.num_rows]
        if len(rows) != 1:
            return self.certificate(active)
        self._restrict(active, NO_BRANCHES)
        return self._proof_of_row(rows[0])

    def certificate(self, active: frozenset[int], branches: Mapping[int, float] = NO_BRANCHES) -> Set[int] | None:
        """What a proof rests on that the active requirements and the branches admit no point; None if they do.

        ``branches`` are bounds that stand in for the program's own, under the numbers of those. Without a proof by
        HiGHS that can be verified, the answer is all of the requirements and branches.

        Raises:
            LimitReached: The iteration limit was reached.
        """
        self._restrict(active, branches)
        self._load_changes()
        match self._lp.run():
            case Verdict.OPTIMAL:
                return None
            case Verdict.LIMIT | Verdict.UNDECIDED:
                raise LimitReached
            case _:
                pass
        ray = self._lp.dual_ray or []
        scale = max(map(abs, ray), default=0.0) * self._negligible
        multipliers = [(i, y) for i, y in enumerate(ray) if abs(y) > scale]
        for sign in (1.0, -1.0):
            support = self._farkas_support([(i, sign * y) for i, y in multipliers])
            if support is not None:
                return support
        return self._crossed_bounds() or active | branches.keys()

    @property
    def values(self) -> list[float]:
        """The point that was found feasible."""
        return self._lp.values

    def _restrict(self, active: frozenset[int], branches: Mapping[int, float]) -> None:
        """Keep the active requirements and the branches, and no other; the loaded LP follows before it is run."""
        num_rows, num_continuous = self.numbering.num_rows, self.numbering.integrality(0)
        bounds = [requirement for requirement in self._active ^ active if requirement < num_continuous]
        if branches is not self._branches:
            bounds += [requirement for requirement, _ in branches.items() ^ self._branches.items()]
        self._active, self._branches = active, branches
        for requirement in bounds:
            if requirement < num_rows:
                self._stale_rows.add(requirement)
            else:
                column = (requirement - num_rows) // 2
                self._stale_columns.add(column)
                self._lower[column] = self._bound(num_rows + 2 * column, self._arrays.column_lower[column], -math.inf)
                self._upper[column] = self._bound(
                    num_rows + 2 * column + 1, self._arrays.column_upper[column], math.inf
                )

    def _bound(self, requirement: int, own: float, otherwise: float) -> float:
        return self._branches.get(requirement, own if requirement in self._active else otherwise)

    def _load_changes(self) -> None:
        arrays = self._arrays
        for row in self._stale_rows:
            if row in self._active:
                self._lp.set_row_bounds(row, arrays.row_lower[row], arrays.row_upper[row])
            else:
                self._lp.set_row_bounds(row, -math.inf, math.inf)
        for column in self._stale_columns:
            self._lp.set_column_bounds(column, self._lower[column], self._upper[column])
        self._stale_rows.clear()
        self._stale_columns.clear()

    def _proof_of_row(self, row: int) -> Set[int] | None:
        """One row and bounds need no LP: the row's extreme activity is all there is to know."""
        proofs = (self._farkas_support([(row, sign)]) for sign in (1.0, -1.0))
        return self._crossed_bounds() or next((proof for proof in proofs if proof is not None), None)

    def _crossed_bounds(self) -> Set[int] | None:
        for column, (lower, upper) in enumerate(zip(self._lower, self._upper, strict=True)):
            if lower - upper > FEASIBILITY_TOLERANCE:
                return {self.numbering.lower(column), self.numbering.upper(column)}
        return None

    def _farkas_support(self, multipliers: list[tuple[int, float]]) -> Set[int] | None:
        """The rows and bounds in the proof, or None if these multipliers prove nothing.

        With d = A'y, every point within the rows has ``d x >= need``, and every point within the bounds has
        ``d x <= most``: infeasible if most < need by more than the tolerance on every row and bound can make up for.
        """
        arrays, num_rows = self._arrays, self.numbering.num_rows
        need, weight = 0.0, 0.0
        combined: dict[int, float] = {}
        for i, y in multipliers:
            need += y * (arrays.row_lower[i] if y > 0.0 else arrays.row_upper[i])
            if need == -math.inf:
                return None
            weight += abs(y)
            for k in range(arrays.starts[i], arrays.starts[i + 1]):
                column = arrays.columns[k]
                combined[column] = combined.get(column, 0.0) + y * arrays.values[k]
        largest = max(map(abs, combined.values()), default=0.0)
        negligible, rounding = self._negligible * largest, NEGLIGIBLE_MULTIPLIER * largest
        support = {i for i, _ in multipliers}
        most = 0.0
        for column, d in combined.items():
            if abs(d) <= rounding and not math.isfinite((self._upper if d > 0.0 else self._lower)[column]):
                continue
            if d > negligible:
                most += d * self._upper[column]
                weight += d
                support.add(num_rows + 2 * column + 1)
            elif d < -negligible:
                most += d * self._lower[column]
                weight -= d
                support.add(num_rows + 2 * column)
        return support if need - most > 2.0 * FEASIBILITY_TOLERANCE * weight else None
