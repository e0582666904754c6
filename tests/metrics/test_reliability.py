"""Whether a confidence means what it says, worked by hand."""

from __future__ import annotations

import pytest

from lit_grpo.metrics.reliability import (
    Abstention,
    Bin,
    Claim,
    abstention,
    calibration_error,
    least_threshold,
    reliability,
)

CLAIMS = [Claim(0.1, False), Claim(0.3, True), Claim(0.5, True), Claim(0.8, False), Claim(1.0, True)]


def test_by_confidence() -> None:
    bins = reliability(CLAIMS, (0.0, 0.5, 0.9, 1.0))
    assert [(one.low, one.high, one.count, one.share_right) for one in bins[:2]] == [
        (0.0, 0.5, 2, 0.5),
        (0.5, 0.9, 2, 0.5),
    ]
    assert [one.mean_confidence for one in bins[:2]] == pytest.approx([0.2, 0.65])
    assert bins[2] == Bin(0.9, 1.0, 1, 1.0, 1.0)  # 1 is in the last range
    assert reliability(CLAIMS, (0.0, 0.05, 1.0))[0].low == 0.05  # none is below
    # (2 * 0.3 + 2 * 0.15 + 1 * 0) / 5
    assert calibration_error(bins) == pytest.approx(0.18)


def test_what_a_threshold_leaves() -> None:
    assert abstention(CLAIMS, 0.3) == Abstention(0.3, 0.8, 0.75)
    assert abstention(CLAIMS, 1.1) == Abstention(1.1, 0.0, None)


@pytest.mark.parametrize(
    ("accuracy", "threshold"),
    # Right of those from 0.1 on 3 of 5, from 0.3 on 3 of 4, from 0.5 on 2 of 3, from 0.8 on 1 of 2, from 0.9 on 1 of 1.
    [(1.0, 0.9), (0.7, 0.9), (0.5, 0.1)],
)
def test_the_least_threshold_from_which_on(accuracy: float, threshold: float) -> None:
    assert least_threshold(CLAIMS, accuracy, (0.1, 0.3, 0.5, 0.8, 0.9)) == threshold
    assert least_threshold([Claim(0.9, False)], accuracy, (0.5,)) is None
