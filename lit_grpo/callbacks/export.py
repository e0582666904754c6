"""ExportPolicy: writes the trained policy as a Hugging Face directory at the end of a fit.

Named in configs as a callback. The directory is what the next run's ``model.policy.checkpoint`` points at.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal, cast

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Callback, ModelCheckpoint
from lightning_utilities.core.rank_zero import rank_zero_warn
from torch import Tensor
from transformers import AutoTokenizer, PreTrainedModel
from typing_extensions import override

from lit_grpo.checkpointing import read_weights
from lit_grpo.data.contract import write_contract
from lit_grpo.engines.weights import full_weights
from lit_grpo.fitting.run_folder import is_trial
from lit_grpo.modules.base import PolicyModule, require_policy_module


class ExportPolicy(Callback):
    """Writes the weights (the adapters alone if the policy has any) and the tokenizer.

    Args:
        which: ``last``: the weights at the end of the fit; ``best``: those of the checkpoint that the run's
            ModelCheckpoint with a ``monitor`` found best.
        folder: The directory's name within the run folder.
    """

    def __init__(self, which: Literal["last", "best"] = "last", folder: str = "policy") -> None:
        self.which, self.folder = which, folder

    @override
    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Check that there will be a best checkpoint before hours are spent."""
        if stage == "fit" and self.which == "best":
            _monitoring_checkpoint(trainer)

    @override
    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Gather the weights on every rank, write them on rank 0."""
        if is_trial(trainer):
            return
        module = require_policy_module(pl_module, "ExportPolicy")
        best = _monitoring_checkpoint(trainer).best_model_path if self.which == "best" else ""
        if self.which == "best" and not best:
            rank_zero_warn(
                f"ExportPolicy: expected a best checkpoint, got none in {trainer.global_step} optimizer steps; the "
                "weights at the end of the fit are exported. Validate more often, or find out why nothing was learned."
            )
        if best:
            weights = _policy_weights(Path(best)) if trainer.is_global_zero else {}
        else:
            weights = dict(full_weights(module.policy.model))
        if trainer.is_global_zero:
            save_policy(module, weights, Path(trainer.default_root_dir) / self.folder)


def save_policy(module: PolicyModule, weights: dict[str, Tensor], folder: Path) -> None:
    """Write a policy and its tokenizer with ``save_pretrained``, and beside them what they were trained under.

    Args:
        module: The module whose policy it is.
        weights: Tensors by the names of ``policy.model.state_dict()``, on any device.
        folder: The directory to write, made if missing.
    """
    policy = module.policy_settings.load()
    policy.model.load_state_dict(weights, strict=False)
    cast(PreTrainedModel, policy.model).save_pretrained(folder)
    AutoTokenizer.from_pretrained(module.policy_settings.checkpoint).save_pretrained(folder)
    write_contract(folder)


def _policy_weights(path: Path) -> dict[str, Tensor]:
    prefix = "policy.model."
    return {name.removeprefix(prefix): weight for name, weight in read_weights(path).items()}


def _monitoring_checkpoint(trainer: pl.Trainer) -> ModelCheckpoint:
    for callback in trainer.checkpoint_callbacks:
        if isinstance(callback, ModelCheckpoint) and callback.monitor is not None:
            return callback
    raise ValueError(
        "ExportPolicy(which='best'): expected a ModelCheckpoint with a monitor among trainer.callbacks, got none"
    )
