"""A program that an agent's edit of one number makes intractable, in HiGHS itself.

A market split problem (Cornuejols and Dawande, 1999): of 30 items, taken or left, every row wants half of its
coefficients' sum. Branch and bound has to enumerate; HiGHS takes seconds to its limit of 10,000 nodes, and more than 2
MiB for them. A variable ``free`` lets every row go, and the row ``switch`` says how far: ``free <= 1`` is the original,
with nothing taken and ``free`` = 1; ``free <= -1`` is the fault, against the lower bound of 0; and ``free <= 0``, which
an agent may well try, is the market split problem.
"""

from __future__ import annotations

from random import Random

from lit_grpo.environment.faults.difficulty import Difficulty
from lit_grpo.environment.faults.injection import Certificate, FaultKind, FaultyProgram
from lit_grpo.environment.programs.edits import SetRhs, apply
from lit_grpo.environment.programs.program import (
    Constraint,
    Direction,
    LinearProgram,
    Sense,
    Variable,
    VariableType,
    row_element,
)

NUM_ITEMS, NUM_SPLITS = 30, 4
SWITCH = row_element("switch")
SPOILING_EDIT, REPAIRING_EDIT = SetRhs("switch", 0.0), SetRhs("switch", 1.0)


def _market_split() -> LinearProgram:
    rng = Random(NUM_ITEMS)
    items = tuple(Variable(f"x{j}", 0.0, 1.0, VariableType.BINARY) for j in range(NUM_ITEMS))
    rows = [Constraint("switch", (("free", 1.0),), Sense.LESS_EQUAL, 1.0)]
    for i in range(NUM_SPLITS):
        terms = tuple((item.name, float(rng.randrange(1, 100))) for item in items)
        half = float(sum(weight for _, weight in terms) // 2)
        rows.append(Constraint(f"least{i}", (*terms, ("free", half)), Sense.GREATER_EQUAL, half))
        rows.append(Constraint(f"most{i}", (*terms, ("free", -half)), Sense.LESS_EQUAL, half))
    cost = tuple((item.name, 1.0) for item in items)
    return LinearProgram(Direction.MINIMIZE, cost, (*items, Variable("free", 0.0, 1.0)), tuple(rows))


ORIGINAL = _market_split()
FAULTY = apply(ORIGINAL, SetRhs("switch", -1.0))
INTRACTABLE = apply(FAULTY, SPOILING_EDIT)
FAULT = FaultyProgram(
    FaultKind.RIGHT_HAND_SIDE,
    Difficulty.EASY,
    ORIGINAL,
    FAULTY,
    (REPAIRING_EDIT,),
    (SWITCH,),
    0.0,
    Certificate("wrong_rhs", violation=1.0, property_margin=1.0, conflict_size=2, num_decoys=0),
)
