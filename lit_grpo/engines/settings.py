"""Which engine samples: what a config names as ``engine``. Built once per run by policy_engine.py.

Nothing else of a config depends on the choice. How to choose: docs/rollouts.md.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import torch
from typing_extensions import override

from lit_grpo.data.conversation import ConversationFormat
from lit_grpo.engines.engine import RolloutEngine
from lit_grpo.engines.published import Published
from lit_grpo.engines.transformers.engine import TransformersEngine
from lit_grpo.engines.vllm.engine import VllmEngine
from lit_grpo.engines.vllm.policy_sync import ProvenSync, ranks_of
from lit_grpo.engines.vllm.servers import Address, Child, Place
from lit_grpo.engines.vllm.settings import (
    Adapters,
    Capacity,
    Deadlines,
    ModelSettings,
    ServerSettings,
    require_vllm,
)
from lit_grpo.engines.vllm.weights_folder import WeightsFolder
from lit_grpo.engines.weights import full_weights
from lit_grpo.modules.base import PolicyModule

SHARED_MEMORY = Path("/dev/shm")


@dataclass(frozen=True, slots=True)
class BuiltEngine:
    """An engine, and what keeps it."""

    engine: RolloutEngine
    sync: Callable[[PolicyModule], None]
    """Give it the policy's present weights. Gathers sharded ones, so every rank must call it."""
    close: Callable[[], None]
    """End what it started."""
    publish: Callable[[PolicyModule], Published] | None = None
    """The collective half of a sync, the other half being for later; None: by a copy of the weights in memory."""


class EngineSettings(ABC):
    """What makes an engine."""

    shared_by_ranks: ClassVar[bool] = False
    """Whether all ranks sample with the same engine, which has one version of the weights at a time."""

    @abstractmethod
    def build(self, module: PolicyModule, conversation: ConversationFormat) -> BuiltEngine:
        """The engine of a policy; its weights are set by ``sync``. Every rank must call it."""


class TransformersSettings(EngineSettings):
    """In this process, on the policy's device, with nothing to install; holds all weights on every rank.

    In a run of mixed precision its weights are bfloat16, as those of the trainer's own matmuls are.
    """

    @override
    def build(self, module: PolicyModule, conversation: ConversationFormat) -> BuiltEngine:
        """See EngineSettings."""
        model = module.policy.model
        if module.device_mesh is not None:
            model = module.policy_settings.load().model.to(module.device)
        dtype = torch.bfloat16 if _matmuls_are_bfloat16(module) else None
        engine = TransformersEngine(model, conversation.stop_ids, dtype=dtype)

        def sync(module: PolicyModule) -> None:
            engine.update_weights(full_weights(module.policy.model), module.policy_version)

        return BuiltEngine(engine, sync, close=_nothing)


class VllmSettings(EngineSettings):
    """vLLM beside the training, on the same devices: servers that each rank starts, feeds, and ends.

    Args:
        num_servers: Of each rank; turns are shared out among them (data parallel).
        capacity: Of each server.
        deadlines: After which something that hangs is broken.
        weights_folder: Where new weights are handed over: a folder in memory.

    Raises:
        ValueError: vLLM is not installed.
    """

    def __init__(
        self,
        num_servers: int = 1,
        capacity: Capacity | None = None,
        deadlines: Deadlines | None = None,
        weights_folder: Path = SHARED_MEMORY,
    ) -> None:
        require_vllm()
        if num_servers < 1:
            raise ValueError(f"engine.num_servers: expected at least 1, got {num_servers}")
        self.num_servers = num_servers
        self.capacity, self.deadlines = capacity or Capacity(), deadlines or Deadlines()
        self.weights_folder = weights_folder

    @override
    def build(self, module: PolicyModule, conversation: ConversationFormat) -> BuiltEngine:
        """Start the servers; EngineFailure if one does not come up."""
        policy = module.policy_settings
        model = ModelSettings(policy.checkpoint, served_dtype(module), _adapters(module))
        settings = ServerSettings(model, self.capacity, weights_folder=self.weights_folder)
        devices = _devices(module, self.capacity.tensor_parallel_size)
        places = [Child(settings, number, devices) for number in range(self.num_servers)]
        return _served(places, module, conversation, self.weights_folder, self.deadlines)


class VllmServerSettings(EngineSettings):
    """vLLM servers that run already (`lit-grpo serve`), shared by all ranks.

    Args:
        addresses: ``host:port`` of each; turns are shared out among them (data parallel).
        deadlines: After which something that hangs is broken.
        weights_folder: Where new weights are handed over: a folder that the servers see under the same name.
    """

    shared_by_ranks: ClassVar[bool] = True

    def __init__(
        self, addresses: Sequence[str], deadlines: Deadlines | None = None, weights_folder: Path = SHARED_MEMORY
    ) -> None:
        if not addresses:
            raise ValueError("engine.addresses: expected at least one host:port, got none")
        self.places = [_address(text) for text in addresses]
        self.deadlines = deadlines or Deadlines()
        self.weights_folder = weights_folder

    @override
    def build(self, module: PolicyModule, conversation: ConversationFormat) -> BuiltEngine:
        """Connect to the servers; EngineFailure if one is not there."""
        return _served(self.places, module, conversation, self.weights_folder, self.deadlines)


def _served(
    places: Sequence[Place],
    module: PolicyModule,
    conversation: ConversationFormat,
    weights_folder: Path,
    deadlines: Deadlines,
) -> BuiltEngine:
    ranks, dtype = ranks_of(module), served_dtype(module)
    weights = WeightsFolder(weights_folder, _adapters(module), ranks)
    with ranks.together():
        engine = VllmEngine(places, conversation.stop_ids, weights, deadlines)
        _require_dtype(engine, dtype)
    sync = ProvenSync(engine, ranks, dtype)
    return BuiltEngine(engine, sync, engine.close, sync.publish)


def served_dtype(module: PolicyModule) -> Literal["float32", "bfloat16"]:
    """Of an engine's weights: what the trainer's own matmuls run in."""
    return "bfloat16" if _matmuls_are_bfloat16(module) else module.policy_settings.dtype


def _matmuls_are_bfloat16(module: PolicyModule) -> bool:
    """By the trainer's precision, whatever the dtype of the weights."""
    return module.trainer.precision_plugin.precision in ("bf16-mixed", "bf16-true")


def _require_dtype(engine: VllmEngine, dtype: str) -> None:
    """ValueError, after closing the engine, if a server computes otherwise than the training."""
    for name, served in zip(engine.names(), engine.dtypes, strict=True):
        if served != dtype:
            engine.close()
            raise ValueError(
                f"engine.addresses: expected servers in {dtype}, as this training's matmuls are, got {served} from "
                f"{name}; start it with --model.dtype={dtype}, or change trainer.precision or model.policy.dtype"
            )


def _adapters(module: PolicyModule) -> Adapters | None:
    lora = module.policy_settings.lora
    return None if lora is None else Adapters(lora.r, lora.alpha, tuple(lora.target_modules))


def _devices(module: PolicyModule, tensor_parallel_size: int) -> str | None:
    """What this rank's servers see."""
    if module.device.type != "cuda":
        return None
    trainer = module.trainer
    num_ranks = trainer.world_size // trainer.num_nodes
    return devices_of_rank(
        module.device.index or 0, os.environ.get("CUDA_VISIBLE_DEVICES"), num_ranks, tensor_parallel_size
    )


def devices_of_rank(index: int, visible: str | None, num_ranks: int, tensor_parallel_size: int) -> str | None:
    """The GPUs that a rank's servers may see, as CUDA_VISIBLE_DEVICES has them.

    The rank's own one; a rank that is alone on its machine has all that it sees. (docs/scaling.md says why.)

    Args:
        index: of the rank's GPU among those that its process sees.
        visible: CUDA_VISIBLE_DEVICES of its process, numbers or names; None: it is not set.
        num_ranks: of the training, on this machine.
        tensor_parallel_size: of each server.

    Returns:
        None: those that the process sees.

    Raises:
        ValueError: servers of several ranks would share GPUs.
    """
    if tensor_parallel_size > 1:
        if num_ranks > 1:
            raise ValueError(
                f"engine.capacity.tensor_parallel_size: expected 1 with {num_ranks} ranks on a machine, got "
                f"{tensor_parallel_size}; each rank's servers run on its own GPU: start servers on GPUs of their own "
                "(`lit-grpo serve`) and use VllmServerSettings"
            )
        return None
    return str(index) if visible is None else visible.split(",")[index].strip()


def _address(text: str) -> Address:
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isdigit():
        raise ValueError(f"engine.addresses: expected host:port, got {text!r}")
    return Address(host.strip("[]"), int(port))


def _nothing() -> None:
    """There is nothing to end."""
