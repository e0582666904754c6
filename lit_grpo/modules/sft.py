"""SFTModule: supervised fine-tuning on demonstrations, with GRPO's packing and network.

The loss is the cross-entropy of the answer tokens, averaged over all of them in the step: -(1/N) sum_t log pi(t).
"""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter

from torch import Tensor
from typing_extensions import override

from lit_grpo.data.batches import DemonstrationBatch
from lit_grpo.metrics.policy import PolicyMetrics
from lit_grpo.modules.base import PolicyModule, PolicySettings
from lit_grpo.modules.microbatch import MicroBatch, TokenScores
from lit_grpo.modules.optimizers import OptimizerSettings
from lit_grpo.packing import PromptGroup, pack


class SFTModule(PolicyModule):
    """Trains a policy on demonstrations.

    Args:
        policy: The network.
        optimizer: How its weights are updated.
        microbatch_tokens: Positions, padding included, of one forward pass at most.
    """

    def __init__(self, policy: PolicySettings, optimizer: OptimizerSettings, microbatch_tokens: int = 8192) -> None:
        super().__init__(policy, optimizer, microbatch_tokens)
        self.metrics = PolicyMetrics(["loss", "grad_norm", "not_finite", "tokens", "update_s"])

    @override
    def training_step(self, batch: DemonstrationBatch, batch_idx: int) -> None:
        """Take one optimizer step on the batch's demonstrations."""
        started = perf_counter()
        microbatches, num_tokens = self.demonstration_microbatches(batch.groups)
        norm = self.update(microbatches)
        self.step_schedule()
        if norm is None:
            self.metrics.reset()
        else:
            self.metrics.update({"grad_norm": norm}, 1)
        seconds = perf_counter() - started
        self.metrics.update({"not_finite": float(norm is None), "tokens": num_tokens, "update_s": seconds}, 1)
        self.log_dict({f"train/{name}": value for name, value in self.metrics.compute().items()}, prog_bar=False)
        self.metrics.reset()

    def demonstration_microbatches(self, groups: Sequence[PromptGroup]) -> tuple[list[MicroBatch], int]:
        """The answer cross-entropy of this rank's demonstrations.

        Returns:
            Micro-batches, and the number of answer tokens over all ranks.
        """
        packed = pack(groups, self.microbatch_tokens)
        (num_tokens,) = self.over_ranks([sum(batch.num_tokens for batch in packed)])

        def loss(scores: TokenScores) -> Tensor:
            self.metrics.update({"loss": -scores.logprobs.detach().mean()}, scores.logprobs.numel())
            return -scores.logprobs.sum() / num_tokens

        return [MicroBatch(batch, loss) for batch in packed], num_tokens
