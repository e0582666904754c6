"""What is held against the threshold of the proof.

1. The difference that nineteen of twenty log-probs stay within.
2. A stray one counts for a hundredth, and no more than one of twenty is stray.
3. What is not a number is never equal; rows of other tokens are refused.
"""

from __future__ import annotations

import math

import pytest

from lit_grpo.engines.vllm.proof import is_equal, judged_difference

OURS = [[-1.0] * 20, [-2.0] * 20]
"""40 log-probs: two of them may be stray."""


def moved(*differences: float) -> list[list[float]]:
    """The first log-probs differ by so much, in alternating directions."""
    flat = [value for row in OURS for value in row]
    for at, difference in enumerate(differences):
        flat[at] += difference * (-1) ** at
    return [flat[:20], flat[20:]]


def test_1_all_but_a_few() -> None:
    assert judged_difference(OURS, OURS) == 0.0
    assert judged_difference(OURS, moved(*[3e-5] * 40)) == pytest.approx(3e-5)


def test_2_stray_ones() -> None:
    # Two stray ones of 40: 5e-4 / 100 is less than what the others differ by.
    assert judged_difference(OURS, moved(5e-4, 4e-4, *[3e-5] * 38)) == pytest.approx(3e-5)
    # 2e-2 / 100 is beyond the threshold, one embedding that stayed old.
    assert judged_difference(OURS, moved(2e-2)) == pytest.approx(2e-4)
    assert not is_equal(judged_difference(OURS, moved(2e-2)), "float32")
    # Three are not stray: the least of them counts in full.
    assert judged_difference(OURS, moved(5e-4, 4e-4, 3e-4)) == pytest.approx(3e-4)


@pytest.mark.parametrize("strange", [math.nan, math.inf, -math.inf])
def test_3_no_number(strange: float) -> None:
    assert not is_equal(judged_difference(OURS, [[strange, *OURS[0][1:]], OURS[1]]), "bfloat16")


def test_3_other_tokens() -> None:
    with pytest.raises(ValueError, match="zip"):
        judged_difference(OURS, [OURS[0], OURS[1][1:]])
