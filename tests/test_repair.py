"""Repairing a user's program.

1. The report claims "feasible again" and no more; it names the change, the diagnosis, and what the repair costs.
2. Of several feasible attempts the one that changes least is kept; of none, there is no repair.
3. What a point breaks is measured in the requirement's own units.
"""

from collections.abc import Sequence
from pathlib import Path

import pytest
from transformers import AutoTokenizer

from lit_grpo.data.conversation import ConversationFormat
from lit_grpo.engines.engine import GenerationRequest
from lit_grpo.engines.scripted import ScriptedEngine
from lit_grpo.environment.episodes.actions import Action, Move, render
from lit_grpo.environment.episodes.record import EpisodeSettings
from lit_grpo.environment.programs.edits import DropRow, SetRhs
from lit_grpo.environment.programs.program import (
    Constraint,
    Direction,
    LinearProgram,
    Sense,
    Variable,
    VariableType,
    row_element,
    variable_element,
)
from lit_grpo.environment.programs.specification import RepairProblem
from lit_grpo.environment.solver.highs import HighsSolver
from lit_grpo.repair import Repair, broken_requirements, repair, report

# maximize 3 x + 2 y with x + y <= 4 and x + y >= 6.
PROGRAM = LinearProgram(
    Direction.MAXIMIZE,
    (("x", 3.0), ("y", 2.0)),
    (Variable("x", 0.0, 10.0), Variable("y", 0.0, 10.0)),
    (
        Constraint("capacity", (("x", 1.0), ("y", 1.0)), Sense.LESS_EQUAL, 4.0),
        Constraint("demand", (("x", 1.0), ("y", 1.0)), Sense.GREATER_EQUAL, 6.0),
    ),
)
CAPACITY, DEMAND = row_element("capacity"), row_element("demand")


@pytest.fixture(scope="module")
def conversation(tiny_checkpoint: Path) -> ConversationFormat:
    return ConversationFormat(AutoTokenizer.from_pretrained(tiny_checkpoint))


def attempt(conversation: ConversationFormat, attempts: Sequence[Sequence[Action]]) -> Repair | None:
    """Play attempts whose turns are given; each action names its own row as the culprit."""
    turns = [iter(actions) for actions in attempts]

    def say(request: GenerationRequest) -> str:
        action = next(turns[request.conversation])
        assert isinstance(action, SetRhs | DropRow)
        return render(Move(action, (row_element(action.row),)))

    (stop,) = conversation.completion_ids("")
    engine = ScriptedEngine(say, lambda text: conversation.completion_ids(text)[:-1], stop)
    problem, solver = RepairProblem(PROGRAM), HighsSolver()
    return repair(problem, engine, conversation, solver, EpisodeSettings(max_turns=2), 64, len(attempts), seed=0)


def test_the_report_claims_feasibility_alone(conversation: ConversationFormat) -> None:
    found = attempt(conversation, [[SetRhs("capacity", 7.0)]])
    assert found is not None
    assert (found.changed, found.diagnosis) == ((CAPACITY,), (CAPACITY,))
    # x = 7, y = 0 is optimal with 21, and breaks x + y <= 4 by 3.
    assert found.objective == pytest.approx(21.0)
    assert found.violations == ((CAPACITY, pytest.approx(3.0)),)
    text = report(found, has_specification=False)
    assert text.startswith("Feasible again. Whether it is what was meant cannot be known without a specification.")
    assert "faithful" not in text
    removed, added = (line for line in text.splitlines() if "capacity: " in line)
    assert (removed[0], removed[-3:], added[0], added[-3:]) == ("-", "4.0", "+", "7.0")
    assert "row:capacity by 3" in text
    assert "for you to check" in report(found, has_specification=True)


def test_the_least_change_is_kept(conversation: ConversationFormat) -> None:
    both = [SetRhs("demand", 5.0), SetRhs("capacity", 5.0)]  # two changes
    large, small = [SetRhs("capacity", 9.0)], [SetRhs("capacity", 6.0)]  # breaks capacity by 5, by 2
    found = attempt(conversation, [both, large, small])
    assert found is not None
    assert found.repaired.constraint("capacity").rhs == 6.0
    assert attempt(conversation, [[SetRhs("demand", 5.0), SetRhs("demand", 4.5)]]) is None


def test_broken_requirements_in_their_own_units() -> None:
    program = LinearProgram(
        Direction.MINIMIZE,
        (),
        (
            Variable("x", 1.0, 2.0),
            Variable("n", 0.0, 9.0, VariableType.INTEGER),
            Variable("b", type=VariableType.BINARY),
        ),
        (
            Constraint("equal", (("x", 2.0),), Sense.EQUAL, 4.0),
            Constraint("held", (("n", 1.0),), Sense.LESS_EQUAL, 3.0),
        ),
    )
    # 2 x = 7 is 3 away from 4; x = 3.5 is 1.5 above 2; n = 2.75 is a quarter from 3; b = 1 is fine.
    broken = dict(broken_requirements(program, {"x": 3.5, "n": 2.75, "b": 1.0}))
    assert broken == {row_element("equal"): 3.0, variable_element("x"): 1.5, variable_element("n"): 0.25}
