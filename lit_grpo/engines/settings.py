"""The choice of the engine that samples, which a config names as ``engine``. policy_engine.py makes it once per run.

Nothing else of a config depends on the choice. How to choose: docs/rollouts.md.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from typing_extensions import override

from lit_grpo.data.conversation import ConversationFormat
from lit_grpo.dtypes import Dtype, torch_dtype
from lit_grpo.engines.engine import RolloutEngine
from lit_grpo.engines.policy_view import PolicyView
from lit_grpo.engines.publishing import InProcessEngine, Published, publish_in_process
from lit_grpo.engines.transformers.engine import TransformersEngine
from lit_grpo.engines.vllm.engine import VllmEngine
from lit_grpo.engines.vllm.publishing import ProvenPublisher
from lit_grpo.engines.vllm.served_base import ServedBase, served_base
from lit_grpo.engines.vllm.servers import Address, Child, Place
from lit_grpo.engines.vllm.settings import (
    Capacity,
    Deadlines,
    ModelSettings,
    ServerSettings,
    require_servable,
    require_vllm,
)
from lit_grpo.engines.vllm.weights_folder import WeightsFolder

SHARED_MEMORY = Path("/dev/shm")


@dataclass(frozen=True, slots=True)
class BuiltEngine:
    """An engine, and the functions that feed and end it."""

    engine: RolloutEngine
    publish: Callable[[PolicyView], Published]
    """Puts a policy's present weights where `Published.adopt` finds them. Every rank must call it."""
    close: Callable[[], None]
    """Ends what it started."""

    @classmethod
    def in_process(cls, engine: InProcessEngine, plays_ahead: bool) -> BuiltEngine:
        """An engine that has its weights in this process, and nothing to end."""
        return cls(engine, lambda policy: publish_in_process(engine, policy, plays_ahead), close=_nothing)


class EngineSettings(ABC):
    """Makes an engine."""

    shared_by_ranks: ClassVar[bool] = False
    """Whether all ranks sample with the same engine, which has one version of the weights at a time."""

    @abstractmethod
    def build(self, policy: PolicyView, conversation: ConversationFormat, plays_ahead: bool) -> BuiltEngine:
        """Make the engine; it samples nothing before weights were published and adopted. Every rank must call it.

        Args:
            policy: The policy that it samples for.
            conversation: The chat format, which says what ends a turn.
            plays_ahead: Whether it may still sample with older weights while new ones are published.
        """


class TransformersSettings(EngineSettings):
    """Samples in this process, on the policy's device, with nothing to install; holds all weights on every rank.

    In a run of mixed precision its weights are bfloat16, as those of the trainer's own matmuls are; float32 if the
    policy has frozen layers, which stay in float32 there.
    """

    @override
    def build(self, policy: PolicyView, conversation: ConversationFormat, plays_ahead: bool) -> BuiltEngine:
        """See EngineSettings."""
        dtype = torch_dtype(policy.dtype) if policy.is_mixed else None
        engine = TransformersEngine(policy.network(), conversation.stop_ids, dtype=dtype)
        return BuiltEngine.in_process(engine, plays_ahead)


class VllmSettings(EngineSettings):
    """vLLM beside the training, on the same devices: servers that each rank starts, feeds, and ends.

    Args:
        num_servers: Servers of each rank, among which turns are shared out (data parallel).
        capacity: The capacity of each server.
        deadlines: The times after which something that hangs counts as broken.
        weights_folder: The folder where new weights are handed over; it lies in memory.

    Raises:
        ValueError: The package vLLM is not installed.
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
    def build(self, policy: PolicyView, conversation: ConversationFormat, plays_ahead: bool) -> BuiltEngine:
        """Start the servers; EngineFailure if one does not come up."""
        base = served_base(policy, self.weights_folder)
        model = ModelSettings(base.folder, policy.dtype, policy.adapters)
        settings = ServerSettings(model, self.capacity, weights_folder=self.weights_folder)
        devices = _devices(policy, self.capacity.tensor_parallel_size)
        places = [Child(settings, number, devices) for number in range(self.num_servers)]
        return _served(places, policy, conversation, self.weights_folder, self.deadlines, base)


class VllmServerSettings(EngineSettings):
    """vLLM servers that run already (`lit-grpo serve`), shared by all ranks.

    Args:
        addresses: The ``host:port`` of each server; turns are shared out among them (data parallel).
        deadlines: The times after which something that hangs counts as broken.
        weights_folder: The folder where new weights are handed over; the servers see it under the same name.
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
    def build(self, policy: PolicyView, conversation: ConversationFormat, plays_ahead: bool) -> BuiltEngine:
        """Connect to the servers; EngineFailure if one is not there."""
        if policy.is_quantised:
            raise ValueError(
                "engine: expected VllmSettings or TransformersSettings with model.policy.quantization, got "
                "VllmServerSettings; servers that run already have weights of their own below the adapters, and not "
                "the dequantised ones that are trained on"
            )
        base = ServedBase(policy.base or policy.checkpoint)
        return _served(self.places, policy, conversation, self.weights_folder, self.deadlines, base)


def _served(
    places: Sequence[Place],
    policy: PolicyView,
    conversation: ConversationFormat,
    weights_folder: Path,
    deadlines: Deadlines,
    base: ServedBase,
) -> BuiltEngine:
    if policy.adapters is not None:
        require_servable(policy.adapters)
    weights = WeightsFolder(weights_folder, policy.adapters, policy.ranks)
    with policy.ranks.together():
        engine = VllmEngine(places, conversation.stop_ids, weights, deadlines)
        _require_dtype(engine, policy.dtype)
    return BuiltEngine(engine, ProvenPublisher(engine, base).publish, engine.close)


def _require_dtype(engine: VllmEngine, dtype: Dtype) -> None:
    """Close the engine and raise ValueError if a server computes in another dtype than the training."""
    for name, served in zip(engine.names(), engine.dtypes, strict=True):
        if served != dtype:
            engine.close()
            raise ValueError(
                f"engine.addresses: expected servers in {dtype}, as this training's matmuls are, got {served} from "
                f"{name}; start it with --model.dtype={dtype}, or change trainer.precision or model.policy.dtype"
            )


def _devices(policy: PolicyView, tensor_parallel_size: int) -> str | None:
    """The GPUs that this rank's servers see; None: those that its process sees."""
    if policy.device.type != "cuda":
        return None
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    return devices_of_rank(policy.device.index or 0, visible, policy.ranks.num_on_machine, tensor_parallel_size)


def devices_of_rank(index: int, visible: str | None, num_ranks: int, tensor_parallel_size: int) -> str | None:
    """The GPUs that a rank's servers may see, as CUDA_VISIBLE_DEVICES has them.

    They see the rank's own GPU, or, if it is alone on its machine, all that it sees (docs/scaling.md says why).

    Args:
        index: The index of the rank's GPU among those that its process sees.
        visible: CUDA_VISIBLE_DEVICES of its process, numbers or names; None: it is not set.
        num_ranks: The number of the training's ranks on this machine.
        tensor_parallel_size: The GPUs that each server is split over.

    Returns:
        The GPUs; None: those that the process sees.

    Raises:
        ValueError: Servers of several ranks would share GPUs.
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
    """Do nothing: there is nothing to end."""
