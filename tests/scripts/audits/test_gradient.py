"""The order of difficulties: 1 means, errors and the test by hand; 2 what passes and what does not, a line each."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from gradient import CellGradient, Share, failures

from lit_grpo.environment.faults.difficulty import Difficulty
from lit_grpo.environment.faults.fault_kinds import FaultKind

EASY, MEDIUM, HARD = Difficulty


def _cell(difficulty: Difficulty, mean: float, kind: FaultKind = FaultKind.RIGHT_HAND_SIDE) -> CellGradient:
    return CellGradient(kind, difficulty, 200, {"reader": Share(mean, 0.03)}, 0.1, 0, 0.0, 0.9)


HOLDS = (_cell(HARD, 0.4), _cell(EASY, 0.8), _cell(MEDIUM, 0.6))
"""In any order. 0.2 / (0.03 * 1.414) = 4.7, far above 1.6449."""


def test_1_mean_and_error() -> None:
    """Of 0, 1, 1, 0 the variance is 4 * 0.25 / 3, over 4 tasks."""
    share = Share.of([0.0, 1.0, 1.0, 0.0])
    assert (share.mean, share.error) == (0.5, pytest.approx(math.sqrt(1 / 12)))
    assert share.text == "50.0 ± 56.6"


def test_1b_above_with_95_percent_confidence() -> None:
    """0.1 / hypot(0.03, 0.04) = 2; 0.08 / 0.05 = 1.6, below 1.6449; equal means are no order, nor are certain ones."""
    assert Share(0.8, 0.03).is_above(Share(0.7, 0.04))
    assert not Share(0.8, 0.03).is_above(Share(0.72, 0.04))
    assert not Share(0.0, 0.0).is_above(Share(0.0, 0.0))
    assert not Share(0.7, 0.04).is_above(Share(0.8, 0.03))


def test_1c_one_task_has_no_error() -> None:
    with pytest.raises(ValueError, match="expected at least two tasks a cell, got 1"):
        Share.of([1.0])


def test_2_an_order_that_holds_passes() -> None:
    assert list(failures(HOLDS)) == []


def test_2b_each_pair_that_is_not_held_is_a_line() -> None:
    inverted = [_cell(EASY, 0.4), _cell(MEDIUM, 0.6), _cell(HARD, 0.8)]
    assert list(failures(inverted)) == [
        "D, reader: expected easy above medium with 95 % confidence, got 40.0 ± 5.9 and 60.0 ± 5.9",
        "D, reader: expected medium above hard with 95 % confidence, got 60.0 ± 5.9 and 80.0 ± 5.9",
    ]
    flat = [_cell(EASY, 0.8), _cell(MEDIUM, 0.8), _cell(HARD, 0.4)]
    assert len(list(failures(flat))) == 1


def test_2c_a_kind_without_a_difficulty_does_not_pass() -> None:
    assert list(failures(HOLDS[:2])) == ["D: expected cells of all difficulties, got 2"]


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"dropped_true": 1}, "D hard: expected drop-first to repair added rows alone, got 1 other tasks"),
        ({"dropped": 0.205}, "D hard: expected drop-first at most 20%, got 20.5%"),
        ({"relaxed": 0.41}, "D hard: expected minimum relaxation at most 40%, got 41.0%"),
    ],
)
def test_2d_limits_of_the_trivial_policies(change: dict[str, float], line: str) -> None:
    assert list(failures([replace(HOLDS[0], **change), *HOLDS[1:]])) == [line]
    easy = [HOLDS[0], replace(HOLDS[1], dropped=1.0, relaxed=1.0), HOLDS[2]]
    assert list(failures(easy)) == []
