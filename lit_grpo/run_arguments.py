"""What every run has beside its module, data and callbacks, as arguments of Lightning's Trainer.

Called by cli.py, and by whoever runs from Python: ``Trainer(max_epochs=1, **run_arguments("runs/mine", callbacks))``.
docs/from_python.md shows a whole run.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lightning.pytorch.callbacks import Callback, Checkpoint, ProgressBar
from lightning.pytorch.loggers import Logger, TensorBoardLogger
from lightning_utilities.core.rank_zero import rank_zero_only

from lit_grpo.callbacks.export import ExportPolicy
from lit_grpo.callbacks.known_monitors import KnownMonitors
from lit_grpo.callbacks.last_checkpoint import LastCheckpoint, LastCheckpointSettings
from lit_grpo.callbacks.log_rows import LogRows
from lit_grpo.callbacks.progress import RepairProgressBar
from lit_grpo.checkpointing import AtomicCheckpointIO, RandomStates
from lit_grpo.fitting.metrics_csv import MetricsCsv
from lit_grpo.fitting.run_folder import require_free
from lit_grpo.trainer_arguments import require_callbacks
from lit_grpo.writing import require_writable


def run_arguments(
    folder: Path | str,
    callbacks: Sequence[Callback] = (),
    *,
    is_fit: bool = True,
    ckpt_path: Path | None = None,
    logger: Logger | Sequence[Logger] | bool | None = None,
    plugins: Sequence[Any] = (),
    last_checkpoint: LastCheckpointSettings | None = None,
    with_checkpoints: bool = True,
    with_progress_bar: bool = True,
    is_trial: bool = False,
) -> dict[str, Any]:
    """The arguments that make a Trainer's run one of this package: checkpoints that are whole, logs, Ctrl-C that saves.

    Args:
        folder: The run folder.
        callbacks: The run's own, such as RolloutCallback, RepairEvaluation and ExportPolicy.
        is_fit: Whether the Trainer will fit; otherwise it writes no logs and no checkpoints.
        ckpt_path: The checkpoint that the fit goes on from: the folder may then hold that run.
        logger: Loggers beside metrics.csv, in the place of TensorBoard; false: no logs at all.
        plugins: The run's own plugins.
        last_checkpoint: When the last checkpoint is written; None: the defaults.
        with_checkpoints: Whether checkpoints are written at all; if not, any ModelCheckpoint is left out.
        with_progress_bar: Whether this package's progress bar is shown, unless ``callbacks`` has one.
        is_trial: Whether it is a ``fast_dev_run``, which leaves nothing behind and may run in any folder.

    Raises:
        ValueError: The fit would write over another run's files, the folder cannot be written to, or a callback cannot
            work here.
    """
    require_callbacks(callbacks)
    if not with_checkpoints:
        callbacks = [callback for callback in callbacks if not isinstance(callback, Checkpoint)]
    if not is_trial and rank_zero_only.rank == 0:  # pyright: ignore[reportFunctionMemberAccess]
        require_writable(Path(folder))
    if is_fit and not is_trial:
        exported = [callback.folder for callback in callbacks if isinstance(callback, ExportPolicy)]
        require_free(Path(folder), exported, ckpt_path)
    parts = [*([LogRows(), KnownMonitors()] if is_fit else []), *callbacks, RandomStates()]
    if is_fit and with_checkpoints:
        parts.append(LastCheckpoint(last_checkpoint))
    if with_progress_bar and not any(isinstance(callback, ProgressBar) for callback in callbacks):
        parts.append(RepairProgressBar())
    return {
        "default_root_dir": str(folder),
        "callbacks": parts,
        "logger": _loggers(logger, str(folder), is_fit),
        "plugins": [*plugins, AtomicCheckpointIO()],
        "enable_checkpointing": with_checkpoints,
        "enable_progress_bar": with_progress_bar,
        # Batches are shared over ranks by their position in the stream (data/batches.py), not by a sampler.
        "use_distributed_sampler": False,
    }


def _loggers(asked: Logger | Sequence[Logger] | bool | None, folder: str, is_fit: bool) -> list[Logger] | bool:
    """`metrics.csv` first, beside which checkpoints lie, whatever other loggers there are; false for none."""
    if asked is False or (not is_fit and isinstance(asked, bool | None)):
        return False
    if isinstance(asked, bool | None):
        own: list[Logger] = [TensorBoardLogger(folder, name="tensorboard", version="")]
    else:
        own = [asked] if isinstance(asked, Logger) else list(asked)
    return [MetricsCsv(folder), *own] if is_fit else own
