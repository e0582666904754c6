"""A micro-batch: what one forward and backward pass computes. Made by the modules, run by `PolicyModule.accumulate`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from lit_grpo.packing import Continuation, PackedBatch, PromptGroup, pack


@dataclass(frozen=True, slots=True)
class TokenScores:
    """The policy's log-probs of the targets of a micro-batch, with gradient."""

    logprobs: Tensor
    """[num_tokens]."""
    entropies: Tensor | None
    """[num_tokens] in nats; None unless the micro-batch asked for them."""


@dataclass(frozen=True, slots=True)
class MicroBatch:
    """One forward and backward pass."""

    batch: PackedBatch
    loss: Callable[[TokenScores], Tensor]
    """Turns the targets' scores into this micro-batch's share of the step's loss, a scalar."""
    temperature: float = 1.0
    with_entropies: bool = False
    """Whether the loss needs entropies, which cost a second pass over the logits."""

    @property
    def num_positions(self) -> int:
        """Rows times length."""
        return self.batch.input_ids.numel()


def idle_batch() -> PackedBatch:
    """A batch with a single target, for a pass in which only the other ranks have something to do."""
    (batch,) = pack([PromptGroup((0,), (Continuation((0,), (True,)),))], microbatch_tokens=2)
    return batch


def idle_microbatch() -> MicroBatch:
    """A pass that adds nothing to the gradient."""
    return MicroBatch(idle_batch(), lambda scores: scores.logprobs.sum() * 0.0)
