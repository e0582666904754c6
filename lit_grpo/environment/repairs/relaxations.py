"""The least changes of right-hand sides and bounds that make a program feasible: in sum, relative, or in few places.

Called by `lit-grpo explain`. The elastic form of the program with a price of one's choice on each place; what must stay
has no price at all. Integrality stays. Chinneck (2008), Feasibility and Infeasibility in Optimization, chapter 6.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from lit_grpo.environment.programs.edits import SetBounds, SetRhs, SetType, apply_all
from lit_grpo.environment.programs.program import (
    Element,
    LinearProgram,
    VariableType,
    row_element,
)
from lit_grpo.environment.repairs.places import Side, sides_of, with_points, with_prices
from lit_grpo.environment.repairs.protections import NO_PROTECTIONS, Protections
from lit_grpo.environment.solver.elastic import NEGLIGIBLE_VIOLATION, elastic_arrays
from lit_grpo.environment.solver.highs_model import HighsModel, Options, Verdict
from lit_grpo.environment.solver.model_arrays import model_arrays
from lit_grpo.environment.solver.solver import ConflictPart, Solver, SolverStatus

SIGNIFICANT_DIGITS = 9
"""Of a number in a relaxation, where the program is feasible with so few."""

LARGE_PROGRAM = 10_000
"""Places from which presolve pays; below, it takes longer than it saves."""

NUM_REWEIGHTINGS = 4
"""Rounds of the search for few places: each prices a place by what it gave way in the round before."""


class Aim(StrEnum):
    """What a relaxation is least in."""

    SUM = "least in sum"
    RELATIVE = "least relative to the numbers"
    FEWEST = "fewest elements"


@dataclass(frozen=True, slots=True)
class Shift:
    """One number that gives way."""

    element: Element
    part: ConflictPart
    old: float
    new: float

    @property
    def amount(self) -> float:
        """By how much."""
        return abs(self.new - self.old)


@dataclass(frozen=True, slots=True)
class Relaxation:
    """Shifts that make the program feasible."""

    aim: Aim
    shifts: tuple[Shift, ...]
    objective: float | None
    """Optimum of the relaxed program; None where it is unbounded, or a limit was reached."""

    @property
    def elements(self) -> tuple[Element, ...]:
        """What is changed."""
        return tuple(dict.fromkeys(shift.element for shift in self.shifts))

    def applied_to(self, program: LinearProgram) -> LinearProgram:
        """The program with the shifts."""
        return apply_all(program, _edits(program, self.shifts))


class Relaxer:
    """Finds relaxations of one program.

    Args:
        program: The infeasible program.
        solver: Judges what comes of them.
        protections: What must stay, and what must hold of the relaxed program.
        among: The elements that may give way; None: all. For programs so large that all of them take too long.
        signs: Variables that stay at 0 or above, because nobody thinks of less.
        time_limit_s: Seconds for each elastic program.
    """

    def __init__(
        self,
        program: LinearProgram,
        solver: Solver,
        protections: Protections = NO_PROTECTIONS,
        among: Collection[Element] | None = None,
        signs: Collection[Element] = (),
        time_limit_s: float = math.inf,
    ) -> None:
        self._program, self._solver, self._protections = program, solver, protections
        arrays = model_arrays(program)
        position = {variable.name: j for j, variable in enumerate(program.variables)}
        points = [{position[name]: value for name, value in point.items()} for point in protections.points]
        self._elastic = with_points(elastic_arrays(arrays), len(arrays.costs), points)
        self._num_columns = len(arrays.costs)
        self._sides = sides_of(program)
        self._is_soft = [
            not protections.keeps(side.element)
            and (among is None or side.element in among)
            and not (side.part is ConflictPart.LOWER and side.element in signs)
            for side in self._sides
        ]
        is_large = len(self._sides) > LARGE_PROGRAM
        options: Options = {"presolve": "on" if is_large else "off", "time_limit": time_limit_s}
        self._highs = HighsModel(options, ({"presolve": "off" if is_large else "on"},))

    def least(self, aim: Aim) -> Relaxation | None:
        """A relaxation that is least in what is aimed at; None if there is none, or a limit was reached.

        The fewest elements come from a search that need not find the very fewest.
        """
        if aim is Aim.SUM:
            amounts = self._solved(lambda _: 1.0)
        elif aim is Aim.RELATIVE:
            amounts = self._solved(lambda side: 1.0 / max(1.0, abs(side.limit)))
        else:
            amounts = self._fewest()
        return None if amounts is None else self._relaxation(aim, amounts)

    def of_element(self, element: Element) -> Relaxation | None:
        """The least relaxation of one element alone; None if it cannot help."""
        amounts = self._solved(lambda side: 1.0 if side.element == element else math.inf)
        return None if amounts is None else self._relaxation(Aim.FEWEST, amounts)

    def _fewest(self) -> list[float] | None:
        """Prices that fall where much gave way concentrate what gives way in few places."""
        amounts: list[float] | None = None
        best: list[float] | None = None
        for _ in range(NUM_REWEIGHTINGS):
            by_element: dict[Element, float] = {}
            if amounts is not None:
                for side, amount in zip(self._sides, amounts, strict=True):
                    share = amount / max(1.0, abs(side.limit))
                    by_element[side.element] = by_element.get(side.element, 0.0) + share
            amounts = self._solved(_priced(by_element))
            if amounts is None:
                return best
            if best is None or self._num_elements(amounts) < self._num_elements(best):
                best = amounts
        return best

    def _num_elements(self, amounts: list[float]) -> int:
        return len({s.element for s, amount in zip(self._sides, amounts, strict=True) if amount > NEGLIGIBLE_VIOLATION})

    def _solved(self, price: Callable[[Side], float]) -> list[float] | None:
        """What each side gives way at these prices; an infinite one is not for sale."""
        prices = [price(side) if soft else math.inf for side, soft in zip(self._sides, self._is_soft, strict=True)]
        arrays = with_prices(self._elastic, self._num_columns, prices)
        if self._highs.solve(arrays) is not Verdict.OPTIMAL:
            return None
        return self._highs.values[self._num_columns : self._num_columns + len(self._sides)]

    def _relaxation(self, aim: Aim, amounts: list[float]) -> Relaxation | None:
        """As shifts of numbers, rounded where the program is feasible still."""
        shifts = [
            Shift(side.element, side.part, side.limit, side.limit + side.direction * amount)
            for side, amount in zip(self._sides, amounts, strict=True)
            if amount > NEGLIGIBLE_VIOLATION
        ]
        if not shifts:
            return None
        rounded = [replace(shift, new=_short(shift.new)) for shift in shifts]
        wider = [replace(shift, new=_wider(shift)) for shift in shifts]
        for some in (rounded, shifts, wider):
            relaxed = apply_all(self._program, _edits(self._program, some))
            solution = self._solver.solve(relaxed)
            if solution.status in (SolverStatus.OPTIMAL, SolverStatus.UNBOUNDED):
                if not self._protections.hold_of(relaxed, self._solver):
                    return None
                return Relaxation(aim, tuple(some), solution.objective)
        return None


def relaxations_of(
    relaxer: Relaxer,
    elements: Sequence[Element],
    max_changes: int,
    max_relaxations: int,
    aims: Sequence[Aim] = tuple(Aim),
) -> tuple[Relaxation, ...]:
    """Several relaxations that differ: the least of each aim, then of one of these elements alone where that is enough,
    those first that change least in proportion.
    """
    found: list[Relaxation] = []
    for aim in aims:
        relaxation = relaxer.least(aim)
        if relaxation is None:
            break  # a limit, or nothing may give way: the next aim would end in the same
        found.append(relaxation)
    singles = [relaxer.of_element(element) for element in elements]
    found += sorted((one for one in singles if one is not None), key=lambda one: sum(_relative(s) for s in one.shifts))
    different: dict[tuple[Shift, ...], Relaxation] = {}
    for relaxation in found:
        if len(relaxation.elements) <= max_changes:
            different.setdefault(relaxation.shifts, relaxation)
    return tuple(list(different.values())[:max_relaxations])


def _relative(shift: Shift) -> float:
    return shift.amount / max(1.0, abs(shift.old))


def _priced(by_element: dict[Element, float]) -> Callable[[Side], float]:
    def price(side: Side) -> float:
        scale = max(1.0, abs(side.limit))
        if not by_element:
            return 1.0 / scale
        return 1.0 / scale / (by_element.get(side.element, 0.0) + 1e-3)

    return price


def _edits(program: LinearProgram, shifts: Collection[Shift]) -> list[SetRhs | SetBounds | SetType]:
    """Rows and bounds with the new numbers; a binary whose limits give way becomes integer."""
    edits: list[SetRhs | SetBounds | SetType] = []
    rows: dict[str, float] = {}
    bounds: dict[str, tuple[float, float]] = {}
    for shift in shifts:
        name = shift.element.partition(":")[2]
        if shift.part is ConflictPart.ROW:
            rows[name] = rows.get(name, 0.0) + shift.new - shift.old
        else:
            lower, upper = bounds.get(name, program.variable(name).effective_bounds)
            bounds[name] = (shift.new, upper) if shift.part is ConflictPart.LOWER else (lower, shift.new)
    for name, change in rows.items():
        single = [shift.new for shift in shifts if shift.element == row_element(name)]
        edits.append(SetRhs(name, single[0] if len(single) == 1 else program.constraint(name).rhs + change))
    for name, (lower, upper) in bounds.items():
        edits.append(SetBounds(name, lower, upper))
        if program.variable(name).type is VariableType.BINARY:
            edits.append(SetType(name, VariableType.INTEGER))
    return edits


def _short(value: float) -> float:
    return float(f"{value:.{SIGNIFICANT_DIGITS}g}")


def _wider(shift: Shift) -> float:
    return shift.new + math.copysign(1e-6 * max(1.0, abs(shift.new)), shift.new - shift.old)
