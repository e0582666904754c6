"""The trivial policies on tasks of any kind: what a model has to beat.

Called by `lit-grpo suite baselines`, the quickstart and the study of ablations.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from lit_grpo.data.suite import read_suite
from lit_grpo.data.task import Split, TaskSettings, generate_task
from lit_grpo.environment.domains.base import ProgramSize
from lit_grpo.environment.episodes.record import EpisodeSettings
from lit_grpo.environment.episodes.repairable import require_repairable
from lit_grpo.environment.faults.ground_truth import GradedProblem
from lit_grpo.environment.policies.baselines import BASELINES
from lit_grpo.environment.solver.highs import HighsSolver
from lit_grpo.metrics.records import ScoredTask
from lit_grpo.metrics.results import RESULTS_FILE, results_of, write_run
from lit_grpo.reports.policies import scores_of


def generated_tasks(num_tasks: int, size: ProgramSize | None, seed: int) -> list[GradedProblem]:
    """Held-out tasks; None as their size: as the difficulty says."""
    solver, settings = HighsSolver(), TaskSettings(size=size)
    return [generate_task(settings, Split.TEST, seed, index, solver) for index in range(num_tasks)]


def play_baselines(
    tasks: Sequence[GradedProblem], rules: EpisodeSettings, seed: int
) -> Mapping[str, Sequence[ScoredTask]]:
    """Play the tasks with every trivial policy.

    Args:
        tasks: At least one.
        rules: The rules of all episodes.
        seed: The seed of the policies that draw.

    Returns:
        The scores of each policy, in the order of the tasks.

    Raises:
        ValueError: There is no task, or the rules leave one no room for its repair.
    """
    if not tasks:
        raise ValueError("expected at least one task, got none; raise --num-tasks or name another suite")
    for task in tasks:
        require_repairable(task.fault, rules)
    solver = HighsSolver()
    return {policy.name: scores_of(policy, tasks, solver, rules, seed) for policy in BASELINES}


def write_baselines(folder: Path, suite: Path, rules: EpisodeSettings) -> None:
    """Play a suite with every trivial policy that has no results in its folder below ``folder`` yet, and write them."""
    solver, tasks = HighsSolver(), None
    for policy in BASELINES:
        if (folder / policy.name / RESULTS_FILE).is_file():
            continue
        tasks = tasks or read_suite(suite)
        scored = scores_of(policy, tasks, solver, rules, seed=0)
        write_run(folder / policy.name, scored, results_of(scored))
