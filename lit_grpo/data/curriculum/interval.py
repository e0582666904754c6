"""How sure a rate is: the lower end of Wilson's score interval, and how many tasks it takes to reach a threshold.

Used by stages.py. E. B. Wilson, "Probable inference, the law of succession, and statistical inference" (1927).
"""

from __future__ import annotations

import math
from statistics import NormalDist


def lower_end(rate: float, num_tasks: int, confidence: float) -> float:
    """Lower end of the two-sided interval of a rate.

    Example: 18 of 20 tasks at 95 % (z = 1.96, z^2 = 3.84): (0.9 + 3.84/40 - 1.96 sqrt(0.9 * 0.1/20 + 3.84/1600)) /
    (1 + 3.84/20) = 0.699.

    Args:
        rate: Share of successes, in [0, 1].
        num_tasks: The tasks that it is over, at least 1.
        confidence: The confidence of the interval, e.g. 0.95.
    """
    z = _z(confidence)
    spread = z * math.sqrt(rate * (1 - rate) / num_tasks + z * z / (4 * num_tasks * num_tasks))
    return (rate + z * z / (2 * num_tasks) - spread) / (1 + z * z / num_tasks)


def tasks_needed(threshold: float, confidence: float) -> int:
    """The fewest tasks, all of them right, whose lower end n / (n + z^2) reaches a threshold below 1."""
    z = _z(confidence)
    return max(1, math.ceil(threshold * z * z / (1 - threshold)))


def _z(confidence: float) -> float:
    return NormalDist().inv_cdf((1 + confidence) / 2)
