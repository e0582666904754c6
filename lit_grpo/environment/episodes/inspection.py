"""What the `inspect` action answers about one name: its range within the bounds, and how far it must give way.

Called by the episode; written out by observation.py.
"""

from __future__ import annotations

from dataclasses import dataclass

from lit_grpo.environment.programs.program import Constraint, Element, LinearProgram, row_element, variable_element
from lit_grpo.environment.solver.solver import Solver


@dataclass(frozen=True, slots=True)
class Inspection:
    """The answer about one element."""

    element: Element
    low: float
    """Smallest activity of the row within the variables' bounds, or the variable's lower bound; may be ``-inf``."""
    high: float
    """Largest activity of the row, or the variable's upper bound; may be ``inf``."""
    violation: float | None
    """Its share in a smallest relaxation of rows and bounds; None if there is none or the search hit a limit."""


def inspect(program: LinearProgram, name: str, solver: Solver) -> tuple[Inspection, ...]:
    """What can be said of the row and of the variable of that name; empty if the program has neither."""
    elements: dict[Element, tuple[float, float]] = {}
    for row in program.constraints:
        if row.name == name:
            elements[row_element(name)] = activity_range(program, row)
    for variable in program.variables:
        if variable.name == name:
            elements[variable_element(name)] = variable.effective_bounds
    if not elements:
        return ()
    violations = solver.minimum_relaxation(program)
    return tuple(
        Inspection(
            element,
            low,
            high,
            None if violations is None else sum((v.amount for v in violations if v.element == element), 0.0),
        )
        for element, (low, high) in elements.items()
    )


def activity_range(program: LinearProgram, row: Constraint) -> tuple[float, float]:
    """(smallest, largest) value of the row's left-hand side over the variables' bounds alone."""
    bounds = {variable.name: variable.effective_bounds for variable in program.variables}
    ends = [sorted(coefficient * bound for bound in bounds[name]) for name, coefficient in row.terms]
    return sum((low for low, _ in ends), 0.0), sum((high for _, high in ends), 0.0)
