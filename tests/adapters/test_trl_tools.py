"""The form of several turns for TRL, as far as it needs no TRL.

1. A wrong edit and then the right one earn 0.95 of 1 in five steps; observations are the episode's.
2. A model that stops calling has submitted: what it named still counts.
3. Arguments are judged by the grammar's one parser: what is no number is malformed and costs a step.
4. A call after the end changes nothing.
5. A broken solver earns None, before the first turn and in a turn; the next reset begins afresh.
6. A part of a program has so many tokens as the caller counts.
"""

import json
import math

import pytest

from lit_grpo.adapters.trl import PromptRow
from lit_grpo.adapters.trl_tools import RepairTools, tool_rows
from lit_grpo.data.splits import Split
from lit_grpo.data.task import Task, TaskSettings, generate_task
from lit_grpo.environment.domains.base import ProgramSize
from lit_grpo.environment.episodes.actions import Move, render
from lit_grpo.environment.episodes.observation import ObservationStyle
from lit_grpo.environment.episodes.record import EpisodeSettings
from lit_grpo.environment.solver.highs import HighsSolver
from lit_grpo.environment.solver.solver import Solver

SETTINGS = EpisodeSettings(max_turns=5, undo_if_still_infeasible=True, style=ObservationStyle.COMPACT)


def started(task: Task, solver: Solver, rows_by: HighsSolver) -> RepairTools:
    (row,) = tool_rows([task], rows_by, SETTINGS)
    tools = RepairTools(solver, SETTINGS)
    begin(tools, row)
    return tools


def begin(tools: RepairTools, row: PromptRow) -> None:
    assert isinstance(row["task"], str)
    tools.reset(task=row["task"], prompt=row["prompt"])


def call_oracle(tools: RepairTools, task: Task) -> str:
    """The tool call of the certificate's inverse, as TRL makes it: a name and arguments."""
    (edit,) = task.fault.inverse
    arguments = json.loads(render(Move(edit, task.fault.faulty_elements)))
    return getattr(tools, arguments.pop("action"))(**arguments)


def test_a_wrong_edit_costs_efficiency_only(tasks: list[Task], solver: HighsSolver) -> None:
    for task in tasks:
        tools = started(task, solver, solver)
        assert tools.get_conflict()
        assert call_oracle(tools, task).startswith("optimal")
        # Two steps where one suffices: 0.5 + 0.3 + 0.2 x (1 - (2 - 1) / (5 - 1)) = 0.95
        assert tools.get_reward() == pytest.approx(0.95)


def test_a_model_that_stops_has_submitted(task: Task, solver: HighsSolver) -> None:
    tools = started(task, solver, solver)
    assert tools.get_reward() == 0.0
    tools = started(task, solver, solver)
    assert tools.relax("no_such_row", 1.0, list(task.fault.faulty_elements)) == "unknown name"
    assert tools.get_reward() == pytest.approx(0.3)


@pytest.mark.parametrize("value", [math.nan, math.inf, "7", None, [7], True])
def test_what_is_no_number_is_malformed(task: Task, solver: HighsSolver, value: float) -> None:
    tools = started(task, solver, solver)
    row = task.fault.faulty.constraints[0].name
    assert [tools.set_rhs(row, value, []) for _ in range(5)] == ["malformed"] * 5
    assert tools.submit() == "The episode is over: malformed_limit."


def test_a_call_after_the_end_changes_nothing(task: Task, solver: HighsSolver) -> None:
    tools = started(task, solver, solver)
    call_oracle(tools, task)
    assert tools.drop(task.fault.faulty.constraints[0].name, []) == "The episode is over: recovered."
    assert tools.get_reward() == pytest.approx(1.0)
    assert tools.get_reward() == pytest.approx(1.0)


def test_a_solver_that_broke_before_the_first_turn(
    task: Task, solver: HighsSolver, solver_that_breaks_at_once: Solver
) -> None:
    tools = started(task, solver_that_breaks_at_once, solver)
    assert call_oracle(tools, task) == "The episode is over: solver_failed."
    assert tools.get_reward() is None


def test_a_solver_that_breaks_in_a_turn(
    task: Task, solver: HighsSolver, solver_that_breaks_at_the_first_edit: Solver
) -> None:
    tools = started(task, solver_that_breaks_at_the_first_edit, solver)
    assert call_oracle(tools, task) == "solver failed"
    assert tools.get_reward() is None


def test_a_reset_begins_afresh(tasks: list[Task], solver: HighsSolver) -> None:
    tools = RepairTools(solver, SETTINGS)
    for task, row in zip(tasks, tool_rows(tasks, solver, SETTINGS), strict=True):
        begin(tools, row)
        call_oracle(tools, task)
        assert tools.get_reward() == pytest.approx(1.0)


def test_a_part_of_a_program_is_counted_by_the_model_that_reads_it(solver: HighsSolver) -> None:
    task = generate_task(TaskSettings(size=ProgramSize.MEDIUM), Split.TRAIN, 3, 0, solver)
    settings = EpisodeSettings(style=ObservationStyle.COMPACT, view_tokens=600)
    (row,) = tool_rows([task], solver, settings, count_tokens=len)
    assert isinstance(row["prompt"], list)
    assert 300 < len(row["prompt"][-1]["content"]) <= 600
    tools = RepairTools(solver, settings, count_tokens=len)
    begin(tools, row)
    assert 0 < len(tools.inspect(task.fault.faulty.variables[0].name)) <= 150
    with pytest.raises(ValueError, match=r"episode\.view_tokens: expected somebody who counts tokens"):
        tool_rows([task], solver, settings)
