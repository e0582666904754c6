"""How two programs differ, as the edits that lead from one to the other, and small wrong edits to practise on.

Called by data/proofreading.py, data/demonstrations.py and baselines.py.
"""

from __future__ import annotations

import random

from lit_grpo.environment.programs.edits import (
    AgentEdit,
    DropRow,
    SetBounds,
    SetCoefficient,
    SetRhs,
    SetSense,
    SetType,
    coefficient,
)
from lit_grpo.environment.programs.program import (
    Constraint,
    Element,
    LinearProgram,
    Sense,
    Variable,
    VariableType,
    row_element,
    variable_element,
)


def elements_of(program: LinearProgram) -> tuple[Element, ...]:
    """Every element that can be held responsible: the rows, then the variables."""
    rows = (row_element(c.name) for c in program.constraints)
    return (*rows, *(variable_element(v.name) for v in program.variables))


def true_edits(element: Element, program: LinearProgram, original: LinearProgram) -> tuple[AgentEdit, ...]:
    """The edits that make one element of ``program`` what it is in ``original``; empty if it is.

    A row that the original does not have is dropped. A row that the program lost cannot be brought back by an edit of
    that element alone, and gives no edit.
    """
    kind, name = element.split(":", 1)
    if kind == "var":
        return _variable_edits(program.variable(name), original.variable(name))
    if all(c.name != name for c in program.constraints):
        return ()
    if all(c.name != name for c in original.constraints):
        return (DropRow(name),)
    return _row_edits(program.constraint(name), original.constraint(name))


def random_edit(element: Element, program: LinearProgram, rng: random.Random) -> AgentEdit:
    """A plausible slip in one element: another sense, a wrong number, a wrong bound, a wrong type."""
    kind, name = element.split(":", 1)
    if kind == "var":
        return _random_variable_edit(program.variable(name), rng)
    row = program.constraint(name)
    choice = rng.random()
    if choice < 0.25 and row.sense is not Sense.EQUAL:
        return SetSense(name, row.sense.reversed)
    if choice < 0.6:
        return SetRhs(name, random_slip(row.rhs, rng))
    variable = rng.choice(program.variables).name
    old = coefficient(row, variable)
    if old and rng.random() < 0.2:
        return SetCoefficient(name, variable, 0.0)
    return SetCoefficient(name, variable, random_slip(old, rng) if old else float(rng.randint(1, 9)))


def random_slip(value: float, rng: random.Random) -> float:
    """Another number of the kind a person might have meant: a lost or added digit, a sign, a wrong digit, a new one."""
    slips = [value * 10, value + rng.choice((-1, 1)) * rng.randint(1, 9) * 10 ** (len(str(int(abs(value)))) - 1)]
    slips.append(float(rng.randint(1, 9) * 10 + rng.randint(0, 9)))
    if value and value % 10 == 0:
        slips.append(value / 10)
    if value:
        slips.append(-value)
    different = [float(round(slip, 6)) for slip in slips if slip != value and abs(slip) < 1e6]
    return rng.choice(different)


def _random_variable_edit(variable: Variable, rng: random.Random) -> AgentEdit:
    if variable.type is not VariableType.CONTINUOUS and rng.random() < 0.2:
        return SetType(variable.name, VariableType.CONTINUOUS)
    lower, upper = variable.lower, variable.upper
    finite = [side for side in (lower, upper) if abs(side) != float("inf")]
    if finite and rng.random() < 0.5:
        return SetBounds(variable.name, random_slip(finite[0], rng), upper)
    if abs(upper) != float("inf"):
        return SetBounds(variable.name, lower, random_slip(upper, rng))
    return SetBounds(variable.name, lower, float(rng.randint(1, 99)))


def _variable_edits(current: Variable, true: Variable) -> tuple[AgentEdit, ...]:
    edits: list[AgentEdit] = []
    if (current.lower, current.upper) != (true.lower, true.upper):
        edits.append(SetBounds(true.name, true.lower, true.upper))
    if current.type is not true.type:
        edits.append(SetType(true.name, true.type))
    return tuple(edits)


def _row_edits(current: Constraint, true: Constraint) -> tuple[AgentEdit, ...]:
    edits: list[AgentEdit] = []
    if current.rhs != true.rhs:
        edits.append(SetRhs(true.name, true.rhs))
    if current.sense is not true.sense:
        edits.append(SetSense(true.name, true.sense))
    names = dict.fromkeys([*(name for name, _ in true.terms), *(name for name, _ in current.terms)])
    for variable in names:
        value = coefficient(true, variable)
        if coefficient(current, variable) != value:
            edits.append(SetCoefficient(true.name, variable, value))
    return tuple(edits)
