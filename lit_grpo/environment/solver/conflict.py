"""The canonical conflict (IIS): a deletion filter in one frozen order, made fast by certificates and by points.

Called by highs.py. The filter tries to do without each requirement in turn: rows in the program's order, then bounds,
then integralities; what cannot be spared is the conflict. That order fixes the answer, so it depends on the program
alone. The rest only saves solves: a requirement outside the current proof of infeasibility can go unasked, and one that
some point alone violates has to stay.
Deletion filter: Chinneck and Dravnieks (1991), ORSA Journal on Computing 3(2).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set

from lit_grpo.environment.solver.feasibility import FeasibilityLp
from lit_grpo.environment.solver.highs_model import HighsModel, ModelArrays
from lit_grpo.environment.solver.integer_proof import IntegerProver
from lit_grpo.environment.solver.lone_violations import LoneViolations

Proof = Callable[[frozenset[int]], Set[int] | None]
"""From a set of requirements to an infeasible subset of it, or None if they can be met together."""

Needed = Callable[[frozenset[int]], Set[int]]
"""Once a proof was asked for: some of the requirements without which the active ones can be met."""


def deletion_filter(requirements: Sequence[int], proof: Proof, needed: Needed) -> list[int] | None:
    """The irreducible subset left after trying to delete each requirement in the order given; None if feasible."""
    active = frozenset(requirements)
    witness = proof(active)
    if witness is None:
        return None
    kept = set(needed(active))
    for requirement in requirements:
        if requirement in kept:
            continue
        fewer = active - {requirement}
        if requirement not in witness:
            active = fewer
            continue
        smaller = proof(fewer)
        if smaller is None:
            kept.add(requirement)
        else:
            active, witness = fewer, smaller
        kept |= needed(active)
    return [requirement for requirement in requirements if requirement in active]


def canonical_conflict(arrays: ModelArrays, lp: HighsModel, mip: HighsModel, node_limit: int) -> list[int] | None:
    """The conflict as requirement numbers; None if the program is feasible.

    If the LP relaxation is infeasible, integrality is no part of the conflict. One run of ``mip`` takes at most
    ``node_limit`` nodes; all of them together are bounded by integer_proof.CONFLICT_NODES.

    Raises:
        LimitReached: A test of the filter ended in a limit, so nothing is known to be irreducible.
    """
    feasibility = FeasibilityLp(arrays, lp)
    requirements = feasibility.numbering.all(arrays)
    continuous = [requirement for requirement in requirements if not feasibility.numbering.is_integrality(requirement)]
    conflict = deletion_filter(continuous, feasibility.proof, lambda _: frozenset())
    if conflict is None and arrays.is_integer:
        prover = IntegerProver(arrays, feasibility, mip, node_limit)
        violations = LoneViolations(arrays)
        conflict = deletion_filter(
            requirements, prover.proof, lambda active: violations.found_from(prover.points, active)
        )
    return conflict
