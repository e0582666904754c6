"""The oracle's move in each kind of state.

1. An untouched fault, or one that was only asked about: its inverse, with the diagnosis that demonstrations state.
2. A wrong number where the fault is: the true one at once. A wrong edit elsewhere: back, as in demonstrations.
3. A row that was dropped comes back with `restore` alone; a row too many is dropped.
4. The original as it is: submit.
5. Of several faults the next in the certificate's order; with one repaired, what was spoilt is set right before the
   other, so that the program is not optimal too early.
6. On generated tasks of every kind it makes the certificate's inverse.
7. From wherever an agent got to, with edits that persist or not, it ends faithful.
"""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest
from desk_problem import FAULT, FAULTY, ORDERS, ORIGINAL, WOOD

from lit_grpo.data.splits import Split
from lit_grpo.data.task import Task, TaskSettings, generate_task
from lit_grpo.environment.domains.base import ProgramSize
from lit_grpo.environment.episodes.actions import Move, Restore, Submit, render
from lit_grpo.environment.episodes.episode import RepairEpisode
from lit_grpo.environment.episodes.record import EpisodeSettings, StopReason
from lit_grpo.environment.episodes.repairable import require_repairable
from lit_grpo.environment.episodes.right_move import right_move
from lit_grpo.environment.episodes.scoring import score_episode
from lit_grpo.environment.faults.fault_kinds import SEVERAL_FAULTS, FaultKind
from lit_grpo.environment.programs.difference import elements_of, random_edit
from lit_grpo.environment.programs.edits import (
    AddRow,
    DropRow,
    Edit,
    SetBounds,
    SetCoefficient,
    SetRhs,
    SetSense,
    apply,
    apply_all,
)
from lit_grpo.environment.programs.program import Constraint, Sense, row_element
from lit_grpo.environment.solver.highs import HighsSolver

REPAIR = Move(SetRhs("orders", 30.0), (ORDERS,))
BACK = Move(Restore())


def test_1_an_untouched_fault() -> None:
    assert right_move(FAULTY, FAULT) == REPAIR


@pytest.mark.parametrize(
    ("edits", "expected"),
    [
        ([SetRhs("orders", 94.0)], REPAIR),
        ([SetRhs("orders", 94.0), SetRhs("orders", 96.0)], REPAIR),
        ([SetSense("orders", Sense.EQUAL)], BACK),
        ([SetRhs("wood", 100.0)], BACK),
        ([SetBounds("y", 0.0, 1.0)], BACK),
        ([SetCoefficient("hours", "x", 2.0), SetRhs("orders", 94.0)], BACK),
        # The fault itself is repaired, and something else spoilt: one edit is shorter than going back and the repair.
        ([SetRhs("orders", 30.0), SetRhs("wood", -1.0)], Move(SetRhs("wood", 194.0), (ORDERS,))),
    ],
)
def test_2_wrong_edits(edits: list[Edit], expected: Move) -> None:
    assert right_move(apply_all(FAULTY, edits), FAULT) == expected


@pytest.mark.parametrize("edits", [["wood"], ["orders"], ["wood", "hours"]])
def test_3_dropped_rows_come_back_with_restore(edits: list[str]) -> None:
    assert right_move(apply_all(FAULTY, map(DropRow, edits)), FAULT) == BACK


def test_3_a_row_too_many_is_dropped() -> None:
    added = Constraint("rush", (("x", 1.0), ("y", 1.0)), Sense.GREATER_EQUAL, 95.0)
    faulty = apply(ORIGINAL, AddRow(added, 1))
    fault = replace(FAULT, faulty=faulty, inverse=(DropRow("rush"),), faulty_elements=(row_element("rush"),))
    drop = Move(DropRow("rush"), (row_element("rush"),))
    assert right_move(faulty, fault) == drop
    assert right_move(apply(faulty, SetRhs("wood", 1.0)), fault) == BACK
    # Dropped it is no row that is missing.
    assert right_move(ORIGINAL, fault).action == Submit()


def test_4_the_original_is_submitted() -> None:
    assert right_move(ORIGINAL, FAULT) == Move(Submit(), (ORDERS,))


def test_5_several_faults() -> None:
    wood, orders = SetRhs("wood", 194.0), SetRhs("orders", 30.0)
    faulty = apply_all(ORIGINAL, [SetRhs("orders", 95.0), SetRhs("wood", -1.0)])
    fault = replace(FAULT, faulty=faulty, inverse=(wood, orders), faulty_elements=(WOOD, ORDERS))
    assert right_move(faulty, fault) == Move(wood, (WOOD, ORDERS))
    assert right_move(apply(faulty, wood), fault) == Move(orders, (ORDERS, WOOD))
    assert right_move(apply(faulty, orders), fault) == Move(wood, (WOOD, ORDERS))
    spoilt = SetRhs("hours", 89.0)
    assert right_move(apply(faulty, spoilt), fault) == BACK
    after_one = apply_all(faulty, [wood, spoilt])
    assert right_move(after_one, fault) == Move(SetRhs("hours", 90.0), (WOOD, ORDERS))
    assert right_move(apply(after_one, SetRhs("hours", 90.0)), fault) == Move(orders, (ORDERS, WOOD))


@pytest.fixture(scope="module")
def tasks() -> list[Task]:
    """Two of each kind that there is, of two sizes."""
    solver, made = HighsSolver(), []
    for kind in FaultKind:
        settings = TaskSettings(kinds={kind: 1.0})
        made += [generate_task(settings, Split.TRAIN, 5, index, solver) for index in range(2)]
    tiny = TaskSettings(size=ProgramSize.TINY)
    return made + [generate_task(tiny, Split.TRAIN, 5, index, solver) for index in range(12)]


def test_6_the_inverse_of_generated_faults(tasks: list[Task]) -> None:
    assert {task.fault.kind for task in tasks} == set(FaultKind)
    for task in tasks:
        program, made = task.fault.faulty, []
        while program != task.fault.original:
            move = right_move(program, task.fault)
            assert move == Move.in_repair(task.fault.inverse[len(made)], task.fault.faulty_elements)
            made.append(move.action)
            program = apply(program, task.fault.inverse[len(made) - 1])
        assert tuple(made) == task.fault.inverse


@pytest.mark.parametrize("undoes", [False, True])
def test_7_it_repairs_what_an_agent_leaves_behind(undoes: bool, tasks: list[Task]) -> None:
    solver, rules = HighsSolver(), EpisodeSettings(max_turns=20, undo_if_still_infeasible=undoes)
    num_spoilt = 0
    for number, task in enumerate(tasks):
        if undoes and task.fault.kind in SEVERAL_FAULTS:
            continue
        require_repairable(task.fault, rules)
        rng, episode = Random(number), RepairEpisode(task.problem, solver, rules)
        for _ in range(3):
            if episode.stop_reason is None:
                element = rng.choice(elements_of(episode.program))
                drops = element.startswith("row:") and rng.random() < 0.3
                edit = DropRow(element[4:]) if drops else random_edit(element, episode.program, rng)
                episode.step(render(Move(edit)))
        if episode.stop_reason is not None:
            continue  # the agent's own edits made it optimal
        num_spoilt += episode.program != task.fault.faulty
        while episode.stop_reason is None:
            episode.step(render(right_move(episode.program, task.fault)))
        assert episode.stop_reason is StopReason.RECOVERED
        assert score_episode(episode.record(), task.fault, solver).faithful
        assert len(episode.record().turns) <= 3 + 1 + len(task.fault.inverse)
    assert (num_spoilt == 0) if undoes else (num_spoilt >= 10)
