"""Why what the study ran under three names is not the method of that name: the numbers of docs/ablations.md.

1. x 1.4 on positive rewards cancels in groups of one sign and in groups of two values.
2. It cancels in no group of three values of both signs: the worked example, and groups drawn at random.
3. So it does in every group of the composite reward, and not in every group of the study's scale.
4. A gradient clip weighs tokens as before: no factor turns the sequence mean into the token mean.
5. Where every norm is above both thresholds, clipping at .5 in place of 1 changes no step of AdamW or Muon.
"""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from lit_grpo.advantages import group_advantages
from lit_grpo.losses.base import LossInputs, UpdateTotals
from lit_grpo.losses.reduction import Reduction
from lit_grpo.modules.optimizers import MuonWithAdamW, clip_gradients


def advantages(rewards: Tensor) -> Tensor:
    return group_advantages(rewards.double(), torch.zeros(len(rewards), dtype=torch.int64)).advantages


def reported(rewards: Tensor) -> Tensor:
    return torch.where(rewards > 0, 1.4 * rewards, rewards)


@pytest.mark.parametrize(
    "rewards",
    [
        (0.95, 0.3, 0.0, 0.7, 0.7),  # none below 0
        (-51.0, -53.0, -55.0, -55.0),  # none above 0
        (98.0, -55.0, -55.0, 98.0, -55.0),  # two values
        (3.0, 0.0, -0.0, 1.0),  # 0 counts with either sign
    ],
)
def test_1_cancels(rewards: tuple[float, ...]) -> None:
    plain = torch.tensor(rewards)
    assert advantages(reported(plain)) == pytest.approx(advantages(plain), rel=1e-5, abs=1e-6)


def test_1_two_values_by_formula() -> None:
    # G = 5, k = 2: above sqrt(4 x 3 / (5 x 2)), below -sqrt(4 x 2 / (5 x 3)).
    found = advantages(torch.tensor([98.0, -55.0, -55.0, 98.0, -55.0]))
    assert found[0] == pytest.approx((12 / 10) ** 0.5, rel=1e-6)
    assert found[1] == pytest.approx(-((8 / 15) ** 0.5), rel=1e-6)


def test_2_the_worked_example() -> None:
    rewards = torch.tensor([98.0, 96.0, -55.0])
    assert advantages(rewards) == pytest.approx([0.5887, 0.5659, -1.1546], abs=5e-5)
    assert reported(rewards) == pytest.approx([137.2, 134.4, -55.0])
    assert advantages(reported(rewards)) == pytest.approx([0.5900, 0.5646, -1.1546], abs=5e-5)


def test_2_never_otherwise() -> None:
    generator = torch.Generator().manual_seed(0)
    for _ in range(200):
        positive = torch.rand(2, generator=generator) * 100 + torch.tensor([1.0, 102.0])
        negative = -1 - torch.rand(1, generator=generator) * 100
        rewards = torch.cat([positive, negative])
        moved = (advantages(reported(rewards)) - advantages(rewards)).abs().max()
        assert moved > 1e-5


def test_3_the_composite_and_the_studys_scale() -> None:
    generator = torch.Generator().manual_seed(0)
    composite = torch.rand(100, 8, generator=generator)
    assert all(advantages(reported(group)) == pytest.approx(advantages(group), rel=1e-4) for group in composite)
    # Optimal in 1 or 2 steps, and a failure in 5.
    studys = torch.tensor([99.0, 98.0, -55.0, -55.0])
    assert (advantages(reported(studys)) - advantages(studys)).abs().max() > 1e-4


def test_4_a_factor_is_not_a_reduction() -> None:
    """Two answers of 1 and 3 tokens: the weight of each token in the loss."""
    sequence = torch.tensor([0, 1, 1, 1])
    losses = torch.ones(4, dtype=torch.float64, requires_grad=True)
    totals = UpdateTotals(num_tokens=4, num_sequences=2, num_groups=1)
    zeros = torch.zeros(4, dtype=torch.float64)
    inputs = LossInputs(
        policy_logprobs=zeros,
        proximal_logprobs=zeros,
        sampler_logprobs=zeros,
        reference_logprobs=None,
        advantages=zeros,
        sequence_index=sequence,
        group_index=torch.zeros(4, dtype=torch.int64),
        group_num_tokens=torch.full((4,), 4),
        entropies=None,
        keep=None,
    )
    weights = [
        torch.autograd.grad(reduction.reduce(losses, inputs, totals), losses)[0]
        for reduction in (Reduction.SEQUENCE_MEAN, Reduction.TOKEN_MEAN)
    ]
    assert weights[0] == pytest.approx([1 / 2, 1 / 6, 1 / 6, 1 / 6])
    assert weights[1] == pytest.approx([1 / 4] * 4)
    assert (weights[0] / weights[1]).std() > 0.5


def trained(threshold: float) -> tuple[Tensor, Tensor]:
    """A matrix and a vector after five steps on gradients of norm above 1."""
    generator = torch.Generator().manual_seed(0)
    matrix, vector = (nn.Parameter(torch.randn(shape, generator=generator)) for shape in ((4, 4), (4,)))
    optimizer = MuonWithAdamW([matrix], [vector], 0.01, 0.01, betas=(0.9, 0.95), weight_decay=0.0)
    for _ in range(5):
        for parameter in (matrix, vector):
            parameter.grad = 10 * torch.randn(parameter.shape, generator=generator)
        assert clip_gradients(optimizer, threshold) > 1.0
        optimizer.step()
    return matrix.detach(), vector.detach()


def test_5_the_same_steps() -> None:
    for ours, theirs, start in zip(trained(1.0), trained(0.5), trained(1e9), strict=True):
        assert ours == pytest.approx(theirs, abs=2e-5)
        assert (ours - start).abs().max() > 1e-3
