"""A policy sharded over ranks (FSDP2), read so that no rank ever holds it whole.

Called by modules/base.py and modules/reference.py where the strategy shards. The network is built without weights, then
sharded, and then each rank reads its own rows of each tensor from the checkpoint's safetensors files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from accelerate import init_empty_weights
from safetensors import safe_open
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import fully_shard, register_fsdp_forward_method
from torch.distributed.tensor import DTensor
from transformers import AutoModelForCausalLM, PreTrainedModel
from transformers.utils.loading_report import LoadStateDictInfo

from lit_grpo.data.contract import require_readable_policy
from lit_grpo.data.policy_folder import base_folder, holds_adapters, require_own_base
from lit_grpo.modules.adapters import LoraSettings, plain_name, read_adapters, settings_of
from lit_grpo.modules.model_reading import require_names, require_whole_weights
from lit_grpo.modules.policy import CausalPolicy, chosen_quantization, load_config
from lit_grpo.modules.quantization import QuantizationSettings, is_quantised


def load_sharded_policy(
    checkpoint: Path,
    dtype: torch.dtype,
    lora: LoraSettings | None,
    gradient_checkpointing: bool,
    mesh: DeviceMesh,
    base: Path | None = None,
    quantization: QuantizationSettings | None = None,
) -> CausalPolicy:
    """The policy of ``load_policy``, each decoder layer and the rest sharded over ranks. Every rank must call it.

    Adapters are initialised whole on each rank, by the same random numbers as without sharding, and then sharded.

    Args:
        checkpoint: Folder with ``config.json`` and safetensors weights, or with adapters, which every rank sees.
        dtype: The dtype of the weights; adapters are float32 in any case.
        lora: Adapters to put on it.
        gradient_checkpointing: Recompute each layer in the backward pass.
        mesh: The strategy's mesh, with the dimensions ``data_parallel`` and ``tensor_parallel``.
        base: The folder of the base below the adapters in ``checkpoint``; None: the one that they name.
        quantization: Refused, if it is any: a row of weights does not end where a block of them does.

    Raises:
        ValueError: Tensor parallelism or quantised weights were asked for, the files do not hold the weights that
            the config describes, or the adapters were trained on another base.
    """
    if mesh["tensor_parallel"].size() != 1:
        raise ValueError(
            f"expected tensor_parallel_size 1, got {mesh['tensor_parallel'].size()}; set data_parallel_size to the "
            "number of devices x nodes"
        )
    weights = base_folder(checkpoint, base)
    require_own_base(checkpoint, weights)
    _require_unquantised(checkpoint, weights, quantization)
    require_whole_weights(weights)
    files = _Files(weights)
    policy = _without_weights(files, dtype, settings_of(checkpoint, lora), gradient_checkpointing)
    if holds_adapters(checkpoint):
        require_readable_policy(checkpoint)
        read_adapters(policy.model, checkpoint)
    ranks = mesh["data_parallel"]
    for layer in policy.causal_lm.base_model.get_submodule("layers").children():
        fully_shard(layer, mesh=ranks)
    fully_shard(policy, mesh=ranks)
    register_fsdp_forward_method(policy, "logprobs_and_entropies")
    _read_rows(policy.model, files)
    return policy


def _require_unquantised(checkpoint: Path, weights: Path, quantization: QuantizationSettings | None) -> None:
    chosen = chosen_quantization(checkpoint, quantization)
    if chosen is not None or is_quantised(load_config(weights)):
        raise ValueError(
            f"model.policy.quantization: expected none with sharded weights, got {chosen.kind if chosen else 'some'} "
            f"in {checkpoint}; use one device or DDP (configs/hardware/one_gpu.yaml, ddp.yaml), or, sharded, the "
            "weights as they are (quantization: {kind: NONE})"
        )


def _without_weights(
    files: _Files, dtype: torch.dtype, lora: LoraSettings | None, gradient_checkpointing: bool
) -> CausalPolicy:
    """A policy with its parameters on the meta device; adapters and buffers (the rotary frequencies) are real."""
    config = load_config(files.folder)
    with init_empty_weights(include_buffers=False):
        causal_lm = AutoModelForCausalLM.from_config(config, dtype=dtype)
    causal_lm.tie_weights()
    _require_own_names(causal_lm, files)
    if lora is None:
        return CausalPolicy(causal_lm, None, gradient_checkpointing)
    # peft puts an adapter on the device of the layer that it belongs to. One number stands in for each weight.
    _replace_parameters(causal_lm, lambda weight: torch.zeros((), dtype=weight.dtype).expand(weight.shape))
    stand_ins = set(causal_lm.parameters())
    policy = CausalPolicy(causal_lm, lora, gradient_checkpointing)
    _replace_parameters(policy, lambda weight: weight.to("meta") if weight in stand_ins else weight)
    return policy


def _replace_parameters(model: nn.Module, replacement: Callable[[nn.Parameter], Tensor]) -> None:
    """Put a replacement in the place of each parameter; those that are tied stay tied."""
    done: dict[nn.Parameter, nn.Parameter] = {}
    for module in model.modules():
        for name, parameter in module.named_parameters(recurse=False, remove_duplicate=False):
            if parameter not in done:
                done[parameter] = nn.Parameter(replacement(parameter), parameter.requires_grad)
            setattr(module, name, done[parameter])


def _require_own_names(causal_lm: PreTrainedModel, files: _Files) -> None:
    """ValueError unless the files have the model's weights and no others, but for what transformers leaves out."""
    names: dict[nn.Parameter, list[str]] = {}
    for name, parameter in causal_lm.named_parameters(remove_duplicate=False):
        names.setdefault(parameter, []).append(name)
    stored = files.names()
    missing = {own[0] for own in names.values() if stored.isdisjoint(own)}
    unexpected = stored.difference(*names.values())
    found = LoadStateDictInfo(missing, unexpected, set(), [], {}, set())
    causal_lm._adjust_missing_and_unexpected_keys(found)  # pyright: ignore[reportPrivateUsage]
    require_names(found.missing_keys, found.unexpected_keys, files.folder)


def _read_rows(model: nn.Module, files: _Files) -> None:
    """Fill the parameters that have no weights yet with this rank's rows."""
    names: dict[nn.Parameter, list[str]] = {}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        if parameter.is_meta:
            names.setdefault(parameter, []).append(name)
    state: dict[str, nn.Parameter] = {}
    for parameter, own_names in names.items():
        assert isinstance(parameter.data, DTensor)
        rows = files.rows(own_names, parameter.data)
        sharded = DTensor.from_local(
            rows.to(parameter.data.device_mesh.device_type),
            parameter.data.device_mesh,
            parameter.data.placements,
            run_check=False,
            shape=parameter.shape,
            stride=parameter.stride(),
        )
        # One object under all names of a tied weight.
        state |= dict.fromkeys(own_names, nn.Parameter(sharded, parameter.requires_grad))
    model.load_state_dict(state, strict=False, assign=True)


@dataclass(frozen=True, slots=True)
class _Files:
    """The safetensors files of a checkpoint."""

    folder: Path

    def names(self) -> set[str]:
        """The names of all tensors."""
        found: set[str] = set()
        for path in self._paths():
            with safe_open(path, framework="pt") as file:
                found.update(file.keys())
        return found

    def rows(self, names: list[str], parameter: DTensor) -> Tensor:
        """This rank's rows of a parameter that is stored under one of its names, in its dtype, on the CPU."""
        for name in map(plain_name, names):
            for path in self._paths():
                with safe_open(path, framework="pt") as file:
                    if name not in file.keys():  # noqa: SIM118 - it is no mapping
                        continue
                    stored = file.get_slice(name)
                    if tuple(stored.get_shape()) != tuple(parameter.shape):
                        raise ValueError(
                            f"checkpoint: expected {name} of shape {tuple(parameter.shape)}, as config.json says, got "
                            f"{tuple(stored.get_shape())} in {path}"
                        )
                    first, last = _rows_of_rank(parameter)
                    # A copy: what the slice shows is the file itself, mapped into memory.
                    return stored[first:last].to(parameter.dtype, copy=True)
        raise AssertionError(f"{names[0]} was found before")

    def _paths(self) -> Iterator[Path]:
        yield from sorted(self.folder.glob("model*.safetensors"))


def _rows_of_rank(parameter: DTensor) -> tuple[int, int]:
    """The first row, and the one after the last: FSDP2 splits as torch.chunk does, so last ranks have fewer or none."""
    rows, mesh = parameter.shape[0], parameter.device_mesh
    most = -(-rows // mesh.size())
    first = min(mesh.get_local_rank() * most, rows)
    last = min(first + most, rows)
    assert last - first == parameter.to_local().shape[0], "sharded by rows, in order"
    return first, last
