"""The canonical conflict (IIS): a deletion filter in one frozen order, made fast by Farkas certificates.

Called by highs.py. The filter tries to do without each requirement in turn: rows in the program's order, then bounds,
then integralities; what cannot be spared is the conflict. That order fixes the answer, so it depends on the program
alone. Certificates only save solves: a requirement outside the current proof of infeasibility can go unasked.
Deletion filter: Chinneck and Dravnieks (1991), ORSA Journal on Computing 3(2).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence, Set

from lit_grpo.environment.feasibility import FeasibilityLp, LimitReached
from lit_grpo.environment.highs_model import HighsModel, ModelArrays, Verdict

INTEGRALITY_TOLERANCE = 1e-6
"""A value is integral if it is this close to an integer, as in HiGHS."""

NODE_LIMIT = 200
"""Nodes of our own branching before HiGHS's branch-and-bound is asked: they cost a few of its runs."""

Proof = Callable[[Set[int]], Set[int] | None]
"""For a set of requirements: an infeasible subset of it, or None if they can be met together."""


def deletion_filter(requirements: Sequence[int], proof: Proof) -> list[int] | None:
    """The irreducible subset left after trying to delete each requirement in the order given; None if feasible."""
    active = set(requirements)
    witness = proof(active)
    if witness is None:
        return None
    for requirement in requirements:
        smaller = proof(active - {requirement}) if requirement in witness else witness
        if smaller is not None:
            active.remove(requirement)
            witness = smaller
    return [requirement for requirement in requirements if requirement in active]


def canonical_conflict(arrays: ModelArrays, lp: HighsModel, mip: HighsModel) -> list[int] | None:
    """The conflict as requirement numbers; None if the program is feasible.

    If the LP relaxation is infeasible, integrality is no part of the conflict.

    Raises:
        LimitReached: A test of the filter ended in a limit, so nothing is known to be irreducible.
    """
    feasibility = FeasibilityLp(arrays, lp)
    requirements = feasibility.numbering.all(arrays)
    continuous = [requirement for requirement in requirements if not feasibility.numbering.is_integrality(requirement)]
    conflict = deletion_filter(continuous, feasibility.proof)
    if conflict is None and arrays.is_integer:
        conflict = deletion_filter(requirements, IntegerProver(arrays, feasibility, mip).proof)
    return conflict


class IntegerProver:
    """Proves integer infeasibility by branching on the live LP; a tree that grows too large goes to HiGHS instead."""

    def __init__(self, arrays: ModelArrays, feasibility: FeasibilityLp, mip: HighsModel) -> None:
        self._arrays = arrays
        self._lp = feasibility
        self._mip = mip
        self._number = feasibility.numbering
        self._num_nodes = 0

    def proof(self, active: Set[int]) -> Set[int] | None:
        """An infeasible subset of the active requirements; None if they can be met together.

        Raises:
            LimitReached: An iteration or node limit was reached.
        """
        self._num_nodes = 0
        self._lp.restrict(active)
        integral = [j for j in self._arrays.integral_columns if self._number.integrality(j) in active]
        try:
            return self._refute(active, integral, {})
        except TreeTooLarge:
            return self._ask_branch_and_bound(active)

    def _refute(self, active: Set[int], integral: list[int], branched: dict[int, int]) -> Set[int] | None:
        """A proof for the loaded node, in which a bound that branching made stands as its (negative) mark."""
        self._num_nodes += 1
        if self._num_nodes > NODE_LIMIT:
            raise TreeTooLarge
        witness = self._lp.certificate(active)
        if witness is not None:
            return {branched.get(requirement, requirement) for requirement in witness}
        values = self._lp.values
        column = most_fractional(values, integral)
        return None if column is None else self._branch(active, integral, branched, column, values[column])

    def _branch(
        self, active: Set[int], integral: list[int], branched: dict[int, int], column: int, value: float
    ) -> Set[int] | None:
        """Refute both children; a child whose proof does without its new bound has refuted this node already."""
        lower, upper = self._lp.bounds(column)
        floor = float(math.floor(value))
        mark = -self._num_nodes
        proof: Set[int] = {self._number.integrality(column)}
        for bound, child in (
            (self._number.upper(column), (lower, floor)),
            (self._number.lower(column), (floor + 1.0, upper)),
        ):
            self._lp.branch(column, *child)
            refuted = self._refute(active, integral, branched | {bound: mark})
            if refuted is None:
                return None
            if mark not in refuted:
                proof = refuted
                break
            proof |= refuted - {mark}
        self._lp.branch(column, lower, upper)
        return proof

    def _ask_branch_and_bound(self, active: Set[int]) -> Set[int] | None:
        match self._mip.solve(self._number.restricted(self._arrays, active)):
            case Verdict.OPTIMAL:
                return None
            case Verdict.LIMIT:
                raise LimitReached
            case _:
                return active


def most_fractional(values: Sequence[float], columns: Sequence[int]) -> int | None:
    """The column whose value is furthest from an integer, the first of equals; None if all are integral."""
    column = max(columns, key=lambda j: abs(values[j] - round(values[j])), default=None)
    if column is None or abs(values[column] - round(values[column])) <= INTEGRALITY_TOLERANCE:
        return None
    return column


class TreeTooLarge(Exception):
    """The tree needs more nodes than it may take."""
