"""The trivial policies on tasks of any kind: what a model has to beat.

Called by `lit-grpo suite baselines`, `lit-grpo report`, the quickstart and the study of ablations.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from lit_grpo.data.contract import CURRENT
from lit_grpo.data.played import Played
from lit_grpo.data.splits import Split
from lit_grpo.data.task import TaskSettings, generate_task
from lit_grpo.environment.domains.base import ProgramSize
from lit_grpo.environment.episodes.record import EpisodeSettings
from lit_grpo.environment.episodes.repairable import require_repairable
from lit_grpo.environment.faults.ground_truth import GradedProblem
from lit_grpo.environment.policies.baselines import BASELINES
from lit_grpo.environment.solver.highs import HighsSolver
from lit_grpo.metrics.records import ScoredTask, read_scores
from lit_grpo.metrics.results import (
    PLAYED,
    RESULTS_FILE,
    SCORES_FILE,
    read_played,
    read_results,
    require_comparable,
    results_of,
    write_run,
)
from lit_grpo.reports.policies import scores_of
from lit_grpo.reports.runs import SeedRun


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


def write_baselines(folder: Path, played: Played, expected_ids: Collection[str] | None = None) -> dict[str, Path]:
    """Play what an evaluation played with every trivial policy that has not played it yet, and write their results.

    Args:
        folder: Holds a run folder per policy.
        played: The tasks and the rules.
        expected_ids: The tasks that the evaluation scored, which these have to be; None: whatever tasks there are.

    Returns:
        Name of a policy to its run folder.

    Raises:
        ValueError: The tasks are others by now, or the rules leave one no room for its repair.
    """
    solver, tasks = HighsSolver(), None
    folders = {policy.name: folder / policy.name for policy in BASELINES}
    for policy in BASELINES:
        if _has_played(folders[policy.name], played, expected_ids):
            continue
        tasks = tasks or played.read_tasks()
        ids = {task.id for task in tasks}
        if expected_ids is not None and ids != set(expected_ids):
            common = len(ids & set(expected_ids))
            raise ValueError(
                f"expected the {len(expected_ids)} tasks that were scored, got {len(ids)} of which {common} are among "
                "them; name the suite they are from with --suite, or leave the trivial policies out (--no-baselines)"
            )
        scored = scores_of(policy, tasks, solver, played.rules, seed=0)
        write_run(folders[policy.name], scored, results_of(scored), played=played)
    return folders


def write_baselines_of(
    runs: Sequence[SeedRun], folder: Path, suite: Path | None, console: Console
) -> tuple[SeedRun, ...]:
    """The same runs with the trivial policies, which play what the arms have played, once for all seeds.

    Args:
        runs: Of which every arm was scored on the same tasks.
        folder: Holds a run folder per policy afterwards; what it holds already is not played again.
        suite: The tasks; None: those that the results say.
        console: Where it is said that something is played.

    Raises:
        ValueError: The results do not say what was played, or the tasks are others by now.
    """
    arm = next(iter(runs[0].arms.values()))
    require_comparable([arm])
    played = read_played(arm)
    if played is None:
        raise ValueError(
            f"{arm / RESULTS_FILE}: expected what was played (tasks and rules), got none; evaluate again, or leave the "
            "policies that need no model out (--no-baselines)"
        )
    if suite is not None:
        played = replace(played, tasks=suite)
    ids = {scored.task_id for run in runs for path in run.arms.values() for scored in read_scores(path / SCORES_FILE)}
    console.print(f"The policies that need no model play the same {len(ids)} tasks.")
    folders = write_baselines(folder, played, ids)
    return tuple(replace(run, baselines=folders) for run in runs)


def _has_played(folder: Path, played: Played, expected_ids: Collection[str] | None) -> bool:
    """Whether a policy has results of the same tasks by the same rules, under the versions of today."""
    document = read_results(folder)
    if document is None:
        return False
    if document.get(PLAYED) != played.to_json() or document.get("versions") != CURRENT.to_json():
        return False
    scored = {task.task_id for task in read_scores(folder / SCORES_FILE)}
    return expected_ids is None or scored == set(expected_ids)
