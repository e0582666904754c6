"""The three unshaped components of a repair's reward, logged whatever trains.

Called by repair.py for every reward. Formulas: docs/rewards.md.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from lit_grpo.environment.episodes.scoring import RepairScore


@dataclass(frozen=True, slots=True)
class RewardWeights:
    """Weights of the components, none of them negative; they sum to 1."""

    outcome: float = 0.5
    diagnosis: float = 0.3
    efficiency: float = 0.2

    def __post_init__(self) -> None:
        weights = (self.outcome, self.diagnosis, self.efficiency)
        if not math.isclose(sum(weights), 1.0, abs_tol=1e-9) or min(weights) < 0:
            raise ValueError(
                "expected reward weights outcome, diagnosis and efficiency that are not negative and sum to 1, "
                f"got {weights} with sum {sum(weights):g}; change one of them"
            )


@dataclass(frozen=True, slots=True)
class RewardComponents:
    """The worth of one episode on each axis, in [0, 1]."""

    outcome: float
    """1 for a faithful recovery, else 0."""
    diagnosis: float
    """The smaller of precision and recall of the last stated diagnosis."""
    efficiency: float
    """1 - (turns - s*) / (max_turns - s*) for a faithful recovery, else 0."""

    def weighted(self, weights: RewardWeights) -> float:
        """The weighted sum, in [0, 1]."""
        return (
            weights.outcome * self.outcome + weights.diagnosis * self.diagnosis + weights.efficiency * self.efficiency
        )


NOTHING = RewardComponents(0.0, 0.0, 0.0)


def components_of(score: RepairScore, max_turns: int) -> RewardComponents:
    """The components of an episode of at most ``max_turns`` turns.

    An unfaithful recovery earns no outcome and no efficiency: if it did, recoveries would rise and faithful ones fall.
    An episode that the solver could not verify earns nothing at all; advantages leave it out by ``score.verified``.
    The same holds if an edit drove the solver to a limit, unless the episode ended faithful all the same: stalling
    the solver costs everyone time, and must pay less than submitting with the right diagnosis.

    The diagnosis is paid by the smaller of precision and recall, not by its F1: of n suspects with one culprit, naming
    all has an F1 of 2 / (n + 1), and a guess has 1 / n on average, so hedging would pay twice as much as an honest
    guess. The smaller of the two pays 1 / n for either, and never more for a set than for its most likely element.
    """
    if not score.verified or (score.inconclusive_turns and not score.faithful):
        return NOTHING
    outcome = 1.0 if score.faithful else 0.0
    efficiency = _efficiency(score, max_turns) if score.faithful else 0.0
    return RewardComponents(outcome, min(score.diagnosis.precision, score.diagnosis.recall), efficiency)


def _efficiency(score: RepairScore, max_turns: int) -> float:
    """1 at the smallest number of turns s*, 0 at ``max_turns``; 1 where there is no room between them."""
    room = max_turns - score.min_turns
    if room <= 0:
        return 1.0
    return min(1.0, max(0.0, 1.0 - (score.turns - score.min_turns) / room))
