"""A program small enough to work out by hand, shared by the tests of episodes, scores and baselines.

Original: max 7 x + 4 y, wood 3 x + 2 y <= 194, hours x + y <= 90, orders x + y >= 30, 0 <= x <= 40, 0 <= y.
At x = 40 the wood leaves y = (194 - 120) / 2 = 37: the optimum is 280 + 148 = 428, and 77 <= 90 hours are used.
Fault: orders asks for 95. Wood alone allows up to 97 pieces (x = 0, y = 97), so the only conflict is hours and orders,
and the smallest relaxation gives way by 95 - 90 = 5.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from lit_grpo.environment.episodes.actions import Action, Move, render
from lit_grpo.environment.faults.difficulty import Difficulty
from lit_grpo.environment.faults.injection import Certificate, FaultKind, FaultyProgram
from lit_grpo.environment.programs.edits import SetRhs, apply
from lit_grpo.environment.programs.program import (
    Constraint,
    Direction,
    Element,
    LinearProgram,
    Sense,
    Variable,
    row_element,
    variable_element,
)
from lit_grpo.environment.programs.specification import RepairProblem, Sentence, Specification
from lit_grpo.environment.solver.highs import HighsSolver
from lit_grpo.environment.solver.solver import Conflict, Solution, SolverFailure, SolverStatus, Violation

ORIGINAL = LinearProgram(
    Direction.MAXIMIZE,
    (("x", 7.0), ("y", 4.0)),
    (Variable("x", 0.0, 40.0), Variable("y", 0.0, math.inf)),
    (
        Constraint("wood", (("x", 3.0), ("y", 2.0)), Sense.LESS_EQUAL, 194.0),
        Constraint("hours", (("x", 1.0), ("y", 1.0)), Sense.LESS_EQUAL, 90.0),
        Constraint("orders", (("x", 1.0), ("y", 1.0)), Sense.GREATER_EQUAL, 30.0),
    ),
)
FAULTY = apply(ORIGINAL, SetRhs("orders", 95.0))
HOURS, ORDERS, WOOD = row_element("hours"), row_element("orders"), row_element("wood")
FAULT = FaultyProgram(
    FaultKind.RIGHT_HAND_SIDE,
    Difficulty.EASY,
    ORIGINAL,
    FAULTY,
    (SetRhs("orders", 30.0),),
    (ORDERS,),
    428.0,
    Certificate("wrong_rhs", violation=5.0, property_margin=5.0, conflict_size=2, num_decoys=0),
)
SPECIFICATION = Specification(
    (
        Sentence("a desk x earns 7 , a shelf y earns 4 ."),
        Sentence("3 wood a desk , 2 a shelf , 194 in stock .", WOOD),
        Sentence("one hour each , 90 in all .", HOURS),
        Sentence("30 pieces are ordered .", ORDERS),
        Sentence("at most 40 desks .", variable_element("x")),
    )
)
PROBLEM = RepairProblem(FAULTY, SPECIFICATION)


@dataclass(frozen=True)
class DeskTask:
    """As data/task.py's Task, for the parts that know no tasks."""

    id: str = "desks"
    domain: str = "production"
    problem: RepairProblem = PROBLEM
    fault: FaultyProgram = FAULT


def turn(action: Action, *diagnosis: Element) -> str:
    """The text of a turn; without elements it states no diagnosis."""
    return render(Move(action, diagnosis or None))


REPAIR = turn(SetRhs("orders", 30.0), ORDERS)


@dataclass
class ScriptedSolver:
    """HiGHS, except that the next calls of `solve` answer what is scripted; counts what it is asked."""

    script: list[SolverStatus | SolverFailure] = field(default_factory=list)
    num_conflicts: int = 0
    num_solves: int = 0
    highs: HighsSolver = field(default_factory=HighsSolver)

    def solve(self, program: LinearProgram) -> Solution:
        self.num_solves += 1
        if not self.script:
            return self.highs.solve(program)
        answer = self.script.pop(0)
        if isinstance(answer, SolverFailure):
            raise answer
        return Solution(answer)

    def conflict(self, program: LinearProgram) -> Conflict | None:
        self.num_conflicts += 1
        return self.highs.conflict(program)

    def minimum_relaxation(self, program: LinearProgram) -> tuple[Violation, ...] | None:
        return self.highs.minimum_relaxation(program)
