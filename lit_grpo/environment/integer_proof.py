"""Whether an integer program's requirements can be met together: a search tree whose leaves are Farkas proofs.

Called by conflict.py. The tree of one test is where the next starts: a leaf that does without the requirement taken out
is still a proof, so only the others are searched again. A tree that grows too large goes to HiGHS's branch-and-bound.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence, Set
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

LAST_NODES = 400
"""Nodes of our own tree from scratch once HiGHS has given up for good."""

MANY_NODES = 1000
"""Nodes of HiGHS's branch-and-bound in one test: programs without bounds may have no end of them."""

CONFLICT_NODES = 20_000
"""Nodes in all the tests of one conflict, ours and HiGHS's: what bounds the time a conflict can take."""

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


class IntegerProver:
    """Proves integer infeasibility for one requirement less at a time."""

    def __init__(self, arrays: ModelArrays, lp: FeasibilityLp, mip: HighsModel, node_limit: int = 1000) -> None:
        self.points: list[list[float]] = []
        """Of the last test: points that violate at most one of the requirements then active."""
        self._arrays = arrays
        self._lp = lp
        self._mip = mip
        self._node_limit = node_limit
        self._number = lp.numbering
        self._tree: Refutation | None = None
        self._num_marks = 0
        self._nodes_left = 0
        self._provable = math.inf
        self._conflict_nodes = 0

    def proof(self, active: frozenset[int]) -> Set[int] | None:
        """An infeasible subset of the active requirements; None if they can be met together.

        Raises:
            LimitReached: An iteration or node limit was reached.
        """
        self.points = []
        try:
            return self._search(self._tree, active, RETRACING_NODES)
        except (TreeTooLarge, LimitReached):
            verdict = self._branch_and_bound(active, FEW_NODES)
        if verdict is not Verdict.OPTIMAL and len(active) <= self._provable:
            try:
                return self._search(None, active, PROVING_NODES)
            except (TreeTooLarge, LimitReached):
                self._provable = len(active) // 2
        if verdict is Verdict.LIMIT:
            verdict = self._branch_and_bound(active, MANY_NODES)
        match verdict:
            case Verdict.OPTIMAL:
                self.points = [self._mip.values]
                return None
            case Verdict.LIMIT:
                return self._search_at_last(active)
            case _:
                return active

    def _search_at_last(self, active: frozenset[int]) -> Set[int] | None:
        try:
            return self._search(None, active, LAST_NODES)
        except TreeTooLarge:
            raise LimitReached from None

    def _search(self, known: Refutation | None, active: frozenset[int], num_nodes: int) -> Set[int] | None:
        self._nodes_left = num_nodes
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
        support = self._lp.certificate(active, node.bounds)
        if support is not None:
            return _leaf(support, node)
        values = self._lp.values
        fractional = [j for j in integral if abs(values[j] - round(values[j])) > INTEGRALITY_TOLERANCE]
        if len(fractional) <= 1:
            self.points.append(values)
        if not fractional:
            return None
        column = most_fractional(values, fractional)
        self._num_marks += 1
        return self._branch(Branching(column, math.floor(values[column]), self._num_marks), active, integral, node)

    def _branch(self, known: Branching, active: frozenset[int], integral: list[int], node: Node) -> Refutation | None:
        """Refute both halves; a half whose refutation does without its new bound has refuted the node already."""
        number, mark = self._number, known.mark
        below = node.child(number.upper(known.column), known.floor, mark)
        first = self._refute(known.below, active, integral, below)
        if first is None or mark not in first.branches:
            return first
        above = node.child(number.lower(known.column), known.floor + 1.0, mark)
        second = self._refute(known.above, active, integral, above)
        if second is None or mark not in second.branches:
            return second
        return Refutation(
            first.requirements | second.requirements | {number.integrality(known.column)},
            (first.branches | second.branches) - {mark},
            replace(known, below=first, above=second),
        )

    def _spend_node(self) -> None:
        self._nodes_left -= 1
        self._conflict_nodes += 1
        if self._nodes_left < 0:
            raise TreeTooLarge

    def _branch_and_bound(self, active: frozenset[int], node_limit: int) -> Verdict:
        if self._conflict_nodes > CONFLICT_NODES:
            return Verdict.LIMIT
        self._mip.set_node_limit(min(node_limit, self._node_limit))
        verdict = self._mip.solve(self._number.restricted(self._arrays, active))
        self._conflict_nodes += BRANCH_AND_BOUND_NODES + self._mip.num_nodes
        return verdict


def most_fractional(values: Sequence[float], columns: Sequence[int]) -> int:
    """The column whose value is furthest from an integer, the first of equals; of at least one."""
    return max(columns, key=lambda j: abs(values[j] - round(values[j])))


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
