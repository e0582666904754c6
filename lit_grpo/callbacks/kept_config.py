"""KeepConfig: the config of a run in its folder, in its checkpoints and in its loggers.

Installed by cli.py in every run. Read by RepairEvaluation, whose results name the config that they were made with.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from hashlib import blake2b
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
from jsonargparse import Namespace
from lightning.pytorch.cli import LightningArgumentParser, SaveConfigCallback
from lightning.pytorch.trainer.states import TrainerFn
from lightning_utilities.core.rank_zero import rank_zero_info
from typing_extensions import override

from lit_grpo.writing import writing

ENTRY = "config"
"""The entry of a checkpoint that holds the config, flat."""
SHOWN_DIFFERENCES = 12
PLAYED = ("seed_everything", "model.", "data.", "episode.", "rollout.", "engine.", "trainer.precision")
"""Beginnings of the keys that decide how held-out tasks are played."""


class KeepConfig(SaveConfigCallback):
    """Writes the resolved config into the run folder, beside those that are there already.

    It is the config from before shared settings were handed to the parts, so that one laid over it can still change
    them in one place. A resumed fit says what it has otherwise than the checkpoint's.
    """

    def __init__(self, parser: LightningArgumentParser, config: Namespace, as_asked: Namespace, **kwargs: Any) -> None:
        super().__init__(parser, as_asked, **kwargs)
        self.flat = dict(_flat(as_asked.as_dict()))
        """Every setting by its key on the command line."""
        self.name = ""
        """The file's name in the run folder; empty before it is written."""

    @property
    def digest(self) -> str:
        """A digest of the settings that decide how held-out tasks are played."""
        played = {key: value for key, value in self.flat.items() if key.startswith(PLAYED)}
        return blake2b(json.dumps(played, sort_keys=True).encode(), digest_size=8).hexdigest()

    @override
    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Write the file on rank 0, and tell every rank its name; tell the loggers the settings."""
        super().setup(trainer, pl_module, stage)
        self.name = trainer.strategy.broadcast(self.name)
        if trainer.enable_autolog_hparams:
            for logger in trainer.loggers:
                logger.log_hyperparams(self.flat)

    @override
    def save_config(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Write ``config.yaml``, or the next free ``config_N.yaml``, unless the same config is there already."""
        folder = Path(trainer.default_root_dir)
        text = self.parser.dump(self.config, skip_none=False)
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
            taken = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("config*.yaml")}
            names = ["config.yaml", *(f"config_{number}.yaml" for number in range(1, len(taken) + 1))]
            self.name = next(name for name in names if taken.get(name, text) == text)
            (folder / self.name).write_text(text, encoding="utf-8")

    @override
    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Put the config into the checkpoint."""
        checkpoint[ENTRY] = self.flat

    @override
    def on_load_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Say what differs from the config of the checkpoint that a fit goes on from."""
        if trainer.state.fn is not TrainerFn.FITTING:
            return
        differing = differences(checkpoint.get(ENTRY) or self.flat, self.flat)
        if differing:
            more = len(differing) - SHOWN_DIFFERENCES
            shown = "; ".join(differing[:SHOWN_DIFFERENCES]) + (f"; and {more} more" if more > 0 else "")
            rank_zero_info(f"Goes on with other settings than the checkpoint's. {shown}")


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> Sequence[str]:
    """``key: old -> new`` for every setting that is not the same, but for the checkpoint itself."""
    keys = [key for key in {**before, **now} if key != "ckpt_path" and before.get(key) != now.get(key)]
    return [f"{key}: {before.get(key)} -> {now.get(key)}" for key in keys]


def _flat(tree: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """The leaves of a config as plain values, by their dotted keys."""
    if isinstance(tree, Mapping) and tree:
        for key, value in tree.items():
            yield from _flat(value, f"{path}.{key}" if path else str(key))
    elif isinstance(tree, list | tuple) and any(isinstance(item, Mapping) for item in tree):
        for number, item in enumerate(tree):
            yield from _flat(item, f"{path}.{number}")
    else:
        yield path, _plain(tree)


def _plain(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)
