"""Whether an integer program's requirements can be met together, with as little effort as will do.

Called by conflict.py. Our own tree comes first, as it proves again quickly what it proved before; then HiGHS's
branch-and-bound, which is better at finding points and at trees without end, but gives no proof. All limits are nodes.
"""

from __future__ import annotations

import math
from collections.abc import Set
from dataclasses import replace

from lit_grpo.environment.solver.feasibility import FeasibilityLp, LimitReached
from lit_grpo.environment.solver.highs_model import HighsModel, Verdict
from lit_grpo.environment.solver.model_arrays import ModelArrays
from lit_grpo.environment.solver.search_tree import (
    BranchingRule,
    Refutation,
    TreeSearch,
    TreeTooLarge,
    first_column,
    last_column,
    most_fractional,
)

RETRACING_NODES = 16
"""Nodes of our own tree, from the tree of the test before, until HiGHS's branch-and-bound is asked."""

FEW_NODES = 50
"""Nodes of HiGHS's branch-and-bound that most tests can do with."""

PROVING_NODES = 100
"""Nodes of our own tree from scratch, where HiGHS says infeasible, which proves nothing, or gives up."""

LAST_NODES = 200
"""Nodes of our own tree from scratch once HiGHS has given up for good."""

WIDENING = 20.0
"""If a bound was taken out, points are looked for this far beyond it before they are looked for anywhere."""

MANY_NODES = 1000
"""Nodes of HiGHS's branch-and-bound in one test: programs without bounds may have no end of them."""

CONFLICT_NODES = 20_000
"""Nodes in all the tests of one conflict, ours and HiGHS's, before it is given up: what bounds its time."""

_UNSETTLED = (Verdict.LIMIT, Verdict.UNDECIDED)

BRANCH_AND_BOUND_NODES = 10
"""What one call of HiGHS's branch-and-bound counts beside its nodes, for presolving and the root."""


class IntegerProver:
    """Proves the infeasibility of one program's requirements, of fewer and fewer of them."""

    def __init__(
        self, arrays: ModelArrays, lp: FeasibilityLp, mip: HighsModel, node_limit: int, conflict_nodes: int
    ) -> None:
        self.points: list[list[float]] = []
        """Points found by the last test, which violate at most one of the requirements then active."""
        self._arrays = arrays
        self._number = lp.numbering
        self._search = TreeSearch(arrays, lp)
        self._mip = mip
        self._mip_nodes = 0
        self._node_limit, self._conflict_nodes = node_limit, conflict_nodes
        self._known: Refutation | None = None
        self._provable = math.inf
        self._nodes_per_run = FEW_NODES

    @property
    def num_nodes(self) -> int:
        """Nodes of all trees so far, ours and HiGHS's."""
        return self._search.num_nodes + self._mip_nodes

    def proof(self, active: frozenset[int]) -> Set[int] | None:
        """An infeasible subset of the active requirements; None if they can be met together.

        Raises:
            LimitReached: An iteration or node limit was reached.
        """
        if self.num_nodes > self._conflict_nodes:
            raise LimitReached
        self.points = []
        try:
            return self._by_tree(self._known, active, RETRACING_NODES)
        except TreeTooLarge:
            verdict = self._branch_and_bound(active, self._nodes_per_run)
        if verdict is Verdict.OPTIMAL:
            return None
        if len(active) <= self._provable:
            try:
                return self._by_tree(None, active, PROVING_NODES)
            except TreeTooLarge:
                self._provable = len(active) // 2
        return self._settle(active) if verdict in _UNSETTLED else active

    def _settle(self, active: frozenset[int]) -> Set[int] | None:
        """Decide with more effort: many nodes, and so from now on; then near the bounds taken out; then trees of other
        shapes.

        Where bounds are missing, a tree may go down for ever beside a point close by.
        """
        if self._nodes_per_run < MANY_NODES:
            self._nodes_per_run = MANY_NODES
            verdict = self._branch_and_bound(active, MANY_NODES)
            if verdict not in _UNSETTLED:
                return None if verdict is Verdict.OPTIMAL else active
        if self._branch_and_bound(active, FEW_NODES, WIDENING) is Verdict.OPTIMAL:
            return None
        for known, rule in (
            (self._known, most_fractional),
            (None, most_fractional),
            (None, last_column),
            (None, first_column),
        ):
            try:
                return self._by_tree(known, active, LAST_NODES, rule)
            except TreeTooLarge:
                pass
        raise LimitReached

    def _by_tree(
        self, known: Refutation | None, active: frozenset[int], max_nodes: int, rule: BranchingRule = most_fractional
    ) -> Set[int] | None:
        tree = self._search.search(known, active, max_nodes, rule)
        self.points = self._search.points
        if tree is None:
            return None
        self._known = tree
        return tree.requirements

    def _branch_and_bound(self, active: frozenset[int], node_limit: int, widening: float = math.inf) -> Verdict:
        """What HiGHS says of the active requirements; of fewer points than they admit if bounds are only widened."""
        arrays = self._number.restricted(self._arrays, active)
        if widening < math.inf:
            own_lower, own_upper = self._arrays.column_lower, self._arrays.column_upper
            lower = [max(kept, own - widening) for kept, own in zip(arrays.column_lower, own_lower, strict=True)]
            upper = [min(kept, own + widening) for kept, own in zip(arrays.column_upper, own_upper, strict=True)]
            arrays = replace(arrays, column_lower=lower, column_upper=upper)
        self._mip.set_node_limit(min(node_limit, self._node_limit))
        verdict = self._mip.solve(arrays)
        self._mip_nodes += BRANCH_AND_BOUND_NODES + self._mip.num_nodes
        if verdict is Verdict.OPTIMAL:
            self.points = [self._mip.values]
        return verdict
