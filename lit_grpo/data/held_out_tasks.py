"""The tasks that an evaluation plays: the first ones of a split that differ from each other.

Called by held_out.py and played.py. In the domains no two tasks of a stream are alike. A user's few programs have only
so many faults, and a task that is played twice would count twice in every mean and narrow every interval.
"""

from __future__ import annotations

from collections.abc import Sequence

from lit_grpo.data.splits import Split
from lit_grpo.data.task import Task, TaskSettings, generate_task
from lit_grpo.environment.solver.solver import Solver

MAX_REPEATS = 100
"""Draws in a row without a new task after which a split counts as exhausted."""


def held_out_tasks(settings: TaskSettings, split: Split, seed: int, num_tasks: int, solver: Solver) -> Sequence[Task]:
    """At most so many tasks of a split's stream, each once; fewer only where the user's programs have no more."""
    if settings.programs is None:
        return [generate_task(settings, split, seed, index, solver) for index in range(num_tasks)]
    tasks: dict[str, Task] = {}
    index = last_new = 0
    while len(tasks) < num_tasks and index - last_new <= MAX_REPEATS:
        task = generate_task(settings, split, seed, index, solver)
        if task.id not in tasks:
            tasks[task.id], last_new = task, index
        index += 1
    return list(tasks.values())
