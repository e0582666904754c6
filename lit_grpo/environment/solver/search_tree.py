"""A search tree that refutes an integer program by Farkas proofs, and can be taken up again with less to go by.

Called by integer_proof.py, once for each test of a conflict. The tree of one test is where the next starts: a leaf that
does without the requirement taken out is still a proof, so only the others are searched again.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, replace

from lit_grpo.environment.solver.feasibility import FeasibilityLp, LimitReached
from lit_grpo.environment.solver.model_arrays import ModelArrays

INTEGRALITY_TOLERANCE = 1e-6
"""A value is integral if it is this close to an integer, as in HiGHS."""


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
    """The refutation of the first half; None if it is not known yet."""
    above: Refutation | None = None


@dataclass(frozen=True, slots=True)
class Node:
    """A place in the tree, by the bounds that the branchings above it set."""

    bounds: Mapping[int, float]
    marks: Mapping[int, int]
    """By the same numbers of requirements, the mark of the branching that set the bound."""

    def child(self, bound: int, value: float, mark: int) -> Node:
        """The node with one bound more."""
        return Node({**self.bounds, bound: value}, {**self.marks, bound: mark})


BranchingRule = Callable[[Sequence[float], Sequence[int]], int]
"""From the values and the columns that are fractional to the column to branch on."""


def most_fractional(values: Sequence[float], columns: Sequence[int]) -> int:
    """The column whose value is furthest from an integer, the first of equals; of at least one."""
    return max(columns, key=lambda j: abs(values[j] - round(values[j])))


def first_column(values: Sequence[float], columns: Sequence[int]) -> int:
    """The first column."""
    return columns[0]


def last_column(values: Sequence[float], columns: Sequence[int]) -> int:
    """The last column."""
    return columns[-1]


class TreeSearch:
    """Branches on the live LP of one program, depth first."""

    def __init__(self, arrays: ModelArrays, lp: FeasibilityLp) -> None:
        self.points: list[list[float]] = []
        """Points found by the last search: points of the LP with at most one variable that should be integral and is
        not.
        """
        self.num_nodes = 0
        """Nodes of all searches so far."""
        self._arrays = arrays
        self._lp = lp
        self._number = lp.numbering
        self._rule: BranchingRule = most_fractional
        self._last_node = 0
        self._num_marks = 0

    def search(
        self,
        known: Refutation | None,
        active: frozenset[int],
        max_nodes: int,
        rule: BranchingRule = most_fractional,
    ) -> Refutation | None:
        """A refutation of the active requirements, made from one of more of them; None if they can be met together.

        Raises:
            TreeTooLarge: It takes more nodes, or an LP did not come to an end.
        """
        self.points = []
        self._rule, self._last_node = rule, self.num_nodes + max_nodes
        integral = [j for j in self._arrays.integral_columns if self._number.integrality(j) in active]
        return self._refute(known, active, integral, Node({}, {}))

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
        self.num_nodes += 1
        if self.num_nodes > self._last_node:
            raise TreeTooLarge


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
    """The tree needs more nodes than it may take."""
