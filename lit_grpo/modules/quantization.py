"""Frozen weights in four or eight bits (bitsandbytes, read through transformers), and the product with them.

Called by modules/policy.py. A quantised layer computes the product with its *dequantised* weight, in the dtype of its
input, and nothing else: bitsandbytes' own layers take other kernels in evaluation than in training (bfloat16 inside
float32 on some CPUs), and LLM.int8 rounds a token's activations by what the other tokens of the batch are. With those
a log-prob would depend on the packing, and sampler and trainer would differ in equal weights. So the policy is exactly
the policy with the dequantised weights, which is what an engine may hold in its place (docs/adapters.md).
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import linear
from transformers import BitsAndBytesConfig, PreTrainedConfig, PreTrainedModel
from typing_extensions import override

from lit_grpo.modules.model_reading import read_model

# Where it is installed, peft imports it, and on some CPUs it then says that it lacks a kernel, which nothing here uses.
logging.getLogger("bitsandbytes.backends.cpu.ops").setLevel(logging.ERROR)


class QuantizationKind(StrEnum):
    """How frozen weights are held. Members are all truthy: compare with ``is``."""

    NF4 = "nf4"
    """Four bits of normal-float in blocks of 64 (QLoRA, Dettmers et al. 2023, arXiv:2305.14314)."""
    INT8 = "int8"
    """Eight bits with a scale for each output."""
    NONE = "none"
    """As they are in the checkpoint, even if adapters were trained on quantised ones."""


@dataclass(frozen=True, slots=True)
class QuantizationSettings:
    """How the frozen weights below adapters are held; embeddings, norms and the head stay as they are."""

    kind: QuantizationKind = QuantizationKind.NF4
    """NF4 takes 0.52 bytes a weight, INT8 one, NONE those of ``dtype``."""
    double_quant: bool = True
    """Whether the scales of NF4's blocks are quantised as well, which saves 0.4 bits a weight."""

    @classmethod
    def from_json(cls, stored: Mapping[str, object], where: Path) -> QuantizationSettings:
        """The settings that ``to_json`` gave; ValueError for others."""
        kinds = [str(kind) for kind in QuantizationKind]
        kind, double_quant = stored.get("kind"), stored.get("double_quant")
        if kind not in kinds or not isinstance(double_quant, bool):
            raise ValueError(
                f"{where}: expected a quantisation of {', '.join(kinds)}, got {dict(stored)!r:.80}; say how with "
                "model.policy.quantization"
            )
        return cls(QuantizationKind(str(kind)), double_quant)

    def to_json(self) -> dict[str, object]:
        """The settings as they are written beside adapters."""
        return {"kind": self.kind.value, "double_quant": self.double_quant}

    def for_transformers(self, dtype: torch.dtype) -> BitsAndBytesConfig | None:
        """The same in transformers' words; None if nothing is quantised."""
        match self.kind:
            case QuantizationKind.NF4:
                return BitsAndBytesConfig(
                    load_in_4bit=True,
                    bnb_4bit_quant_type="nf4",
                    bnb_4bit_use_double_quant=self.double_quant,
                    bnb_4bit_compute_dtype=dtype,
                )
            case QuantizationKind.INT8:
                return BitsAndBytesConfig(load_in_8bit=True)
            case QuantizationKind.NONE:
                return None


class QuantisedLinear(nn.Linear, ABC):
    """A linear layer whose frozen weight is held in few bits.

    Args:
        layer: The layer that it takes the place of, for its sizes and its bias.
        weight: The weight in few bits, as bitsandbytes holds it.
        dtype: The dtype of the weights that are not quantised.
    """

    def __init__(self, layer: nn.Linear, weight: nn.Parameter, dtype: torch.dtype) -> None:
        super().__init__(layer.in_features, layer.out_features, bias=False, device="meta")
        self.weight, self.bias = weight, layer.bias
        self._dtype = dtype

    @abstractmethod
    def dequantised(self) -> Tensor:
        """[outputs, inputs], the weight that the layer computes with, in the dtype of the other weights."""

    @override
    def forward(self, input: Tensor) -> Tensor:
        """The product with the dequantised weight, which is made again for the backward pass and kept by neither."""
        output = _Product.apply(input, self)
        assert isinstance(output, Tensor)
        return output if self.bias is None else output + self.bias.to(output.dtype)


class Nf4Linear(QuantisedLinear):
    """Four bits; the scales are the parameter's, which takes them along to its device."""

    @override
    def dequantised(self) -> Tensor:
        from bitsandbytes.functional import dequantize_4bit

        weight: Any = self.weight
        return dequantize_4bit(weight.data, weight.quant_state).to(self._dtype)


class Int8Linear(QuantisedLinear):
    """Eight bits.

    Args:
        layer: See QuantisedLinear.
        weight: See QuantisedLinear.
        scales: [num_outputs] float32, the largest absolute value of each output's weights.
        dtype: See QuantisedLinear.
    """

    def __init__(self, layer: nn.Linear, weight: nn.Parameter, scales: Tensor, dtype: torch.dtype) -> None:
        super().__init__(layer, weight, dtype)
        # No buffer: a run in bfloat16 would round it.
        self._scales = scales

    @override
    def dequantised(self) -> Tensor:
        from bitsandbytes.functional import int8_vectorwise_dequant

        self._scales = self._scales.to(self.weight.device)
        return int8_vectorwise_dequant(self.weight.data, self._scales).to(self._dtype)


class _Product(torch.autograd.Function):
    """x W^T, where only the layer is kept for the gradient g W."""

    @staticmethod
    @override
    def forward(ctx: Any, input: Tensor, layer: QuantisedLinear) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        device = input.device.type
        dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else input.dtype
        ctx.layer, ctx.dtype = layer, input.dtype
        return linear(input.to(dtype), layer.dequantised().to(dtype))

    @staticmethod
    @override
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:  # pyright: ignore[reportIncompatibleMethodOverride]
        return (gradient @ ctx.layer.dequantised().to(gradient.dtype)).to(ctx.dtype), None


def read_quantised(
    checkpoint: Path, config: PreTrainedConfig, dtype: torch.dtype, settings: QuantizationSettings | None
) -> PreTrainedModel:
    """A model whose linear layers but the head are quantised while it is read, so that it is never whole in memory.

    They are quantised on the CPU, whatever device trains: the same bits on every rank, and again when it is exported.

    Args:
        checkpoint: Folder with ``config.json`` and safetensors weights.
        config: Its config.
        dtype: The dtype of what is not quantised.
        settings: How; None for a checkpoint that is quantised already.

    Raises:
        ValueError: bitsandbytes is not installed, the checkpoint is quantised by something else, or its weights are
            not those that its config describes.
    """
    require_bitsandbytes()
    if is_quantised(config):
        _require_bitsandbytes_checkpoint(checkpoint, config, settings)
    model = read_model(
        checkpoint,
        config,
        dtype=dtype,
        device_map={"": "cpu"},
        quantization_config=None if settings is None else settings.for_transformers(dtype),
    )
    for name, module in list(model.named_modules()):
        exact = _exact(module, dtype)
        if exact is not None:
            model.set_submodule(name, exact)
    return model.requires_grad_(False)


def is_quantised(config: PreTrainedConfig) -> bool:
    """Whether a checkpoint holds quantised weights."""
    return config.to_dict().get("quantization_config") is not None


def unquantised(config: PreTrainedConfig) -> PreTrainedConfig:
    """The config of the same model with weights as they are."""
    fields = config.to_dict()
    fields.pop("quantization_config", None)
    return type(config).from_dict(fields)


def require_bitsandbytes() -> None:
    """ValueError that names the extra, if bitsandbytes is not installed."""
    if find_spec("bitsandbytes") is None:
        raise ValueError(
            "model.policy.quantization: expected bitsandbytes to be installed, got none; run "
            "`pip install 'lit-grpo[bitsandbytes]'`"
        )


def _exact(module: nn.Module, dtype: torch.dtype) -> QuantisedLinear | None:
    """The layer that takes the place of one of bitsandbytes'; None for any other module."""
    from bitsandbytes.nn.modules import Linear4bit, Linear8bitLt, Params4bit

    if isinstance(module, Linear4bit):
        assert isinstance(module.weight, Params4bit)
        return Nf4Linear(module, module.weight, dtype)
    if isinstance(module, Linear8bitLt):
        weight: Any = module.weight
        return Int8Linear(module, nn.Parameter(weight.data, requires_grad=False), weight.SCB, dtype)
    return None


def _require_bitsandbytes_checkpoint(
    checkpoint: Path, config: PreTrainedConfig, settings: QuantizationSettings | None
) -> None:
    if settings is not None:
        raise ValueError(
            f"model.policy.quantization: expected none for weights that are quantised already, got {settings.kind} for "
            f"{checkpoint}; leave it out, or name the unquantised model"
        )
    stored = config.to_dict()["quantization_config"]
    method = stored.get("quant_method")
    if method != "bitsandbytes":
        raise ValueError(
            f"checkpoint: expected weights as they are or quantised by bitsandbytes, got {method} in {checkpoint}; "
            "name the model's unquantised folder, and set model.policy.quantization"
        )
