"""HiGHS as the judge of programs: implements the `Solver` protocol.

Called by everything that needs a verdict (faults, episodes, baselines, data). One instance per process or thread; it
keeps one HiGHS object for each set of options, and passes every program afresh: to patch the loaded one would save a
fifth of a re-solve, and would have to be kept exact under every edit there is.
"""

from __future__ import annotations

import math

from lit_grpo.environment.programs.program import LinearProgram
from lit_grpo.environment.solver.conflict_search import ConflictSearch, everything, requirements_of
from lit_grpo.environment.solver.elastic import elastic_arrays, violations, with_integers_fixed, with_integers_within
from lit_grpo.environment.solver.highs_model import HighsModel, Options, Verdict
from lit_grpo.environment.solver.integer_proof import CONFLICT_NODES
from lit_grpo.environment.solver.model_arrays import ModelArrays, model_arrays
from lit_grpo.environment.solver.search_tree import is_integral
from lit_grpo.environment.solver.solver import Conflict, Solution, SolverStatus, Violation
from lit_grpo.environment.solver.verified_points import (
    is_noise,
    objective_at,
    rounded,
    same_objective,
    tightened,
    with_integers_at,
)
from lit_grpo.environment.solver.whole_rows import unreachable_row

ELASTIC_NODE_LIMIT = 1000
"""Nodes for a minimum relaxation of an integer program, which an agent can ask for in every turn."""

STRICT_TOLERANCE = 1e-10
"""The least that HiGHS takes, for a program where its usual tolerances let a point pass that is none."""

_STATUS = {
    Verdict.OPTIMAL: SolverStatus.OPTIMAL,
    Verdict.INFEASIBLE: SolverStatus.INFEASIBLE,
    Verdict.UNBOUNDED: SolverStatus.UNBOUNDED,
    Verdict.LIMIT: SolverStatus.INCONCLUSIVE,
    Verdict.UNDECIDED: SolverStatus.INCONCLUSIVE,
}

OTHER_WAYS: tuple[Options, ...] = (
    {"presolve": "on", "simplex_scale_strategy": 2},
    {"presolve": "off", "simplex_scale_strategy": 4},
    {"presolve": "off", "simplex_scale_strategy": 0},
    {"presolve": "on", "solver": "ipm"},
)
"""How an LP is solved again that the simplex method left undecided: after presolve, with the matrix scaled otherwise
or not at all, by the interior point method. NETLIB's vol1 and klein1 need it.
"""


class HighsSolver:
    """Judges linear and mixed-integer programs; the same program always gets the same answer.

    Raises:
        ValueError: A limit is not positive.
    """

    def __init__(
        self,
        node_limit: int = 10_000,
        iteration_limit: int = 100_000,
        conflict_nodes: int = CONFLICT_NODES,
        time_limit_s: float = math.inf,
    ) -> None:
        """Make the HiGHS objects.

        Args:
            node_limit: Nodes of branch-and-bound in one run.
            iteration_limit: Iterations of the simplex method in one run.
            conflict_nodes: Nodes in the whole search for a conflict.
            time_limit_s: Seconds of each run. For answers to a person: they then depend on the machine.
        """
        limits = {"node_limit": node_limit, "iteration_limit": iteration_limit, "conflict_nodes": conflict_nodes}
        for name, limit in limits.items():
            if limit < 1:
                raise ValueError(f"{name}: expected at least 1, got {limit}; raise it")
        if not time_limit_s > 0.0:
            raise ValueError(f"time_limit_s: expected above 0, got {time_limit_s}; give seconds")
        simplex = {"presolve": "off", "solver": "simplex", "simplex_scale_strategy": 2, "time_limit": time_limit_s}
        self._lp = HighsModel(simplex | {"simplex_iteration_limit": iteration_limit}, OTHER_WAYS)
        # Gaps of zero: otherwise equal objectives mean nothing. Heuristics and restarts are for larger programs:
        # without the feasibility jump a run takes a fifth, and without the rest half of that.
        mip_options: dict[str, str | bool | int | float] = {
            "mip_heuristic_run_feasibility_jump": False,
            "mip_heuristic_run_rins": False,
            "mip_heuristic_run_rens": False,
            "mip_heuristic_run_root_reduced_cost": False,
            "mip_allow_restart": False,
            "mip_rel_gap": 0.0,
            "mip_abs_gap": 0.0,
            "mip_max_nodes": node_limit,
            "time_limit": time_limit_s,
        }
        self._mip = HighsModel(mip_options | {"presolve": "on"}, ({"presolve": "off"},))
        strict: dict[str, str | bool | int | float] = {
            "mip_feasibility_tolerance": STRICT_TOLERANCE,
            "primal_feasibility_tolerance": STRICT_TOLERANCE,
        }
        self._strict_mip = HighsModel(mip_options | {"presolve": "on"} | strict)
        self._conflict_mip = HighsModel(mip_options | {"presolve": "on"})
        self._search = ConflictSearch(self._lp, self._conflict_mip, node_limit, conflict_nodes)
        # Presolve makes elastic programs 8 times slower; the limit keeps a question about one within a second.
        self._elastic_mip = HighsModel(
            mip_options | {"presolve": "off", "mip_max_nodes": min(node_limit, ELASTIC_NODE_LIMIT)}
        )

    @property
    def run_time_s(self) -> float:
        """Seconds spent in HiGHS itself since this object was made: what a benchmark takes as its share."""
        models = (self._lp, self._mip, self._strict_mip, self._conflict_mip, self._elastic_mip)
        return sum(model.run_time_s for model in models)

    def solve(self, program: LinearProgram) -> Solution:
        """The verdict on the program, with the optimum if there is one.

        Raises:
            ProgramError: A number in the program that HiGHS would misread.
            SolverFailure: HiGHS itself broke.
        """
        return self._solve(model_arrays(program))

    def conflict(self, program: LinearProgram) -> Conflict | None:
        """The canonical conflict of an infeasible program, as `Solver.conflict` says.

        Raises:
            ValueError: The program is not infeasible.
        """
        found = self._search.find(program)
        if found is not None:
            return found
        status = self.solve(program).status
        if status is SolverStatus.INCONCLUSIVE:
            return None
        if status is not SolverStatus.INFEASIBLE:
            raise ValueError(f"conflict: expected an infeasible program, got an {status} one; ask for solve() first")
        # On the edge of the tolerances no part of it is surely infeasible, though the program is.
        return unreachable_row(program) or everything(requirements_of(program))

    def minimum_relaxation(self, program: LinearProgram) -> tuple[Violation, ...] | None:
        """The violations of a smallest (sum, L1) relaxation of rows and bounds; empty if the program is feasible.

        Integrality is kept. None if a limit was reached.
        """
        arrays = model_arrays(program)
        elastic = elastic_arrays(arrays)
        solution = self._judge(self._lp, elastic.relaxed())
        if solution.values is not None and not is_integral(solution.values, elastic.integral_columns):
            some = self._judge(self._lp, with_integers_fixed(elastic, solution.values))
            if some.objective is None:
                return None
            solution = self._judge(self._elastic_mip, with_integers_within(elastic, arrays, some.objective))
        return None if solution.values is None else violations(program, solution.values)

    def _solve(self, arrays: ModelArrays) -> Solution:
        if not arrays.is_integer:
            return self._judge(self._lp, arrays)
        arrays = arrays.with_whole_bounds()
        relaxation = self._judge(self._lp, arrays.relaxed())
        if relaxation.status in (SolverStatus.INFEASIBLE, SolverStatus.INCONCLUSIVE):
            return relaxation
        if relaxation.values is not None and is_integral(relaxation.values, arrays.integral_columns):
            verified = self._verified(arrays, relaxation)
            if verified is not None:
                return verified
        offered = self._judge(self._mip, arrays)
        return offered if offered.values is None else self._verified(arrays, offered) or self._solve_strictly(arrays)

    def _solve_strictly(self, arrays: ModelArrays) -> Solution:
        """Without HiGHS's usual tolerances, which let a point pass that is none; INCONCLUSIVE if these do as well."""
        exact_limits = tightened(arrays)
        if exact_limits is None:
            return Solution(SolverStatus.INFEASIBLE)
        offered = self._judge(self._strict_mip, exact_limits)
        if offered.values is None:
            return offered
        return self._verified(arrays, offered) or Solution(SolverStatus.INCONCLUSIVE)

    def _verified(self, arrays: ModelArrays, offered: Solution) -> Solution | None:
        """The optimum that was offered, with integers that are integers; None if there is no such point."""
        assert offered.values is not None, "an optimum has values"
        assert offered.objective is not None, "an optimum has an objective"
        point = rounded(arrays, offered.values)
        if point is None:
            return None
        if is_noise(point, offered.values):
            return offered
        if all(arrays.integral):
            found = Solution(SolverStatus.OPTIMAL, objective_at(arrays, point), tuple(point))
        else:
            found = self._judge(self._lp, with_integers_at(arrays, point))
        if found.objective is None or not same_objective(found.objective, offered.objective):
            return None
        return found

    def _judge(self, model: HighsModel, arrays: ModelArrays) -> Solution:
        verdict = model.solve(arrays)
        if verdict is Verdict.OPTIMAL:
            return Solution(SolverStatus.OPTIMAL, model.objective, tuple(model.values))
        if verdict is Verdict.UNBOUNDED_OR_INFEASIBLE or (verdict is Verdict.UNBOUNDED and arrays.is_integer):
            # HiGHS calls an integer program unbounded when its relaxation is: only a feasible one really is.
            if not any(arrays.costs):
                return Solution(SolverStatus.INFEASIBLE)
            feasibility = self._solve(arrays.without_costs())
            return Solution(SolverStatus.UNBOUNDED) if feasibility.status is SolverStatus.OPTIMAL else feasibility
        return Solution(_STATUS[verdict])
