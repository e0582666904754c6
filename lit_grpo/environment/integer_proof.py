"""Whether an integer program's requirements can be met together: a search tree whose leaves are Farkas proofs.

Called by conflict.py. The tree of one test is where the next starts: a leaf that does without the requirement taken out
is still a proof, so only the others are searched again. A tree that grows too large goes to HiGHS's branch-and-bound.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, replace

from lit_grpo.environment.feasibility import FeasibilityLp, LimitReached
from lit_grpo.environment.highs_model import HighsModel, ModelArrays, Verdict

INTEGRALITY_TOLERANCE = 1e-6
"""A value is integral if it is this close to an integer, as in HiGHS."""

RETRACING_NODES = 16
"""Nodes of our own tree, from the tree of the test before, until HiGHS's branch-and-bound is asked."""

FEW_NODES = 50
"""Nodes of HiGHS's branch-and-bound that most tests can do with."""

PROVING_NODES = 100
"""Nodes of our own tree from scratch, where HiGHS says infeasible, which proves nothing, or gives up."""

LAST_NODES = 200
"""Nodes of our own tree from scratch once HiGHS has given up for good."""

WIDENING = 20.0
"""Where a bound was taken out, points are looked for this far beyond it before they are looked for anywhere."""

MANY_NODES = 1000
"""Nodes of HiGHS's branch-and-bound in one test: programs without bounds may have no end of them."""

CONFLICT_NODES = 20_000
"""Nodes in all the tests of one conflict, ours and HiGHS's, before it is given up: what bounds its time."""

BRANCH_AND_BOUND_NODES = 10
"""What one call of HiGHS's branch-and-bound counts beside its nodes, for presolving and the root."""


@dataclass(frozen=True, slots=True)
class Refutation:
    """A proof that requirements and branches admit no integral point: a leaf, or two halves along one variable."""

    requirements: frozenset[int]
    """What it rests on."""
    branches: frozenset[int]
    """The branchings above it whose bound it uses, by their marks."""
    branching: Branching | None = None
    """None: a leaf, where the LP relaxation is infeasible."""


@dataclass(frozen=True, slots=True)
class Branching:
    """The integral values of a variable in two halves: ``x <= floor`` and ``x >= floor + 1``."""

    column: int
    floor: float
    mark: int
    below: Refutation | None = None
    """Of the first half; None: not yet known."""
    above: Refutation | None = None


@dataclass(frozen=True, slots=True)
class Node:
    """A place in the tree, by the bounds that the branchings above it set."""

    bounds: Mapping[int, float]
    marks: Mapping[int, int]
    """Under the same numbers of requirements: the mark of the branching that set the bound."""

    def child(self, bound: int, value: float, mark: int) -> Node:
        """The node with one bound more."""
        return Node({**self.bounds, bound: value}, {**self.marks, bound: mark})


BranchingRule = Callable[[Sequence[float], Sequence[int]], int]
"""Of the values and the columns that are fractional, the column to branch on."""


def most_fractional(values: Sequence[float], columns: Sequence[int]) -> int:
    """The column whose value is furthest from an integer, the first of equals; of at least one."""
    return max(columns, key=lambda j: abs(values[j] - round(values[j])))


def first_column(values: Sequence[float], columns: Sequence[int]) -> int:
    """The first column."""
    return columns[0]


def last_column(values: Sequence[float], columns: Sequence[int]) -> int:
    """The last column."""
    return columns[-1]


class IntegerProver:
    """Proves integer infeasibility for one requirement less at a time."""

    def __init__(self, arrays: ModelArrays, lp: FeasibilityLp, mip: HighsModel, node_limit: int) -> None:
        self.points: list[list[float]] = []
        """Of the last test: points that violate at most one of the requirements then active."""
        self.num_nodes = 0
        """In all tests so far, ours and HiGHS's."""
        self._arrays = arrays
        self._lp = lp
        self._mip = mip
        self._node_limit = node_limit
        self._number = lp.numbering
        self._tree: Refutation | None = None
        self._num_marks = 0
        self._nodes_left = 0
        self._provable = math.inf
        self._highs_nodes = FEW_NODES
        self._rule = most_fractional

    def proof(self, active: frozenset[int]) -> Set[int] | None:
        """An infeasible subset of the active requirements; None if they can be met together.

        Raises:
            LimitReached: An iteration or node limit was reached.
        """
        if self.num_nodes > CONFLICT_NODES:
            raise LimitReached
        self.points = []
        try:
            return self._search(self._tree, active, RETRACING_NODES)
        except TreeTooLarge:
            verdict = self._branch_and_bound(active, self._highs_nodes)
        if verdict is Verdict.OPTIMAL:
            return None
        if len(active) <= self._provable:
            try:
                return self._search(None, active, PROVING_NODES)
            except TreeTooLarge:
                self._provable = len(active) // 2
        return self._settle(active) if verdict is Verdict.LIMIT else active

    def _settle(self, active: frozenset[int]) -> Set[int] | None:
        """With more effort: many nodes, and so from now on; then near the bounds taken out; then trees of other shapes.

        Where bounds are missing, a tree may go down for ever beside a point close by.
        """
        if self._highs_nodes < MANY_NODES:
            self._highs_nodes = MANY_NODES
            verdict = self._branch_and_bound(active, MANY_NODES)
            if verdict is not Verdict.LIMIT:
                return None if verdict is Verdict.OPTIMAL else active
        if self._branch_and_bound(active, FEW_NODES, WIDENING) is Verdict.OPTIMAL:
            return None
        for known, rule in (
            (self._tree, most_fractional),
            (None, most_fractional),
            (None, last_column),
            (None, first_column),
        ):
            try:
                return self._search(known, active, LAST_NODES, rule)
            except TreeTooLarge:
                pass
        raise LimitReached

    def _search(
        self, known: Refutation | None, active: frozenset[int], num_nodes: int, rule: BranchingRule = most_fractional
    ) -> Set[int] | None:
        self._nodes_left, self._rule = num_nodes, rule
        integral = [j for j in self._arrays.integral_columns if self._number.integrality(j) in active]
        tree = self._refute(known, active, integral, Node({}, {}))
        if tree is None:
            return None
        self._tree = tree
        return tree.requirements

    def _refute(
        self, known: Refutation | None, active: frozenset[int], integral: list[int], node: Node
    ) -> Refutation | None:
        """A refutation of the node, from one that was known when more was active; None once a point is found."""
        if known is not None:
            if known.requirements <= active:
                return known
            if known.branching is not None and self._number.integrality(known.branching.column) in active:
                return self._branch(known.branching, active, integral, node)
        self._spend_node()
        try:
            support = self._lp.certificate(active, node.bounds)
        except LimitReached:
            raise TreeTooLarge from None
        if support is not None:
            return _leaf(support, node)
        values = self._lp.values
        fractional = [j for j in integral if abs(values[j] - round(values[j])) > INTEGRALITY_TOLERANCE]
        if len(fractional) <= 1:
            self.points.append(values)
        if not fractional:
            return None
        column = self._rule(values, fractional)
        self._num_marks += 1
        return self._branch(Branching(column, math.floor(values[column]), self._num_marks), active, integral, node)

    def _branch(self, known: Branching, active: frozenset[int], integral: list[int], node: Node) -> Refutation | None:
        """Refute both halves; a half whose refutation does without its new bound has refuted the node already."""
        number, mark = self._number, known.mark
        below = self._refute(known.below, active, integral, node.child(number.upper(known.column), known.floor, mark))
        if below is None or mark not in below.branches:
            return below
        bound = known.floor + 1.0
        above = self._refute(known.above, active, integral, node.child(number.lower(known.column), bound, mark))
        if above is None or mark not in above.branches:
            return above
        return Refutation(
            below.requirements | above.requirements | {number.integrality(known.column)},
            (below.branches | above.branches) - {mark},
            replace(known, below=below, above=above),
        )

    def _spend_node(self) -> None:
        self._nodes_left -= 1
        self.num_nodes += 1
        if self._nodes_left < 0:
            raise TreeTooLarge

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
        self.num_nodes += BRANCH_AND_BOUND_NODES + self._mip.num_nodes
        if verdict is Verdict.OPTIMAL:
            self.points = [self._mip.values]
        return verdict


def is_integral(values: Sequence[float], columns: Iterable[int]) -> bool:
    """Whether all of these columns' values are integral."""
    return all(abs(values[j] - round(values[j])) <= INTEGRALITY_TOLERANCE for j in columns)


def _leaf(support: Set[int], node: Node) -> Refutation:
    """The leaf whose LP is infeasible by this proof, in which a bound that was branched stands for its branching."""
    marks = node.marks
    return Refutation(
        frozenset(requirement for requirement in support if requirement not in marks),
        frozenset(marks[requirement] for requirement in support if requirement in marks),
    )


class TreeTooLarge(Exception):
    """The tree needs more nodes than one test may take."""
