"""Weights against the sampler's mismatch.

1. Each rule by hand; no gradient flows through any; bounds are inclusive.
2. Where sampler and trainer agree, every weight is exactly 1.
3. Products stay finite over long sequences.
4. Bounds that leave out 1 are refused.
"""

from __future__ import annotations

import math

import pytest
import torch

from lit_grpo.losses.base import LossInputs
from lit_grpo.losses.mismatch_weight import MismatchRule, MismatchWeight


def inputs(ratios: list[float], sequences: list[int]) -> LossInputs:
    """The sampler's probability is 1, so that the proximal log-prob is log rho."""
    proximal = torch.tensor(ratios, dtype=torch.float64).log().requires_grad_()
    zeros, index = torch.zeros(len(ratios), dtype=torch.float64), torch.tensor(sequences)
    return LossInputs(proximal, proximal, zeros, None, zeros, index, index)


# Sequence 0: 2 * 0.5 * 1.5 = 1.5, geometric mean 1.5^(1/3). Sequence 1: 3 * 3 = 9 and 3. Sequence 2: 0.5.
RATIOS, SEQUENCES = [2.0, 0.5, 1.5, 3.0, 3.0, 0.5], [0, 0, 0, 1, 1, 2]
GEOMETRIC = 1.5 ** (1 / 3)


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (MismatchRule.TOKEN_TRUNCATE, [1.8, 0.5, 1.5, 1.8, 1.8, 0.5]),
        (MismatchRule.TOKEN_MASK, [0, 0, 1.5, 0, 0, 0]),
        (MismatchRule.SEQUENCE_TRUNCATE, [1.5, 1.5, 1.5, 1.8, 1.8, 0.5]),
        (MismatchRule.SEQUENCE_MASK, [1.5, 1.5, 1.5, 0, 0, 0]),
        (MismatchRule.SEQUENCE_GEOMETRIC, [GEOMETRIC, GEOMETRIC, GEOMETRIC, 0, 0, 0]),
    ],
)
def test_1_by_hand(rule: MismatchRule, expected: list[float]) -> None:
    weights = MismatchWeight(rule, 0.6, 1.8).weights(inputs(RATIOS, SEQUENCES))
    assert weights.tolist() == pytest.approx(expected, rel=1e-12)
    assert not weights.requires_grad


def test_1_bounds_are_inclusive() -> None:
    given = inputs([1.0, 1.0], [0, 1])
    for rule in MismatchRule:
        assert MismatchWeight(rule, 1.0, 1.0).weights(given).tolist() == [1.0, 1.0]


@pytest.mark.parametrize("rule", MismatchRule)
def test_2_agreement_weighs_1(rule: MismatchRule) -> None:
    assert MismatchWeight(rule).weights(inputs([1.0] * 7, [0, 0, 0, 1, 1, 2, 2])).tolist() == [1.0] * 7


def test_3_products_stay_finite() -> None:
    given = inputs([2.0] * 500, [0] * 500)
    assert MismatchWeight(MismatchRule.SEQUENCE_MASK, 0.0, math.inf).weights(given)[0].item() == pytest.approx(
        math.exp(20)
    )


@pytest.mark.parametrize(("lowest", "highest"), [(1.1, 2.0), (0.5, 0.9), (-0.1, 2.0)])
def test_4_bounds_that_leave_out_1(lowest: float, highest: float) -> None:
    with pytest.raises(ValueError, match=r"expected 0 <= lowest <= 1 <= highest"):
        MismatchWeight(MismatchRule.TOKEN_MASK, lowest, highest)
