"""When two numbers are the same number.

1. What may have been rounded agrees to 1e-6; a zero to 1e-9.
2. Whole numbers agree exactly, also on the scale of the row where they are written; 0.1 + 0.2 is 0.3.
3. Where exactness is asked for, a rounded number is another one.
4. No bound agrees with no bound alone.
"""

import math

import pytest

from lit_grpo.environment.programs.agreement import agree, is_whole


@pytest.mark.parametrize(
    ("value", "true", "scale", "expected"),
    [
        (6.3333333, 19.0, 1 / 3, True),  # 3 x <= 19 written as x <= 6.3333333
        (6.3333, 19.0, 1 / 3, False),  # 18.9999, 5e-6 of 19 away
        (90.30004, 90.3, 1.0, True),
        (90.3001, 90.3, 1.0, False),
        (5e-10, 0.0, 1.0, True),
        (5e-9, 0.0, 1.0, False),
    ],
)
def test_1_rounded(value: float, true: float, scale: float, expected: bool) -> None:
    assert agree(value, true, scale) is expected


@pytest.mark.parametrize(
    ("value", "true", "scale", "expected"),
    [
        (1_000_001.0, 1_000_000.0, 1.0, False),
        (1_000_000.9, 1_000_000.0, 1.0, False),
        (1_000_000.5, 1_000_000.0, 1.0, False),
        (100_000.09, 100_000.0, 1.0, False),
        (90.00004, 90.0, 1.0, False),
        (3.000000001, 3.0, 1.0, False),
        (-3.000000001, -3.0, 1.0, False),
        (2_000_000.9, 1_000_000.0, 2.0, False),
        (2_000_001.0, 1_000_000.0, 2.0, False),  # 1,000,000.5 on the true scale, a whole number on its own
        (2_000_000.0, 1_000_000.0, 2.0, True),
        (1_000_001.0, 3_000_000.0, 0.1 / 0.3, False),  # 0.1 x <= 1,000,001 for 0.3 x <= 3,000,000
        (3_000_001 / 7, 3_000_000.0, 1 / 7, False),  # neither is whole where it is written, both are on the true scale
        (0.1 + 0.2, 0.3, 1.0, True),
        (999_999_998.0, 999_999_999.0, 1.0, False),
    ],
)
def test_2_whole(value: float, true: float, scale: float, expected: bool) -> None:
    assert agree(value, true, scale) is expected


def test_3_exactly() -> None:
    assert not agree(3.000001, 3.0, exactly=True)
    assert not agree(5e-10, 0.0, exactly=True)
    assert agree(0.1 + 0.2, 0.3, exactly=True)
    assert agree(0.6, 0.2, scale=3.0, exactly=True)


def test_4_infinities() -> None:
    assert agree(math.inf, math.inf)
    assert agree(-math.inf, -math.inf)
    assert not agree(math.inf, -math.inf)
    assert not agree(1e9, math.inf)
    assert not agree(math.inf, 1e9)


def test_2b_whole_up_to_floating_point() -> None:
    assert is_whole(3.0)
    assert is_whole(3 * (0.1 / 0.3) * 3)  # 3.0000000000000004 or so
    assert not is_whole(3.0000001)
