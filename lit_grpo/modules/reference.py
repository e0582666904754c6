"""A policy in training beside the frozen one it started from: passes that no gradient flows through.

It is the part of GRPOModule that runs networks without learning: the reference of a KL, and the policy before updates.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import torch
from torch import Tensor
from typing_extensions import override

from lit_grpo.losses.entropy import top_entropy_threshold
from lit_grpo.losses.reference_kl import k1
from lit_grpo.modules.adapters import StartingAdapters
from lit_grpo.modules.base import PolicySettings
from lit_grpo.modules.microbatch import idle_batch
from lit_grpo.modules.optimizers import OptimizerSettings
from lit_grpo.modules.playing import PlayingModule
from lit_grpo.modules.policy import CausalPolicy
from lit_grpo.packing import PackedBatch
from lit_grpo.rollout.attempts import AnyGroup
from lit_grpo.rollout.experience import pack_attempts

Scores = TypeVar("Scores")


class ReferencedModule(PlayingModule):
    """A policy and, where a KL is configured, its reference.

    The reference is the policy as it was read: with adapters a copy of these, which takes their place for a pass, and
    without any a frozen copy of the whole, read again.

    Args:
        policy: The network.
        optimizer: How its weights are updated.
        microbatch_tokens: Positions, padding included, of one forward pass at most.
        needs_reference: Whether a reference is loaded at all.
        demonstration_loss_weight: Weight of the answer cross-entropy on the demonstrations in the batch.
        longest_row_tokens: Tokens of a single sequence, with its prompt, at most.
    """

    def __init__(
        self,
        policy: PolicySettings,
        optimizer: OptimizerSettings,
        microbatch_tokens: int,
        needs_reference: bool,
        demonstration_loss_weight: float,
        longest_row_tokens: int | None = None,
    ) -> None:
        super().__init__(policy, optimizer, microbatch_tokens, demonstration_loss_weight, longest_row_tokens)
        self._needs_reference = needs_reference
        # In a list, so that the frozen reference is no part of this module's weights and checkpoints.
        self._reference: list[CausalPolicy] = []
        self._start: StartingAdapters | None = None

    @override
    def configure_model(self) -> None:
        """Read the network, and the reference of a KL."""
        super().configure_model()
        if not self._needs_reference or self._reference or self._start is not None:
            return
        self._depend_on("model.policy.checkpoint", self.policy_settings.checkpoint)
        if self.policy.lora is None:
            reference = self.policy_settings.load(self.device_mesh)
            self._reference.append(reference.requires_grad_(False).eval())
        else:
            self._start = StartingAdapters(self.policy)

    @override
    def on_fit_start(self) -> None:
        """Move the reference to the policy's device, and give it the policy's dtype: at first the two are one."""
        super().on_fit_start()
        dtype = next(self.policy.parameters()).dtype
        for reference in self._reference:
            reference.to(self.device, dtype)

    def reference_logprobs(self, packed: Sequence[PackedBatch], temperature: float) -> list[Tensor]:
        """The reference's log-probs of the targets of each micro-batch."""
        if self._start is None:
            return self.frozen_passes(self._reference[0], packed, temperature)
        with self._start.in_place():
            return self.frozen_passes(self.policy, packed, temperature)

    @torch.no_grad()
    def frozen_passes(
        self, network: Callable[[PackedBatch, float], Scores], packed: Sequence[PackedBatch], temperature: float
    ) -> list[Scores]:
        """Run ``network`` on each micro-batch, in equally many passes on every rank, as sharded weights demand."""
        passes = self.over_ranks([len(packed)], "max")[0]
        batches = [*packed, *[idle_batch()] * (passes - len(packed))]
        return [network(batch.to(self.device), temperature) for batch in batches][: len(packed)]

    def attempt_divergences(self, groups: Sequence[AnyGroup], temperature: float) -> Tensor:
        """[num_attempts] float64, group by group: the sum of k1 over an attempt's tokens, at the present policy.

        0 for an attempt that is too long to be trained on.
        """
        packed = pack_attempts(groups, self.microbatch_tokens, self.longest_row_tokens)
        # Called outside the training step, which sets the precision.
        with self.trainer.precision_plugin.forward_context():
            policy = self.frozen_passes(self.policy, packed, temperature)
            reference = self.reference_logprobs(packed, temperature)
        sums = torch.zeros(len(groups), max((len(group.attempts) for group in groups), default=0), dtype=torch.float64)
        for batch, own, frozen in zip(packed, policy, reference, strict=True):
            per_sequence = torch.zeros(batch.num_sequences, dtype=torch.float64)
            per_sequence.index_add_(0, batch.sequence_index, k1(own, frozen).cpu().double())
            group, sample = torch.tensor(batch.sequences).T
            sums[group, sample] = per_sequence
        kept = [row[: len(group.attempts)] for row, group in zip(sums, groups, strict=True)]
        return torch.cat([sums.new_zeros(0), *kept])

    def top_entropy_masks(self, entropies: Sequence[Tensor], top_share: float) -> list[Tensor]:
        """[num_tokens] bool for each micro-batch, true for the tokens of highest entropy among those on all ranks.

        Every rank must call it.
        """
        # A rank without tokens gathers the dtype of the others.
        dtype = torch.promote_types(next(self.policy.parameters()).dtype, torch.float32)
        own = torch.cat([torch.zeros(0, device=self.device, dtype=dtype), *entropies])
        (longest,) = self.over_ranks([own.numel()], "max")
        everywhere = self.all_gather(torch.nn.functional.pad(own, (0, longest - own.numel()), value=-torch.inf))
        assert isinstance(everywhere, Tensor)
        threshold = top_entropy_threshold(everywhere.flatten(), top_share)
        return [values >= threshold for values in entropies]
