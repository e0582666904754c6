"""Low-rank adapters: put on a model, read from a folder as peft writes it, and added to the weights below them.

Called by modules/policy.py and modules/sharding.py when a policy is made, by modules/reference.py for the adapters that
a run began with, and by callbacks/export.py. peft is imported here alone, by runs with adapters only.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.distributed.fsdp import FSDPModule
from torch.distributed.tensor import DTensor
from transformers import PreTrainedModel

from lit_grpo.data.policy_folder import ADAPTER_CONFIG, holds_adapters, read_adapter_config
from lit_grpo.modules.quantization import QuantisedLinear

WEIGHTS_FILE = "adapter_model.safetensors"


@dataclass(frozen=True, slots=True)
class LoraSettings:
    """Low-rank adapters in place of full fine-tuning (Hu et al. 2021, arXiv:2106.09685)."""

    r: int = 16
    """The rank of each adapter."""
    alpha: float = 32.0
    """The adapter's output is scaled by alpha / r."""
    dropout: float = 0.0
    """The dropout of the adapters; 0 keeps the log-probs equal to the sampler's before the first optimizer step."""
    target_modules: tuple[str, ...] = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
    """Names of the linear layers that get an adapter."""


UNADAPTED = {"lm_head", "embed_tokens"}
"""Layers that get no adapter."""
PLAIN: dict[str, Any] = {"task_type": "CAUSAL_LM", "bias": "none", "fan_in_fan_out": False}
"""What a plain adapter has in its config; every other setting beside those of `LoraSettings` is empty."""
UNIMPORTANT = {
    *("peft_type", "base_model_name_or_path", "peft_version", "revision", "inference_mode", "auto_mapping"),
    *("r", "lora_alpha", "lora_dropout", "target_modules", "init_lora_weights", "qalora_group_size", "megatron_core"),
    *PLAIN,
}
"""What has no part in what a trained adapter computes, or is read or checked by itself."""


def settings_of(folder: Path, asked: LoraSettings | None) -> LoraSettings | None:
    """The settings of the adapters that a policy gets: those of the adapters in its folder, else those asked for.

    Args:
        folder: The policy's folder.
        asked: The run's own settings. Of adapters that are there already they may change the dropout, and no more.

    Raises:
        ValueError: The folder's adapters are not plain LoRA, or others than those asked for.
    """
    if not holds_adapters(folder):
        return asked
    stored = _stored_settings(folder)
    if asked is None:
        return stored
    ours = replace(stored, dropout=asked.dropout)
    if (ours.r, ours.alpha, set(ours.target_modules)) != (asked.r, asked.alpha, set(asked.target_modules)):
        raise ValueError(
            f"model.policy.lora: expected r {stored.r}, alpha {stored.alpha:g} on {', '.join(stored.target_modules)}, "
            f"as the adapters in {folder} have them, got r {asked.r}, alpha {asked.alpha:g} on "
            f"{', '.join(asked.target_modules)}; leave model.policy.lora out (null), or merge them first"
        )
    return ours


def with_adapters(causal_lm: PreTrainedModel, lora: LoraSettings) -> nn.Module:
    """The model with fresh adapters in place, which change nothing yet; everything else is frozen."""
    from peft import LoraConfig, get_peft_model

    if not UNADAPTED.isdisjoint(lora.target_modules):
        raise ValueError(
            f"model.policy.lora.target_modules: expected layers of the decoder, got {', '.join(lora.target_modules)}; "
            f"leave {', '.join(sorted(UNADAPTED))} out: log-probs are computed from their weights alone"
        )
    config = LoraConfig(
        r=lora.r,
        lora_alpha=lora.alpha,  # pyright: ignore[reportArgumentType]  annotated int, used as a factor
        lora_dropout=lora.dropout,
        target_modules=list(lora.target_modules),
        task_type="CAUSAL_LM",
    )
    return get_peft_model(causal_lm, config)


def read_adapters(model: nn.Module, folder: Path) -> None:
    """Give adapters in place the weights in a folder; ValueError if the two are not the same adapters."""
    path = folder / WEIGHTS_FILE
    try:
        stored = load_file(path)
    except (OSError, SafetensorError) as error:
        raise ValueError(f"checkpoint: expected adapters in {path}, got {error}; export them again") from error
    expected = {stored_name(name): weight for name, weight in model.named_parameters() if weight.requires_grad}
    wrong = sorted(expected.keys() ^ stored.keys())
    wrong += [name for name in expected.keys() & stored.keys() if expected[name].shape != stored[name].shape]
    if wrong:
        raise ValueError(
            f"checkpoint: expected the adapters of this base in {path}, got others: {wrong[0]} differs, and "
            f"{len(wrong) - 1} more; name the base they were trained on with --model.policy.base"
        )
    with torch.no_grad():
        for name, weight in expected.items():
            weight.copy_(stored[name])


def stored_name(name: str) -> str:
    """The name under which peft writes an adapter's weight: without the adapter's own name."""
    return name.replace(".lora_A.default.", ".lora_A.").replace(".lora_B.default.", ".lora_B.")


def whole_weights(model: nn.Module, with_adapters: bool = True) -> Iterator[tuple[str, Tensor]]:
    """Names and tensors of the plain model that computes what this one does, layer by layer, unsharded.

    Quantised weights come as what they stand for, adapters added to the weights below them. Sums are made in float32
    and rounded once, to the weights' own dtype.

    Args:
        model: A causal language model, with or without adapters.
        with_adapters: Whether adapters are added; otherwise it is the model without them.
    """
    done: set[str] = set()
    for name, module in model.named_modules():
        base = module.get_submodule("base_layer") if _has_adapter(module) else module
        is_inner = ".lora_" in name or name.endswith(".base_layer")
        if is_inner or (base is module and not isinstance(base, QuantisedLinear)):
            continue
        weight = base.dequantised() if isinstance(base, QuantisedLinear) else base.get_parameter("weight").detach()
        if base is not module and with_adapters:
            weight = (weight.float() + _delta(module).to(weight.device)).to(weight.dtype)
        done.add(plain_name(f"{name}.weight"))
        yield plain_name(f"{name}.weight"), weight
    for name, parameter in model.named_parameters():
        if ".lora_" not in name and plain_name(name) not in done:
            yield plain_name(name), parameter.detach()


def plain_name(name: str) -> str:
    """The parameter's name without adapters."""
    return name.removeprefix("base_model.model.").replace(".base_layer.", ".")


class StartingAdapters:
    """A copy of adapters as they were when a run began, which can take the place of the present ones for a while.

    Args:
        policy: The module that has them; sharded or not.
    """

    def __init__(self, policy: nn.Module) -> None:
        self._policy = policy
        self._kept = [weight.clone() for weight in self._present()]

    @contextlib.contextmanager
    def in_place(self) -> Iterator[None]:
        """Compute with the adapters of the beginning, without dropout; the present ones return, whatever happens."""
        was_training = self._policy.training
        self._policy.eval()
        self._exchange()
        try:
            yield
        finally:
            self._exchange()
            self._policy.train(was_training)

    @torch.no_grad()
    def _exchange(self) -> None:
        present = self._present()
        before = [weight.clone() for weight in present]
        for weight, kept in zip(present, self._kept, strict=True):
            weight.copy_(kept)
        self._kept = before

    def _present(self) -> Sequence[Tensor]:
        """This rank's part of each trained weight."""
        if isinstance(self._policy, FSDPModule):
            # A forward pass leaves the root's weights whole, apart from the shards that the next one gathers.
            self._policy.reshard()
        trained = [weight.detach() for weight in self._policy.parameters() if weight.requires_grad]
        return [weight.to_local() if isinstance(weight, DTensor) else weight for weight in trained]


def _stored_settings(folder: Path) -> LoraSettings:
    config = read_adapter_config(folder)
    path = folder / ADAPTER_CONFIG
    if config.get("peft_type") != "LORA":
        raise ValueError(f"{path}: expected adapters of type LORA, got {config.get('peft_type')}; merge them first")
    strange = {name: value for name, value in config.items() if name not in UNIMPORTANT and value}
    strange |= {name: config[name] for name, plain in PLAIN.items() if config.get(name, plain) != plain}
    targets = config.get("target_modules")
    if not isinstance(targets, list) or not all(isinstance(target, str) for target in targets):
        strange["target_modules"] = targets
    if strange:
        name, value = next(iter(strange.items()))
        raise ValueError(
            f"{path}: expected plain LoRA on a list of layers, got {name}={value!r:.80}; merge the adapters into their "
            "base with peft, and name the merged model as the checkpoint"
        )
    try:
        rank, alpha, dropout = int(config["r"]), float(config["lora_alpha"]), float(config.get("lora_dropout", 0.0))
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path}: expected numbers r and lora_alpha, got {error}; export the adapters again") from None
    return LoraSettings(rank, alpha, dropout, tuple(sorted(str(target) for target in targets or ())))


def _has_adapter(module: nn.Module) -> bool:
    return any(name == "lora_A" for name, _ in module.named_children())


def _delta(layer: nn.Module) -> Tensor:
    """[outputs, inputs] float32, what a layer's adapter adds to its weight."""
    down = layer.get_parameter("lora_A.default.weight").detach().float()
    up = layer.get_parameter("lora_B.default.weight").detach().float()
    scaling: dict[str, float] = layer.scaling  # pyright: ignore[reportAssignmentType]
    return up @ down * scaling["default"]
