"""A policy's attempts at a user's program.

1. Of each attempt that ends feasible, the edits that lead from the user's program to its last one, as a person would
   write them; what was taken back, or changes nothing, is not among them.
2. A program that does not fit the policy's context is not played.
3. The moves of a repair of several edits stand in the order in which they were made.
"""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from bakery import BREAD, MakePolicy

from lit_grpo.environment.episodes.actions import Action, Relax, Restore
from lit_grpo.environment.episodes.record import EpisodeSettings
from lit_grpo.environment.episodes.repair_environment import RepairEnvironment
from lit_grpo.environment.programs.edits import AgentEdit, DropRow, SetCoefficient, SetRhs
from lit_grpo.environment.programs.reading.program_file import read_program_text
from lit_grpo.environment.programs.specification import RepairProblem
from lit_grpo.environment.solver.highs import HighsSolver
from lit_grpo.repair.attempts import Attempts, play_attempts

PROGRAM = read_program_text(BREAD, ".lp", "plan.lp").program


def attempts(
    make_policy: MakePolicy, turns: Sequence[Sequence[Action]], undo: bool = False, max_context_tokens: int = 1 << 20
) -> Attempts:
    policy = make_policy(turns, max_context_tokens=max_context_tokens)
    environment = RepairEnvironment(EpisodeSettings(undo_if_still_infeasible=undo), HighsSolver())
    return play_attempts(RepairProblem(PROGRAM), policy, environment, len(turns), seed=0)


@pytest.mark.parametrize(
    ("turns", "undo", "edits"),
    [
        # Relaxed by 81, the oven has 90.
        ([Relax("oven", 81.0)], False, (SetRhs("oven", 90.0),)),
        # 10 is too little for 24, and taken back.
        ([SetRhs("oven", 10.0), SetRhs("demand", 3.0)], True, (SetRhs("demand", 3.0),)),
        ([DropRow("shop"), Restore(), SetRhs("oven", 90.0)], False, (SetRhs("oven", 90.0),)),
        # The shop twice over is the shop.
        (
            [SetCoefficient("shop", "bread", 2.0), SetRhs("shop", 80.0), DropRow("demand")],
            False,
            (DropRow("demand"),),
        ),
    ],
)
def test_1_the_edits_that_are_left(
    make_policy: MakePolicy, turns: list[Action], undo: bool, edits: tuple[AgentEdit, ...]
) -> None:
    found = attempts(make_policy, [turns], undo)
    assert found == Attempts(1, (edits,))


def test_1_what_ends_infeasible_is_not_found(make_policy: MakePolicy) -> None:
    tried = [SetRhs("oven", value) for value in (10.0, 11.0, 12.0, 13.0, 14.0)]
    found = attempts(make_policy, [tried, [SetRhs("oven", 24.0)]])
    assert found == Attempts(2, ((SetRhs("oven", 24.0),),))


def test_2_what_does_not_fit_is_not_played(make_policy: MakePolicy) -> None:
    assert attempts(make_policy, [[], []], max_context_tokens=80) == Attempts(2, fits=False)


def test_3_in_the_order_in_which_they_were_made(make_policy: MakePolicy) -> None:
    # 11 pieces take 22 of the oven, which was changed first and last.
    turns = [SetRhs("oven", 19.0), SetRhs("demand", 11.0), SetRhs("oven", 22.0)]
    (edits,) = attempts(make_policy, [turns]).found
    assert edits == (SetRhs("demand", 11.0), SetRhs("oven", 22.0))
