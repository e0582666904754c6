"""One HiGHS object behind checked calls: load a program's arrays, edit them live, run, read the answer.

Called by highs.py and the conflict's files alone. HiGHS reports trouble in return codes and keeps the old model after a
refused call, so every code is looked at here. Limits are iterations and nodes: a clock would make answers unrepeatable.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from enum import Enum, auto

import highspy

from lit_grpo.environment.solver.model_arrays import ModelArrays
from lit_grpo.environment.solver.solver import SolverFailure

_MINIMIZE = int(highspy.ObjSense.kMinimize)
_MAXIMIZE = int(highspy.ObjSense.kMaximize)
_ROWWISE = int(highspy.MatrixFormat.kRowwise)


class Verdict(Enum):
    """What one run of HiGHS said."""

    OPTIMAL = auto()
    INFEASIBLE = auto()
    UNBOUNDED = auto()
    UNBOUNDED_OR_INFEASIBLE = auto()
    LIMIT = auto()
    UNDECIDED = auto()
    """Not a limit of ours: the numbers are so far apart that this way of solving cannot settle the residuals."""


_VERDICTS = {
    highspy.HighsModelStatus.kOptimal: Verdict.OPTIMAL,
    highspy.HighsModelStatus.kModelEmpty: Verdict.OPTIMAL,
    highspy.HighsModelStatus.kInfeasible: Verdict.INFEASIBLE,
    highspy.HighsModelStatus.kUnbounded: Verdict.UNBOUNDED,
    highspy.HighsModelStatus.kUnboundedOrInfeasible: Verdict.UNBOUNDED_OR_INFEASIBLE,
    highspy.HighsModelStatus.kIterationLimit: Verdict.LIMIT,
    highspy.HighsModelStatus.kSolutionLimit: Verdict.LIMIT,
    highspy.HighsModelStatus.kTimeLimit: Verdict.LIMIT,
    # An agent can write such numbers, so these are no failures.
    highspy.HighsModelStatus.kUnknown: Verdict.UNDECIDED,
    highspy.HighsModelStatus.kNotset: Verdict.UNDECIDED,
    highspy.HighsModelStatus.kSolveError: Verdict.UNDECIDED,
}
_GIVES_UP = (highspy.HighsModelStatus.kNotset, highspy.HighsModelStatus.kSolveError)
"""What comes with an error code where the simplex method breaks down on the numbers; loading another model mends it."""


Options = Mapping[str, str | bool | int | float]
"""Options of HiGHS by name."""


def pass_arrays(highs: highspy.Highs, arrays: ModelArrays) -> None:
    """Give a model to a HiGHS object, in place of the one that it has; SolverFailure if HiGHS does not take it."""
    status = highs.passModel(
        len(arrays.costs),
        len(arrays.row_lower),
        len(arrays.values),
        _ROWWISE,
        _MAXIMIZE if arrays.maximize else _MINIMIZE,
        arrays.offset,
        arrays.costs,
        arrays.column_lower,
        arrays.column_upper,
        arrays.row_lower,
        arrays.row_upper,
        arrays.starts,
        arrays.columns,
        arrays.values,
        arrays.integral,
    )
    # Crossed bounds and negligible coefficients are a warning; the model is loaded all the same.
    _require_ok(status, "passModel", warning_passes=True)


class HighsModel:
    """One HiGHS object with fixed options; whatever was loaded before leaves no trace in the next answer.

    Args:
        options: The options of every run; ``time_limit`` is for each of them by itself.
        other_ways: Options that take the place of some of them where a run is undecided, one after another, until one
            of them decides.
    """

    def __init__(self, options: Options, other_ways: Sequence[Options] = ()) -> None:
        self._highs = highspy.Highs()
        self._options, self._other_ways = options, other_ways
        self._time_limit_s = float(options.get("time_limit", math.inf))
        self._is_integer = False
        self._set_options({"output_flag": False, "threads": 1, **options})

    def load(self, arrays: ModelArrays) -> None:
        """Replace the model, the basis and everything learnt from them."""
        pass_arrays(self._highs, arrays)
        self._is_integer = arrays.is_integer

    def run(self) -> Verdict:
        """Solve what is loaded, from the basis of the run before if only bounds were changed since.

        A run that is undecided is made again in the other ways, each from scratch.
        """
        verdict = self._run()
        for way in self._other_ways:
            if verdict is not Verdict.UNDECIDED:
                break
            _require_ok(self._highs.clearSolver(), "clearSolver")
            self._set_options(way)
            verdict = self._run()
            self._set_options({name: self._options[name] for name in way})
        return verdict

    def _set_options(self, options: Options) -> None:
        for name, value in options.items():
            _require_ok(self._highs.setOptionValue(name, value), f"setOptionValue({name})")

    def _run(self) -> Verdict:
        if math.isfinite(self._time_limit_s):
            # Of continuous programs HiGHS counts the seconds of all runs so far, of others those of one run.
            before = 0.0 if self._is_integer else self.run_time_s
            self._set_options({"time_limit": before + self._time_limit_s})
        status = self._highs.run()
        model_status = self._highs.getModelStatus()
        verdict = _VERDICTS.get(model_status)
        if verdict is None or (status == highspy.HighsStatus.kError and model_status not in _GIVES_UP):
            raise SolverFailure(f"HiGHS run: expected a verdict, got {status.name} with {model_status.name}")
        return verdict

    def set_node_limit(self, num_nodes: int) -> None:
        """Set for the runs to come how many nodes branch-and-bound may take."""
        _require_ok(self._highs.setOptionValue("mip_max_nodes", num_nodes), "setOptionValue(mip_max_nodes)")

    def solve(self, arrays: ModelArrays) -> Verdict:
        """Load and run."""
        self.load(arrays)
        return self.run()

    def maximize(self) -> None:
        """Look for the greatest value of the loaded objective from now on."""
        _require_ok(self._highs.changeObjectiveSense(highspy.ObjSense.kMaximize), "changeObjectiveSense")

    def set_row_bounds(self, row: int, lower: float, upper: float) -> None:
        """Change one row of the loaded model."""
        _require_ok(self._highs.changeRowBounds(row, lower, upper), "changeRowBounds")

    def set_column_bounds(self, column: int, lower: float, upper: float) -> None:
        """Change one variable's bounds in the loaded model; crossed ones are taken."""
        _require_ok(self._highs.changeColBounds(column, lower, upper), "changeColBounds", warning_passes=True)

    @property
    def objective(self) -> float:
        """The objective value, offset included, after a run that was OPTIMAL."""
        return self._highs.getObjectiveValue()

    @property
    def values(self) -> list[float]:
        """One value per variable, after a run that was OPTIMAL."""
        return self._highs.getSolution().col_value

    @property
    def run_time_s(self) -> float:
        """Seconds that HiGHS has been running in all, by its own clock."""
        return self._highs.getRunTime()

    @property
    def num_nodes(self) -> int:
        """Nodes of branch-and-bound in the last run."""
        return max(self._highs.getInfo().mip_node_count, 0)

    @property
    def dual_ray(self) -> list[float] | None:
        """Row multipliers that prove infeasibility, after a run that was INFEASIBLE; None if HiGHS kept none."""
        # highspy's type stub leaves this method out.
        status, exists, ray = self._highs.getDualRay()  # pyright: ignore[reportAttributeAccessIssue]
        return ray.tolist() if status == highspy.HighsStatus.kOk and exists else None


def _require_ok(status: highspy.HighsStatus, call: str, *, warning_passes: bool = False) -> None:
    if status == highspy.HighsStatus.kOk or (warning_passes and status == highspy.HighsStatus.kWarning):
        return
    raise SolverFailure(f"HiGHS {call}: expected kOk, got {status.name}")
