"""Repairs from both sources.

1. A repair that both have is one: it keeps its place among the candidates, and counts the attempts that found it.
2. What the policy found is held to what must be kept and must hold, and to the solver's word.
3. The likeliest come first; those without a likelihood keep their order behind them.
4. Binary and whole within 0 and 1 are the same range.
"""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from bakery import BREAD

from lit_grpo.environment.programs.edits import AgentEdit, DropRow, SetBounds, SetRhs, SetSense, SetType, apply_all
from lit_grpo.environment.programs.program import Constraint, Sense, VariableType
from lit_grpo.environment.programs.reading.program_file import read_program_text
from lit_grpo.environment.repairs.candidates import Candidate
from lit_grpo.environment.repairs.protections import NO_PROTECTIONS, Protections
from lit_grpo.environment.solver.highs import HighsSolver
from lit_grpo.environment.solver.solver import SolverStatus
from lit_grpo.repair.ranking import Gathered, Repair, change_of, gather, ranked

PROGRAM = read_program_text(BREAD, ".lp", "plan.lp").program
OVEN, DROPPED = (SetRhs("oven", 90.0),), (DropRow("demand"),)
CANDIDATES = [
    Candidate(edits, ("a slip",), score, SolverStatus.OPTIMAL, objective=15.0)
    for edits, score in ((OVEN, -1.0), (DROPPED, -2.0))
]


def gathered(found: Sequence[tuple[AgentEdit, ...]], protections: Protections = NO_PROTECTIONS) -> Gathered:
    return gather(PROGRAM, CANDIDATES, found, protections, HighsSolver())


def test_1_both_have_it() -> None:
    demand = (SetRhs("demand", 3.0),)
    both = gathered([OVEN, demand, OVEN, demand, demand])
    assert [(r.edits, r.position, r.num_found) for r in both.repairs] == [
        (OVEN, 1, 2),
        (DROPPED, 2, 0),
        (demand, None, 3),
    ]
    # 3 pieces are 3 cakes, which take the whole oven.
    assert both.repairs[2].objective == pytest.approx(15.0)
    assert both.num_refused == 0


@pytest.mark.parametrize(
    ("edits", "protections"),
    [
        ((SetRhs("demand", 3.0),), Protections(keep=("row:dem*",))),
        (
            (SetRhs("demand", 3.0),),
            Protections(rows=(Constraint("enough", (("bread", 1.0), ("cake", 1.0)), Sense.GREATER_EQUAL, 11.0),)),
        ),
        # 12 bread and 2 cakes take 30.
        ((SetRhs("oven", 24.0),), Protections(points=({"bread": 12.0, "cake": 2.0},))),
        # Not feasible, whatever was said of it.
        ((SetRhs("oven", 10.0),), NO_PROTECTIONS),
    ],
)
def test_2_what_is_not_allowed(edits: tuple[AgentEdit, ...], protections: Protections) -> None:
    found = gathered([edits, edits], protections)
    assert [repair.position for repair in found.repairs] == [1, 2]
    assert found.num_refused == 2


def test_3_the_order() -> None:
    repairs = [
        Repair(edits, apply_all(PROGRAM, edits), SolverStatus.OPTIMAL, 0.0)
        for edits in (OVEN, DROPPED, (SetRhs("demand", 3.0),), (SetRhs("demand", 4.0),))
    ]
    order = ranked(repairs, [None, -2.0, None, -0.5])
    assert [repair.edits for repair in order] == [repairs[n].edits for n in (3, 1, 0, 2)]
    # exp(-0.125) and exp(-0.5), and exp(-10) for none of them, without a list.
    assert order[0].confidence == pytest.approx(0.8825 / (0.8825 + 0.6065), abs=1e-3)
    assert order[2].confidence is None


def test_4_the_same_range() -> None:
    one, other, third = (
        Repair(edits, apply_all(PROGRAM, edits), SolverStatus.OPTIMAL, 0.0)
        for edits in (
            (SetType("cake", VariableType.BINARY),),
            (SetType("cake", VariableType.INTEGER), SetBounds("cake", 0.0, 1.0)),
            (SetSense("demand", Sense.LESS_EQUAL),),
        )
    )
    assert change_of(one) == change_of(other)
    assert change_of(one) != change_of(third)
