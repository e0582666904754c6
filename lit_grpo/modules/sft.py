"""SFTModule: supervised fine-tuning on demonstrations, with GRPO's packing and network.

The loss is the cross-entropy of the answer tokens, averaged over all of them in the step: -(1/N) sum_t log pi(t).
"""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter

from typing_extensions import override

from lit_grpo.data.batches import DemonstrationBatch
from lit_grpo.metrics.policy import PolicyMetrics
from lit_grpo.modules.base import PolicyModule, PolicySettings
from lit_grpo.modules.microbatch import MicroBatch
from lit_grpo.modules.optimizers import OptimizerSettings
from lit_grpo.packing import PromptGroup, num_with_targets


class SFTModule(PolicyModule):
    """Trains a policy on demonstrations.

    Args:
        policy: The network.
        optimizer: How its weights are updated.
        microbatch_tokens: Positions, padding included, of one forward pass at most.
        longest_row_tokens: A demonstration that is longer than ``microbatch_tokens`` has a pass of its own up to so
            many tokens; longer ones are left out and counted. None: none are.
    """

    def __init__(
        self,
        policy: PolicySettings,
        optimizer: OptimizerSettings,
        microbatch_tokens: int = 8192,
        longest_row_tokens: int | None = None,
    ) -> None:
        super().__init__(policy, optimizer, microbatch_tokens, longest_row_tokens)
        self.metrics = PolicyMetrics(["loss", "grad_norm", "not_finite", "too_long", "tokens", "update_s"])

    @override
    def training_step(self, batch: DemonstrationBatch, batch_idx: int) -> None:
        """Take one optimizer step on the batch's demonstrations."""
        started = perf_counter()
        microbatches, num_tokens = self.demonstration_microbatches(batch.groups)
        # Without a token to learn from, an optimizer's moments would move the weights all the same.
        norm = self.update(microbatches) if num_tokens else None
        self.step_schedule()
        if norm is not None:
            self.metrics.update({"grad_norm": norm}, 1)
        seconds, not_finite = perf_counter() - started, float(norm is None and num_tokens > 0)
        self.metrics.update({"not_finite": not_finite, "tokens": num_tokens, "update_s": seconds}, 1)
        self.log_dict({f"train/{name}": value for name, value in self.metrics.compute().items()}, prog_bar=False)
        self.metrics.reset()

    def demonstration_microbatches(self, groups: Sequence[PromptGroup]) -> tuple[list[MicroBatch], int]:
        """The answer cross-entropy of this rank's demonstrations.

        Returns:
            Micro-batches, and the number of answer tokens over all ranks.
        """
        kept = self.fitting(groups)
        num_given = num_with_targets(groups)
        too_long = 1 - num_with_targets(kept) / max(num_given, 1)
        self.metrics.update({"too_long": too_long}, num_given)
        return self.cross_entropy(kept, "loss")
