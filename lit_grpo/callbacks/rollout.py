"""RolloutCallback: before each training batch, play its tasks with the present policy and attach the experience.

Named in configs as a callback of a fit with GRPOModule or DAggerModule. It says when the plain functions of rollout/
run, and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Callback
from lightning_utilities.core.rank_zero import rank_zero_info
from typing_extensions import override

from lit_grpo.data.batches import TaskBatch, consumed_batches, last_batches
from lit_grpo.data.conversation import ConversationFormat
from lit_grpo.data.stream import TaskStream
from lit_grpo.engines.engine import RolloutEngine
from lit_grpo.engines.policy_engine import PolicyEngine
from lit_grpo.engines.settings import EngineSettings, TransformersSettings
from lit_grpo.environment.episodes.record import EpisodeSettings
from lit_grpo.environment.episodes.repair_environment import RepairEnvironment
from lit_grpo.environment.protocol import AnyEnvironment, Environment, Problem
from lit_grpo.environment.solver.workers import SolverSettings
from lit_grpo.fitting.curriculum_steps import begin_batch, observe_rollouts, require_trainable
from lit_grpo.fitting.learned_level import warn_of_other_level
from lit_grpo.fitting.refill_log import RefillLog
from lit_grpo.fitting.rollout_log import RolloutLog, RolloutTimes
from lit_grpo.fitting.run_folder import is_trial
from lit_grpo.fitting.too_long_log import TooLongLog, require_room_for_prompts
from lit_grpo.modules.playing import PlayingModule
from lit_grpo.rollout.attempts import AnyScoredGroup
from lit_grpo.rollout.collect import collect_groups
from lit_grpo.rollout.open_attempt import Seeds
from lit_grpo.rollout.overlap import Overlap, PlayedBatch, require_own_engine
from lit_grpo.rollout.refill import RefilledGroups, refill
from lit_grpo.rollout.settings import RolloutSettings
from lit_grpo.rollout.staleness import Staleness
from lit_grpo.rollout.teacher import AnyTeacher
from lit_grpo.rollout.transcripts import transcripts_file, write_transcripts
from lit_grpo.seeds import Seed


class RolloutCallback(Callback):
    """Collects a group of attempts per task with the policy's present weights.

    Args:
        settings: How tasks are played and paid.
        episode: Rules and rendering.
        engine: Makes the engine that samples; None: TransformersSettings.
        solver: Makes the solver; None: one worker process of this rank.
        seed: The seed of the draws; None: the run's.
        transcripts_every: Batches between rollouts whose attempts are appended to ``episodes.jsonl``
            (each rank has a file of its own); 0 writes none.
        environment: The environment; None: programs are repaired, under the rules of ``episode``, with ``solver``.

    Where the first three are None, the command line fills them in from its own ``rollout``, ``episode`` and ``engine``
    (shared_settings.py), and a script gets the defaults.
    """

    def __init__(
        self,
        settings: RolloutSettings | None = None,
        episode: EpisodeSettings | None = None,
        engine: EngineSettings | None = None,
        solver: SolverSettings | None = None,
        seed: int | None = None,
        transcripts_every: int = 10,
        environment: Environment | None = None,
    ) -> None:
        self.settings = settings or RolloutSettings()
        self.play_settings = self.settings.played_under(episode or EpisodeSettings())
        self._seed, self.transcripts_every = Seed(seed), transcripts_every
        self._engine_settings = engine or TransformersSettings()
        self.engine = PolicyEngine(self._engine_settings, plays_ahead=self.settings.max_staleness > 0)
        """The engine, which RepairEvaluation borrows."""
        self._overlap: Overlap | None = None
        self._staleness = Staleness(self.settings.max_staleness)
        if environment is not None and solver is not None:
            raise ValueError(
                "RolloutCallback: expected solver to be null with an environment that is named, got one; it is the "
                "solver of the default environment: remove it"
            )
        spare_turns = self.settings.spare_turns
        if environment is not None and spare_turns is not None:
            raise ValueError(
                f"rollout.spare_turns: expected null with an environment that is named, got {spare_turns}; the default "
                "environment alone knows how many turns a task takes: set it to null"
            )
        rules = self.play_settings.episode
        self.environment: AnyEnvironment = environment or RepairEnvironment.of(rules, solver, spare_turns)
        self.environment.require_complete()
        self._log, self._refill_log = RolloutLog(self.environment, self.settings.reward), RefillLog()
        self._too_long_log = TooLongLog()
        self._teacher_of: Callable[[int], AnyTeacher | None] | None = None
        """Who is beside the policy in a batch; None before a fit."""

    @property
    def seed(self) -> int:
        """The seed of the draws."""
        return self._seed.value

    @override
    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Tell the data who draws the tasks."""
        data = trainer.datamodule  # pyright: ignore[reportAttributeAccessIssue]
        if isinstance(data, TaskStream):
            data.is_played_ahead = self.settings.max_staleness > 0

    @override
    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Say what a batch consists of."""
        module, data = _playing(pl_module), trainer.datamodule  # pyright: ignore[reportAttributeAccessIssue]
        if not isinstance(data, TaskStream):
            raise ValueError(
                f"RolloutCallback: expected TaskDataModule or another TaskStream as the data, got {type(data).__name__}"
            )
        require_trainable(data, self.environment)
        warn_of_other_level(module.policy_settings.checkpoint, self.play_settings.episode)
        module.require_rollouts(self.settings, self.environment)
        self._teacher_of = partial(module.teacher, self.environment)
        require_room_for_prompts(module, self.settings)
        require_own_engine(self.settings.max_staleness, self._engine_settings, trainer.world_size)
        share, num_updates = data.num_tasks // trainer.world_size, module.updates_per_batch
        if share % num_updates:
            raise ValueError(
                f"model.objective.updates_per_rollout: expected a divisor of the {share} tasks of each rank, got "
                f"{num_updates}; change it or data.num_tasks"
            )
        self._log.to(module.device)
        rank_zero_info(
            f"A batch: {data.num_tasks} tasks x {self.settings.group_size} attempts = "
            f"{data.num_tasks * self.settings.group_size} in all on {trainer.world_size} ranks, "
            f"{num_updates} optimizer steps of {data.num_tasks // num_updates} tasks. "
            f"Reward: {self.settings.reward.describe()}.{self._replacement()}{self._lead()}"
        )

    @override
    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Play, turn into experience, attach, log."""
        assert isinstance(batch, TaskBatch), f"expected a TaskBatch, got {type(batch).__name__}"
        started, module, position = perf_counter(), _playing(pl_module), consumed_batches(trainer)
        data: TaskStream = trainer.datamodule  # pyright: ignore[reportAttributeAccessIssue]
        begin_batch(trainer, module, data, position)
        self._staleness.begin(position, module.policy_version)
        played = self._played(trainer, module, batch, position)
        rollout, batch.tasks = played.groups, tuple(played.tasks)
        batch.experience = experience = module.rollout_of(rollout.kept, self.settings)
        room = self.engine.max_context_tokens - self.settings.sampling.max_completion_tokens
        self._too_long_log.log(module, rollout.played, experience.num_too_long, room)
        fitting = [group for group in rollout.played if not group.attempts[0].is_too_long_to_begin]
        observe_rollouts(module, data, fitting)
        waited = perf_counter() - started
        seconds = played.seconds if self._overlap is not None else waited
        self._log.log(module, fitting, RolloutTimes(seconds, waited), self._staleness.of(rollout.kept, position))
        if self.settings.dynamic_sampling is not None:
            self._refill_log.log(module, rollout, data.num_tasks)
        if self.transcripts_every and position % self.transcripts_every == 0 and not is_trial(trainer):
            path = Path(trainer.default_root_dir) / transcripts_file(trainer.global_rank)
            write_transcripts(path, rollout.played, self.environment, position)

    @override
    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Leave the engine to the evaluation, once the rollout that is being played has ended."""
        if self._overlap is not None:
            self._overlap.pause()

    @override
    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Take the engine back."""
        if self._overlap is not None:
            self._overlap.resume()

    @override
    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Play nothing ahead any more."""
        self._stop_overlap()

    @override
    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """Leave no thread behind."""
        self._stop_overlap()

    @override
    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """End what the environment runs, and the engine; a later stage starts both anew."""
        self._stop_overlap()
        self.engine.close()
        self.environment.close()

    def collect(
        self, tasks: Sequence[Problem], engine: RolloutEngine, conversation: ConversationFormat, batch: int
    ) -> list[AnyScoredGroup]:
        """Play the tasks with the weights that the engine has, and with the teacher that the module wants in a fit."""
        seeds = Seeds(self.seed, batch)
        teacher = None if self._teacher_of is None else self._teacher_of(batch)
        return collect_groups(tasks, self.environment, engine, conversation, self.play_settings, seeds, teacher)

    def _played(self, trainer: pl.Trainer, module: PlayingModule, batch: TaskBatch, position: int) -> PlayedBatch:
        """This batch, played now or ahead."""
        data: TaskStream = trainer.datamodule  # pyright: ignore[reportAttributeAccessIssue]

        def play(tasks: Sequence[Problem], engine: RolloutEngine, position: int) -> RefilledGroups:
            return self._play(tasks, engine, module, data, position)

        if self.settings.max_staleness == 0:
            started, tasks = perf_counter(), batch.tasks if data.draws_ahead else data.tasks_of(position)
            groups = play(tasks, self.engine.current(module.served), position)
            return PlayedBatch(tasks, groups, perf_counter() - started)
        if self._overlap is None:
            self._overlap = Overlap(self.settings.max_staleness, self.engine, play)
        limits = last_batches(trainer, module.updates_per_batch)
        return self._overlap.rollout(module.served, data, position, limits)

    def _play(
        self,
        tasks: Sequence[Problem],
        engine: RolloutEngine,
        module: PlayingModule,
        data: TaskStream,
        position: int,
    ) -> RefilledGroups:
        """The batch's groups; with dynamic sampling those without signal are replaced."""
        conversation, settings = self.engine.conversation(module.served), self.settings
        groups = self.collect(tasks, engine, conversation, position)
        if settings.dynamic_sampling is None:
            return RefilledGroups((tuple(groups),), tuple(groups))
        return refill(
            groups,
            settings.dynamic_sampling,
            draw=lambda number, places: data.refill_tasks(position, number, places),
            play=lambda tasks: self.collect(tasks, engine, conversation, position),
            has_signal=lambda groups: module.groups_with_signal(groups, settings.reward),
        )

    def _replacement(self) -> str:
        """A sentence on dynamic sampling; empty without it."""
        if self.settings.dynamic_sampling is None:
            return ""
        rounds = self.settings.dynamic_sampling.max_rounds
        return f" Groups whose attempts earn alike are replaced by groups of new tasks, up to {rounds} times a batch."

    def _lead(self) -> str:
        """A sentence on how far ahead rollouts are played; empty if they are not."""
        most = self.settings.max_staleness
        return f" Played up to {most} batch(es) ahead of the training." if most else ""

    def _stop_overlap(self) -> None:
        if self._overlap is not None:
            self._overlap.stop()
        self._overlap = None


def _playing(module: pl.LightningModule) -> PlayingModule:
    if not isinstance(module, PlayingModule):
        raise ValueError(
            f"RolloutCallback: expected GRPOModule or DAggerModule as the model, got {type(module).__name__}"
        )
    return module
