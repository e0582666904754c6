"""The canonical conflict (IIS): a deletion filter in one frozen order, made fast by certificates and by points.

Called by conflict_search.py. The filter tries to do without each requirement in turn: rows in the program's order, then
bounds, then integralities; what cannot be spared is the conflict. That order fixes the answer, so it depends on the
program alone. The rest only saves solves: a requirement outside the current proof of infeasibility can go unasked, and
one that some point alone violates has to stay.
Deletion filter: Chinneck and Dravnieks (1991), ORSA Journal on Computing 3(2).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass
from itertools import chain, islice

from lit_grpo.environment.solver.feasibility import NEGLIGIBLE_MULTIPLIER, FeasibilityLp, LimitReached
from lit_grpo.environment.solver.highs_model import HighsModel
from lit_grpo.environment.solver.integer_proof import IntegerProver
from lit_grpo.environment.solver.lone_violations import LoneViolations
from lit_grpo.environment.solver.model_arrays import ModelArrays

Proof = Callable[[frozenset[int]], Set[int] | None]
"""From a set of requirements to an infeasible subset of it, or None if they can be met together."""

Needed = Callable[[frozenset[int]], Set[int]]
"""Once a proof was asked for: some of the requirements without which the active ones can be met."""


@dataclass(frozen=True, slots=True)
class Filtered:
    """What a deletion filter leaves: requirements that cannot be met together."""

    requirements: list[int]
    """In the order in which they were tried."""
    is_irreducible: bool
    """Whether each is known to be needed; False if a limit left one of the tests open."""


def deletion_filter(requirements: Sequence[int], proof: Proof, needed: Needed) -> Filtered | None:
    """The irreducible subset left after trying to delete each requirement in the order given; None if feasible.

    A requirement whose test ends in a limit stays.

    Raises:
        LimitReached: The first test ended in a limit, so that nothing is known.
    """
    active = frozenset(requirements)
    witness = proof(active)
    if witness is None:
        return None
    needs = set(needed(active))
    kept: list[int] = []
    is_irreducible = True
    for position, requirement in enumerate(requirements):
        if requirement not in needs:
            if requirement not in witness:
                continue
            # Sets are built for the tests alone: a program may have far more requirements than there are tests.
            fewer = frozenset(chain(kept, islice(requirements, position + 1, None)))
            try:
                smaller = proof(fewer)
            except LimitReached:
                is_irreducible, smaller = False, None
            else:
                needs |= needed(fewer | {requirement} if smaller is None else fewer)
            if smaller is not None:
                witness = smaller
                continue
        kept.append(requirement)
    return Filtered([requirement for requirement in kept if requirement in witness], is_irreducible)


def canonical_conflict(
    arrays: ModelArrays,
    lp: HighsModel,
    mip: HighsModel,
    node_limit: int,
    conflict_nodes: int,
    negligible: float = NEGLIGIBLE_MULTIPLIER,
) -> Filtered | None:
    """The conflict as requirement numbers; None if the program is feasible.

    If the LP relaxation is infeasible, integrality is no part of the conflict. One run of ``mip`` takes at most
    ``node_limit`` nodes; all of them together are bounded by ``conflict_nodes``.
    ``negligible`` is that of `FeasibilityLp`.

    Raises:
        LimitReached: Whether the program is infeasible was not settled within the limits.
    """
    feasibility = FeasibilityLp(arrays, lp, negligible)
    requirements = feasibility.numbering.all(arrays)
    continuous = [requirement for requirement in requirements if not feasibility.numbering.is_integrality(requirement)]
    conflict = deletion_filter(continuous, feasibility.proof, lambda _: frozenset())
    if conflict is None and arrays.is_integer:
        prover = IntegerProver(arrays, feasibility, mip, node_limit, conflict_nodes)
        violations = LoneViolations(arrays)
        conflict = deletion_filter(
            requirements, prover.proof, lambda active: violations.found_from(prover.points, active)
        )
    return conflict
