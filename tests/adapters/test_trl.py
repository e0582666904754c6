"""The one-turn form for TRL, as far as it needs no TRL.

1. A row holds the conversation of the package's own first turn, and the whole task.
2. The oracle's answer earns 1, the culprit's name alone 0.3, a deletion less than the repair, nonsense 0.
3. A completion that was cut off earns 0, whatever it holds.
4. A broken solver earns None, before the turn and in it, and the share of verified rewards is logged.
5. A task that one turn cannot repair is refused.
"""

from dataclasses import dataclass, field, replace

import pytest

from lit_grpo.adapters.trl import Message, PromptRow, one_turn_rows, read_task, repair_reward
from lit_grpo.data.task import Task
from lit_grpo.environment.episodes.actions import Move, Submit, render
from lit_grpo.environment.episodes.episode import RepairEpisode
from lit_grpo.environment.episodes.observation import ObservationStyle, instructions
from lit_grpo.environment.episodes.record import EpisodeSettings
from lit_grpo.environment.solver.highs import HighsSolver
from lit_grpo.environment.solver.solver import Solver

END = 3


@dataclass
class Log:
    """Keeps what a reward function logs."""

    values: dict[str, float] = field(default_factory=dict)

    def __call__(self, name: str, value: float) -> None:
        self.values[name] = value


def message(text: str) -> list[Message]:
    return [{"role": "assistant", "content": text}]


def rewards_of(solver: Solver, row: PromptRow, texts: list[str], last: int = END, log: Log | None = None) -> list:
    completions = [message(text) for text in texts]
    record = row["task"]
    assert isinstance(record, str)
    function = repair_reward(solver, {END})
    num = len(texts)
    return function(
        prompts=[row["prompt"]] * num,
        completions=completions,
        completion_ids=[[7, last]] * num,
        task=[record] * num,
        log_metric=log or Log(),
    )


def oracle(task: Task) -> str:
    (edit,) = task.fault.inverse
    return render(Move(edit, task.fault.faulty_elements))


@pytest.mark.parametrize("style", ObservationStyle)
def test_a_row_holds_the_first_turn_and_the_task(task: Task, solver: HighsSolver, style: ObservationStyle) -> None:
    (row,) = one_turn_rows([task], solver, style)
    observation = RepairEpisode(task.problem, solver, EpisodeSettings(style=style)).observation
    system = [{"role": "system", "content": instructions(style)}] if style is ObservationStyle.FULL else []
    assert row["prompt"] == [*system, {"role": "user", "content": observation}]
    assert isinstance(row["task"], str)
    assert read_task(row["task"]) == task


def test_what_answers_earn(tasks: list[Task], solver: HighsSolver) -> None:
    rows = one_turn_rows(tasks, solver, ObservationStyle.COMPACT)
    for task, row in zip(tasks, rows, strict=True):
        named = render(Move(Submit(), task.fault.faulty_elements))
        # 0.5 outcome + 0.3 F1 + 0.2 efficiency; the name alone: 0.3 x F1 of 1
        log = Log()
        assert rewards_of(solver, row, [oracle(task), named, "nonsense"], log=log) == pytest.approx([1.0, 0.3, 0.0])
        assert log.values == {"verified": 1.0, "faithful": pytest.approx(1 / 3)}


def test_plain_text_completions_are_read_too(task: Task, solver: HighsSolver) -> None:
    (row,) = one_turn_rows([task], solver, ObservationStyle.COMPACT)
    assert isinstance(row["task"], str)
    function = repair_reward(solver, {END})
    (reward,) = function(completions=[oracle(task)], completion_ids=[[END]], task=[row["task"]], log_metric=Log())
    assert reward == pytest.approx(1.0)


def test_a_completion_that_was_cut_off_is_malformed(task: Task, solver: HighsSolver) -> None:
    (row,) = one_turn_rows([task], solver, ObservationStyle.COMPACT)
    assert rewards_of(solver, row, [oracle(task)], last=END + 1) == [0.0]


def test_a_broken_solver_earns_no_number(task: Task, solver: HighsSolver, solver_that_breaks_at_once: Solver) -> None:
    (row,) = one_turn_rows([task], solver, ObservationStyle.COMPACT)
    log = Log()
    assert rewards_of(solver_that_breaks_at_once, row, [oracle(task), "nonsense"], log=log) == [None, None]
    assert log.values == {"verified": 0.0, "faithful": 0.0}


def test_a_solver_that_breaks_in_a_turn_earns_no_number_for_it_alone(
    task: Task, solver: HighsSolver, solver_that_breaks_at_the_first_edit: Solver
) -> None:
    (row,) = one_turn_rows([task], solver, ObservationStyle.COMPACT)
    log = Log()
    texts = [oracle(task), render(Move(Submit(), task.fault.faulty_elements))]
    assert rewards_of(solver_that_breaks_at_the_first_edit, row, texts, log=log) == [None, pytest.approx(0.3)]
    assert log.values["verified"] == 0.5


def test_a_task_that_one_turn_cannot_repair_is_refused(task: Task, solver: HighsSolver) -> None:
    two_edits = replace(task, fault=replace(task.fault, inverse=task.fault.inverse * 2))
    with pytest.raises(ValueError, match="at most 1 edits, got one of 2"):
        one_turn_rows([two_edits], solver, ObservationStyle.COMPACT)
