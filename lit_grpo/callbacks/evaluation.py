"""RepairEvaluation: plays the held-out tasks in `validate`, `test` and during `fit`, and reports verified numbers.

Named in configs as a callback. The attempts are those of training with one greedy attempt per task. It chooses nothing:
a ModelCheckpoint that monitors ``val/guarded_FR@5`` does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.trainer.states import TrainerFn
from rich import get_console
from rich.panel import Panel
from rich.text import Text
from typing_extensions import override

from lit_grpo.callbacks.kept_config import KeepConfig
from lit_grpo.callbacks.rollout import RolloutCallback
from lit_grpo.data.batches import TaskBatch, consumed_batches
from lit_grpo.data.datamodule import TaskDataModule
from lit_grpo.data.held_out import HeldOutDataModule
from lit_grpo.data.played import Played
from lit_grpo.data.splits import Split
from lit_grpo.engines.engine import SamplingSettings
from lit_grpo.engines.policy_engine import PolicyEngine
from lit_grpo.engines.settings import EngineSettings, TransformersSettings
from lit_grpo.environment.episodes.record import EpisodeSettings
from lit_grpo.environment.episodes.repair_environment import RepairEnvironment
from lit_grpo.environment.solver.workers import SolverSettings, make_solver
from lit_grpo.fitting.curriculum_steps import observe_validation
from lit_grpo.fitting.due_validation import is_partial_check, run_due_validation
from lit_grpo.fitting.evaluation_log import log_evaluation
from lit_grpo.fitting.learned_level import warn_of_other_level
from lit_grpo.fitting.made_with import made_with, require_same_evaluation
from lit_grpo.fitting.run_folder import is_trial
from lit_grpo.metrics.functional import Quantity
from lit_grpo.metrics.guard import guarded_score
from lit_grpo.metrics.notes import notes_of
from lit_grpo.metrics.records import ScoredTask, gather_scored_tasks
from lit_grpo.metrics.repair import RepairMetrics
from lit_grpo.metrics.results import RepairResults, write_run
from lit_grpo.modules.base import require_policy_module
from lit_grpo.reports.benchmark_test import write_benchmark_test
from lit_grpo.rollout.attempts import RepairGroup
from lit_grpo.rollout.collect import collect_groups
from lit_grpo.rollout.open_attempt import Seeds
from lit_grpo.rollout.settings import PlaySettings
from lit_grpo.rollout.transcripts import format_transcript, transcripts_file, write_transcripts
from lit_grpo.seeds import Seed

LOGGED = (
    Quantity.FR_1,
    Quantity.FR_5,
    Quantity.RR_5,
    Quantity.UNFAITHFUL,
    Quantity.DIAGNOSIS_F1,
    Quantity.MALFORMED,
    Quantity.VERIFIED,
)


@dataclass(frozen=True, slots=True)
class EvaluationSettings:
    """How held-out tasks are played, where that differs from training."""

    temperature: float = 0.0
    """0 decodes greedily."""
    seed: int | None = None
    """The seed of the draws, where the temperature is not 0; None: the run's. The tasks never move with it."""
    leave_out_long_prompts: bool = True
    """A task whose prompt does not fit the policy's context is not played and counts as not repaired (``too_long``);
    false: it ends the run with a ValueError."""
    guard_standard_errors: float = 0.0
    """A kind's loss counts in ``val/guarded_FR@5`` as far as it exceeds so many of its standard errors."""

    def __post_init__(self) -> None:
        if self.guard_standard_errors < 0:
            raise ValueError(f"guard_standard_errors: expected at least 0, got {self.guard_standard_errors}")


class RepairEvaluation(Callback):
    """Evaluates the policy on the held-out tasks of the data module.

    Files: ``results.json``, ``scores.jsonl`` and ``episodes.jsonl`` in the run folder after `test`, in its folder
    ``validation`` after `validate`, and in ``validation/batch_NNNNNN`` during `fit`. With several ranks each writes the
    attempts it played; the other files cover all ranks. A test on a benchmark adds the files of
    reports/benchmark_test.py.

    Args:
        settings: The settings that differ from training.
        max_completion_tokens: Most tokens of a turn; None: the default of SamplingSettings.
        episode: Rules and rendering; None: the defaults.
        engine: Makes the engine where there is no RolloutCallback to borrow one from; None: TransformersSettings.
        solver: Makes the solver; None: one worker process of this rank.
        stop: Token ids that end a turn, besides the chat format's own; None: none.

    The command line fills in the settings that training has as well (``max_completion_tokens``, ``stop``, ``episode``,
    ``engine``) where they are None (shared_settings.py).
    """

    def __init__(
        self,
        settings: EvaluationSettings | None = None,
        max_completion_tokens: int | None = None,
        episode: EpisodeSettings | None = None,
        engine: EngineSettings | None = None,
        solver: SolverSettings | None = None,
        stop: tuple[int, ...] | None = None,
    ) -> None:
        self.settings = settings or EvaluationSettings()
        sampling = SamplingSettings(temperature=self.settings.temperature, stop=stop or ())
        if max_completion_tokens is not None:
            sampling = replace(sampling, max_completion_tokens=max_completion_tokens)
        self.play_settings = PlaySettings(
            group_size=1,
            sampling=sampling,
            episode=episode or EpisodeSettings(),
            leave_out_long_prompts=self.settings.leave_out_long_prompts,
        )
        self.start: dict[str, float] = {}
        """FR@5 per kind at the fit's first evaluation, which the guard compares with."""
        self._own_engine = PolicyEngine(engine or TransformersSettings())
        self._engine = self._own_engine
        """Its own engine, or that of the rollouts, which then close it."""
        self.validated_at: int | None = None
        """Batches that were consumed at the fit's last evaluation; None before the first."""
        solver = solver or SolverSettings()
        self._solver = make_solver(solver)
        self._environment = RepairEnvironment(self.play_settings.episode, self._solver, solver.threads)
        self._metrics = RepairMetrics()
        self._groups: list[RepairGroup] = []
        self._made_with: dict[str, Any] = {}

    @override
    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Check the tasks against the rules; borrow the engine of the rollouts, where there are any."""
        module = require_policy_module(pl_module, "RepairEvaluation")
        if stage != "fit":
            warn_of_other_level(module.policy_settings.checkpoint, self.play_settings.episode)
        data = trainer.datamodule  # pyright: ignore[reportAttributeAccessIssue]
        if isinstance(data, HeldOutDataModule):
            data.require_repairable(self.play_settings.episode, stage)
        if isinstance(data, TaskDataModule):
            data.is_evaluated = True
        for callback in trainer.callbacks:  # pyright: ignore[reportAttributeAccessIssue]
            if isinstance(callback, RolloutCallback):
                self._engine = callback.engine

    @override
    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Refuse to write over the results of another evaluation, before any task is played."""
        kept = next((c for c in trainer.callbacks if isinstance(c, KeepConfig)), None)  # pyright: ignore[reportAttributeAccessIssue]
        config = None if kept is None else (kept.name, kept.digest)
        module = require_policy_module(pl_module, "RepairEvaluation")
        play = self.play_settings
        played_with = {"settings": self.settings, "sampling": play.sampling, "rules": play.episode}
        self._made_with = made_with(trainer, module, played_with, config)
        if trainer.state.fn is not TrainerFn.FITTING and not is_trial(trainer):
            require_same_evaluation(self._folder(trainer), self._made_with)

    on_test_start = on_validation_start

    @override
    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Play, in a resumed fit, what was due when its checkpoint was written."""
        run_due_validation(trainer, self.validated_at)

    @override
    def on_validation_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Begin with no attempts."""
        self._groups = []
        self._metrics.reset()
        self._metrics.to(pl_module.device)

    on_test_epoch_start = on_validation_epoch_start

    @override
    def on_validation_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        """Play this rank's tasks of the batch."""
        assert isinstance(batch, TaskBatch), f"expected a TaskBatch, got {type(batch).__name__}"
        policy = require_policy_module(pl_module, "RepairEvaluation").served
        groups = collect_groups(
            batch.tasks,
            self._environment,
            self._engine.current(policy),
            self._engine.conversation(policy),
            self.play_settings,
            Seeds(Seed(self.settings.seed).value, batch=0),
        )
        self._metrics.update(_scored(groups))
        self._groups += groups

    on_test_batch_start = on_validation_batch_start

    @override
    def on_validation_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write the files, log the numbers."""
        if is_partial_check(trainer):
            return  # what guards and curricula go by is all tasks
        results = self._write(trainer, self._folder(trainer))
        values = {f"val/{quantity}": _value(results, quantity) for quantity in LOGGED}
        kinds = {kind.value: summary.value(Quantity.FR_5) or 0.0 for kind, summary in results.by_kind.items()}
        self.start = self.start or kinds
        values |= {f"val/FR@5/{kind}": value for kind, value in kinds.items()}
        values |= {f"val/FR@5/{d.value}": s.value(Quantity.FR_5) or 0.0 for d, s in results.by_difficulty.items()}
        values["val/worst_kind_FR@5"] = min(kinds.values())
        values["val/guarded_FR@5"] = guarded_score(results, self.start, self.settings.guard_standard_errors)
        if trainer.state.fn is TrainerFn.FITTING:
            pl_module.log_dict(values, logger=False)
            log_evaluation(trainer, values)
            self.validated_at = consumed_batches(trainer)
            observe_validation(trainer, results)
        else:
            pl_module.log_dict(values)
        if trainer.is_global_zero and self._groups:
            # Another one each time; the same in every run, so that runs can be looked at beside each other.
            shown = Random(f"shown/{consumed_batches(trainer)}").choice(self._groups)
            transcript = Text(format_transcript(shown, self._environment))
            get_console().print(Panel(transcript, title="A held-out task", expand=False))

    @override
    def on_test_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write the files, log the numbers."""
        folder, data = self._folder(trainer), trainer.datamodule  # pyright: ignore[reportAttributeAccessIssue]
        results = self._write(trainer, folder)
        is_benchmark = isinstance(data, HeldOutDataModule) and data.held_out.benchmark is not None
        if is_benchmark and trainer.is_global_zero and not is_trial(trainer):
            rules, intervals = self.play_settings.episode, self._metrics.settings
            write_benchmark_test(folder, data.listed, self._solver, rules, intervals, get_console())
        pl_module.log_dict({f"test/{quantity}": _value(results, quantity) for quantity in LOGGED})

    @override
    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """End the solver's workers and its own engine; a later stage starts new ones."""
        self._own_engine.close()
        self._environment.close()

    @override
    def state_dict(self) -> dict[str, Any]:
        """The figures at the start, which a resumed fit guards against too, and when the last evaluation was."""
        return {"start": self.start, "validated_at": self.validated_at}

    @override
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Put both back."""
        self.start, self.validated_at = state_dict["start"], state_dict.get("validated_at")

    def _write(self, trainer: pl.Trainer, folder: Path) -> RepairResults:
        scored = gather_scored_tasks(_scored(self._groups))
        if not scored:
            raise ValueError("expected held-out tasks to evaluate, got none; raise data.held_out.num_..._tasks")
        results = self._metrics.compute()
        if is_trial(trainer):
            return results
        if trainer.is_global_zero:
            settings, played = self._metrics.settings, self._played(trainer)
            write_run(folder, scored, results, settings, played, self._made_with)
            for note in notes_of(scored):
                get_console().print(note, style="yellow", markup=False)
        path = folder / transcripts_file(trainer.global_rank)
        write_transcripts(path, self._groups, self._environment, batch=0)
        return results

    def _played(self, trainer: pl.Trainer) -> Played | None:
        data = trainer.datamodule  # pyright: ignore[reportAttributeAccessIssue]
        split = Split.TEST if trainer.state.fn is TrainerFn.TESTING else Split.VALIDATION
        return data.played(split, self.play_settings.episode) if isinstance(data, HeldOutDataModule) else None

    def _folder(self, trainer: pl.Trainer) -> Path:
        root = Path(trainer.default_root_dir)
        match trainer.state.fn:
            case TrainerFn.FITTING:
                return root / "validation" / f"batch_{consumed_batches(trainer):06d}"
            case TrainerFn.VALIDATING:
                return root / "validation"
            case _:
                return root


def _scored(groups: Sequence[RepairGroup]) -> list[ScoredTask]:
    return [
        ScoredTask.of(group.task, attempt.record.stop_reason, score)
        for group in groups
        for attempt, score in zip(group.attempts, group.scores, strict=True)
    ]


def _value(results: RepairResults, quantity: Quantity) -> float:
    value = results.overall.value(quantity)
    return float("nan") if value is None else value
