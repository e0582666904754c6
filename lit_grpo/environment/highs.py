"""HiGHS as the judge of programs: implements the `Solver` protocol.

Called by everything that needs a verdict (faults, episodes, baselines, data). One instance per process or thread; it
keeps two HiGHS objects, with the options for LPs and for integer programs, and passes every program afresh: patching
the loaded one saves a fifth of a re-solve, and would have to be kept exact under every edit there is.
"""

from __future__ import annotations

from collections.abc import Sequence

from lit_grpo.environment.branching import BranchAndBound, TreeTooLarge
from lit_grpo.environment.conflict import canonical_conflict
from lit_grpo.environment.elastic import elastic_arrays, violations
from lit_grpo.environment.feasibility import LimitReached
from lit_grpo.environment.highs_model import HighsModel, ModelArrays, Verdict, model_arrays
from lit_grpo.environment.program import LinearProgram
from lit_grpo.environment.requirements import Numbering
from lit_grpo.environment.solver import Conflict, Solution, SolverStatus, Violation

_STATUS = {
    Verdict.OPTIMAL: SolverStatus.OPTIMAL,
    Verdict.INFEASIBLE: SolverStatus.INFEASIBLE,
    Verdict.UNBOUNDED: SolverStatus.UNBOUNDED,
    Verdict.LIMIT: SolverStatus.INCONCLUSIVE,
}


class HighsSolver:
    """Judges linear and mixed-integer programs; the same program always gets the same answer.

    Raises:
        ValueError: A limit is not positive.
    """

    def __init__(self, node_limit: int = 10_000, iteration_limit: int = 100_000) -> None:
        for name, limit in (("node_limit", node_limit), ("iteration_limit", iteration_limit)):
            if limit < 1:
                raise ValueError(f"{name}: expected at least 1, got {limit}; raise it")
        self._lp = HighsModel({"presolve": "off", "solver": "simplex", "simplex_iteration_limit": iteration_limit})
        # Gaps of zero: otherwise equal objectives mean nothing. The feasibility jump costs 5 times all the rest.
        self._mip = HighsModel(
            {
                "presolve": "on",
                "mip_heuristic_run_feasibility_jump": False,
                "mip_rel_gap": 0.0,
                "mip_abs_gap": 0.0,
                "mip_max_nodes": node_limit,
            }
        )

    def solve(self, program: LinearProgram) -> Solution:
        """The verdict on the program, with the optimum if there is one.

        Raises:
            ProgramError: A number in the program that HiGHS would misread.
            SolverFailure: HiGHS itself broke.
        """
        return self._solve(model_arrays(program))

    def conflict(self, program: LinearProgram) -> Conflict | None:
        """The canonical conflict of an infeasible program; None if a limit stopped the search for it.

        Raises:
            ValueError: The program is not infeasible.
        """
        arrays = model_arrays(program)
        try:
            requirements = canonical_conflict(arrays, self._lp, self._mip)
        except LimitReached:
            return None
        if requirements is None:
            status = self._solve(arrays).status
            if status is SolverStatus.INFEASIBLE:  # on the edge of the tolerance: no subset is surely infeasible
                return None
            raise ValueError(f"conflict: expected an infeasible program, got an {status} one; ask for solve() first")
        number = Numbering(len(program.constraints), len(program.variables))
        return Conflict(tuple(number.member(requirement, program) for requirement in requirements))

    def minimum_relaxation(self, program: LinearProgram) -> tuple[Violation, ...] | None:
        """The violations of a smallest (sum, L1) relaxation of rows and bounds; empty if the program is feasible.

        Integrality is kept. None if a limit was reached.
        """
        arrays = elastic_arrays(model_arrays(program))
        solution = self._solve(arrays)
        return None if solution.values is None else violations(program, solution.values)

    def _solve(self, arrays: ModelArrays) -> Solution:
        if not arrays.is_integer:
            return self._judge(self._lp, arrays)
        relaxation = self._judge(self._lp, arrays.relaxed())
        if relaxation.status in (SolverStatus.INFEASIBLE, SolverStatus.INCONCLUSIVE):
            return relaxation
        if relaxation.status is SolverStatus.OPTIMAL:
            try:
                best = BranchAndBound(arrays, self._lp).optimum()
            except TreeTooLarge:
                pass
            else:
                return Solution(SolverStatus.INFEASIBLE) if best is None else _optimum(best.objective, best.values)
        return self._judge(self._mip, arrays)

    def _judge(self, model: HighsModel, arrays: ModelArrays) -> Solution:
        verdict = model.solve(arrays)
        if verdict is Verdict.OPTIMAL:
            return _optimum(model.objective, model.values)
        if verdict is Verdict.UNBOUNDED_OR_INFEASIBLE or (verdict is Verdict.UNBOUNDED and arrays.is_integer):
            # HiGHS calls an integer program unbounded when its relaxation is: only a feasible one really is.
            feasibility = model.solve(arrays.without_costs())
            verdict = Verdict.UNBOUNDED if feasibility is Verdict.OPTIMAL else feasibility
            verdict = Verdict.INFEASIBLE if verdict is Verdict.UNBOUNDED_OR_INFEASIBLE else verdict
        return Solution(_STATUS[verdict])


def _optimum(objective: float, values: Sequence[float]) -> Solution:
    return Solution(SolverStatus.OPTIMAL, objective, tuple(values))
