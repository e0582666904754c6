"""Whether a paired difference is more than chance, and Holm's correction where several are looked at.

Called by reports/comparison.py on the replicates of pooled.py. The replicates draw tasks and training seeds, so a
p-value speaks of another seed and other tasks, as the interval beside it does.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor


def bootstrap_p_value(replicates: Tensor) -> float | None:
    """Two-sided p-value of a difference from its bootstrap replicates d*, by inverting the percentile interval.

    p = min(1, 2 (1 + min(#{d* <= 0}, #{d* >= 0})) / (B + 1)): the smallest level whose interval leaves 0 out, with one
    replicate added on either side so that p is never 0 (Davison & Hinkley 1997, "Bootstrap Methods
    and their Application", sections 4.2 and 5.4). Example: of 9 replicates two are below 0 and one is 0; p = 2 (1 + 3)
    / 10 = 0.8.

    Args:
        replicates: [num_replicates]; NaN (not defined in that draw) is left out.

    Returns:
        The p-value; None where no replicate is defined.
    """
    defined = replicates[~torch.isnan(replicates)]
    if not len(defined):
        return None
    smaller = min(int((defined <= 0).sum()), int((defined >= 0).sum()))
    return min(1.0, 2.0 * (1 + smaller) / (len(defined) + 1))


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values that may be held against one level together (Holm 1979, Scandinavian Journal of Statistics 6:65-70).

    The i-th smallest of m is multiplied by m - i + 1 and raised to the largest before it, at most 1: the chance that
    any true null hypothesis falls below the level is at most the level, however the tests depend on each other.
    Example: 0.01, 0.04, 0.03 become 0.03, 0.06, 0.06.

    Returns:
        The corrected p-values, in the order given.

    Raises:
        ValueError: A value is not a probability.
    """
    if any(math.isnan(p) or not 0.0 <= p <= 1.0 for p in p_values):
        raise ValueError(f"expected p-values between 0 and 1, got {list(p_values)}")
    order = sorted(range(len(p_values)), key=lambda index: p_values[index])
    adjusted, largest = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = largest
    return adjusted
