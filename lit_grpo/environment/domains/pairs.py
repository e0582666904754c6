"""Pairs of two lists (who can do what, what supplies whom), all but a few.

Called by assignment and facility_location.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from random import Random

Pair = tuple[str, str]


def some_pairs(
    rng: Random, first: Sequence[str], second: Sequence[str], kept: Collection[Pair], most_missing: int
) -> list[Pair]:
    """Every pair but at most so many: the kept ones stay, and so does the last pair of each name."""
    pairs = [(a, b) for a in first for b in second]
    of_first, of_second = Counter(a for a, _ in pairs), Counter(b for _, b in pairs)
    missing: set[Pair] = set()
    for a, b in rng.sample(pairs, len(pairs))[: rng.randint(0, most_missing)]:
        if (a, b) not in kept and of_first[a] > 1 and of_second[b] > 1:
            missing.add((a, b))
            of_first[a] -= 1
            of_second[b] -= 1
    return [pair for pair in pairs if pair not in missing]
