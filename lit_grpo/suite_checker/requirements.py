"""What a program requires, as a list, and what HiGHS says of any part of that list.

Called by case.py and kinds.py. Every property of a fault is a question about some of the requirements: whether they can
be met together, how far some must give way, how far an activity can go.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

import highspy

from lit_grpo.suite_checker.programs import Program

NODE_LIMIT = 20_000
ITERATION_LIMIT = 1_000_000
WHOLE = 1e-6
"""Relative above 1, absolute below: what the objective may move by when nearly whole numbers are made whole."""


class InconclusiveError(Exception):
    """A limit of the solver was reached, so it is not known whether something holds."""


@dataclass(frozen=True)
class Requirement:
    """A row, one bound of a variable, or its integrality."""

    element: str
    """``row:NAME`` or ``var:NAME``."""
    part: str
    """``row``, ``lower``, ``upper`` or ``integrality``."""
    terms: tuple[tuple[str, float], ...]
    lower: float = -math.inf
    upper: float = math.inf


Requirements = tuple[Requirement, ...]


def requirements_of(program: Program) -> Requirements:
    """Rows, then each variable's lower and upper bound, then integralities."""
    rows, bounds, integralities = [], [], []
    for name, row in program.rows.items():
        lower = -math.inf if row.sense == "<=" else row.rhs
        upper = math.inf if row.sense == ">=" else row.rhs
        rows.append(Requirement(f"row:{name}", "row", tuple(row.terms.items()), lower, upper))
    for name, variable in program.variables.items():
        element, terms = f"var:{name}", ((name, 1.0),)
        lower, upper = variable.bounds
        if math.isfinite(lower):
            bounds.append(Requirement(element, "lower", terms, lower=lower))
        if math.isfinite(upper):
            bounds.append(Requirement(element, "upper", terms, upper=upper))
        if variable.type != "continuous":
            integralities.append(Requirement(element, "integrality", terms))
    return (*rows, *bounds, *integralities)


def without(requirements: Iterable[Requirement], elements: Collection[str]) -> Requirements:
    """The requirements without all that these elements require: a row deleted, a variable freed."""
    return tuple(r for r in requirements if r.element not in elements)


def relaxed(requirements: Iterable[Requirement]) -> Requirements:
    """The LP relaxation."""
    return tuple(r for r in requirements if r.part != "integrality")


def elements_of(requirements: Iterable[Requirement]) -> list[str]:
    """Their elements, each once."""
    return list(dict.fromkeys(r.element for r in requirements))


class Judge:
    """HiGHS objects for linear and for integer programs; every question is loaded afresh.

    Where one cannot settle the numbers, another with presolve the other way is asked.
    """

    def __init__(self) -> None:
        simplex = {"solver": "simplex", "simplex_iteration_limit": ITERATION_LIMIT}
        branching = {"mip_rel_gap": 0.0, "mip_abs_gap": 0.0, "mip_max_nodes": NODE_LIMIT}
        self._lp = [_highs({**simplex, "presolve": presolve}) for presolve in ("off", "on")]
        self._mip = [_highs({**branching, "presolve": presolve}) for presolve in ("on", "off")]

    def feasible(self, requirements: Requirements) -> bool:
        """Whether they can be met together; of an integer program by a completed branch and bound."""
        linear = relaxed(requirements)
        if self._optimum(linear, {}) is None:
            return False
        return len(linear) == len(requirements) or self._optimum(requirements, {}) is not None

    def optimum(self, program: Program) -> float | None:
        """The optimal objective with the offset; None if infeasible, an infinity if unbounded."""
        requirements = requirements_of(program)
        if not self.feasible(requirements):
            return None
        best = self._optimum(requirements, program.costs, maximize=program.maximize)
        return None if best is None else best + program.offset

    def extreme(self, requirements: Requirements, terms: dict[str, float], maximize: bool) -> float | None:
        """Largest or smallest activity within feasible requirements: infinite if unbounded."""
        return self._optimum(requirements, terms, maximize=maximize)

    def least_violation(self, requirements: Requirements, soft: Collection[Requirement]) -> float | None:
        """The smallest sum by which the soft ones must give way (L1); None if the others cannot be met at all."""
        given, slacks = _softened(requirements, soft)
        return self._optimum(given, dict.fromkeys(slacks, 1.0))

    def furthest(self, requirements: Requirements, soft: Collection[Requirement], least: float, element: str) -> float:
        """How far one element can give way where the soft ones give way by no more than ``least`` in sum."""
        given, slacks = _softened(requirements, soft)
        sum_ = Requirement("row:sum", "row", tuple((name, 1.0) for name in slacks), upper=least)
        of_element = {name: 1.0 for name, of in slacks.items() if of == element}
        found = self._optimum((*given, sum_), of_element, maximize=True)
        return 0.0 if found is None else found

    def _optimum(self, requirements: Requirements, costs: dict[str, float], maximize: bool = False) -> float | None:
        """The best value, an infinity if there is no best one, None if the requirements cannot be met."""
        is_integer = any(r.part == "integrality" for r in requirements)
        statuses: list[str] = []
        for highs in self._mip if is_integer else self._lp:
            highs.passModel(*_arrays(requirements, costs, maximize))
            highs.run()
            status = highs.getModelStatus()
            match status:
                case highspy.HighsModelStatus.kOptimal | highspy.HighsModelStatus.kModelEmpty:
                    if not is_integer:
                        return highs.getObjectiveValue()
                    if (settled := self._with_whole_numbers(highs, requirements, costs, maximize)) is not None:
                        return settled
                    statuses.append("Optimal where integers are nearly integral")
                case highspy.HighsModelStatus.kInfeasible:
                    return None
                case highspy.HighsModelStatus.kUnbounded | highspy.HighsModelStatus.kUnboundedOrInfeasible:
                    # Called for an optimum only after the requirements were found feasible.
                    return (math.inf if maximize else -math.inf) if costs else None
                case _:
                    statuses.append(highs.modelStatusToString(status))
        raise InconclusiveError(" and ".join(statuses))

    def _with_whole_numbers(
        self, highs: highspy.Highs, requirements: Requirements, costs: dict[str, float], maximize: bool
    ) -> float | None:
        """The value once the integers of HiGHS's point are integers, which it forgives 1e-6; None if it is another."""
        names = {r.terms[0][0]: r.terms for r in requirements if r.part == "integrality"}
        position = {name: j for j, name in enumerate(_names(requirements, costs))}
        values = highs.getSolution().col_value
        fixed = [
            Requirement(
                f"var:{name}", "lower", terms, float(round(values[position[name]])), round(values[position[name]])
            )
            for name, terms in names.items()
        ]
        value = self._optimum((*relaxed(requirements), *fixed), costs, maximize=maximize)
        best = highs.getObjectiveValue()
        return value if value is not None and math.isclose(value, best, rel_tol=WHOLE, abs_tol=WHOLE) else None


def _softened(requirements: Requirements, soft: Collection[Requirement]) -> tuple[Requirements, dict[str, str]]:
    """The requirements with slacks in the soft ones; and whose each slack is, by its name, which no variable has."""
    given, slacks = [], {}
    for i, requirement in enumerate(requirements):
        if requirement not in soft:
            given.append(requirement)
            continue
        signs = [("+", 1.0)] * math.isfinite(requirement.lower) + [("-", -1.0)] * math.isfinite(requirement.upper)
        names = {f"slack {sign}{i}": value for sign, value in signs}
        terms = (*requirement.terms, *names.items())
        given.append(Requirement(f"row:{i}", "row", terms, requirement.lower, requirement.upper))
        given += [Requirement(f"var:{name}", "lower", ((name, 1.0),), lower=0.0) for name in names]
        slacks |= dict.fromkeys(names, requirement.element)
    return tuple(given), slacks


def conflict(judge: Judge, requirements: Requirements) -> Requirements:
    """What is left of infeasible requirements after trying, in their order, to do without each."""
    linear = relaxed(requirements)
    left = list(requirements if judge.feasible(linear) else linear)
    for requirement in tuple(left):
        fewer = [r for r in left if r is not requirement]
        if not judge.feasible(tuple(fewer)):
            left = fewer
    return tuple(left)


def _highs(options: dict[str, str | float | int]) -> highspy.Highs:
    highs = highspy.Highs()
    for name, value in {"output_flag": False, "threads": 1, **options}.items():
        highs.setOptionValue(name, value)
    return highs


def _names(requirements: Requirements, costs: dict[str, float]) -> list[str]:
    """The columns in their order."""
    return list(dict.fromkeys([*costs, *(name for r in requirements for name, _ in r.terms)]))


def _arrays(requirements: Requirements, costs: dict[str, float], maximize: bool) -> tuple[Any, ...]:
    """The requirements as HiGHS takes them: single-variable requirements as bounds, the others as rows."""
    names = _names(requirements, costs)
    position = {name: j for j, name in enumerate(names)}
    lower, upper, integral = [-math.inf] * len(names), [math.inf] * len(names), [0] * len(names)
    rows = [r for r in requirements if r.part == "row"]
    for r in requirements:
        if r.part != "row":
            j = position[r.terms[0][0]]
            lower[j], upper[j] = max(lower[j], r.lower), min(upper[j], r.upper)
            integral[j] |= r.part == "integrality"
    starts, columns, values = [0], [], []
    for r in rows:
        columns += [position[name] for name, _ in r.terms]
        values += [value for _, value in r.terms]
        starts.append(len(columns))
    sense = highspy.ObjSense.kMaximize if maximize else highspy.ObjSense.kMinimize
    matrix = (int(highspy.MatrixFormat.kRowwise), int(sense), 0.0, [costs.get(name, 0.0) for name in names])
    sides = ([r.lower for r in rows], [r.upper for r in rows])
    return (len(names), len(rows), len(values), *matrix, lower, upper, *sides, starts, columns, values, integral)
