"""The objective in nested loops over floats, sharing no code with the package: what the vector code must equal."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass
class ScalarEpisode:
    """Log-probs of its sampled tokens, and its reward."""

    policy: list[float]
    proximal: list[float]
    sampler: list[float]
    reference: list[float]
    reward: float


def advantages(groups: list[list[ScalarEpisode]]) -> list[list[float]]:
    result = []
    for group in groups:
        rewards = [episode.reward for episode in group]
        if len(rewards) < 2 or max(rewards) - min(rewards) <= 1e-8:
            result.append([0.0] * len(rewards))
            continue
        mean = math.fsum(rewards) / len(rewards)
        variance = math.fsum((reward - mean) ** 2 for reward in rewards) / (len(rewards) - 1)
        result.append([(reward - mean) / (math.sqrt(variance) + 1e-6) for reward in rewards])
    return result


def token_loss(policy: float, proximal: float, advantage: float, low: float, high: float) -> float:
    ratio = math.exp(max(-20.0, min(20.0, policy - proximal)))
    if ratio > 1 + high:
        clipped = 1 + high
    elif ratio < 1 - low:
        clipped = 1 - low
    else:
        clipped = ratio
    return -min(ratio * advantage, clipped * advantage)


def objective(groups: list[list[ScalarEpisode]], low: float, high: float, beta: float, reduction: str) -> float:
    num_tokens = num_sequences = 0
    total = 0.0
    for group, of_group in zip(groups, advantages(groups), strict=True):
        for episode, advantage in zip(group, of_group, strict=True):
            if not episode.policy:
                continue
            of_sequence = 0.0
            for policy, proximal, reference in zip(episode.policy, episode.proximal, episode.reference, strict=True):
                x = reference - policy
                of_sequence += token_loss(policy, proximal, advantage, low, high) + beta * (math.exp(x) - x - 1)
            num_tokens += len(episode.policy)
            num_sequences += 1
            total += of_sequence / (len(episode.policy) if reduction == "sequence_mean" else 1)
    return total / (num_sequences if reduction == "sequence_mean" else num_tokens)
