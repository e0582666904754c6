"""A policy in training as its engine sees it. `PolicyModule.served` makes it for whoever plays with an engine.

Implements engines/policy_view.py. Scripts that have a network and no LightningModule make one by themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.distributed.fsdp import FSDPModule
from torch.distributed.tensor import DTensor

from lit_grpo.dtypes import Dtype
from lit_grpo.engines.fingerprint import fingerprint
from lit_grpo.engines.policy_view import Adapters
from lit_grpo.engines.ranks import Ranks
from lit_grpo.engines.weights import full_weights
from lit_grpo.modules.adapters import whole_weights
from lit_grpo.modules.policy import CausalPolicy
from lit_grpo.modules.quantization import QuantisedLinear
from lit_grpo.packing import Continuation, PromptGroup, pack


def _never_sharded() -> nn.Module:
    raise AssertionError("the weights of a sharded policy have to be read again: pass read_whole")


@dataclass(frozen=True, slots=True)
class ServedPolicy:
    """A network, and what an engine has to know of its training."""

    policy: CausalPolicy
    checkpoint: Path
    """The folder that its tokenizer and its first weights, or adapters, come from."""
    version: int
    """Optimizer steps taken."""
    dtype: Dtype = "float32"
    """The dtype in which an engine holds it."""
    is_mixed: bool = False
    """Whether the weights have another dtype than ``dtype``, to which the trainer casts them for each product."""
    ranks: Ranks = field(default_factory=Ranks)
    base: Path | None = None
    """The folder with whole weights, where ``checkpoint`` has adapters alone; None: it has whole weights itself."""
    read_whole: Callable[[], nn.Module] = _never_sharded
    """Reads the network of a sharded policy once more, whole, onto the CPU."""

    @property
    def device(self) -> torch.device:
        """The device that this rank's weights lie on."""
        return next(self.policy.parameters()).device

    @property
    def adapters(self) -> Adapters | None:
        """The adapters; None where whole weights are trained."""
        lora = self.policy.lora
        return None if lora is None else Adapters(lora.r, lora.alpha, tuple(lora.target_modules))

    @property
    def is_quantised(self) -> bool:
        """Whether frozen weights are held in fewer bits than those in their folder."""
        return any(isinstance(module, QuantisedLinear) for module in self.policy.modules())

    def network(self) -> nn.Module:
        """The policy's own network, or one read again where that is sharded."""
        if any(isinstance(parameter, DTensor) for parameter in self.policy.parameters()):
            return self.read_whole().to(self.device)
        return self.policy.model

    def weights(self) -> Iterator[tuple[str, Tensor]]:
        """Yield the weights, whole, by their names in ``policy.model``; with adapters these alone.

        A weight that a callback has frozen comes, too: it may have moved before. Every rank must run through it.
        """
        return full_weights(self.policy.model, trainable_only=self.policy.lora is not None)

    def base_weights(self) -> Iterator[tuple[str, Tensor]]:
        """Yield the weights below the adapters, dequantised, by the names of a model without adapters; unsharded."""
        return whole_weights(self.policy.model, with_adapters=False)

    def fingerprint(self) -> str:
        """Hash what `weights` yields, on all ranks. Every rank must call it."""
        if isinstance(self.policy, FSDPModule):
            # A forward pass leaves the root's weights whole on every rank, which are then not the shards hashed before.
            self.policy.reshard()
        has_adapters = self.policy.lora is not None
        sent = ((name, t) for name, t in self.policy.named_parameters() if t.requires_grad or not has_adapters)
        own = fingerprint((name, t.to_local() if isinstance(t, DTensor) else t) for name, t in sent)
        return " ".join(self.ranks.texts_of_all(own))

    def logprobs(self, sequences: Sequence[Sequence[int]]) -> list[list[float]]:
        """The log-prob at temperature 1 of each token but the first of each sequence.

        Every rank must call it if the policy is sharded.
        """
        groups = [PromptGroup((s[0],), (Continuation(tuple(s[1:]), (True,) * (len(s) - 1)),)) for s in sequences]
        rows: list[list[float]] = [[] for _ in sequences]
        for group, _, value in self._scored(groups, max(map(len, sequences)) * len(sequences)):
            rows[group].append(value)
        return rows

    def continuation_logprobs(self, group: PromptGroup, microbatch_tokens: int) -> list[float]:
        """The log-prob at temperature 1 of each continuation's targets together: their sum, in nats.

        Every rank must call it if the policy is sharded.

        Args:
            group: A prompt, read once, and its continuations; one without a target has 0.
            microbatch_tokens: Positions of one forward pass at most, unless it is of a single sequence.
        """
        sums = [0.0] * len(group.continuations)
        for _, continuation, value in self._scored([group], microbatch_tokens):
            sums[continuation] += value
        return sums

    @torch.no_grad()
    def _scored(self, groups: Sequence[PromptGroup], microbatch_tokens: int) -> list[tuple[int, int, float]]:
        """Group, continuation and log-prob of each target."""
        was_training = self.policy.training
        self.policy.eval()
        scored: list[tuple[int, int, float]] = []
        for batch in pack(groups, microbatch_tokens):
            logprobs = self.policy(batch.to(self.device)).cpu().tolist()
            for value, number in zip(logprobs, batch.sequence_index.tolist(), strict=True):
                scored.append((*batch.sequences[number], value))
        self.policy.train(was_training)
        return scored
