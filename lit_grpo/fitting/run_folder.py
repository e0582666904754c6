"""What lies where in the folder of a run, and whether one may write there.

Called by cli.py before anything is built, and by the callbacks that write.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import lightning.pytorch as pl

from lit_grpo.checkpoint_reading import read_description
from lit_grpo.fitting.metrics_csv import METRICS_FILE
from lit_grpo.modules.checkpoint_origin import ORIGIN
from lit_grpo.rollout.transcripts import transcripts_file

CHECKPOINTS = "checkpoints"
"""The folder of checkpoints within a run folder, whatever the logger."""


def is_trial(trainer: pl.Trainer) -> bool:
    """Whether it is a ``fast_dev_run``, which leaves nothing behind."""
    return bool(trainer.fast_dev_run)  # pyright: ignore[reportAttributeAccessIssue]


def last_checkpoint(folder: Path | str) -> Path:
    """The checkpoint of where the run in a folder stands."""
    return Path(folder) / CHECKPOINTS / "last.ckpt"


def checkpoint_of(word: str, folder: Path) -> Path:
    """The checkpoint that ``--ckpt_path`` names.

    Args:
        word: A path, or ``last`` or ``best``: those of the run in the folder.
        folder: The run folder.

    Raises:
        FileNotFoundError: There is none.
        ValueError: It is no checkpoint of this package, or not whole.
    """
    match word:
        case "last":
            path = last_checkpoint(folder)
        case "best":
            path = _best_checkpoint(folder)
        case _:
            path = Path(word)
    if not path.exists():
        got = f"{path}, which does not exist" if path.name == word else f"{word!r}, while there is no {path}"
        raise FileNotFoundError(f"--ckpt_path: expected a checkpoint, got {got}; leave it out to start a run")
    if "policy_version" not in read_description(path):
        raise ValueError(
            f"--ckpt_path: expected a checkpoint of this package, got {path}, which says nothing of a policy; weights "
            "from elsewhere come in as a folder: --model.policy.checkpoint"
        )
    return path


def require_free(folder: Path, exported: Sequence[str], checkpoint: Path | None) -> None:
    """ValueError if a fit would write over another run's files.

    Args:
        folder: The run folder.
        exported: Folders within it that policies are exported to.
        checkpoint: The checkpoint that the fit goes on from; None: it starts a run.
    """
    mark = next(_marks(folder, exported), None)
    if mark is None:
        return
    if checkpoint is None:
        raise ValueError(
            f"trainer.default_root_dir: expected a folder without a run, got {folder}, which has {mark}; name another "
            "one, or resume that run with --ckpt_path last"
        )
    own = folder.resolve()
    is_inside = own in checkpoint.resolve().parents
    if not is_inside and read_description(checkpoint).get(ORIGIN, {}).get("folder") != str(own):
        raise ValueError(
            f"trainer.default_root_dir: expected the folder that {checkpoint} is of, or one without a run, got "
            f"{folder}, which has {mark} of another run; name another one"
        )


def _marks(folder: Path, exported: Sequence[str]) -> Iterator[str]:
    """What a run has left in a folder."""
    for name in (METRICS_FILE, transcripts_file(0), CHECKPOINTS, *exported):
        path = folder / name
        if path.is_file() or (path.is_dir() and any(path.iterdir())):
            yield name


def _best_checkpoint(folder: Path) -> Path:
    """The checkpoint that the run in a folder found best, by the record in its last one; the folder may have moved.

    Where there is no last one yet it is the latest that says so of itself.
    """
    last = last_checkpoint(folder)
    if last.exists():
        best = _best_by(last)
    else:
        own = [path for path in last.parent.glob("*.ckpt") if _best_by(path) == path]
        best = max(own, key=lambda path: read_description(path)["global_step"], default=None)
    if best is None:
        raise FileNotFoundError(
            f"--ckpt_path: expected a best checkpoint in {last.parent}, got none so far; give 'last', or a "
            "ModelCheckpoint with a monitor in trainer.callbacks"
        )
    return best


def _best_by(checkpoint: Path) -> Path | None:
    """The best checkpoint by the record in one of a folder; None if it has none."""
    callbacks: dict[str, Any] = read_description(checkpoint).get("callbacks", {})
    for name, state in callbacks.items():
        if name.startswith("ModelCheckpoint") and state.get("monitor") and state.get("best_model_path"):
            best = Path(state["best_model_path"])
            beside = checkpoint.with_name(best.name)
            return beside if beside.exists() else best
    return None
