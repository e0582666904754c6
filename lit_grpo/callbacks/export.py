"""ExportPolicy: writes the trained policy as a Hugging Face directory at the end of a fit.

Named in configs as a callback. The directory is what the next run's ``model.policy.checkpoint`` points at.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import Callback, ModelCheckpoint
from lightning_utilities.core.rank_zero import rank_zero_info, rank_zero_warn
from safetensors import SafetensorError
from torch import Tensor
from transformers import AutoModelForCausalLM, PreTrainedModel
from typing_extensions import override

from lit_grpo.checkpoint_reading import read_weights
from lit_grpo.checkpointing import PARTIAL_SUFFIX, replace_folder
from lit_grpo.data.contract import demonstration_seed as recorded_seed
from lit_grpo.data.contract import write_contract
from lit_grpo.data.conversation import ConversationFormat
from lit_grpo.data.held_out import HeldOutDataModule
from lit_grpo.data.policy_folder import read_tokenizer, write_trained_on
from lit_grpo.dtypes import torch_dtype
from lit_grpo.engines.weights import full_weights
from lit_grpo.environment.episodes.levels import SpecificationLevel
from lit_grpo.environment.episodes.record import EpisodeSettings
from lit_grpo.fitting.export_check import require_exportable
from lit_grpo.fitting.run_folder import is_trial
from lit_grpo.modules.adapters import whole_weights
from lit_grpo.modules.base import PolicyModule, PolicySettings, require_policy_module
from lit_grpo.modules.policy import CausalPolicy, chosen_quantization, load_config
from lit_grpo.modules.quantization import unquantised
from lit_grpo.writing import writing

if TYPE_CHECKING:
    from peft import PeftModel


class ExportPolicy(Callback):
    """Writes the weights and the tokenizer.

    Args:
        which: ``last``: the weights at the end of the fit; ``best``: those of the checkpoint that the run's
            ModelCheckpoint with a ``monitor`` found best.
        folder: The directory's name within the run folder.
        export: What is written of a policy with adapters. ``adapters``: these alone, beside the name of their base;
            ``merged``: a plain model that computes the same, adapters added to the (dequantised) weights below them.
        episode: Its level of specifications is noted beside the weights; the command line fills it in; None: it is not.
    """

    def __init__(
        self,
        which: Literal["last", "best"] = "last",
        folder: str = "policy",
        export: Literal["adapters", "merged"] = "adapters",
        episode: EpisodeSettings | None = None,
    ) -> None:
        self.which, self.folder, self.export = which, folder, export
        self._level = None if episode is None else episode.specification

    @override
    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Check before hours are spent that there will be a best checkpoint, and that it can be written."""
        if stage != "fit" or is_trial(trainer):
            return
        if self.which == "best":
            _monitoring_checkpoint(trainer)
        settings = require_policy_module(pl_module, "ExportPolicy").policy_settings
        require_exportable(settings, Path(trainer.default_root_dir) / self.folder)

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
            folder = Path(trainer.default_root_dir) / self.folder
            seed = demonstrations_of(trainer, module)
            merged = self.export == "merged"
            save_policy(module, weights, folder, merged=merged, demonstration_seed=seed, level=self._level)


def demonstrations_of(trainer: pl.Trainer, module: PolicyModule) -> int | None:
    """The seed of the demonstrations that a policy was trained on, in this fit or before it; None: it was on none."""
    data = trainer.datamodule  # pyright: ignore[reportAttributeAccessIssue]
    own = data.demonstration_seed if isinstance(data, HeldOutDataModule) else None
    return recorded_seed(module.policy_settings.checkpoint) if own is None else own


def save_policy(
    module: PolicyModule,
    weights: dict[str, Tensor],
    folder: Path,
    merged: bool = False,
    demonstration_seed: int | None = None,
    level: SpecificationLevel | None = None,
) -> None:
    """Write a policy and its tokenizer with ``save_pretrained``, and beside them what they were trained under.

    Args:
        module: The module whose policy it is.
        weights: Tensors by the names of ``policy.model.state_dict()``, on any device.
        folder: The directory to write; it is there whole or as it was.
        merged: Whether adapters are added to the weights below them; otherwise they are written alone.
        demonstration_seed: The seed of the demonstrations that it was trained on; None: it was on none.
        level: The level at which it has learned to read specifications; None: not known.
    """
    settings = module.policy_settings
    policy = settings.load()
    policy.model.load_state_dict(weights, strict=False)
    partial = folder.with_name(folder.name + PARTIAL_SUFFIX)
    # safetensors says of a full disk what torch says: an error of its own.
    with writing(folder, SafetensorError):
        shutil.rmtree(partial, ignore_errors=True)
        if policy.lora is not None and not merged:
            save_adapters(policy, settings, partial)
        else:
            whole = policy.causal_lm if policy.lora is None else merged_model(policy, settings)
            whole.save_pretrained(partial)
        save_tokenizer(settings, partial)
        write_contract(partial, demonstration_seed, level)
        replace_folder(partial, folder)


def save_tokenizer(settings: PolicySettings, folder: Path) -> None:
    """Write the tokenizer, with the chat template that the policy was trained with."""
    tokenizer = read_tokenizer(settings.checkpoint, settings.base)
    template = ConversationFormat(tokenizer).played_template
    if template is not None:
        rank_zero_info(
            "The tokenizer's chat template drops thoughts of earlier turns, which the policy has read; the one "
            "exported keeps them."
        )
        tokenizer.chat_template = template
    tokenizer.save_pretrained(folder)


def save_adapters(policy: CausalPolicy, settings: PolicySettings, folder: Path) -> None:
    """Write adapters alone; their config names the folder of the base, and a file beside it what base that was."""
    model = cast("PeftModel", policy.model)
    model.peft_config["default"].base_model_name_or_path = str(settings.weights_folder.resolve())
    model.save_pretrained(str(folder))
    quantization = chosen_quantization(settings.checkpoint, settings.quantization)
    write_trained_on(folder, settings.weights_folder, None if quantization is None else quantization.to_json())


def merged_model(policy: CausalPolicy, settings: PolicySettings) -> PreTrainedModel:
    """The plain model that computes what the policy does: adapters added to the (dequantised) weights below them."""
    config = unquantised(load_config(settings.weights_folder))
    with torch.device("meta"):
        whole = AutoModelForCausalLM.from_config(config, dtype=torch_dtype(settings.dtype))
    # Names, dtypes and tied weights are those of the base; a buffer that is no part of a checkpoint is not written.
    whole.load_state_dict(dict(whole_weights(policy.model)), strict=False, assign=True)
    whole.tie_weights()
    return whole


def _policy_weights(path: Path) -> dict[str, Tensor]:
    prefix = "policy.model."
    return {name.removeprefix(prefix): weight for name, weight in read_weights(path).items()}


def _monitoring_checkpoint(trainer: pl.Trainer) -> ModelCheckpoint:
    for callback in trainer.checkpoint_callbacks:
        if isinstance(callback, ModelCheckpoint) and callback.monitor is not None:
            return callback
    raise ValueError(
        "ExportPolicy(which='best'): expected a ModelCheckpoint with a monitor among trainer.callbacks, and "
        "trainer.enable_checkpointing not false, got none; add one, or export the last weights: which: last"
    )
