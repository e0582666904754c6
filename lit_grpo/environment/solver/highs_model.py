"""One HiGHS object behind checked calls: load a program's arrays, edit them live, run, read the answer.

Called by highs.py and the conflict's files alone. HiGHS reports trouble in return codes and keeps the old model after a
refused call, so every code is looked at here. Limits are iterations and nodes: a clock would make answers unrepeatable.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum, auto

import highspy

from lit_grpo.environment.programs.program import Direction, LinearProgram, ProgramError, Sense, VariableType
from lit_grpo.environment.solver.solver import SolverFailure

COEFFICIENT_LIMIT = 1e15
"""HiGHS refuses matrix entries from here on; costs and right-hand sides share the limit."""

NEGLIGIBLE = 1e-9
"""HiGHS takes matrix entries up to here for 0, so that a program of them would get the verdict of another."""

BOUND_LIMIT = 1e20
"""HiGHS reads bounds from here on as infinite."""

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


@dataclass(frozen=True, slots=True)
class ModelArrays:
    """A program as HiGHS takes it: row-wise matrix, ``row_lower <= A x <= row_upper``, bounds with the type applied."""

    maximize: bool
    offset: float
    costs: list[float]
    column_lower: list[float]
    column_upper: list[float]
    row_lower: list[float]
    row_upper: list[float]
    starts: list[int]
    """First entry of each row in ``columns`` and ``values``; one more than rows."""
    columns: list[int]
    values: list[float]
    integral: list[int]
    """1 for a variable that must be integral, 0 otherwise."""

    @property
    def is_integer(self) -> bool:
        """Whether any variable must be integral."""
        return 1 in self.integral

    @property
    def integral_columns(self) -> list[int]:
        """The variables that must be integral."""
        return [j for j, integral in enumerate(self.integral) if integral]

    def without_costs(self) -> ModelArrays:
        """The feasibility problem: the same region, nothing to optimise."""
        return replace(self, costs=[0.0] * len(self.costs), offset=0.0)

    def with_whole_bounds(self) -> ModelArrays:
        """The same points, with bounds of integral variables that are integers: HiGHS errs between others.

        Told that x is integral within [1.25, 4.25], it may find nothing where there is a point, or take x = 1.25.
        """
        columns = list(zip(self.integral, self.column_lower, self.column_upper, strict=True))
        if not any(i and any(math.isfinite(b) and b % 1.0 for b in pair) for i, *pair in columns):
            return self
        return replace(
            self,
            column_lower=[math.ceil(low) if i and math.isfinite(low) else low for i, low, _ in columns],
            column_upper=[math.floor(high) if i and math.isfinite(high) else high for i, _, high in columns],
        )

    def relaxed(self) -> ModelArrays:
        """The LP relaxation: the same program with every variable continuous."""
        return replace(self, integral=[0] * len(self.integral))


def model_arrays(program: LinearProgram) -> ModelArrays:
    """The program's arrays; ProgramError for a number that HiGHS would misread (it calls a NaN optimal)."""
    position = {variable.name: j for j, variable in enumerate(program.variables)}
    bounds = [variable.effective_bounds for variable in program.variables]
    costs = [0.0] * len(position)
    for name, cost in program.objective:
        costs[position[name]] = cost
    starts, columns, values = [0], [], []
    row_lower, row_upper = [], []
    for row in program.constraints:
        for name, coefficient in row.terms:
            columns.append(position[name])
            values.append(coefficient)
        starts.append(len(columns))
        row_lower.append(-math.inf if row.sense is Sense.LESS_EQUAL else row.rhs)
        row_upper.append(math.inf if row.sense is Sense.GREATER_EQUAL else row.rhs)
    _require_magnitude([row.rhs for row in program.constraints], "right-hand side")
    _require_magnitude(values, "coefficient")
    if any(0.0 < abs(value) <= NEGLIGIBLE for value in values):
        least = min(abs(value) for value in values if value)
        raise ProgramError(
            f"expected coefficients of 0 or of a magnitude above {NEGLIGIBLE:g}, got {least:g}; rescale the row, or "
            "leave it out: the solver takes it for 0"
        )
    _require_magnitude([*costs, program.objective_offset], "objective coefficient")
    _require_bounds(bounds)
    return ModelArrays(
        maximize=program.direction is Direction.MAXIMIZE,
        offset=program.objective_offset,
        costs=costs,
        column_lower=[lower for lower, _ in bounds],
        column_upper=[upper for _, upper in bounds],
        row_lower=row_lower,
        row_upper=row_upper,
        starts=starts,
        columns=columns,
        values=values,
        integral=[int(variable.type is not VariableType.CONTINUOUS) for variable in program.variables],
    )


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


def _require_magnitude(numbers: list[float], what: str) -> None:
    # A sum is NaN or infinite if any term is; min and max alone would let a NaN through.
    if numbers and not (math.isfinite(sum(numbers)) and max(numbers) < COEFFICIENT_LIMIT > -min(numbers)):
        worst = next(x for x in numbers if not abs(x) < COEFFICIENT_LIMIT)
        raise ProgramError(
            f"{what}: expected a number below {COEFFICIENT_LIMIT:g} in magnitude, got {worst}; rescale it"
        )


def _require_bounds(bounds: Iterable[tuple[float, float]]) -> None:
    for lower, upper in bounds:
        for bound, infinity in ((lower, -math.inf), (upper, math.inf)):
            if not (bound == infinity or abs(bound) < BOUND_LIMIT):
                raise ProgramError(
                    f"bound: expected {infinity} or a number below {BOUND_LIMIT:g} in magnitude, got {bound}; "
                    f"write {infinity} for no bound"
                )
