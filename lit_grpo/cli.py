"""`lit-grpo fit|validate|test|predict`: LightningCLI on this package's modules, data modules and callbacks.

Configs compose: every ``--config`` overrides those before it, and ``--key value`` overrides them all. What a user can
get wrong is answered in one line; a traceback means a bug.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any

import jsonargparse
import lightning.pytorch as pl
from jsonargparse import set_parsing_settings
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.cli import ArgsType, LightningArgumentParser, LightningCLI
from lightning.pytorch.utilities.exceptions import SIGTERMException
from typing_extensions import override
from yaml.representer import SafeRepresenter

from lit_grpo.callbacks.evaluation import RepairEvaluation
from lit_grpo.callbacks.export import ExportPolicy
from lit_grpo.callbacks.kept_config import KeepConfig
from lit_grpo.callbacks.last_checkpoint import exit_status_of, terminated_status
from lit_grpo.callbacks.repair_writer import RepairWriter
from lit_grpo.callbacks.rollout import RolloutCallback
from lit_grpo.checkpointing import AtomicModelParallelStrategy
from lit_grpo.config_errors import explain, require_trainer_names
from lit_grpo.config_trees import require_settings, with_nulls
from lit_grpo.config_values import require_values
from lit_grpo.data.curriculum.kind_pools import KindPools
from lit_grpo.data.curriculum.staged import StagedCurriculum
from lit_grpo.data.curriculum.success import SuccessTargeting
from lit_grpo.data.datamodule import DemonstrationDataModule, TaskDataModule
from lit_grpo.data.programs.folder_error import ProgramFolderError
from lit_grpo.data.proofreading_data import ProofreadingDataModule
from lit_grpo.data.user_program import RepairDataModule
from lit_grpo.engines.engine import EngineFailure
from lit_grpo.engines.settings import EngineSettings, TransformersSettings, VllmServerSettings, VllmSettings
from lit_grpo.fitting.console import closing_line_of_test, closing_lines, quieten_libraries, say
from lit_grpo.fitting.run_folder import checkpoint_of
from lit_grpo.losses.cispo import CISPOLoss
from lit_grpo.losses.clipped import ClippedLoss
from lit_grpo.losses.dppo import DPPOLoss
from lit_grpo.losses.gmpo import GMPOLoss
from lit_grpo.losses.reinforce import ReinforceLoss
from lit_grpo.losses.sapo import SAPOLoss
from lit_grpo.losses.sequence_clipped import SequenceClippedLoss
from lit_grpo.modules.dagger import DAggerModule
from lit_grpo.modules.finite import NotFinite
from lit_grpo.modules.grpo import GRPOModule
from lit_grpo.modules.mismatch_monitor import SamplerDiffers
from lit_grpo.modules.precision import PRECISIONS
from lit_grpo.modules.sft import SFTModule
from lit_grpo.presets import with_preset_paths
from lit_grpo.rewards.base import Reward
from lit_grpo.rewards.composite import CompositeReward
from lit_grpo.rewards.hybrid import HybridReward
from lit_grpo.rewards.verdict import VerdictReward
from lit_grpo.run_arguments import run_arguments
from lit_grpo.shared_settings import SECTIONS, hand_over, take_out
from lit_grpo.trainer_arguments import refused_by_lightning, require_arguments, require_strategy

CONFIGURABLE = (
    AtomicModelParallelStrategy,
    CISPOLoss,
    ClippedLoss,
    CompositeReward,
    DAggerModule,
    DPPOLoss,
    DemonstrationDataModule,
    ExportPolicy,
    GMPOLoss,
    GRPOModule,
    HybridReward,
    KindPools,
    ProofreadingDataModule,
    ReinforceLoss,
    RepairDataModule,
    RepairEvaluation,
    RepairWriter,
    RolloutCallback,
    SAPOLoss,
    SFTModule,
    SequenceClippedLoss,
    StagedCurriculum,
    SuccessTargeting,
    TaskDataModule,
    TransformersSettings,
    VerdictReward,
    VllmServerSettings,
    VllmSettings,
)
"""Classes that a config may name as ``class_path`` without their module: importing one makes its short name known."""

TOP: dict[str, type | None] = {
    "seed_everything": None,
    "trainer": pl.Trainer,
    **SECTIONS,
    "engine": None,
    "model": None,
    "data": None,
    "ckpt_path": None,
    "weights_only": None,
    "verbose": None,
    "return_predictions": None,
}
"""Top-level keys, with the class that takes what is below them where it is always the same."""

CHOICES = {"trainer.precision": PRECISIONS}
"""Keys for which fewer values work here than Lightning knows."""
OF_CLASSES = ("engine", "model", "data")
"""Top-level keys that are a class with its arguments."""

PACKAGE, PARSER = Path(__file__).parent, Path(jsonargparse.__file__).parent

# A field's docstring is its help. A reward stays one of several classes where a dataclass is the default.
set_parsing_settings(docstring_parse_attribute_docstrings=True, subclasses_enabled=[Reward])
# Weights per kind of fault are a mapping with enum keys, which the YAML writer of --print_config does not know.
SafeRepresenter.add_multi_representer(StrEnum, lambda representer, member: representer.represent_str(member.value))


class UserError(Exception):
    """Something in a config or on the command line."""


_FAILED = (EngineFailure, NotFinite, SamplerDiffers)
EXPECTED = (UserError, ValueError, FileNotFoundError, MisconfigurationException, *_FAILED)
"""The errors that a run may end with for a reason that the message explains."""


class ConfigParser(LightningArgumentParser):
    """A parser that takes no abbreviated keys, and leaves the explaining to `main`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        # Not an argument of the top one alone: the parsers of nested settings are made by the library, from this class.
        super().__init__(*args, **{"allow_abbrev": False, **kwargs})

    @override
    def error(self, message: str, ex: Exception | None = None) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Raise UserError."""
        raise UserError(message) from ex


class RepairCLI(LightningCLI):
    """The command line. Adds to every run: atomic checkpoints, random states, Ctrl-C that saves, the logs, the bar."""

    exit_status = 0
    """1 where a command has ended without what was hoped for, 130 or 143 where it was told to end."""

    def __init__(self, args: Sequence[str] | None = None) -> None:
        super().__init__(
            pl.LightningModule,
            pl.LightningDataModule,
            subclass_mode_model=True,
            subclass_mode_data=True,
            parser_class=ConfigParser,
            save_config_callback=KeepConfig,
            save_config_kwargs={"save_to_log_dir": False},
            # Batches are shared over ranks by their position in the stream (data/batches.py), not by a sampler.
            trainer_defaults={
                "use_distributed_sampler": False,
                "default_root_dir": "runs/default",
                "enable_model_summary": False,
            },
            seed_everything_default=0,
            auto_configure_optimizers=False,
            load_from_checkpoint_support=False,
            args=None if args is None else list(args),
        )

    @override
    def parse_arguments(self, parser: LightningArgumentParser, args: ArgsType) -> None:
        """Parse, with presets found by their names."""
        words = sys.argv[1:] if args is None else args
        assert isinstance(words, list)
        self._words = with_nulls(with_preset_paths(words), OF_CLASSES)
        require_settings(self._words, ("trainer", *SECTIONS), OF_CLASSES)
        self.config = parser.parse_args(self._words)
        require_values(self.config[self.config.subcommand].as_dict(), TOP)

    @override
    def _parse_ckpt_path(self) -> None:
        """Find the checkpoint, before anything is built."""
        config = self.config[self.config.subcommand]
        word = config.get("ckpt_path")
        if word is not None:
            config.ckpt_path = str(checkpoint_of(word, Path(config.trainer.default_root_dir)))

    @override
    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Add what several parts of a run share (shared_settings.py)."""
        for key, settings in SECTIONS.items():
            parser.add_class_arguments(settings, key)
        parser.add_subclass_arguments(EngineSettings, "engine", default={"class_path": "TransformersSettings"})

    @override
    def before_instantiate_classes(self) -> None:
        """Hand shared settings to every part. The config that is kept has each of them once."""
        name = self.subcommand
        assert name is not None
        config = self.config[name]
        require_trainer_names(config.trainer)
        take_out(config, lambda: self.parser.parse_args(self._words, defaults=False)[name])
        self.save_config_kwargs["as_asked"] = config.clone()
        hand_over(config)

    def predict(self, **arguments: Any) -> None:
        """Explain the program; read weights and play only where that leaves something to repair."""
        writers = [callback for callback in self.trainer.callbacks if isinstance(callback, RepairWriter)]  # pyright: ignore[reportAttributeAccessIssue]
        asked = self.datamodule.asked if isinstance(self.datamodule, RepairDataModule) else None
        if asked is None or not writers or any(writer.explain(self.trainer, asked) for writer in writers):
            self.trainer.predict(**arguments)
        self.exit_status = max((writer.exit_status for writer in writers), default=0)

    def after_fit(self) -> None:
        """Say where the policy is, how good it was, and how it is looked at."""
        self.exit_status = exit_status_of(self.trainer)
        exports = [callback.folder for callback in self.trainer.callbacks if isinstance(callback, ExportPolicy)]  # pyright: ignore[reportAttributeAccessIssue]
        say(self.trainer, closing_lines(self.trainer, exports[0] if exports else None))

    def after_test(self) -> None:
        """Say where the results are."""
        say(self.trainer, [closing_line_of_test(self.trainer)])

    @override
    def instantiate_trainer(self, **kwargs: Any) -> pl.Trainer:
        """The Trainer of the config, with what every run has."""
        assert self.subcommand is not None
        trainer = self.config_init[self.subcommand].trainer
        require_arguments(vars(trainer))
        checkpoint = self.config[self.subcommand].get("ckpt_path")
        arguments = run_arguments(
            trainer.default_root_dir,
            _as_list(trainer.callbacks),
            is_fit=self.subcommand == "fit",
            ckpt_path=None if checkpoint is None else Path(checkpoint),
            logger=trainer.logger,
            plugins=_as_list(trainer.plugins),
            last_checkpoint=self.config_init[self.subcommand].last_checkpoint,
            with_checkpoints=trainer.enable_checkpointing is not False,
            with_progress_bar=trainer.enable_progress_bar is not False,
            is_trial=bool(trainer.fast_dev_run),
        )
        for name, value in arguments.items():
            trainer[name] = value
        with refused_by_lightning(vars(trainer)):
            made = super().instantiate_trainer(**kwargs)
        require_strategy(made.strategy)
        return made


def main(args: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        args: The words of the command line; None: those of the process.

    Returns:
        The exit status: 0; 1: `predict` recommends no repair; 2: a user's error; 130, 143: a run that was told to end.
    """
    arguments = sys.argv[1:] if args is None else args
    folder = str(Path.cwd())
    if folder not in sys.path:
        # A config may name classes in files of the working folder; they hide nothing that is installed.
        sys.path.append(folder)
    quieten_libraries()
    return status_of(lambda: RepairCLI(args).exit_status, arguments)


def status_of(run: Callable[[], int], arguments: Sequence[str], program: str = "lit-grpo") -> int:
    """The exit status that ``run`` gives, or 2 after a user's error, which is then on stderr in one line."""
    try:
        return run()
    except SIGTERMException:  # Lightning's, of status 0, once the batch has ended
        return terminated_status()
    except EXPECTED as error:
        if not _is_expected(error):
            raise
        is_said = isinstance(error, ProgramFolderError)  # programs of a user are refused in a line each
        said = str(error) if is_said else explain(str(error), arguments, CONFIGURABLE, TOP, CHOICES)
        print(f"{program}: {said}", file=sys.stderr)
        return 2


def _is_expected(error: Exception) -> bool:
    """Whether this package, or a parser on its behalf, raised it on purpose: its message then says what to change."""
    raised_in = Path(traceback.extract_tb(error.__traceback__)[-1].filename)
    return isinstance(error, MisconfigurationException) or bool({PACKAGE, PARSER} & set(raised_in.parents))


def _as_list(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]
