"""What a run says on the console beside its bar: nothing of the libraries below, and at its end where things are.

Called by cli.py.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path

import lightning.pytorch as pl
from lightning.pytorch.callbacks import ModelCheckpoint
from rich import get_console
from transformers.utils import logging as transformers_logging

from lit_grpo.fitting.run_folder import is_trial
from lit_grpo.metrics.results import RESULTS_FILE

ADVICE = ("GPU available", "TPU available", "HPU available", "💡 Tip", "Loading `train_dataloader`")
"""How lines of Lightning begin that say nothing of a run."""
DEPRECATIONS = ("`isinstance\\(treespec, LeafSpec\\)`", "`torch.jit.script_method` is deprecated", ".*Jsonargparse")
"""What the libraries below say to each other."""
REMARKS = ("predict returned None if it was on purpose",)
"""What Lightning says of what is on purpose."""


def quieten_libraries() -> None:
    """Leave out advertisements, progress bars of files and deprecations between libraries; errors and remarks stay."""
    for name in ("lightning.pytorch.utilities.rank_zero", "lightning.fabric.utilities.rank_zero"):
        logger = logging.getLogger(name)
        if _is_of_a_run not in logger.filters:
            logger.addFilter(_is_of_a_run)
    transformers_logging.disable_progress_bar()
    for message in (*DEPRECATIONS, *REMARKS):
        warnings.filterwarnings("ignore", message=message)


def say(trainer: pl.Trainer, lines: Iterable[str]) -> None:
    """Print lines as they are, once for all ranks; none after a trial, which leaves nothing."""
    if trainer.is_global_zero and not is_trial(trainer):
        for line in lines:
            get_console().print(line, markup=False, highlight=False, emoji=False, soft_wrap=True)


def closing_lines(trainer: pl.Trainer, policy_folder: str | None) -> Iterator[str]:
    """The lines after a fit: the policy, its best score, and how it is looked at.

    Args:
        trainer: The trainer that has fitted.
        policy_folder: Name of the exported policy's folder within the run folder; None where none is exported.
    """
    folder = Path(trainer.default_root_dir)
    if policy_folder is not None and (folder / policy_folder).is_dir():
        yield f"Policy: {folder / policy_folder}"
    for callback in trainer.checkpoint_callbacks:  # pyright: ignore[reportAttributeAccessIssue]
        if isinstance(callback, ModelCheckpoint) and callback.monitor and callback.best_model_score is not None:
            yield f"Best {callback.monitor}: {float(callback.best_model_score):.3f} ({callback.best_model_path})"
    yield f"Report: after `lit-grpo test`, `lit-grpo report {folder}`, or with other runs beside it"


def closing_line_of_test(trainer: pl.Trainer) -> str:
    """The line after a test."""
    folder = Path(trainer.default_root_dir)
    return f"Results: {folder / RESULTS_FILE}; report: `lit-grpo report {folder}`, or with other runs beside it"


def _is_of_a_run(record: logging.LogRecord) -> bool:
    return not record.getMessage().startswith(ADVICE)
