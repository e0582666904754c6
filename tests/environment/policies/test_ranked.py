"""The policy of ranked candidates, on a desk worked by hand and on generated tasks.

1. With the text it makes the edit that the text says, and holds that element responsible.
2. Without a conflict, or where no slip helps, it gives up.
3. It writes no number that an episode refuses.
4. On held-out tasks of the plain kinds it is faithful far more often with the text than without it.
"""

from __future__ import annotations

import random

import pytest
from desk_problem import FAULT, FAULTY

from lit_grpo.data.splits import Split
from lit_grpo.data.task import TaskSettings, generate_task
from lit_grpo.environment.domains.base import ProgramSize
from lit_grpo.environment.episodes.actions import Move, Submit
from lit_grpo.environment.episodes.record import EpisodeSettings, TurnResult
from lit_grpo.environment.policies.baselines import BASELINES, run_baseline
from lit_grpo.environment.policies.ranked import RankedCandidates
from lit_grpo.environment.policies.view import BaselineView
from lit_grpo.environment.programs.edits import SetRhs
from lit_grpo.environment.programs.program import (
    Constraint,
    Direction,
    LinearProgram,
    Sense,
    Variable,
    row_element,
)
from lit_grpo.environment.programs.specification import Sentence, Specification
from lit_grpo.environment.solver.highs import HighsSolver

OVEN = row_element("oven")


def view(program: LinearProgram, text: Specification | None = None) -> BaselineView:
    solver = HighsSolver()
    return BaselineView(program, solver.conflict(program), 0, FAULT, solver, text)


def test_1_what_the_text_says() -> None:
    rows = (
        Constraint("demand", (("bread", 1.0),), Sense.GREATER_EQUAL, 12.0),
        Constraint("oven", (("bread", 2.0),), Sense.LESS_EQUAL, 17.0),
    )
    program = LinearProgram(Direction.MAXIMIZE, (("bread", 3.0),), (Variable("bread", 0.0, 40.0),), rows)
    text = Specification((Sentence("The oven has 94 hours at most, 2 for a bread.", OVEN),))
    assert RankedCandidates().act(view(program, text), random.Random(0)) == Move(SetRhs("oven", 94.0), (OVEN,))


def test_2_nothing_to_say() -> None:
    nothing = BaselineView(FAULTY, None, 0, FAULT, HighsSolver())
    assert RankedCandidates().act(nothing, random.Random(0)) == Move(Submit())


@pytest.mark.parametrize("size", [ProgramSize.TINY, ProgramSize.SMALL])
def test_3_and_4_on_held_out_tasks(size: ProgramSize) -> None:
    solver = HighsSolver()
    settings = TaskSettings(size=size)
    tasks = [generate_task(settings, Split.TEST, 0, index, solver) for index in range(20)]
    reads, blind = RankedCandidates(), RankedCandidates("ranked-candidates-blind", reads_text=False)
    shares: list[float] = []
    for policy in (reads, blind):
        played = run_baseline(policy, tasks, solver, EpisodeSettings(max_turns=5), seed=0)
        results = {turn.result for episode in played for turn in episode.record.turns}
        assert TurnResult.REFUSED not in results
        shares.append(sum(episode.score.faithful for episode in played) / len(played))
    assert shares[0] >= 0.8
    assert shares[0] > shares[1] + 0.2


def test_5_it_stands_in_every_table() -> None:
    names = [policy.name for policy in BASELINES]
    assert names[3:5] == ["ranked-candidates-blind", "ranked-candidates"]
