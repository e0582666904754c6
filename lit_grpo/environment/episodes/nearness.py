"""How near every element of a program is to a conflict: what a view that is short of room shows first.

Used by focused_view.py. A function of the program and the conflict alone: what the fault is plays no part in it.
"""

from __future__ import annotations

from lit_grpo.environment.programs.program import Element, LinearProgram, row_element, variable_element
from lit_grpo.environment.solver.solver import Conflict


def nearest_first(program: LinearProgram, conflict: Conflict | None) -> tuple[Element, ...]:
    """Every element, from the conflict outwards.

    The conflict's own elements come first, in its order. Around them lie rings: a row is one step from its variables,
    so the first ring holds the variables of the conflict's rows and the rows of its variables, the second the rows
    that share a variable with the conflict, and so on. Within a ring the elements with the most such neighbours
    further in come first, then those that stand first in the program. What is connected with nothing comes last.
    """
    neighbours = _neighbours(program)
    position = {element: number for number, element in enumerate(neighbours)}
    ring = list(conflict.elements) if conflict is not None else []
    order = dict.fromkeys(ring)
    while ring:
        ties: dict[Element, int] = {}
        for element in ring:
            for neighbour in neighbours[element]:
                if neighbour not in order:
                    ties[neighbour] = ties.get(neighbour, 0) + 1
        ring = sorted(ties, key=lambda element: (-ties[element], position[element]))
        order |= dict.fromkeys(ring)
    return tuple(order | dict.fromkeys(neighbours))


def _neighbours(program: LinearProgram) -> dict[Element, list[Element]]:
    """The variables of each row and the rows of each variable, rows first, in the program's order."""
    neighbours: dict[Element, list[Element]] = {row_element(row.name): [] for row in program.constraints}
    neighbours |= {variable_element(variable.name): [] for variable in program.variables}
    for row in program.constraints:
        for name, _ in row.terms:
            neighbours[row_element(row.name)].append(variable_element(name))
            neighbours[variable_element(name)].append(row_element(row.name))
    return neighbours
