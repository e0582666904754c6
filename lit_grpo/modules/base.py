"""The common ground of SFTModule, GRPOModule and DAggerModule: the policy, its optimizer and schedule, checkpoints.

How a step is accumulated and taken is in stepping.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.strategies import ModelParallelStrategy
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch.distributed.device_mesh import DeviceMesh
from typing_extensions import override

from lit_grpo.data.batches import fit_batches, is_last_by_updates
from lit_grpo.data.digests import weights_digest
from lit_grpo.data.policy_folder import base_folder
from lit_grpo.dtypes import Dtype, torch_dtype
from lit_grpo.modules.adapters import LoraSettings
from lit_grpo.modules.averaging import require_averaging
from lit_grpo.modules.checkpoint_origin import ORIGIN, origin_of, require_fits
from lit_grpo.modules.optimizers import (
    OptimizerSettings,
    ask_again,
    asked_of_groups,
    build_optimizer,
    build_schedule,
    require_shardable,
)
from lit_grpo.modules.policy import CausalPolicy, chosen_quantization, load_policy
from lit_grpo.modules.precision import require_precision, warn_of_lost_updates
from lit_grpo.modules.quantization import QuantizationSettings
from lit_grpo.modules.served_policy import ServedPolicy
from lit_grpo.modules.sharding import load_sharded_policy
from lit_grpo.modules.stepping import SteppingModule
from lit_grpo.presets import find_checkpoint, nearest_checkpoint


@dataclass(frozen=True, slots=True)
class PolicySettings:
    """Which network is trained."""

    checkpoint: Path
    """Folder with config, safetensors weights and tokenizer, as ``save_pretrained`` writes it, or with adapters alone.
    Where the working folder has none of this name, the installed one is taken: ``checkpoints/tiny-base`` is found from
    anywhere."""
    base: Path | None = None
    """The folder of the base, for a checkpoint of adapters; None: the one that its ``adapter_config.json`` names."""
    dtype: Dtype = "float32"
    """The weights have this dtype; log-probs, advantages and losses are float32 in any case."""
    lora: LoraSettings | None = None
    """Train adapters only; None trains every weight, or the adapters of the checkpoint if it has any."""
    quantization: QuantizationSettings | None = None
    """How the frozen weights below adapters are held; None: as the checkpoint's adapters were trained, else as they
    are."""
    gradient_checkpointing: bool = False
    """Recompute each layer in the backward pass: less memory, a third more time."""
    frozen_layers: int = 0
    """The embeddings, the head and so many of the first decoder layers stay as they are; 0: everything is trained."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "checkpoint", find_checkpoint(self.checkpoint))

    @property
    def weights_folder(self) -> Path:
        """The folder with whole weights: the checkpoint, or the base of the adapters in it."""
        return base_folder(self.checkpoint, self.base)

    def load(self, mesh: DeviceMesh | None = None) -> CausalPolicy:
        """Read the network from its folder: nothing is ever fetched by name.

        Args:
            mesh: The mesh of a strategy that shards: each rank then reads its own part. None: the whole network.

        Raises:
            FileNotFoundError: There is no such folder.
            ValueError: There is no network in it, or none with so many layers to freeze.
        """
        if not self.checkpoint.is_dir():
            raise FileNotFoundError(
                f"model.policy.checkpoint: expected a folder with a model and its tokenizer, got {self.checkpoint}, "
                f"which is none; make or fetch it first{nearest_checkpoint(self.checkpoint)}"
            )
        dtype = torch_dtype(self.dtype)
        arguments = (self.checkpoint, dtype, self.lora, self.gradient_checkpointing)
        if mesh is None:
            policy = load_policy(*arguments, self.base, self.quantization)
        else:
            policy = load_sharded_policy(*arguments, mesh, self.base, self.quantization)
        if self.frozen_layers:
            # Here, so that a reference computes as the policy does.
            policy.freeze_first(self.frozen_layers)
        return policy


class PolicyModule(SteppingModule):
    """A policy in training.

    Args:
        policy: The network.
        optimizer: How its weights are updated.
        microbatch_tokens: Positions, padding included, of one forward pass at most, unless it is of a single sequence.
        longest_row_tokens: Tokens of a single sequence, with its prompt, at most: what is longer is left out. None: as
            many as the context of the policy has room for.
    """

    def __init__(
        self,
        policy: PolicySettings,
        optimizer: OptimizerSettings,
        microbatch_tokens: int,
        longest_row_tokens: int | None = None,
    ) -> None:
        super().__init__(optimizer, microbatch_tokens, longest_row_tokens)
        self.policy_settings = policy
        self._is_configured = False
        self._asked_of_groups: list[dict[str, Any]] = []
        self._frozen: dict[str, str] = {}

    @property
    def compute_dtype(self) -> Dtype:
        """The dtype in which trainer and sampler multiply matrices; its rounding is why correct ones still differ."""
        is_exact = self.policy_settings.dtype == "float32" and self.trainer.precision in ("32-true", "64-true")
        return "float32" if is_exact else "bfloat16"

    @property
    def served_dtype(self) -> Dtype:
        """The dtype in which an engine holds the policy: that of the trainer's products, but where layers are frozen.

        These compute in their own dtype in the trainer as well (``CausalPolicy.freeze_first``), and most of what is
        computed is theirs.
        """
        holds_float32 = self.policy_settings.dtype == "float32" and self.trainer.precision == "bf16-mixed"
        return "float32" if self.policy_settings.frozen_layers and holds_float32 else self.compute_dtype

    @property
    def served(self) -> ServedPolicy:
        """The policy as it is now, for an engine."""
        return ServedPolicy(
            policy=self.policy,
            checkpoint=self.policy_settings.checkpoint,
            base=self.policy_settings.weights_folder,
            version=self.policy_version,
            dtype=self.served_dtype,
            is_mixed=self.served_dtype == "bfloat16" and self.trainer.precision in ("bf16-mixed", "bf16-true"),
            ranks=self.ranks(),
            read_whole=lambda: self.policy_settings.load().model,
        )

    @property
    def updates_per_batch(self) -> int:
        """Optimizer steps of a batch, those included that are skipped."""
        return 1

    @override
    def setup(self, stage: str) -> None:
        """Refuse a precision that would train on wrong numbers, and what cannot train these weights."""
        require_precision(self.trainer.precision)
        if stage == "fit":
            is_sharded = isinstance(self.trainer.strategy, ModelParallelStrategy)
            require_averaging(self.trainer.callbacks, is_sharded)  # pyright: ignore[reportAttributeAccessIssue]
            if is_sharded:
                require_shardable(self.optimizer_settings)

    @override
    def configure_model(self) -> None:
        """Read the network, sharded where the strategy does that (FSDP2). A second call changes nothing."""
        if self._is_configured:
            return
        self.policy = self.policy_settings.load(self.device_mesh).train()
        self.strict_loading = self.policy.lora is None
        if self.policy.lora is not None:
            self._depend_on("model.policy.base", self.policy_settings.weights_folder)
        self._is_configured = True

    def _depend_on(self, key: str, folder: Path) -> None:
        """Have a run resumed with the same weights in the folder that a key names: its checkpoints do not hold them."""
        self._frozen[key] = f"weights of digest {weights_digest(folder)}"

    @override
    def configure_optimizers(self) -> OptimizerLRScheduler:
        """One optimizer, and a schedule that is stepped once per batch."""
        optimizer = build_optimizer(self.policy, self.optimizer_settings)
        schedule = build_schedule(optimizer, self.optimizer_settings, fit_batches(self.trainer, self.updates_per_batch))
        self._asked_of_groups = asked_of_groups(schedule)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    @override
    def on_fit_start(self) -> None:
        """Refuse to train weights that are broken already, and warn of those too coarse to be trained."""
        warn_of_lost_updates(self.policy.parameters())
        self.require_finite_weights(f"at the start, from {self.policy_settings.checkpoint}")

    @override
    def on_train_start(self) -> None:
        """Train with the rates, betas and weight decay that are asked for: a checkpoint has brought its own."""
        ask_again(self._schedule, self._asked_of_groups)

    @override
    def on_train_batch_start(self, batch: object, batch_idx: int) -> None:
        """Return to training mode, which generation and evaluation may have left."""
        self.policy.train()

    @override
    def on_train_batch_end(self, outputs: object, batch: object, batch_idx: int) -> None:
        """End with the batch that reaches ``max_steps`` if skipped updates are counted; all ranks come here alike."""
        super().on_train_batch_end(outputs, batch, batch_idx)
        trainer = self.trainer
        if is_last_by_updates(trainer, self.updates_per_batch) and trainer.global_step < trainer.max_steps:
            trainer.should_stop = True

    @override
    def validation_step(self, batch: object, batch_idx: int) -> None:
        """Do nothing: RepairEvaluation plays the episodes, and only it reports."""

    @override
    def test_step(self, batch: object, batch_idx: int) -> None:
        """Do nothing: RepairEvaluation plays the episodes, and only it reports."""

    @override
    def predict_step(self, batch: object, batch_idx: int) -> None:
        """Do nothing: RepairWriter plays the episode."""

    @override
    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add the policy version, and what this is of; with adapters keep these only, unless they are averaged whole.

        Raises:
            NotFinite: There is nothing to save; a checkpoint from before stays as it is.
        """
        self.require_finite_weights("in a checkpoint")
        checkpoint["policy_version"] = self.policy_version
        checkpoint[ORIGIN] = origin_of(self.trainer, self._fixed_settings)
        # WeightAveraging puts its own weights in, and reads all of them back.
        if self.policy.lora is not None and "averaging_state" not in checkpoint:
            trained = {name for name, parameter in self.named_parameters() if parameter.requires_grad}
            weights = checkpoint["state_dict"]
            checkpoint["state_dict"] = {name: weights[name] for name in weights if name in trained}

    @override
    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Put the policy version back; ValueError if the checkpoint is of something else than this run."""
        require_fits(checkpoint, self.trainer, self._fixed_settings, self.updates_per_batch)
        self.policy_version = checkpoint["policy_version"]

    @property
    def _fixed_settings(self) -> dict[str, Any]:
        """The settings that a checkpoint can only go on with as they were."""
        uses_muon = self.optimizer_settings.matrix_learning_rate is not None
        return {
            "model.policy.lora": self.policy.lora,
            "model.policy.frozen_layers": self.policy_settings.frozen_layers,
            "model.policy.quantization": chosen_quantization(
                self.policy_settings.checkpoint, self.policy_settings.quantization
            ),
            "model.optimizer.matrix_learning_rate": uses_muon,
            "model.optimizer.adamw": self.optimizer_settings.adamw,
            **self._frozen,
        }


def require_policy_module(module: pl.LightningModule, callback: str) -> PolicyModule:
    """ValueError if a callback of this package is used with a module that has no policy."""
    if not isinstance(module, PolicyModule):
        raise ValueError(
            f"{callback}: expected SFTModule, GRPOModule or DAggerModule as the model, got {type(module).__name__}"
        )
    return module
