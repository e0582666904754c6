"""Whether a confidence means what it says: shares that are right by confidence, and what a threshold leaves.

Called by scripts/benchmarks/repair_confidence.py. Formulas are in docs/metrics.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True, slots=True)
class Claim:
    """One answer."""

    confidence: float
    """In [0, 1]."""
    is_right: bool


@dataclass(frozen=True, slots=True)
class Bin:
    """The claims of one range of confidence."""

    low: float
    high: float
    """Exclusive, but for 1."""
    count: int
    mean_confidence: float
    share_right: float


@dataclass(frozen=True, slots=True)
class Abstention:
    """What is left where claims below a threshold are not made."""

    threshold: float
    coverage: float
    """The share of claims that are made."""
    accuracy: float | None
    """The share of these that are right; None where none is made."""


def reliability(claims: Sequence[Claim], edges: Sequence[float]) -> list[Bin]:
    """The claims by confidence; ranges without a claim are left out.

    Args:
        claims: At least one.
        edges: Ascending, from 0 to 1: each range begins at one and ends before the next.
    """
    bins: list[Bin] = []
    for low, high in pairwise(edges):
        inside = [c for c in claims if low <= c.confidence < high or c.confidence == high == 1.0]
        if inside:
            mean = sum(claim.confidence for claim in inside) / len(inside)
            bins.append(Bin(low, high, len(inside), mean, _share_right(inside)))
    return bins


def calibration_error(bins: Sequence[Bin]) -> float:
    """The expected calibration error: by how far mean confidence and share right differ, weighted by count."""
    total = sum(one.count for one in bins)
    return sum(one.count * abs(one.mean_confidence - one.share_right) for one in bins) / total


def abstention(claims: Sequence[Claim], threshold: float) -> Abstention:
    """What is left of the claims at a threshold."""
    made = [claim for claim in claims if claim.confidence >= threshold]
    return Abstention(threshold, len(made) / len(claims), _share_right(made) if made else None)


def least_threshold(claims: Sequence[Claim], accuracy: float, thresholds: Sequence[float]) -> float | None:
    """The least of the thresholds from which on at least this share of what is claimed is right; None if there is none.

    From which on: at every larger one that leaves a claim it holds as well, so that no lucky dip is taken.
    """
    least: float | None = None
    for threshold in sorted(thresholds, reverse=True):
        left = abstention(claims, threshold).accuracy
        if left is not None and left < accuracy:
            break
        least = threshold if left is not None else least
    return least


def _share_right(claims: Sequence[Claim]) -> float:
    return sum(claim.is_right for claim in claims) / len(claims)
