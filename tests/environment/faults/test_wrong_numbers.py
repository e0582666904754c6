"""Wrong numbers: 1 those in range, by hand; 2 they end in a nought as often as true ones, though a nought too many
reaches furthest; 3 in TINY programs a nought is a slip like any other.
"""

from random import Random

from lit_grpo.environment.faults.wrong_numbers import wrong_number


def _drawn(right: float, number: int, *, above: float, most: float, is_tiny: bool = False) -> list[float]:
    rng = Random(1)
    drawn = (wrong_number(rng, right, above=above, most=most, is_tiny=is_tiny) for _ in range(number))
    return [value for value in drawn if value is not None]


def test_1_slips_in_range_by_hand() -> None:
    """Of 36, above 65: 66, 76, 86, 96 change a digit, 63 swapped falls short; others are at most 26 over 65."""
    drawn = set(_drawn(36.0, 500, above=65.0, most=97.0))
    assert {66.0, 76.0, 86.0, 96.0} <= drawn <= {*map(float, range(66, 93)), 96.0}


def test_2_a_nought_at_the_end_is_as_rare_as_in_true_numbers() -> None:
    """A tenth of whole numbers end in a nought. Above 150, no slip of 36 is in range but 360."""
    drawn = _drawn(36.0, 3000, above=150.0, most=999.0)
    assert 0.08 < sum(value % 10 == 0 for value in drawn) / len(drawn) < 0.15
    assert 360.0 in drawn


def test_2a_digits_become_noughts_too() -> None:
    """Of 36, from 30 on: 30 changes its last digit."""
    assert 30.0 in _drawn(36.0, 500, above=29.0, most=97.0)


def test_3_in_tiny_programs_noughts_are_common() -> None:
    """Half of the wrong numbers are slips where there are any, and 360 is the only one: over 50 %."""
    drawn = _drawn(36.0, 3000, above=150.0, most=999.0, is_tiny=True)
    assert 0.45 < sum(value == 360.0 for value in drawn) / len(drawn) < 0.55
