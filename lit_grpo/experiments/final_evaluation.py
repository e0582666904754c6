"""Any list of trained policies on any suite: one greedy attempt per task, one run folder per policy.

Called by `lit-grpo suite evaluate`. Works on a file or a folder of tasks of whatever kinds and sizes, without a
Trainer; a policy that has been evaluated is not evaluated again, and results of another one are not taken for its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from rich.console import Console

from lit_grpo.data.played import Played
from lit_grpo.data.suite import read_suite
from lit_grpo.engines.engine import SamplingSettings
from lit_grpo.environment.episodes.record import EpisodeSettings
from lit_grpo.environment.episodes.repair_environment import RepairEnvironment
from lit_grpo.environment.solver.highs import HighsSolver
from lit_grpo.experiments.player import Player
from lit_grpo.fitting.learned_level import warn_of_other_level
from lit_grpo.fitting.made_with import made_without_trainer, require_same_evaluation
from lit_grpo.metrics.bootstrap import BootstrapSettings
from lit_grpo.metrics.records import ScoredTask
from lit_grpo.metrics.results import RESULTS_FILE, results_of, write_run
from lit_grpo.rewards.composite import CompositeReward
from lit_grpo.rollout.collect import pay, score
from lit_grpo.rollout.open_attempt import Seeds
from lit_grpo.rollout.transcripts import write_transcripts


@dataclass(frozen=True, slots=True)
class EvaluationSettings:
    """How the tasks are played."""

    rules: EpisodeSettings
    """Those of training, rendering included; kinds E and G need one without taking edits back."""
    max_completion_tokens: int = 64
    """The most tokens of a turn."""
    device: str = "cpu"
    dtype: torch.dtype = torch.float32
    stop: tuple[int, ...] = ()
    """Token ids that end a turn besides the chat format's, as `rollout.sampling.stop` of the training."""


def evaluate_checkpoints(
    suite: Path, checkpoints: Mapping[str, Path], output: Path, settings: EvaluationSettings, console: Console
) -> dict[str, Path]:
    """Play every task of the suite with each policy that has no results yet.

    Args:
        suite: A benchmark file, or a folder of them.
        checkpoints: Name to folder with weights and tokenizer.
        output: Holds a run folder per name afterwards, with `results.json`, `scores.jsonl` and `episodes.jsonl`.
        settings: The same for all.
        console: Where it is said what begins.

    Returns:
        Name to run folder.

    Raises:
        ValueError: The rules leave a task no room for its repair, a checkpoint is none, or results under its name are
            of other weights, tasks, settings or versions.
        BenchmarkError: The suite is none.
    """
    tasks, environment = read_suite(suite), RepairEnvironment(settings.rules, HighsSolver())
    for task in tasks:
        environment.require_playable(task)
    sampling = SamplingSettings(0.0, settings.max_completion_tokens, stop=settings.stop)
    runs = {name: output / name for name in checkpoints}
    played_with = {"max_completion_tokens": settings.max_completion_tokens, "stop": settings.stop}
    played_with |= {"device": settings.device, "dtype": str(settings.dtype)}
    made_with = {
        name: made_without_trainer(checkpoint, suite, settings.rules, played_with)
        for name, checkpoint in checkpoints.items()
    }
    for name, run in runs.items():
        require_same_evaluation(run, made_with[name], "--output", "name it or the policy otherwise")
    for name, checkpoint in checkpoints.items():
        if (runs[name] / RESULTS_FILE).is_file():
            continue
        console.print(f"{name}: {len(tasks)} tasks")
        warn_of_other_level(checkpoint, settings.rules)
        player = Player.read(checkpoint, torch.device(settings.device), settings.dtype)
        played = player.play(tasks, environment, sampling, leave_out_long_prompts=True)
        groups = pay(played, score(played, environment), CompositeReward(), environment.max_turns, Seeds(0, 0))
        scored = [ScoredTask.of(g.task, g.attempts[0].record.stop_reason, g.scores[0]) for g in groups]
        write_transcripts(runs[name] / "episodes.jsonl", groups, environment, batch=0)
        write_run(
            runs[name],
            scored,
            results_of(scored),
            BootstrapSettings(),
            played=Played(suite, settings.rules),
            made_with=made_with[name],
        )
    return runs
