"""Whether the run of a checkpoint has ended, and, if not, whether it can go on by the settings of now.

Called by checkpoint_origin.py for a fit that is given a checkpoint. What has ended says so and trains nothing; what
cannot go on is refused in one line.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import EarlyStopping, WeightAveraging
from lightning.pytorch.callbacks.early_stopping import EarlyStoppingReason
from lightning_utilities.core.rank_zero import rank_zero_info

LENGTH = "data.batches_per_epoch"
"""The key of an epoch's length, in what a checkpoint says of its run."""


def require_going_on(
    checkpoint: Mapping[str, Any],
    trainer: pl.Trainer,
    updates_per_batch: int,
    before: Mapping[str, Any],
    now: Mapping[str, Any],
) -> None:
    """Say that nothing is left to train, or refuse what cannot go on; a patience that is asked for counts.

    Args:
        checkpoint: What was read from ``trainer.ckpt_path``; its callbacks have not read their states yet.
        trainer: Its module and its data are attached.
        updates_per_batch: Optimizer steps that a batch takes.
        before: What the checkpoint says of its run.
        now: The same of the present one.

    Raises:
        ValueError: More was asked for in a way that changes nothing, fewer batches than there were, or weights were
            averaged and would not be any more.
    """
    path = str(trainer.ckpt_path)
    _require_averaging(checkpoint, trainer, path)
    more = _way_to_extend(checkpoint, trainer, updates_per_batch)
    if more is not None:
        if before.get(LENGTH) != now.get(LENGTH):
            raise ValueError(
                f"{LENGTH}: expected {before.get(LENGTH)}, as in the finished run of {path}, got {now.get(LENGTH)}; an "
                f"epoch that has ended stays so: {more}"
            )
    else:
        more = _way_to_go_on_after_stopping(checkpoint, trainer)
    if more is None:
        _require_room_in_epoch(checkpoint, trainer, path, now.get(LENGTH))
        return
    trainer.num_sanity_val_steps = 0
    trainer.should_stop = True
    epochs, batches = _epochs(checkpoint), _batches(checkpoint)["total"]["processed"]
    rank_zero_info(f"This run has ended: {batches} batches in {epochs} epoch(s). Nothing is left to train; {more}.")


def _require_averaging(checkpoint: Mapping[str, Any], trainer: pl.Trainer, path: str) -> None:
    callbacks = trainer.callbacks  # pyright: ignore[reportAttributeAccessIssue]
    if "averaging_state" in checkpoint and not any(isinstance(callback, WeightAveraging) for callback in callbacks):
        raise ValueError(
            f"trainer.callbacks: expected the averaging of weights that {path} was trained with, got none, which would "
            "train the average on; name EMAWeightAveraging (or WeightAveraging) again, or start a new run from the "
            "exported weights"
        )


def _way_to_extend(checkpoint: Mapping[str, Any], trainer: pl.Trainer, updates_per_batch: int) -> str | None:
    """How a run is extended that has reached a limit; None if it has not."""
    epochs, batches = _epochs(checkpoint), _batches(checkpoint)["total"]["processed"]
    if trainer.max_epochs is not None and 0 <= trainer.max_epochs <= epochs:
        return f"set --trainer.max_epochs {epochs + 1} to extend it"
    if 0 <= trainer.max_steps <= batches * updates_per_batch:
        return "raise --trainer.max_steps to extend it"
    return None


def _way_to_go_on_after_stopping(checkpoint: Mapping[str, Any], trainer: pl.Trainer) -> str | None:
    """How a run goes on that EarlyStopping has ended; None if none has, or its patience was raised above the wait.

    The states of the callbacks are changed to what they are to read: the patience of now, and nothing that was ended.
    """
    for callback in trainer.callbacks:  # pyright: ignore[reportAttributeAccessIssue]
        state = checkpoint.get("callbacks", {}).get(callback.state_key)
        if not isinstance(callback, EarlyStopping) or state is None:
            continue
        reason = EarlyStoppingReason(state.get("stopping_reason", 0))
        is_patient = reason is EarlyStoppingReason.PATIENCE_EXHAUSTED and callback.patience > state["wait_count"]
        if reason is not EarlyStoppingReason.NOT_STOPPED and not is_patient:
            patience = f"raise its patience above {state['wait_count']}, or "
            patience = patience if reason is EarlyStoppingReason.PATIENCE_EXHAUSTED else ""
            return f"EarlyStopping of {callback.monitor} has stopped it: {patience}leave it out to go on"
        state |= {
            "patience": callback.patience,
            "stopping_reason": EarlyStoppingReason.NOT_STOPPED.value,
            "stopping_reason_message": None,
        }
    return None


def _require_room_in_epoch(checkpoint: Mapping[str, Any], trainer: pl.Trainer, path: str, length: int | None) -> None:
    """ValueError if the epoch that a run stands in has had as many batches as it is to have now, and is not over."""
    batches = _batches(checkpoint)
    done, limit = batches["current"]["processed"], trainer.limit_train_batches
    if length is None or batches["is_last_batch"]:
        return
    most = min(length, limit) if isinstance(limit, int) else int(length * limit)
    if done > 0 and most <= done:
        raise ValueError(
            f"{LENGTH}: expected more than the {done} batches of its epoch that the run of {path} has had, got {most}; "
            "raise it (or trainer.limit_train_batches): --trainer.max_steps ends a run anywhere"
        )


def _epochs(checkpoint: Mapping[str, Any]) -> int:
    return checkpoint["loops"]["fit_loop"]["epoch_progress"]["current"]["processed"]


def _batches(checkpoint: Mapping[str, Any]) -> Mapping[str, Any]:
    return checkpoint["loops"]["fit_loop"]["epoch_loop.batch_progress"]
