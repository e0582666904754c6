"""How sure a repair is, worked by hand.

1. A softmax of tempered likelihoods and the list's scores; what the policy alone found has the lowest score.
2. A policy to which everything is unlikely is sure of nothing, however the repairs compare with each other.
3. A repair that cannot be said has no confidence, and takes nothing from the others.
"""

from __future__ import annotations

import math

import pytest

from lit_grpo.repair.confidence import confidences

NONE = math.exp(-10.0)


def test_1_a_softmax() -> None:
    # Exponents -1 + 0, 0 - 2, and 0 - 2 for the one that is not in the list.
    weights = [math.exp(-1.0), math.exp(-2.0), math.exp(-2.0)]
    total = sum(weights) + NONE
    assert confidences([-4.0, 0.0, 0.0], [5.0, 3.0, None]) == pytest.approx([weight / total for weight in weights])
    assert confidences([0.0], [None]) == pytest.approx([1 / (1 + NONE)])
    assert confidences([], []) == []


def test_2_everything_is_unlikely() -> None:
    likelier, other = confidences([-100.0, -120.0], [0.0, -1.0])
    assert likelier == pytest.approx(math.exp(-25.0) / NONE, rel=1e-3)
    assert other is not None
    assert likelier is not None
    assert other < likelier < 1e-6
    assert confidences([-1e5, -2e5], [0.0, -1.0]) == [0.0, 0.0]


def test_3_what_cannot_be_said() -> None:
    assert confidences([None, -4.0], [5.0, 5.0]) == [None, pytest.approx(confidences([-4.0], [5.0])[0])]
    assert confidences([None], [1.0]) == [None]
