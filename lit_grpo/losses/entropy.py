"""Entropy of the distributions tokens were drawn from: a bonus in the loss, and a mask that keeps the uncertain tokens.

Called by objective.py and modules/grpo.py. The entropies come from the chunked kernel of logprobs.py, so that no
[tokens, vocabulary] tensor exists for either.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from lit_grpo.losses.base import UpdateTotals

TIED = 1e-6
"""Entropies this close, relative to themselves, differ by rounding: eight units in the last place of float32. In
bfloat16 equal states differ by much more, and which of them are kept is chance."""


def entropy_bonus(entropies: Tensor, coefficient: float, totals: UpdateTotals) -> Tensor:
    """This micro-batch's share of ``-coefficient`` times the mean entropy of the step's tokens, a scalar.

    Args:
        entropies: [num_tokens] in nats, with gradient.
        coefficient: The weight of the bonus; 0.01 is much.
        totals: The totals of the whole step.
    """
    return -coefficient * entropies.sum() / totals.num_tokens


def top_entropy_threshold(entropies: Tensor, top_share: float) -> float:
    """What an entropy has to be to be kept: the smallest of the ``ceil(top_share * num_tokens)`` largest, less `TIED`.

    A token of low entropy was never in doubt; the fifth of highest entropy is where paths fork, and training on it
    alone does as well or better (arXiv:2506.01939). Example: 0.1, 0.9, 0.4, 0.2 with a share of 0.5 give 0.3999996.
    Attempts at the same task begin in the same state, so ties are common, and a threshold at one of them keeps all.

    Args:
        entropies: [num_tokens] of the whole step, all ranks; -inf marks padding.
        top_share: The share of tokens to keep, in (0, 1].

    Returns:
        The threshold; -inf without tokens.
    """
    present = entropies[entropies > -math.inf]
    if present.numel() == 0:
        return -math.inf
    # Rounded first: 0.2 * 15 is 3.0000000000000004 in floating point.
    num_kept = max(1, math.ceil(round(top_share * present.numel(), 9)))
    least = torch.topk(present, num_kept).values[-1].item()
    return least - TIED * abs(least)
