"""RolloutCallback: before each training batch, play its tasks with the present policy and attach the experience.

Named in configs as a callback of a GRPO fit. It says when the plain functions of rollout/ run, and nothing else.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from time import perf_counter
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import Callback
from lightning_utilities.core.rank_zero import rank_zero_info
from typing_extensions import override

from lit_grpo.advantages import AdvantageEstimator
from lit_grpo.callbacks.curriculum_steps import begin_batch, observe_rollouts
from lit_grpo.callbacks.engines import EngineSettings, TransformersSettings
from lit_grpo.callbacks.policy_engine import PolicyEngine, run_folder, transcripts_file
from lit_grpo.callbacks.refill_log import RefillLog
from lit_grpo.data.batches import TaskBatch, consumed_batches
from lit_grpo.data.datamodule import TaskDataModule
from lit_grpo.environment.episode_record import EpisodeSettings, StopReason
from lit_grpo.environment.ground_truth import GradedProblem
from lit_grpo.environment.repairable import require_kinds_repairable
from lit_grpo.environment.solver_workers import SolverSettings, WorkerSolver, make_solver
from lit_grpo.metrics.policy import PolicyMetrics, reward_statistics
from lit_grpo.modules.grpo import GRPOModule
from lit_grpo.rewards.base import Reward
from lit_grpo.rollout.collect import RolloutSettings, collect_groups
from lit_grpo.rollout.engine import SamplingSettings
from lit_grpo.rollout.episodes import EpisodeGroup
from lit_grpo.rollout.estimation import groups_with_signal, require_components, require_steady
from lit_grpo.rollout.refill import DynamicSampling, RefilledGroups, refill
from lit_grpo.rollout.transcripts import write_transcripts

METRICS = (
    "reward",
    "trained_reward",
    "outcome",
    "diagnosis",
    "efficiency",
    "faithful",
    "recovered",
    "turns",
    "truncated",
    "verified",
    "solver_failed",
    "inconclusive",
    "groups_with_signal",
    "std_within_groups",
    "rollout_s",
)
"""Logged as ``rollout/NAME``; docs/metrics.md says what each is."""


class RolloutCallback(Callback):
    """Collects a group of episodes per task with the policy's present weights.

    Args:
        sampling: The distribution that turns are drawn from. The command line fills in this, the next three and
            ``episode`` from its own ``rollout`` and ``episode``; None: the defaults of RolloutSettings.
        reward: What trains.
        group_size: Attempts per task.
        max_steps: Turns of an attempt; None: those of ``episode``.
        seed: Of the draws.
        transcripts_every: Batches between rollouts whose episodes are appended to ``episodes.jsonl``
            (each rank has a file of its own); 0 writes none.
        episode: Rules and rendering.
        solver: Where programs are solved; None: in one worker process of this rank.
        engine: What samples; the command line fills it in; None: TransformersSettings.
        dynamic_sampling: Replaces groups without signal; the command line fills it in from ``rollout``; None: off.
    """

    def __init__(
        self,
        sampling: SamplingSettings | None = None,
        reward: Reward | None = None,
        group_size: int | None = None,
        max_steps: int | None = None,
        seed: int = 0,
        transcripts_every: int = 10,
        episode: EpisodeSettings | None = None,
        solver: SolverSettings | None = None,
        engine: EngineSettings | None = None,
        dynamic_sampling: DynamicSampling | None = None,
    ) -> None:
        default = RolloutSettings()
        rules = episode or default.episode
        self.settings = RolloutSettings(
            group_size=default.group_size if group_size is None else group_size,
            sampling=sampling or default.sampling,
            episode=rules if max_steps is None else replace(rules, max_steps=max_steps),
            reward=reward or default.reward,
            dynamic_sampling=dynamic_sampling,
        )
        temperature = self.settings.sampling.temperature
        if temperature <= 0:
            raise ValueError(
                f"rollout.sampling.temperature: expected above 0 for training, got {temperature}; greedy attempts at a "
                "task are all alike and teach nothing"
            )
        self.settings.sampling.trained_temperature()
        self.seed, self.transcripts_every = seed, transcripts_every
        self.engine = PolicyEngine(engine or TransformersSettings())
        """Shared with RepairEvaluation."""
        self._solver_settings = solver or SolverSettings()
        self._solver = make_solver(self._solver_settings)
        self._metrics, self._refill_log = PolicyMetrics(METRICS), RefillLog()

    @override
    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Say what a step consists of."""
        module, data = _grpo(pl_module), trainer.datamodule  # pyright: ignore[reportAttributeAccessIssue]
        if not isinstance(data, TaskDataModule):
            raise ValueError(f"RolloutCallback: expected TaskDataModule as the data, got {type(data).__name__}")
        require_kinds_repairable(data.tasks.drawn_kinds, self.settings.episode)
        data.require_evaluated()
        if self.settings.dynamic_sampling is not None:
            require_steady(self.settings.reward)
        module.objective.require_group_size(self.settings.group_size)
        if module.objective.advantage is AdvantageEstimator.PER_COMPONENT:
            require_components(module.objective.advantage, self.settings.reward)
        share = data.num_tasks // trainer.world_size
        if share % module.updates_per_rollout:
            raise ValueError(
                f"model.updates_per_rollout: expected a divisor of the {share} tasks of each rank, got "
                f"{module.updates_per_rollout}; change it or data.num_tasks"
            )
        self._metrics.to(module.device)
        self.engine.forget()
        rank_zero_info(
            f"A batch: {data.num_tasks} tasks x {self.settings.group_size} attempts = "
            f"{data.num_tasks * self.settings.group_size} episodes on {trainer.world_size} ranks, "
            f"{module.updates_per_rollout} optimizer steps of {data.num_tasks // module.updates_per_rollout} tasks. "
            f"Reward: {self.settings.reward.describe()}.{self._replacement()}"
        )

    @override
    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Play, turn into experience, attach, log."""
        assert isinstance(batch, TaskBatch), f"expected a TaskBatch, got {type(batch).__name__}"
        started, module, step = perf_counter(), _grpo(pl_module), consumed_batches(trainer)
        data: TaskDataModule = trainer.datamodule  # pyright: ignore[reportAttributeAccessIssue]
        begin_batch(trainer, module, data, batch, step)
        rollout = self._play(batch.tasks, module, data, step)
        batch.experience = module.rollout_of(rollout.kept, self.settings)
        observe_rollouts(module, data, rollout.played)
        self._log(module, rollout.played, perf_counter() - started)
        if self.settings.dynamic_sampling is not None:
            self._refill_log.log(module, rollout, data.num_tasks)
        if self.transcripts_every and step % self.transcripts_every == 0:
            write_transcripts(run_folder(trainer) / transcripts_file(trainer), rollout.played, step)

    @override
    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """End the solver's workers and the engine; a later stage starts new ones."""
        self.engine.close()
        if isinstance(self._solver, WorkerSolver):
            self._solver.close()

    def collect(self, tasks: Sequence[GradedProblem], module: GRPOModule, step: int) -> list[EpisodeGroup]:
        """Play the tasks with the policy's present weights."""
        engine, conversation = self.engine.synced(module), self.engine.conversation(module)
        threads = self._solver_settings.threads
        return collect_groups(tasks, engine, self._solver, conversation, self.settings, self.seed, step, threads)

    def _play(
        self, tasks: Sequence[GradedProblem], module: GRPOModule, data: TaskDataModule, step: int
    ) -> RefilledGroups:
        """The batch's groups; with dynamic sampling those without signal are replaced."""
        groups, settings = self.collect(tasks, module, step), self.settings
        if settings.dynamic_sampling is None:
            return RefilledGroups((tuple(groups),), tuple(groups))
        return refill(
            groups,
            settings.dynamic_sampling,
            draw=lambda number, places: data.refill_tasks(step, number, places),
            play=lambda tasks: self.collect(tasks, module, step),
            has_signal=lambda groups: groups_with_signal(groups, module.objective.advantage, settings.reward),
        )

    def _replacement(self) -> str:
        """What dynamic sampling does, in words."""
        if self.settings.dynamic_sampling is None:
            return ""
        rounds = self.settings.dynamic_sampling.max_rounds
        return f" Groups whose attempts earn alike are replaced by groups of new tasks, up to {rounds} times a step."

    def _log(self, module: GRPOModule, groups: Sequence[EpisodeGroup], seconds: float) -> None:
        episodes = [episode for group in groups for episode in group.episodes]
        unshaped = torch.tensor([[episode.reward.unshaped for episode in group.episodes] for group in groups])
        rewards = torch.tensor([[episode.reward.total for episode in group.episodes] for group in groups])
        verified = torch.tensor([[episode.score.verified for episode in group.episodes] for group in groups])
        statistics = reward_statistics(rewards, verified)
        num_episodes = len(episodes)
        means = {
            "outcome": sum(episode.reward.outcome for episode in episodes) / num_episodes,
            "diagnosis": sum(episode.reward.diagnosis for episode in episodes) / num_episodes,
            "efficiency": sum(episode.reward.efficiency for episode in episodes) / num_episodes,
            "faithful": sum(episode.score.faithful for episode in episodes) / num_episodes,
            "recovered": sum(episode.score.recovered for episode in episodes) / num_episodes,
            "turns": sum(len(episode.turns) for episode in episodes) / num_episodes,
            "truncated": sum(episode.truncated for episode in episodes) / num_episodes,
            "verified": verified.double().mean().item(),
            "solver_failed": sum(e.stop_reason is StopReason.SOLVER_FAILED for e in episodes) / num_episodes,
        }
        self._metrics.update(means, num_episodes)
        num_turns = sum(len(episode.turns) for episode in episodes)
        num_inconclusive = sum(episode.score.inconclusive_turns for episode in episodes)
        self._metrics.update({"inconclusive": num_inconclusive / max(num_turns, 1)}, num_turns)
        means = {"reward": unshaped[verified].double().mean().item(), "trained_reward": statistics.mean}
        self._metrics.update(means, int(verified.sum()))
        self._metrics.update({"groups_with_signal": statistics.groups_with_signal}, len(groups))
        if not math.isnan(statistics.std_within_groups):
            self._metrics.update({"std_within_groups": statistics.std_within_groups}, len(groups))
        self._metrics.update({"rollout_s": seconds}, 1)
        module.log_dict({f"rollout/{name}": value for name, value in self._metrics.compute().items()})
        self._metrics.reset()


def _grpo(module: pl.LightningModule) -> GRPOModule:
    if not isinstance(module, GRPOModule):
        raise ValueError(f"RolloutCallback: expected GRPOModule as the model, got {type(module).__name__}")
    return module
