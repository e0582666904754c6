"""How sure a repair is: the policy's likelihood, tempered, together with what speaks for it without a policy.

Called by ranking.py. With log p of likelihood.py, and s the score of explain's list (the lowest in the list for a
repair that the policy alone found, 0 without a list),

    weight = exp(log p / TEMPERATURE + s - max s),
    confidence = weight / (sum of all weights + exp(NONE_LOGPROB / TEMPERATURE)).

That is a softmax over the repairs, and over "none of these", which a policy that knows nothing of the program prefers:
it gives every repair less than NONE_LOGPROB. By itself the likelihood is no confidence: of the repairs to which a
policy of the quickstart gave 50 to 90 %, half were right. Without a specification it is none either: the scores do not
know what was meant, and of what seemed 90 % sure and more a third was right. scripts/benchmarks/repair_confidence.py
measures it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

TEMPERATURE = 4.0
"""Chosen on validation tasks: of 4 to 24 the one with the least log-loss."""

NONE_LOGPROB = -40.0
"""Of "none of these", in nats: a move of twenty tokens that are each as likely as 13 %."""


def confidences(logprobs: Sequence[float | None], scores: Sequence[float | None]) -> list[float | None]:
    """The confidence of each repair, in [0, 1].

    Args:
        logprobs: The policy's; None for a repair that it cannot say, which has no confidence and no weight.
        scores: Of the list; None for a repair that is not in it.
    """
    known = [score for score in scores if score is not None]
    lowest, highest = (min(known), max(known)) if known else (0.0, 0.0)
    exponents = [
        None if logprob is None else logprob / TEMPERATURE + (lowest if score is None else score) - highest
        for logprob, score in zip(logprobs, scores, strict=True)
    ]
    none = NONE_LOGPROB / TEMPERATURE
    top = max([none, *(exponent for exponent in exponents if exponent is not None)])
    weights = [None if exponent is None else math.exp(exponent - top) for exponent in exponents]
    total = sum(weight for weight in weights if weight is not None) + math.exp(none - top)
    return [None if weight is None else weight / total for weight in weights]
