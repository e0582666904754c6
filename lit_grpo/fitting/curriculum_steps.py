"""How a run and its curriculum meet: what is asked of it and told to it, at each step, on every rank alike.

Plain functions, called by RolloutCallback and RepairEvaluation, which say when.
"""

from __future__ import annotations

from collections.abc import Sequence

import lightning.pytorch as pl
from lightning_utilities.core.rank_zero import rank_zero_info

from lit_grpo.data.curriculum.base import Outcomes, Tally, shares_by_difficulty, shares_by_kind
from lit_grpo.data.datamodule import TaskDataModule
from lit_grpo.data.splits import Cell
from lit_grpo.data.stream import TaskStream
from lit_grpo.environment.episodes.repair_environment import RepairEnvironment
from lit_grpo.environment.episodes.repairable import require_kinds_repairable
from lit_grpo.environment.protocol import AnyEnvironment
from lit_grpo.metrics.functional import Quantity
from lit_grpo.metrics.results import RepairResults
from lit_grpo.modules.base import PolicyModule
from lit_grpo.rollout.attempts import RepairGroup


def require_trainable(data: TaskStream, environment: AnyEnvironment) -> None:
    """Check, before any task is drawn, what a fit needs of data whose tasks are programs to be repaired.

    Raises:
        ValueError: The environment is not that of repairs, its rules leave a kind of fault no room for its repair, or
            the curriculum waits for results on held-out tasks that nobody plays.
    """
    if not isinstance(data, TaskDataModule):
        return
    if not isinstance(environment, RepairEnvironment):
        raise ValueError(
            f"data: expected the tasks of {type(environment).__name__}, RolloutCallback's environment, got "
            "TaskDataModule's, which are programs to be repaired; name a TaskStream of your own as data.class_path"
        )
    require_kinds_repairable(data.tasks.drawn_kinds, environment.rules)
    data.require_evaluated()


def begin_batch(trainer: pl.Trainer, module: PolicyModule, data: TaskStream, position: int) -> None:
    """Let the curriculum decide, unless it has decided already; log the mix, say what has changed."""
    begun = data.begin(position)
    if begun is None:
        return
    plan = begun.plan
    for line in plan.news:
        rank_zero_info(line)
    if plan.stops:
        trainer.should_stop = True
    shares = {**shares_by_difficulty(plan.shares), **shares_by_kind(plan.shares)}
    numbers = {name.value: share for name, share in shares.items()} | dict(begun.numbers)
    module.log_dict({f"curriculum/{name}": value for name, value in numbers.items()})


def observe_rollouts(module: PolicyModule, data: TaskStream, groups: Sequence[RepairGroup]) -> None:
    """Tell the curriculum how the attempts of all ranks went, if there is one. Every rank must call it."""
    if not isinstance(data, TaskDataModule) or data.curriculum is None:
        return
    cells = list(data.tasks.cells)
    own = tally(groups)
    counts = module.over_ranks([count for cell in cells for count in own.get(cell, Tally(0, 0))])
    totals = (Tally(*counts[2 * number : 2 * number + 2]) for number in range(len(cells)))
    data.curriculum.observe_rollouts(dict(zip(cells, totals, strict=True)))


def observe_validation(trainer: pl.Trainer, results: RepairResults) -> None:
    """Tell the curriculum, if there is one, how the held-out tasks went; the results are those of all ranks."""
    data = trainer.datamodule  # pyright: ignore[reportAttributeAccessIssue]
    if not isinstance(data, TaskDataModule) or data.curriculum is None:
        return
    data.curriculum.observe_validation(
        {
            Cell(kind, difficulty): Tally(
                summary.num_tasks, round((summary.value(Quantity.FR_5) or 0.0) * summary.num_tasks)
            )
            for kind, cells in results.by_cell.items()
            for difficulty, summary in cells.items()
        }
    )


def tally(groups: Sequence[RepairGroup]) -> Outcomes:
    """How the attempts of some groups went, by the cells of their tasks; those without a verdict do not count."""
    outcomes: dict[Cell, Tally] = {}
    for group in groups:
        cell = Cell(group.task.fault.kind, group.task.fault.difficulty)
        verified = [score for score in group.scores if score.verified]
        before = outcomes.get(cell, Tally(0, 0))
        faithful = sum(score.faithful for score in verified)
        outcomes[cell] = Tally(before.attempts + len(verified), before.faithful + faithful)
    return outcomes
