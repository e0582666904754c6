"""What results were made with: the policy, its checkpoint, the config, how tasks were played, seeds and versions.

Called by RepairEvaluation and experiments/final_evaluation.py, which write it into `results.json` and refuse to take
another evaluation's results for theirs, or to write over them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.trainer.states import TrainerFn

from lit_grpo.data.batches import consumed_batches
from lit_grpo.data.contract import CURRENT
from lit_grpo.data.digests import folder_digest
from lit_grpo.data.json_values import read_object
from lit_grpo.environment.episodes.record import EpisodeSettings
from lit_grpo.metrics.results import RESULTS_FILE
from lit_grpo.modules.base import PolicyModule
from lit_grpo.modules.checkpoint_origin import plain

MADE_WITH = "made_with"
"""The entry of `results.json`."""
PACKAGES = ("lit_grpo", "torch", "transformers", "lightning", "highspy")


def made_with(
    trainer: pl.Trainer, module: PolicyModule, played_with: Mapping[str, Any], config: tuple[str, str] | None
) -> dict[str, Any]:
    """What an evaluation that is about to begin is made with, as JSON.

    Args:
        trainer: The trainer that evaluates.
        module: Its module.
        played_with: The settings that tasks are played with, by their names.
        config: Name of the config in the run folder, and a digest of what in it decides how tasks are played; None
            where a script has put the run together.
    """
    seed, policy = os.environ.get("PL_GLOBAL_SEED"), module.policy_settings.checkpoint
    is_fit = trainer.state.fn is TrainerFn.FITTING
    checkpoint = None if is_fit or trainer.ckpt_path is None else Path(trainer.ckpt_path)
    return {
        "policy": _from_here(policy),
        "policy_digest": folder_digest(policy),
        "checkpoint": None if checkpoint is None else _from_here(checkpoint),
        "checkpoint_digest": None if checkpoint is None else folder_digest(checkpoint),
        "trained_batches": consumed_batches(trainer) if is_fit else None,
        "config": None if config is None else config[0],
        "settings_digest": None if config is None else config[1],
        "seed": None if seed is None else int(seed),
        "played_with": plain(played_with),
        "batches": _num_batches(trainer),
        "packages": {name: version(name) for name in PACKAGES},
    }


def _from_here(path: Path) -> str:
    """A path below the working folder as it is seen from there: results are read on other machines as well."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def made_without_trainer(
    policy: Path, suite: Path, rules: EpisodeSettings, played_with: Mapping[str, Any]
) -> dict[str, Any]:
    """What an evaluation of a policy's folder on a suite is made with, as JSON.

    Args:
        policy: The folder.
        suite: A benchmark file, or a folder of them.
        rules: Those of the episodes.
        played_with: The other settings that tasks are played with, by their names.
    """
    return {
        "policy": _from_here(policy),
        "policy_digest": folder_digest(policy),
        "suite_digest": folder_digest(suite),
        "rules": plain(rules),
        "played_with": plain(played_with),
        "versions": CURRENT.to_json(),
        "packages": {name: version(name) for name in PACKAGES},
    }


def require_same_evaluation(
    folder: Path, now: Mapping[str, Any], option: str = "trainer.default_root_dir", also: str = "name another folder"
) -> None:
    """ValueError if a folder holds the results of another evaluation; the same one may be made again.

    Args:
        folder: The run folder.
        now: What the evaluation that is about to begin is made with.
        option: What names the folder, for the error.
        also: What the error proposes beside moving them.
    """
    path = folder / RESULTS_FILE
    if not path.is_file():
        return
    found = read_object(path, "restore the file, or move it").get(MADE_WITH)
    if found is None:
        what = "results that do not say what they were made with"
    else:
        # Folders and weights are the same by their digests, from wherever they are seen.
        compared = {key: now[key] for key in now if key not in ("config", "policy", "checkpoint")}
        differing = next(_differences(found, compared), None)
        if differing is None:
            return
        name, before, after = differing
        what = f"results of {name} {before}, where {name} is {after} now"
    raise ValueError(
        f"{option}: expected a folder without results of another evaluation, got {path} with {what}; {also}, or move "
        "them"
    )


def _differences(found: object, now: object, name: str = "") -> Iterator[tuple[str, object, object]]:
    """Name, value then and value now of each entry that is not the same."""
    if isinstance(found, Mapping) and isinstance(now, Mapping):
        for key, value in now.items():
            yield from _differences(found.get(key), value, f"{name}.{key}" if name else key)
    elif found != now:
        yield name, found, now


def _num_batches(trainer: pl.Trainer) -> int:
    """Batches of held-out tasks that this rank plays."""
    if trainer.state.fn is TrainerFn.TESTING:
        return int(sum(trainer.num_test_batches))
    return int(sum(trainer.num_sanity_val_batches if trainer.sanity_checking else trainer.num_val_batches))
