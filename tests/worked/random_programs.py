"""Random programs and edits for property tests: small integers, every sense, type and kind of bound."""

from __future__ import annotations

import math
from random import Random

from lit_grpo.environment.programs.edits import (
    AddRow,
    DropRow,
    Edit,
    SetBounds,
    SetCoefficient,
    SetRhs,
    SetSense,
    SetType,
)
from lit_grpo.environment.programs.program import (
    Constraint,
    Direction,
    LinearProgram,
    Sense,
    Variable,
    VariableType,
    validate,
)


def random_program(rng: Random, num_variables: int, num_rows: int, integer_share: float = 0.0) -> LinearProgram:
    """Bounded below at 0, mostly above as well; about three quarters of them are infeasible at 10 x 10."""
    variables = tuple(_variable(rng, f"x{j}", integer_share) for j in range(num_variables))
    rows = []
    for i in range(num_rows):
        names = [v.name for v in variables if rng.random() < 0.4] or ["x0"]
        terms = tuple((name, float(rng.choice([-5, -3, -2, -1, 1, 2, 3, 4, 7, 2.5]))) for name in names)
        sense = Sense.EQUAL if rng.random() < 0.1 else rng.choice([Sense.LESS_EQUAL, Sense.GREATER_EQUAL])
        rows.append(Constraint(f"r{i}", terms, sense, float(rng.randint(-20, 60))))
    objective = tuple((v.name, float(rng.randint(1, 9))) for v in variables if rng.random() < 0.8)
    offset = float(rng.choice([0, 0, 3.5]))
    return validate(LinearProgram(rng.choice(list(Direction)), objective, variables, tuple(rows), offset))


def random_edit(rng: Random, program: LinearProgram) -> Edit:
    """Any edit that can be applied to the program."""
    row, variable = rng.choice(program.constraints), rng.choice(program.variables)
    number = round(rng.uniform(-50, 50), 3)
    return rng.choice(
        [
            DropRow(row.name),
            AddRow(Constraint("new", row.terms, row.sense, number), rng.randint(0, len(program.constraints))),
            SetRhs(row.name, number),
            SetSense(row.name, rng.choice(list(Sense))),
            SetCoefficient(row.name, variable.name, rng.choice([0.0, number])),
            SetBounds(variable.name, rng.choice([-math.inf, number]), rng.choice([math.inf, number + 1])),
            SetType(variable.name, rng.choice(list(VariableType))),
        ]
    )


def _variable(rng: Random, name: str, integer_share: float) -> Variable:
    type_ = VariableType.CONTINUOUS
    if rng.random() < integer_share:
        type_ = rng.choice([VariableType.INTEGER, VariableType.BINARY])
    upper = 1.0 if type_ is VariableType.BINARY else float(rng.randint(5, 40))
    return Variable(name, 0.0, upper if rng.random() < 0.9 or type_ is VariableType.BINARY else math.inf, type_)
