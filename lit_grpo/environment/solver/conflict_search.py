"""Finds a program's conflict: the canonical filter, begun on fewer requirements where all of them are too many for it.

Called by highs.py. Up to LARGE_PROGRAM requirements the conflict is the canonical one. In a larger program the filter
starts from what HiGHS's first proof of infeasibility rests on: as repeatable, and seconds in place of minutes.
Equalities that contradict each other are found by elimination, and are the answer where HiGHS has no smaller proof at
hand. Where a limit stops the filter, blocks of requirements are left out first, and it is tried once more on the rest.
"""

from __future__ import annotations

from collections.abc import Sequence, Set

from lit_grpo.environment.programs.program import LinearProgram
from lit_grpo.environment.solver.alternative import alternative, is_single_point, vertex
from lit_grpo.environment.solver.conflict import canonical_conflict
from lit_grpo.environment.solver.equalities import contradicting_equalities
from lit_grpo.environment.solver.feasibility import NEGLIGIBLE_MULTIPLIER, FeasibilityLp, LimitReached
from lit_grpo.environment.solver.highs_model import HighsModel, Options, Verdict
from lit_grpo.environment.solver.model_arrays import model_arrays
from lit_grpo.environment.solver.narrowing import lone_row, narrowed, without_blocks
from lit_grpo.environment.solver.requirements import Numbering
from lit_grpo.environment.solver.solver import Conflict, ConflictMember

LARGE_PROGRAM = 2000
"""Requirements up to which a conflict is canonical. Programs of the environment have at most 200."""

SMALL_PROOF = 10
"""Requirements of a proof that is small enough to look for no other."""

HUGE_PROGRAM = 10_000
"""Requirements from which another proof takes a second."""

SMALL_PROOF_OF_HUGE = 100
"""The same where another proof takes long."""

HASTY_ITERATIONS = 20_000
"""Of the simplex method in search of a proof smaller than equalities that are known to contradict each other."""

MANY_MEMBERS = 20
"""Members from which a conflict is solved once more as a program of its own before it is believed."""

LARGE_CONFLICT = 200
"""Members from which a solve for each is dear."""

PROVING_WAYS: tuple[Options, ...] = (
    {},
    {"simplex_dual_edge_weight_strategy": 0},
    {"random_seed": 1},
    {"simplex_dual_edge_weight_strategy": 1},
)
"""Ways of the simplex method, which end in different proofs, some of ten requirements where others have hundreds."""

BLOCK_TESTS = 60
"""Questions about blocks of requirements, each of one run of HiGHS."""

BLOCK_NODES = 100
"""Nodes of branch-and-bound in each."""

_SIMPLEX: Options = {"presolve": "off", "solver": "simplex"}


class ConflictSearch:
    """The search, on the HiGHS objects of a solver."""

    def __init__(self, lp: HighsModel, mip: HighsModel, node_limit: int, conflict_nodes: int) -> None:
        self._lp, self._mip, self._node_limit, self._conflict_nodes = lp, mip, node_limit, conflict_nodes
        self._provers: list[HighsModel] = []
        self._hasty: list[HighsModel] = []

    def find(self, program: LinearProgram) -> Conflict | None:
        """The conflict, or what is left of it at a limit; None if the program seems feasible, or nothing was found."""
        if len(requirements_of(program)) > LARGE_PROGRAM:
            found = self._of_equalities(program)
            if found is not None:
                return found
            found = self._of_large(program)
        else:
            found = self._filtered(program)
        if found is not None and len(found.members) >= MANY_MEMBERS and self._is_doubtful(program, found):
            # Its certificates rested on what looked like rounding errors.
            found = self._afresh(program, self._filtered(program, negligible=0.0))
        if found is not None and not found.is_irreducible:
            found = self._by_blocks(program, found)
        return found

    def _afresh(self, program: LinearProgram, found: Conflict | None) -> Conflict | None:
        """The conflict without members that a solve from scratch can spare: numbers so far apart are no one's proof."""
        if found is None or not found.is_irreducible:
            return found
        members = list(found.members)
        if not self._is_infeasible(narrowed(program, members)):
            return Conflict(found.members, is_irreducible=False)
        num_before = len(members) + 1
        while len(members) < num_before:
            num_before = len(members)
            for member in tuple(members):
                fewer = [other for other in members if other != member]
                if self._is_infeasible(narrowed(program, fewer)):
                    members = fewer
        return Conflict(tuple(members))

    def _is_doubtful(self, program: LinearProgram, found: Conflict) -> bool:
        return found.is_irreducible and not self._is_infeasible(narrowed(program, found.members))

    def _by_blocks(self, program: LinearProgram, found: Conflict) -> Conflict:
        """What is left of a conflict of unknown size without blocks of it; the filter may get through that."""
        fewer = without_blocks(found.members, lambda some: self._is_infeasible(narrowed(program, some)), BLOCK_TESTS)
        if len(fewer) == len(found.members):
            return found
        return self._filtered(narrowed(program, fewer)) or everything(fewer)

    def _of_equalities(self, program: LinearProgram) -> Conflict | None:
        """Equalities that contradict each other, unless there is a smaller proof at hand."""
        members = contradicting_equalities(program)
        if members is None:
            return None
        if len(members) > SMALL_PROOF:
            smaller = lone_row(program) or self._hasty_proof(program)
            if smaller is not None and len(smaller) < len(members):
                return None
        return Conflict(tuple(members))

    def _of_large(self, program: LinearProgram) -> Conflict | None:
        lone = lone_row(program)
        if lone is not None:
            return self._filtered(narrowed(program, lone))
        proven = self._smallest_proof(program)
        if proven is None:
            return self._filtered(program)
        smaller = narrowed(program, proven)
        taken = vertex(alternative(model_arrays(smaller)), self._lp)
        if taken is None:
            return self._filtered(smaller)
        number = Numbering(len(smaller.constraints), len(smaller.variables))
        members = [number.member(requirement, smaller) for requirement in sorted(taken)]
        least = narrowed(smaller, members)
        if not self._is_infeasible(least):
            return self._filtered(smaller)
        if len(members) > LARGE_CONFLICT and is_single_point(alternative(model_arrays(least)), self._lp):
            return Conflict(tuple(members))
        return self._filtered(least)

    def _smallest_proof(self, program: LinearProgram) -> list[ConflictMember] | None:
        """The requirements of the smallest proof that the LP relaxation is infeasible; None if there is no proof."""
        self._provers = self._provers or [HighsModel({**_SIMPLEX, **way}) for way in PROVING_WAYS]
        return self._proof_by(program, self._provers)

    def _hasty_proof(self, program: LinearProgram) -> list[ConflictMember] | None:
        """The same from one run that is broken off early; all requirements where it had no proof by then."""
        self._hasty = self._hasty or [HighsModel({**_SIMPLEX, "simplex_iteration_limit": HASTY_ITERATIONS})]
        return self._proof_by(program, self._hasty)

    def _proof_by(self, program: LinearProgram, provers: Sequence[HighsModel]) -> list[ConflictMember] | None:
        arrays = model_arrays(program)
        number = Numbering(len(program.constraints), len(program.variables))
        continuous = frozenset(r for r in number.all(arrays) if not number.is_integrality(r))
        enough = SMALL_PROOF if len(continuous) < HUGE_PROGRAM else SMALL_PROOF_OF_HUGE
        smallest: Set[int] = continuous
        for prover in provers:
            try:
                proof = FeasibilityLp(arrays, prover).proof(continuous)
            except LimitReached:
                continue
            if proof is None:
                return None
            smallest = min(smallest, proof, key=len)
            if len(smallest) <= enough:
                break
        return [number.member(requirement, program) for requirement in sorted(smallest)]

    def _filtered(self, program: LinearProgram, negligible: float = NEGLIGIBLE_MULTIPLIER) -> Conflict | None:
        arrays = model_arrays(program)
        try:
            found = canonical_conflict(arrays, self._lp, self._mip, self._node_limit, self._conflict_nodes, negligible)
        except LimitReached:
            return None
        if found is None:
            return None
        number = Numbering(len(program.constraints), len(program.variables))
        return Conflict(tuple(number.member(r, program) for r in found.requirements), found.is_irreducible)

    def _is_infeasible(self, program: LinearProgram) -> bool:
        arrays = model_arrays(program).with_whole_bounds()
        if self._lp.solve(arrays.relaxed()) is Verdict.INFEASIBLE:
            return True
        if not arrays.is_integer:
            return False
        self._mip.set_node_limit(BLOCK_NODES)
        return self._mip.solve(arrays) is Verdict.INFEASIBLE


def requirements_of(program: LinearProgram) -> list[ConflictMember]:
    """All requirements of a program, in the frozen order."""
    arrays = model_arrays(program)
    number = Numbering(len(program.constraints), len(program.variables))
    return [number.member(requirement, program) for requirement in number.all(arrays)]


def everything(members: Sequence[ConflictMember]) -> Conflict:
    """All requirements as a conflict: what is known of a program that is infeasible, and of no part of which it is."""
    return Conflict(tuple(members), is_irreducible=False)
