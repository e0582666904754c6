"""What a checkpoint is chosen by: FR@5 of the validation tasks, guarded by the kind of fault that lost most.

Called by callbacks/evaluation.py, which logs it as ``val/guarded_FR@5``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from lit_grpo.metrics.functional import Quantity
from lit_grpo.metrics.results import RepairResults


def guarded_score(results: RepairResults, start: Mapping[str, float], standard_errors: float = 0.0) -> float:
    """The mean, less the largest loss of any kind since the start.

    A checkpoint that gains ten points on average by giving up twenty on one kind scores below where it began. Example:
    mean 0.6, kind D from 0.36 to 0.02: 0.6 - 0.34 = 0.26. With 40 tasks of the kind and one standard error, which is
    sqrt((0.36 * 0.64 + 0.02 * 0.98) / 40) = 0.079, it is 0.6 - (0.34 - 0.079) = 0.339.

    Args:
        results: Those of the checkpoint.
        start: FR@5 of each kind, by its letter, at the start, on the same tasks.
        standard_errors: So many standard errors of a kind's loss do not count, each policy's share taken as one of
            independent tasks.
    """
    losses = [0.0]
    for kind, summary in results.by_kind.items():
        now = summary.value(Quantity.FR_5) or 0.0
        before = start.get(kind.value, now)
        variance = (now * (1 - now) + before * (1 - before)) / summary.num_tasks
        losses.append(before - now - standard_errors * math.sqrt(variance))
    return (results.overall.value(Quantity.FR_5) or 0.0) - max(losses)
