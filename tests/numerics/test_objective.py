"""The whole objective (advantages, surrogate, KL, reduction) against loops over scalars, and what must not change it.

1. It equals the loop reference, to 1e-9 in float64 and 1e-5 in float32.
2. Each deliberately broken copy of it does not.
3. Micro-batches of any cut add up to the whole batch, value and gradient, for sequences of unequal length.
4. Neither the order of sequences nor that of groups matters, nor a constant added to all rewards.
5. At ratio 1 the gradient is that of -A log pi, for the clip range does not act there.
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable, Sequence

import pytest
import torch
from scalar_reference import ScalarEpisode
from scalar_reference import objective as scalar_objective
from torch import Tensor

from lit_grpo.advantages import group_advantages
from lit_grpo.losses.base import LossInputs, UpdateTotals
from lit_grpo.losses.clipped import ClippedLoss
from lit_grpo.losses.reduction import Reduction
from lit_grpo.losses.reference_kl import add_reference_kl

LOW, HIGH, BETA = 0.2, 0.28, 0.05
Groups = list[list[ScalarEpisode]]
REDUCTIONS = [Reduction.TOKEN_MEAN, Reduction.SEQUENCE_MEAN]
"""The others have their loops in tests/losses."""


def some_groups(seed: int = 0) -> Groups:
    """Three groups of 4, 3 and 2 episodes of 1 to 6 tokens, one group without spread; ratios from 0.4 to 2.5."""
    draw = random.Random(seed)

    def episode(reward: float) -> ScalarEpisode:
        policy = [-draw.uniform(0.1, 3.0) for _ in range(draw.randint(1, 6))]
        near = [[p + draw.uniform(-width, width) for p in policy] for width in (0.9, 1.1, 0.6)]
        return ScalarEpisode(policy, *near, reward=reward)

    return [[episode(r) for r in rewards] for rewards in ((1.0, 0.0, 0.3, 0.0), (0.2, 0.9, 0.9), (0.5, 0.5))]


def loss_inputs(groups: Groups, dtype: torch.dtype = torch.float64) -> LossInputs:
    episodes = [episode for group in groups for episode in group]
    group_of = torch.tensor([number for number, group in enumerate(groups) for _ in group])
    rewards = torch.tensor([episode.reward for episode in episodes], dtype=torch.float64)
    sequence_index = torch.tensor([number for number, episode in enumerate(episodes) for _ in episode.policy])

    def flat(name: str) -> Tensor:
        return torch.tensor([x for e in episodes for x in dataclasses.asdict(e)[name]], dtype=dtype)

    return LossInputs(
        policy_logprobs=flat("policy").requires_grad_(),
        proximal_logprobs=flat("proximal"),
        sampler_logprobs=flat("sampler"),
        reference_logprobs=flat("reference"),
        advantages=group_advantages(rewards, group_of).advantages.to(dtype)[sequence_index],
        sequence_index=sequence_index,
        group_index=group_of[sequence_index],
    )


def totals_of(inputs: LossInputs) -> UpdateTotals:
    return UpdateTotals(
        len(inputs.policy_logprobs), int(inputs.sequence_index.max()) + 1, int(inputs.group_index.max()) + 1
    )


def objective(
    inputs: LossInputs, totals: UpdateTotals, reduction: Reduction, low: float = LOW, high: float = HIGH
) -> Tensor:
    output = add_reference_kl(ClippedLoss(low, high)(inputs), inputs, BETA)
    return reduction.reduce(output.token_losses, inputs, totals)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-9), (torch.float32, 1e-5)])
def test_1_equals_loops_over_scalars(reduction: Reduction, dtype: torch.dtype, tolerance: float) -> None:
    for seed in range(5):
        inputs = loss_inputs(some_groups(seed), dtype)
        expected = scalar_objective(some_groups(seed), LOW, HIGH, BETA, reduction)
        assert objective(inputs, totals_of(inputs), reduction).item() == pytest.approx(expected, rel=tolerance, abs=0)


def swapped(inputs: LossInputs) -> LossInputs:
    return dataclasses.replace(
        inputs, policy_logprobs=inputs.proximal_logprobs, proximal_logprobs=inputs.policy_logprobs
    )


def with_batch_std(inputs: LossInputs) -> LossInputs:
    """Group means, but one standard deviation for the whole batch."""
    rewards = torch.tensor([episode.reward for group in some_groups() for episode in group], dtype=torch.float64)
    group_of = inputs.group_index.new_tensor([0, 0, 0, 0, 1, 1, 1, 2, 2])
    means = torch.stack([rewards[group_of == g].mean() for g in range(3)])
    advantages = (rewards - means[group_of]) / (rewards.std() + 1e-6)
    return dataclasses.replace(inputs, advantages=advantages[inputs.sequence_index])


Mutant = Callable[[LossInputs, Reduction], Tensor]
MUTANTS: dict[str, Mutant] = {
    "sign flipped": lambda i, r: -objective(i, totals_of(i), r),
    "clips swapped": lambda i, r: objective(i, totals_of(i), r, low=HIGH, high=LOW),
    "policy and proximal swapped": lambda i, r: objective(swapped(i), totals_of(i), r),
    "sampler for proximal": lambda i, r: objective(
        dataclasses.replace(i, proximal_logprobs=i.sampler_logprobs), totals_of(i), r
    ),
    "shifted by one": lambda i, r: objective(
        dataclasses.replace(i, policy_logprobs=i.policy_logprobs.roll(1)), totals_of(i), r
    ),
    "standard deviation of the batch": lambda i, r: objective(with_batch_std(i), totals_of(i), r),
    "mean for sum": lambda i, r: objective(i, totals_of(i), r) / len(i.policy_logprobs),
    "the other reduction": lambda i, r: objective(i, totals_of(i), next(o for o in Reduction if o is not r)),
    "a token more in the totals": lambda i, r: objective(
        i, UpdateTotals(totals_of(i).num_tokens + 1, totals_of(i).num_sequences + 1, 3), r
    ),
}


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("mutant", MUTANTS.values(), ids=MUTANTS.keys())
def test_2_broken_copies_are_told_apart(mutant: Mutant, reduction: Reduction) -> None:
    expected = scalar_objective(some_groups(), LOW, HIGH, BETA, reduction)
    assert mutant(loss_inputs(some_groups()), reduction).item() != pytest.approx(expected, rel=1e-3)


def part(inputs: LossInputs, sequences: Sequence[int]) -> LossInputs:
    """The tokens of some sequences, in that order, numbered anew as in a micro-batch of their own."""
    chosen = torch.cat([(inputs.sequence_index == s).nonzero().flatten() for s in sequences])

    def renumbered(index: Tensor) -> Tensor:
        numbers = {old: new for new, old in enumerate(dict.fromkeys(index.tolist()))}
        return torch.tensor([numbers[old] for old in index.tolist()])

    assert inputs.reference_logprobs is not None
    return LossInputs(
        policy_logprobs=inputs.policy_logprobs[chosen],
        proximal_logprobs=inputs.proximal_logprobs[chosen],
        sampler_logprobs=inputs.sampler_logprobs[chosen],
        reference_logprobs=inputs.reference_logprobs[chosen],
        advantages=inputs.advantages[chosen],
        sequence_index=renumbered(inputs.sequence_index[chosen]),
        group_index=renumbered(inputs.group_index[chosen]),
    )


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("cut", [[range(9)], [[8, 1, 2], [0, 7, 3], [4, 6, 5]], [[i] for i in range(9)]])
def test_3_4_cut_and_order_change_nothing(reduction: Reduction, cut: list[Sequence[int]]) -> None:
    inputs = loss_inputs(some_groups())
    whole = objective(inputs, totals_of(inputs), reduction)
    parts = torch.stack([objective(part(inputs, chosen), totals_of(inputs), reduction) for chosen in cut]).sum()
    torch.testing.assert_close(parts, whole, rtol=1e-12, atol=0)
    expected, found = (torch.autograd.grad(loss, inputs.policy_logprobs)[0] for loss in (whole, parts))
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_4_order_of_groups_and_a_constant_reward_change_nothing(reduction: Reduction) -> None:
    groups = some_groups()
    expected = objective(loss_inputs(groups), totals_of(loss_inputs(groups)), reduction).item()
    shifted = [[dataclasses.replace(e, reward=e.reward + 0.25) for e in group] for group in groups[::-1]]
    found = objective(loss_inputs(shifted), totals_of(loss_inputs(shifted)), reduction).item()
    assert found == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_5_at_ratio_1_the_gradient_is_that_of_reinforce(reduction: Reduction) -> None:
    inputs = loss_inputs(some_groups())
    inputs = dataclasses.replace(inputs, proximal_logprobs=inputs.policy_logprobs.detach())
    surrogate = reduction.reduce(ClippedLoss()(inputs).token_losses, inputs, totals_of(inputs))
    reinforce = reduction.reduce(-inputs.advantages * inputs.policy_logprobs, inputs, totals_of(inputs))
    expected, found = (torch.autograd.grad(loss, inputs.policy_logprobs)[0] for loss in (reinforce, surrogate))
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=0)
