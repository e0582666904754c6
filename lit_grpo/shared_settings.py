"""The settings that several parts of a run share: one key of the command line each, handed to every part from there.

Called by cli.py before anything is built. A part is handed what `SHARED` says and nothing else; what a config names at
the part itself has to agree with the key.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from enum import Enum
from pathlib import Path
from typing import Any

from jsonargparse import Namespace

from lit_grpo.callbacks.evaluation import RepairEvaluation
from lit_grpo.callbacks.export import ExportPolicy
from lit_grpo.callbacks.last_checkpoint import LastCheckpointSettings
from lit_grpo.callbacks.repair_writer import RepairWriter
from lit_grpo.callbacks.rollout import RolloutCallback
from lit_grpo.config_classes import find_class
from lit_grpo.data.datamodule import DemonstrationDataModule, TaskDataModule
from lit_grpo.data.policy_folder import tokenizer_folder
from lit_grpo.data.proofreading_data import ProofreadingDataModule
from lit_grpo.environment.episodes.record import EpisodeSettings
from lit_grpo.presets import find_checkpoint
from lit_grpo.rollout.settings import RolloutSettings

SECTIONS: Mapping[str, type] = {
    "episode": EpisodeSettings,
    "rollout": RolloutSettings,
    "last_checkpoint": LastCheckpointSettings,
}
"""Key of the command line -> the settings whose fields are the keys below it."""

TURN_LENGTH, STOP = "rollout.sampling.max_completion_tokens", "rollout.sampling.stop"
POLICY, BASE = "model.init_args.policy.checkpoint", "model.init_args.policy.base"

SHARED: Mapping[type, Mapping[str, str]] = {
    RolloutCallback: {"settings": "rollout", "episode": "episode", "engine": "engine"},
    RepairEvaluation: {"max_completion_tokens": TURN_LENGTH, "stop": STOP, "episode": "episode", "engine": "engine"},
    RepairWriter: {"max_completion_tokens": TURN_LENGTH, "stop": STOP, "episode": "episode", "engine": "engine"},
    ExportPolicy: {"episode": "episode"},
    TaskDataModule: {"replay.episode": "episode", "replay.tokenizer": POLICY},
    DemonstrationDataModule: {"episode": "episode", "tokenizer": POLICY},
    ProofreadingDataModule: {"episode": "episode", "tokenizer": POLICY},
}
"""Part of a run, subclasses included -> its arguments -> the key that each is handed."""


def take_out(config: Namespace, named: Callable[[], Namespace]) -> None:
    """Leave every shared setting at its key alone, once what the parts name agrees with the keys.

    Args:
        config: The config of one subcommand; changed in place.
        named: Gives the same config without defaults, asked for where a part has a shared setting of its own.

    Raises:
        ValueError: A part and the key disagree.
    """
    arguments = list(_arguments(config))
    if all(holder[name] is None for _, holder, name, _ in arguments):
        return
    for place, holder, name, key in _arguments(named()):
        if holder[name] is not None:
            _require_equal(f"{place}.{name}", holder[name], key, config[key])
    for _, holder, name, _ in arguments:
        holder[name] = None


def hand_over(config: Namespace) -> None:
    """Give every part what `SHARED` says; ``config`` is changed in place.

    Raises:
        ValueError: The policy is adapters without a tokenizer, and their base is not to be found.
    """
    for _, holder, name, key in _arguments(config):
        holder[name] = _tokenizer(config) if key == POLICY else config[key]


def _tokenizer(config: Namespace) -> Path:
    """The folder of the policy's tokenizer: its own, or that of the base that a config names below adapters."""
    base = config.get(BASE)
    checkpoint = find_checkpoint(Path(config[POLICY]))
    return tokenizer_folder(checkpoint, None if base is None else Path(base))


def _arguments(config: Namespace) -> Iterator[tuple[str, Namespace, str, str]]:
    """The shared arguments of all parts: where the argument stands, what holds it, its name there, and its key."""
    callbacks = config.get("trainer.callbacks") or []
    parts = {f"trainer.callbacks[{number}]": callback for number, callback in enumerate(callbacks)}
    for place, part in (parts | {"data": config.get("data")}).items():
        for argument, key in _shared_by(part).items():
            *above, name = argument.split(".")
            path = ["init_args", *above]
            holder = part.get(".".join(path))
            if holder is not None and name in holder:
                yield ".".join([place, *path]), holder, name, key


def _shared_by(part: Namespace | None) -> Mapping[str, str]:
    """The arguments that `SHARED` lists for a part's class, with the key of each."""
    cls = None if part is None else find_class(part.class_path, {})
    rows = [row for kind, row in SHARED.items() if cls is not None and issubclass(cls, kind)]
    return {argument: key for row in rows for argument, key in row.items()}


def _require_equal(place: str, said: Any, key: str, value: Any) -> None:
    """ValueError if any value given at the place differs from the key's."""
    if isinstance(said, Namespace):
        for name, inner in vars(said).items():
            _require_equal(f"{place}.{name}", inner, f"{key}.{name}", value.get(name) if value is not None else None)
    elif said != value:
        raise ValueError(
            f"{place}: expected {_written(value)}, as {key} says, got {_written(said)}; they are one setting: "
            f"set {key}, and leave it out there"
        )


def _written(value: Any) -> str:
    """The value as a config writes it."""
    return value.name if isinstance(value, Enum) else str(value)
