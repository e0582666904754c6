"""The objective as a whole.

1. Mask and weight act on the surrogate alone; the KL is added after them; what is left out still counts in the totals.
2. The entropy bonus is minus the coefficient times the mean entropy of the step's tokens.
3. The entropy threshold keeps the largest share, ties included, and counts no padding.
4. The overlong penalty by hand.
5. Choices that make no sense together are refused, in one line that says what to change.
6. It is described in words, with a remark on what one update per rollout makes of a clip range.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import pytest
import torch
from objectives import SURROGATES, objective, random_step

from lit_grpo.advantages import AdvantageEstimator
from lit_grpo.losses.base import LossInputs, UpdateTotals
from lit_grpo.losses.clipped import ClippedLoss
from lit_grpo.losses.description import describe
from lit_grpo.losses.entropy import entropy_bonus, top_entropy_threshold
from lit_grpo.losses.gmpo import GMPOLoss
from lit_grpo.losses.mismatch_weight import MismatchRule, MismatchWeight
from lit_grpo.losses.objective import Objective
from lit_grpo.losses.overlong import OverlongPenalty
from lit_grpo.losses.reduction import Reduction
from lit_grpo.losses.reference_kl import KLEstimator, KLPlace
from lit_grpo.losses.reinforce import ReinforceLoss
from lit_grpo.losses.sapo import SAPOLoss
from lit_grpo.losses.sequence_clipped import SequenceClippedLoss

SUCCESS: dict[str, Any] = {"advantage": AdvantageEstimator.SUCCESS}


def logs(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64).log()


def test_1_order_of_the_parts() -> None:
    # Ratios 1, so clipped losses are -A = -1; rho = 3, cut to 2; the second token is masked; x = log 2: k2 = .240.
    index = torch.tensor([0, 0])
    policy = logs(0.6, 0.6).requires_grad_()
    inputs = LossInputs(
        policy,
        policy.detach(),
        logs(0.2, 0.2),
        logs(1.2, 1.2),
        torch.ones(2, dtype=torch.float64),
        index,
        index,
        keep=torch.tensor([True, False]),
    )
    chosen = Objective(
        ClippedLoss(),
        mismatch=MismatchWeight(MismatchRule.TOKEN_TRUNCATE, highest=2.0),
        entropy_top_share=0.5,
        kl_beta=0.1,
        kl_estimator=KLEstimator.K2,
    )
    step = chosen.update_loss(inputs, UpdateTotals(4, 1, 1))
    k2 = math.log(2) ** 2 / 2
    assert step.token_losses.tolist() == pytest.approx([-2 + 0.1 * k2, 0.1 * k2], rel=1e-12)
    assert step.loss.item() == pytest.approx((-2 + 0.2 * k2) / 4, rel=1e-12)
    means = {name: values.mean().item() for name, values in step.statistics.items()}
    assert means == pytest.approx(
        {"clipped": 0, "ratio": 1, "entropy_kept": 0.5, "mismatch_weight": 2.0, "reference_kl": k2}
    )


def test_1_the_mask_against_a_sampler_that_is_off() -> None:
    # Two sequences of one token, rho = 1 and 3: the second is outside [0.5, 2], and still one of the step's two tokens.
    index = torch.tensor([0, 1])
    policy = logs(0.6, 0.6).requires_grad_()
    advantages = torch.ones(2, dtype=torch.float64)
    inputs = LossInputs(policy, policy.detach(), logs(0.6, 0.2), logs(0.6, 0.6), advantages, index, index)
    chosen = Objective(ClippedLoss(), mismatch_mask=MismatchWeight(MismatchRule.SEQUENCE_GEOMETRIC, 0.5, 2.0))
    step = chosen.update_loss(inputs, UpdateTotals(2, 2, 2))
    assert step.token_losses.tolist() == [-1, 0]
    assert step.loss.item() == -0.5
    assert step.statistics["mismatch_masked"].tolist() == [0, 1]


def test_2_entropy_bonus() -> None:
    entropies = torch.tensor([1.0, 3.0], requires_grad=True)
    bonus = entropy_bonus(entropies, 0.1, UpdateTotals(8, 2, 1))
    assert bonus.item() == pytest.approx(-0.1 * 4 / 8)
    bonus.backward()
    assert entropies.grad is not None
    assert entropies.grad.tolist() == pytest.approx([-0.1 / 8] * 2)
    inputs, totals = random_step()
    with_bonus = objective(SURROGATES["clipped"], Reduction.SEQUENCE_MEAN, entropy_bonus=0.3).update_loss(
        inputs, totals
    )
    without = objective(SURROGATES["clipped"], Reduction.SEQUENCE_MEAN).update_loss(inputs, totals)
    assert inputs.entropies is not None
    expected = without.loss - 0.3 * inputs.entropies.mean()
    torch.testing.assert_close(with_bonus.loss, expected, rtol=1e-12, atol=0)
    assert torch.equal(with_bonus.statistics["entropy"], inputs.entropies)


@pytest.mark.parametrize(
    ("share", "threshold"), [(0.25, 0.9), (0.2, 0.9), (0.26, 0.4), (0.5, 0.4), (0.75, 0.2), (1.0, 0.1), (1e-9, 0.9)]
)
def test_3_top_share(share: float, threshold: float) -> None:
    entropies = torch.tensor([0.1, -math.inf, 0.9, 0.4, 0.2, -math.inf], dtype=torch.float64)
    assert top_entropy_threshold(entropies, share) == pytest.approx(threshold * (1 - 1e-6), rel=1e-12)


def test_3_ties_rounding_and_no_tokens() -> None:
    # Four attempts in the same state, one of them rounded down: which of them is among the two largest means nothing.
    entropies = torch.tensor([1.0, 1.0 - 2**-23, 1.0 - 2**-23, 1.0, 0.9999])
    assert (entropies >= top_entropy_threshold(entropies, 0.2)).tolist() == [True, True, True, True, False]
    # 0.2 * 15 is 3.0000000000000004: three tokens are kept, not four.
    assert (torch.arange(15.0) >= top_entropy_threshold(torch.arange(15.0), 0.2)).sum() == 3
    assert top_entropy_threshold(torch.zeros(0), 0.2) == -math.inf


def test_4_overlong_penalty() -> None:
    penalty = OverlongPenalty(max_tokens=100, buffer_tokens=20)
    assert [penalty.of(n) for n in (0, 80, 85, 90, 100, 101, 500)] == [0, 0, -0.25, -0.5, -1, -1, -1]
    for buffer in (0, 101):
        with pytest.raises(ValueError, match="expected 0 < buffer_tokens <= max_tokens"):
            OverlongPenalty(100, buffer)


@pytest.mark.parametrize(
    ("axes", "message"),
    [
        ({"kl_beta": -0.1}, r"expected kl_beta >= 0 and updates_per_rollout >= 1, got -0\.1 and 1"),
        ({"updates_per_rollout": 0}, r"updates_per_rollout >= 1"),
        ({"entropy_bonus": -1.0}, r"expected entropy_bonus >= 0"),
        ({"entropy_top_share": 0.0}, r"0 < entropy_top_share <= 1"),
        ({"reduction": Reduction.CONSTANT_LENGTH}, r"max_sequence_tokens: expected at least 1 with reduction CONSTANT"),
        ({"max_sequence_tokens": 8}, r"max_sequence_tokens: expected none with reduction TOKEN_MEAN"),
        ({"kl_beta": 0.1, "kl_estimator": KLEstimator.K1}, r"kl_estimator: expected K2 or K3 with kl_place LOSS"),
        ({"kl_beta": 0.1, "kl_place": KLPlace.REWARD}, r"kl_estimator: expected K1 with kl_place REWARD, got K3"),
        ({"loss": SequenceClippedLoss(), "entropy_top_share": 0.2}, r"entropy_top_share: expected 1 with SequenceCl"),
        ({"loss": GMPOLoss(), "entropy_top_share": 0.2}, r"entropy_top_share: expected 1 with GMPOLoss"),
        (
            SUCCESS | {"overlong_penalty": OverlongPenalty(9, 3)},
            r"overlong_penalty: expected nothing in the reward",
        ),
        (
            SUCCESS | {"kl_beta": 0.1, "kl_place": KLPlace.REWARD, "kl_estimator": KLEstimator.K1},
            r"kl_place: expected nothing in the reward with the advantage SUCCESS",
        ),
    ],
)
def test_5_choices_that_make_no_sense(axes: dict[str, Any], message: str) -> None:
    chosen: dict[str, Any] = {"loss": ClippedLoss(), **axes}
    with pytest.raises(ValueError, match=message) as refused:
        Objective(**chosen)
    assert "\n" not in str(refused.value)


def test_5_one_attempt_may_succeed_alone() -> None:
    Objective(ReinforceLoss(), advantage=AdvantageEstimator.SUCCESS).require_group_size(1)


@pytest.mark.parametrize("advantage", [a for a in AdvantageEstimator if a is not AdvantageEstimator.SUCCESS])
def test_5_a_group_of_one(advantage: AdvantageEstimator) -> None:
    chosen = Objective(ClippedLoss(), advantage=advantage)
    chosen.require_group_size(2)
    with pytest.raises(ValueError, match=f"group_size: expected at least 2 with the advantage {advantage.name}"):
        chosen.require_group_size(1)


def test_5_rejection_sampling_is_supervised_fine_tuning() -> None:
    inputs, totals = random_step()
    successes = torch.tensor([1.0, 0.0, 0.0, 1.0, 0.0, 0.0], dtype=torch.float64)[inputs.sequence_index]
    inputs = dataclasses.replace(inputs, advantages=successes)
    loss = Objective(ReinforceLoss(), advantage=AdvantageEstimator.SUCCESS).update_loss(inputs, totals).loss
    (gradient,) = torch.autograd.grad(loss, inputs.policy_logprobs)
    # Of cross-entropy on the successes' tokens, over all tokens of the step.
    torch.testing.assert_close(gradient, -successes / totals.num_tokens, rtol=1e-12, atol=0)


def test_5_which_terms_look_at_groups_without_signal() -> None:
    axes: list[dict[str, Any]] = [
        {},
        {"kl_beta": 0.1, "kl_estimator": KLEstimator.K1, "kl_place": KLPlace.REWARD},
        {"mismatch": MismatchWeight(MismatchRule.TOKEN_MASK)},
        {"kl_beta": 0.1},
        {"entropy_bonus": 0.1},
        {"entropy_top_share": 0.5},
    ]
    assert [Objective(ClippedLoss(), **chosen).needs_all_groups for chosen in axes] == [False] * 3 + [True] * 3


def test_6_described_in_words() -> None:
    everything = Objective(
        ClippedLoss(0.2, 0.28, dual_clip=3),
        Reduction.CONSTANT_LENGTH,
        AdvantageEstimator.PER_COMPONENT,
        kl_beta=1e-3,
        mismatch=MismatchWeight(MismatchRule.TOKEN_MASK),
        entropy_bonus=0.01,
        entropy_top_share=0.2,
        overlong_filter=True,
        overlong_penalty=OverlongPenalty(100, 20),
        max_sequence_tokens=64,
        updates_per_rollout=4,
    )
    assert describe(everything) == (
        "Objective: clipped surrogate, ratio of a token within [0.8, 1.28], dual clip at 3; advantage: weighted sum of "
        "the reward's components, each normalised in its group, over the rollout's standard deviation. "
        "Reduction: sum over the step's tokens, divided by its sequences and by 64. "
        "KL to the policy at the start: 0.001 times k3, on each token's loss. "
        "Weight against the sampler's mismatch: token_mask with bounds [0.5, 2]. "
        "The surrogate keeps the 20% of tokens with the highest entropy. "
        "Entropy bonus: 0.01 times the mean entropy of a token. Truncated episodes leave the loss. "
        "Episodes of more than 80 sampled tokens are penalised, by 1 from 100 on. "
        "4 updates per rollout: the first at ratio 1, the others with the ratio to the policy before it."
    )


@pytest.mark.parametrize("name", SURROGATES)
@pytest.mark.parametrize("reduction", Reduction)
@pytest.mark.parametrize("advantage", AdvantageEstimator)
def test_6_every_choice_has_words(name: str, reduction: Reduction, advantage: AdvantageEstimator) -> None:
    words = describe(objective(SURROGATES[name], reduction, advantage=advantage))
    assert words.startswith("Objective: ")
    assert "Loss" not in words


def test_6_one_update_makes_clip_ranges_identical() -> None:
    assert "identical by construction" in describe(Objective(ClippedLoss(0.2, 0.28)))
    assert "identical by construction" not in describe(Objective(SAPOLoss()))
    assert "identical by construction" not in describe(Objective(ClippedLoss(0.2, 0.28), updates_per_rollout=4))
    later = dataclasses.replace(Objective(ReinforceLoss()), updates_per_rollout=2)
    assert "not corrected for the policy having moved" in describe(later)
