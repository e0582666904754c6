"""Who chooses: a small network that scores each slot by itself, and how often it picks a faulty one.

Called by check_native_style.py. The network is a conditional logit with one hidden layer: the probability of a slot is
the softmax of the scores over the slots of its choice, and what is maximised is the probability of the faulty slots
together. Of a choice with several faulty elements any counts as a hit, and a uniform choice hits their share of the
slots. Where several slots have the highest score, as where the features are the same for all, the hit counts by the
share of them that is faulty: ties are broken by nobody's luck.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from zlib import crc32

import torch
from torch import Tensor, nn

from native_style.features import RANK_OF_PLACE, Features

LIMIT = 0.03
"""What the upper end of an interval may lie above chance."""
NUM_FOLDS = 4
WIDTH = 32
BATCH = 256
LEARNING_RATE = 1e-2
NUM_EPOCHS = 15
TIE = 1e-5
"""Scores closer than this are the same: the order of summation may change the last bits."""
NO_SLOT = -1e9


@dataclass(frozen=True, slots=True)
class Choice:
    """Slots to choose from."""

    original: str
    """Digest of the true program behind it."""
    features: list[Features]
    """[slot]"""
    is_faulty: list[bool]
    """[slot]"""

    @property
    def fold(self) -> int:
        """A function of the original program: what is asked about shares none with what was learned from."""
        return crc32(self.original.encode()) % NUM_FOLDS


@dataclass(frozen=True, slots=True)
class Finding:
    """How often a network that sees some families picks a faulty element."""

    family: str
    num_choices: int
    accuracy: float
    chance: float
    """Of a uniform choice, on average."""
    half_width: float
    """Of the 95 % interval of accuracy less chance."""

    @property
    def above(self) -> float:
        """Accuracy less chance."""
        return self.accuracy - self.chance

    @property
    def upper(self) -> float:
        """Upper end of the interval."""
        return self.above + self.half_width

    @property
    def verdict(self) -> str:
        """`native` within the limit; `tells` if the interval lies over 0, `open` if it is too wide to say either."""
        if self.upper <= LIMIT:
            return "native"
        return "tells" if self.above > self.half_width else "open: more instances"


@dataclass(frozen=True, slots=True)
class Batch:
    """Choices as tensors; unused slots have features 0."""

    features: Tensor
    """[choice, slot, feature]"""
    is_slot: Tensor
    """[choice, slot]"""
    is_faulty: Tensor
    """[choice, slot]"""

    @classmethod
    def of(cls, choices: Sequence[Choice], families: Sequence[str]) -> Batch:
        """The choices, with the features of some families."""
        most = max(len(choice.features) for choice in choices)
        rows = [[[x for family in families for x in slot[family]] for slot in choice.features] for choice in choices]
        unused = [0.0] * len(rows[0][0])
        features = torch.tensor([row + [unused] * (most - len(row)) for row in rows])
        is_slot = torch.tensor([[i < len(row) for i in range(most)] for row in rows])
        is_faulty = torch.tensor([c.is_faulty + [False] * (most - len(c.is_faulty)) for c in choices])
        return cls(features, is_slot, is_faulty)

    @property
    def tells_slots_apart(self) -> bool:
        """Whether any two slots of a choice differ; if none do, every network scores them alike."""
        unused = ~self.is_slot.unsqueeze(-1)
        least = self.features.masked_fill(unused, math.inf).amin(1)
        return bool((self.features.masked_fill(unused, -math.inf).amax(1) > least).any())

    def part(self, which: Tensor) -> Batch:
        """Some of the choices, by index or mask."""
        return Batch(self.features[which], self.is_slot[which], self.is_faulty[which])


class Chooser(nn.Module):
    """Standardises the features by what it learns from, and scores slots."""

    mean: Tensor
    scale: Tensor

    def __init__(self, seen: Batch) -> None:
        super().__init__()
        present = seen.features[seen.is_slot]
        self.register_buffer("mean", present.mean(0))
        self.register_buffer("scale", present.std(0).clamp_min(1e-3))
        num_features = seen.features.shape[-1]
        self.layers = nn.Sequential(nn.Linear(num_features, WIDTH), nn.GELU(), nn.Dropout(0.2), nn.Linear(WIDTH, 1))

    def forward(self, batch: Batch) -> Tensor:
        """Scores [choice, slot]; those of unused slots are far below all others."""
        scores = self.layers((batch.features - self.mean) / self.scale).squeeze(-1)
        return scores.masked_fill(~batch.is_slot, NO_SLOT)


def trained(seen: Batch) -> Chooser:
    """A network that has learned from these choices."""
    network = Chooser(seen)
    optimizer = torch.optim.AdamW(network.parameters(), LEARNING_RATE, weight_decay=0.1)
    for _ in range(NUM_EPOCHS):
        for indices in torch.randperm(len(seen.features)).split(BATCH):
            part = seen.part(indices)
            log_shares = network(part).log_softmax(1)
            loss = -log_shares.masked_fill(~part.is_faulty, NO_SLOT).logsumexp(1).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return network.eval()


def hits(scores: Tensor, is_faulty: Tensor) -> Tensor:
    """For each choice, the share of its highest-scored slots that is faulty [choice]."""
    is_best = scores >= scores.max(1, keepdim=True).values - TIE
    return (is_best & is_faulty).sum(1) / is_best.sum(1)


def finding(name: str, families: Sequence[str], choices: Sequence[Choice]) -> Finding:
    """Learn from all folds but one, ask about that one, in turn."""
    batch = Batch.of(choices, families)
    folds = torch.tensor([choice.fold for choice in choices])
    chances = batch.is_faulty.sum(1) / batch.is_slot.sum(1)
    right = chances.clone()
    for fold in range(NUM_FOLDS) if batch.tells_slots_apart else ():
        network = trained(batch.part(folds != fold))
        asked = folds == fold
        with torch.no_grad():
            right[asked] = hits(network(batch.part(asked)), batch.is_faulty[asked])
    return _finding(name, choices, right, chances)


def first_picked(name: str, choices: Sequence[Choice]) -> Finding:
    """What comes of always picking the eligible element that stands first in the program; nothing is learned."""
    batch = Batch.of(choices, ("positions",))
    ranks = batch.features[..., RANK_OF_PLACE].masked_fill(~batch.is_slot, math.inf)
    return _finding(name, choices, hits(-ranks, batch.is_faulty), batch.is_faulty.sum(1) / batch.is_slot.sum(1))


def _finding(name: str, choices: Sequence[Choice], right: Tensor, chances: Tensor) -> Finding:
    half_width = 1.96 * clustered_error(right - chances, [choice.original for choice in choices])
    return Finding(name, len(choices), float(right.mean()), float(chances.mean()), half_width)


def clustered_error(differences: Tensor, clusters: Sequence[str]) -> float:
    """Standard error of the mean of differences [choice] that depend on each other within a cluster.

    The sum over a cluster of deviations from the mean is what is independent: ``sqrt(sum_c (sum_i d_i)^2) / n``.
    """
    sums: dict[str, float] = {}
    for cluster, deviation in zip(clusters, (differences - differences.mean()).tolist(), strict=True):
        sums[cluster] = sums.get(cluster, 0.0) + deviation
    return math.sqrt(sum(total * total for total in sums.values())) / len(differences)
