"""What the tests of this folder share: random tokens of a step, its objectives, and cutting it into parts."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import torch
from torch import Tensor

from lit_grpo.losses.base import LossInputs, PolicyLoss, UpdateTotals
from lit_grpo.losses.cispo import CISPOLoss
from lit_grpo.losses.clipped import ClippedLoss
from lit_grpo.losses.dppo import DPPOLoss
from lit_grpo.losses.gmpo import GMPOLoss
from lit_grpo.losses.mismatch_weight import MismatchRule, MismatchWeight
from lit_grpo.losses.objective import Objective
from lit_grpo.losses.reduction import Reduction
from lit_grpo.losses.reinforce import ReinforceLoss
from lit_grpo.losses.sapo import SAPOLoss
from lit_grpo.losses.sequence_clipped import SequenceClippedLoss

SURROGATES: dict[str, PolicyLoss] = {
    "clipped": ClippedLoss(0.2, 0.28),
    "dual": ClippedLoss(0.2, 0.28, dual_clip=1.5),
    "sequence": SequenceClippedLoss(0.2, 0.28),
    "cispo": CISPOLoss(),
    "sapo": SAPOLoss(),
    "gmpo": GMPOLoss(),
    "dppo": DPPOLoss(0.15),
    "reinforce": ReinforceLoss(),
}


def objective(loss: PolicyLoss, reduction: Reduction = Reduction.TOKEN_MEAN, **axes: object) -> Objective:
    """With the constant that CONSTANT_LENGTH needs."""
    length = 7 if reduction is Reduction.CONSTANT_LENGTH else None
    return Objective(loss, reduction, max_sequence_tokens=length, **axes)  # pyright: ignore[reportArgumentType]


def objectives() -> dict[str, Objective]:
    """Every surrogate, reduction, mismatch rule and added term, each at least once."""
    every = {f"{name}/{r}": objective(loss, r) for name, loss in SURROGATES.items() for r in Reduction}
    for rule in MismatchRule:
        every[str(rule)] = objective(SURROGATES["clipped"], mismatch=MismatchWeight(rule, 0.4, 1.8))
    every["kl"] = objective(SURROGATES["sapo"], kl_beta=0.1)
    every["entropy"] = objective(SURROGATES["cispo"], Reduction.PROMPT_MEAN, entropy_bonus=0.2, entropy_top_share=0.5)
    return every


def random_step(
    seed: int = 0, dtype: torch.dtype = torch.float64, lengths: Sequence[int] = (3, 1, 6, 2, 4, 5)
) -> tuple[LossInputs, UpdateTotals]:
    """Sequences of unequal length in three groups; ratios from 0.4 to 2.5; one advantage is 0."""
    generator = torch.Generator().manual_seed(seed)
    sequence_index = torch.arange(len(lengths)).repeat_interleave(torch.tensor(lengths))
    group_index = torch.tensor([0, 0, 1, 1, 2, 2])[sequence_index]
    num_tokens = len(sequence_index)

    def uniform(low: float, high: float, count: int = num_tokens) -> Tensor:
        return low + (high - low) * torch.rand(count, generator=generator, dtype=torch.float64)

    policy = uniform(-3, -0.1)
    advantages = uniform(-2, 2, len(lengths))
    advantages[1] = 0.0
    inputs = LossInputs(
        policy_logprobs=policy.clone().to(dtype).requires_grad_(),
        proximal_logprobs=(policy + uniform(-0.9, 0.9)).to(dtype),
        sampler_logprobs=(policy + uniform(-1.1, 1.1)).to(dtype),
        reference_logprobs=(policy + uniform(-0.6, 0.6)).to(dtype),
        advantages=advantages.to(dtype)[sequence_index],
        sequence_index=sequence_index,
        group_index=group_index,
        group_num_tokens=group_index.bincount()[group_index],
        entropies=uniform(0.0, 2.0).to(dtype).requires_grad_(),
        keep=uniform(0, 1) > 0.4,
    )
    return inputs, UpdateTotals(num_tokens, len(lengths), 3, max_sequence_tokens=7)


def on_policy(inputs: LossInputs) -> LossInputs:
    """The same step in a rollout's first update."""
    return dataclasses.replace(inputs, proximal_logprobs=inputs.policy_logprobs.detach())


def part(inputs: LossInputs, sequences: Sequence[int]) -> LossInputs:
    """The tokens of some sequences, in that order, numbered anew as in a micro-batch of their own."""
    chosen = torch.cat([(inputs.sequence_index == s).nonzero().flatten() for s in sequences])
    values = {field.name: vars_of(inputs, field.name) for field in dataclasses.fields(inputs)}
    taken = {name: None if value is None else value[chosen] for name, value in values.items()}
    for name in ("sequence_index", "group_index"):
        index = taken[name]
        assert index is not None
        numbers = {old: new for new, old in enumerate(dict.fromkeys(index.tolist()))}
        taken[name] = torch.tensor([numbers[old] for old in index.tolist()])
    return LossInputs(**taken)  # pyright: ignore[reportArgumentType]


def vars_of(inputs: LossInputs, name: str) -> Tensor | None:
    """A field by its name."""
    return getattr(inputs, name)
