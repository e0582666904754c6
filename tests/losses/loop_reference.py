"""Every row of a file of worked losses, in nested loops over floats that share no code with the package.

Also makes such files: random masks, lengths, probabilities and constants, in the format of loss_goldens.json.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from typing import Any

Inputs = dict[str, Any]

SURROGATES = ("clipped", "clipped_dual", "gspo", "cispo", "sapo", "gmpo", "dppo_tv", "reinforce")
MISMATCHES = ("token_truncate", "token_mask", "sequence_truncate", "sequence_mask", "sequence_geometric")
REDUCTIONS = ("token_mean", "sequence_mean", "constant_length", "sequence_sum", "prompt_mean")
KLS = ("kl_k1", "kl_k2", "kl_k3")


def all_rows() -> list[str]:
    """Each surrogate with and without each weight, and each KL, under each reduction."""
    weighted = [f"{surrogate}+{mismatch}" for surrogate in SURROGATES for mismatch in MISMATCHES]
    return [f"{name}/{reduction}" for name in (*SURROGATES, *weighted, *KLS) for reduction in REDUCTIONS]


def exp(x: float) -> float:
    return math.exp(max(-20.0, min(20.0, x)))


def within(x: float, low: float, high: float) -> float:
    return low if x < low else high if x > high else x


def clipped(ratio: float, advantage: float, given: Inputs) -> float:
    inside = within(ratio, 1 - given["eps_low"], 1 + given["eps_high"])
    return -min(ratio * advantage, inside * advantage)


def log_ratios(given: Inputs, i: int, above: str, below: str) -> list[float]:
    """Of the tokens of row i whose mask is 1, in order."""
    result = []
    for t, m in enumerate(given["mask"][i]):
        if m == 1:
            result.append(math.log(given[f"{above}_prob"][i][t]) - math.log(given[f"{below}_prob"][i][t]))
    return result


def surrogate_losses(name: str, given: Inputs, i: int) -> list[float]:
    advantage = given["advantages"][i]
    logs = log_ratios(given, i, "policy", "proximal")
    policy = [given["policy_prob"][i][t] for t, m in enumerate(given["mask"][i]) if m == 1]
    sampler = [given["sampler_prob"][i][t] for t, m in enumerate(given["mask"][i]) if m == 1]
    losses = []
    for place, log_ratio in enumerate(logs):
        ratio = exp(log_ratio)
        if name == "clipped":
            loss = clipped(ratio, advantage, given)
        elif name == "clipped_dual":
            loss = clipped(ratio, advantage, given)
            if advantage < 0:
                loss = min(loss, -given["dual_clip"] * advantage)
        elif name == "gspo":
            loss = clipped(exp(math.fsum(logs) / len(logs)), advantage, given)
        elif name == "cispo":
            weight = within(ratio, 1 - given["eps_low"], 1 + given["eps_high"])
            loss = -weight * advantage * math.log(policy[place])
        elif name == "sapo":
            tau = given["sapo"]["tau_pos"] if advantage > 0 else given["sapo"]["tau_neg"]
            loss = -4 / tau / (1 + math.exp(-tau * (ratio - 1))) * advantage
        elif name == "gmpo":
            bound = given["gmpo_log_clip"]
            cut = [min(x, bound) if advantage > 0 else max(x, -bound) for x in logs]
            loss = -advantage * exp(math.fsum(cut) / len(cut))
        elif name == "dppo_tv":
            moved = policy[place] - sampler[place]
            outside = moved > given["dppo_delta"] if advantage > 0 else moved < -given["dppo_delta"]
            loss = 0.0 if outside else -advantage * ratio
        elif name == "reinforce":
            loss = -advantage * math.log(policy[place])
        else:
            raise ValueError(name)
        losses.append(loss)
    return losses


def weights(name: str, given: Inputs, i: int) -> list[float]:
    logs = log_ratios(given, i, "proximal", "sampler")
    low, high = given["icepop"]
    result = []
    for log_ratio in logs:
        if name == "sequence_geometric":
            weight = exp(math.fsum(logs) / len(logs))
        elif name.startswith("sequence"):
            weight = exp(math.fsum(logs))
        else:
            weight = exp(log_ratio)
        if name.endswith("truncate"):
            weight = min(weight, given["tis_cap"])
        elif not low <= weight <= high:
            weight = 0.0
        result.append(weight)
    return result


def kl_losses(name: str, given: Inputs, i: int) -> list[float]:
    losses = []
    for x in log_ratios(given, i, "reference", "policy"):
        formulas: dict[str, Callable[[float], float]] = {
            "kl_k1": lambda x: -x,
            "kl_k2": lambda x: x * x / 2,
            "kl_k3": lambda x: math.exp(x) - x - 1,
        }
        losses.append(formulas[name](x))
    return losses


def token_losses(name: str, given: Inputs) -> list[list[float]]:
    """One list per row, of its tokens whose mask is 1."""
    surrogate, _, mismatch = name.partition("+")
    result = []
    for i in range(len(given["mask"])):
        losses = kl_losses(name, given, i) if name in KLS else surrogate_losses(surrogate, given, i)
        if mismatch:
            losses = [loss * weight for loss, weight in zip(losses, weights(mismatch, given, i), strict=True)]
        result.append(losses)
    return result


def reduce(losses: list[list[float]], reduction: str, given: Inputs) -> float:
    rows = [row for row in losses if row]
    if reduction == "token_mean":
        return math.fsum(math.fsum(row) for row in rows) / sum(len(row) for row in rows)
    if reduction == "sequence_mean":
        return math.fsum(math.fsum(row) / len(row) for row in rows) / len(rows)
    if reduction == "constant_length":
        return math.fsum(math.fsum(row) for row in rows) / (len(rows) * given["L_max"])
    if reduction == "sequence_sum":
        return math.fsum(math.fsum(row) for row in rows) / len(rows)
    means = []
    for group in sorted(set(given["groups"])):
        of_group = [loss for row, g in zip(losses, given["groups"], strict=True) if g == group for loss in row]
        if of_group:
            means.append(math.fsum(of_group) / len(of_group))
    return math.fsum(means) / len(means)


def value(row: str, given: Inputs) -> float:
    """What the row's entry in a file should be."""
    name, reduction = row.split("/")
    return reduce(token_losses(name, given), reduction, given)


def advantages(rewards: list[float], estimator: str) -> list[float]:
    size, mean = len(rewards), math.fsum(rewards) / len(rewards)
    if max(rewards) - min(rewards) <= 1e-8:
        return [0.0] * size
    if estimator == "leave_one_out":
        return [reward - (math.fsum(rewards) - reward) / (size - 1) for reward in rewards]
    if estimator == "centred":
        return [reward - mean for reward in rewards]
    variance = math.fsum((reward - mean) ** 2 for reward in rewards) / (size - 1)
    return [(reward - mean) / (math.sqrt(variance) + 1e-6) for reward in rewards]


def random_inputs(seed: int) -> Inputs:
    """Three to seven ragged rows of up to nine tokens; one of them without any token of the policy's."""
    draw = random.Random(seed)
    lengths = [draw.randint(1, 9) for _ in range(draw.randint(3, 7))]
    masks = [[int(draw.random() < 0.7) for _ in range(length)] for length in lengths]
    masks[0][0] = masks[-1][-1] = 1
    masks[1] = [0] * lengths[1]

    def probabilities() -> list[list[float]]:
        return [[draw.uniform(0.02, 0.98) for _ in range(length)] for length in lengths]

    return {
        "mask": masks,
        "policy_prob": probabilities(),
        "proximal_prob": probabilities(),
        "sampler_prob": probabilities(),
        "reference_prob": probabilities(),
        "advantages": [draw.choice([-1, 1]) * draw.uniform(0.1, 2) for _ in lengths],
        "groups": [draw.randint(0, 2) for _ in lengths],
        "eps_low": draw.uniform(0.05, 0.5),
        "eps_high": draw.uniform(0.05, 0.6),
        "L_max": draw.randint(5, 40),
        "dual_clip": draw.uniform(1.1, 4),
        "dppo_delta": draw.uniform(0.05, 0.5),
        "tis_cap": draw.uniform(1.0, 3.0),
        "icepop": [draw.uniform(0.2, 0.9), draw.uniform(1.1, 5)],
        "sapo": {"tau_pos": draw.uniform(0.5, 2), "tau_neg": draw.uniform(0.5, 2)},
        "gmpo_log_clip": draw.uniform(0.1, 1),
    }


def random_file(seed: int) -> dict[str, Any]:
    """A whole file: every row for random inputs, and the advantages of one random group."""
    given = random_inputs(seed)
    draw = random.Random(seed + 1000)
    rewards = [draw.choice([0.0, 0.5, 1.0, draw.random()]) for _ in range(draw.randint(2, 12))]
    estimators = ("group", "centred", "leave_one_out")
    return {
        "inputs": given,
        "values": {row: value(row, given) for row in all_rows()},
        "advantages": {"rewards": rewards} | {name: advantages(rewards, name) for name in estimators},
    }
