"""All that an engine knows of the policy that it samples for: nothing of how it is trained.

Implemented by modules/served_policy.py. Read by settings.py to make an engine, by policy_engine.py to see whether the
weights changed, and by publishing.py and vllm/publishing.py to hand them over.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from lit_grpo.dtypes import Dtype
from lit_grpo.engines.ranks import Ranks

if TYPE_CHECKING:
    # The settings of a vLLM server name adapters, and are read without torch.
    import torch
    from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class Adapters:
    """Low-rank adapters that training sends in place of whole weights."""

    rank: int
    alpha: float
    """The adapters' output is scaled by alpha / rank."""
    target_modules: tuple[str, ...]
    """Names of the linear layers that have an adapter."""


class PolicyView(Protocol):
    """A policy as it is at present. Methods that say so are collective: every rank must call them."""

    @property
    def checkpoint(self) -> Path:
        """Folder with the tokenizer and the weights, or adapters, that the training started from."""
        ...

    @property
    def base(self) -> Path | None:
        """Folder with the config and whole weights, where ``checkpoint`` has adapters alone; else None."""
        ...

    @property
    def is_quantised(self) -> bool:
        """Whether it computes with dequantised weights, which are then not quite those in the folder."""
        ...

    @property
    def version(self) -> int:
        """Optimizer steps taken so far; sampled tokens are stamped with it."""
        ...

    @property
    def dtype(self) -> Dtype:
        """The dtype of most of the trainer's matrix products, and so of the weights that an engine holds."""
        ...

    @property
    def is_mixed(self) -> bool:
        """Whether an engine has to cast the policy's weights to ``dtype``, which the trainer casts for each product."""
        ...

    @property
    def device(self) -> torch.device:
        """The device that this rank trains on."""
        ...

    @property
    def adapters(self) -> Adapters | None:
        """The adapters in training; None where whole weights are trained."""
        ...

    @property
    def ranks(self) -> Ranks:
        """The processes that train it."""
        ...

    def network(self) -> nn.Module:
        """A causal language model with this architecture and whole weights on ``device``, to be copied."""
        ...

    def weights(self) -> Iterator[tuple[str, Tensor]]:
        """Names and whole tensors of the trained weights, as weights.py gives them. Collective."""
        ...

    def base_weights(self) -> Iterator[tuple[str, Tensor]]:
        """Names and tensors of the weights below the adapters, as it computes with them."""
        ...

    def fingerprint(self) -> str:
        """A text that stays the same while no trained bit changes on any rank (fingerprint.py). Collective."""
        ...

    def logprobs(self, sequences: Sequence[Sequence[int]]) -> list[list[float]]:
        """The log-prob at temperature 1 of each token but the first of each sequence.

        It is collective, and all ranks pass the same sequences.
        """
        ...
