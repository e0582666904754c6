"""Wrong numbers: 1 those in range, by hand; 2 they end in a nought as often as true ones, though a nought too many
reaches furthest; 3 in TINY programs a nought is a slip like any other; 4 numbers with decimals go wrong in decimals.
"""

from random import Random

from lit_grpo.environment.faults.wrong_numbers import times, unit_of, wrong_number


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


def test_4_numbers_with_decimals_go_wrong_in_decimals() -> None:
    """Of 3.25, above 4.1: 4.25 to 9.25 change the first digit; others are at most 1.65 over 4.1."""
    drawn = set(_drawn(3.25, 800, above=4.1, most=20.0))
    assert {4.25, 5.25, 9.25} <= drawn
    assert all(value <= 5.75 or value in {6.25, 7.25, 8.25, 9.25} for value in drawn)
    assert all(value > 4.1 and round(value, 2) == value for value in drawn)
    assert sum(value.is_integer() for value in drawn) < len(drawn) / 10
    below = {wrong_number(Random(seed), 0.8, below=0.55, least=0.1) for seed in range(200)}
    assert below <= {0.1, 0.2, 0.3, 0.4, 0.5}
    assert len(below) >= 3
    assert wrong_number(Random(0), 0.8, below=0.1, least=0.1) is None


def test_4b_a_product_has_the_digits_that_a_person_writes() -> None:
    """0.57 * 10 is 5.699999999999999 in floats."""
    assert [times(0.57, 10), times(0.07, 1000), times(-12.0, -1), times(4.0, 10)] == [5.7, 70.0, 12.0, 40.0]
    assert [unit_of(right) for right in (3.25, 12.0, 0.001, 1e20, float("inf"))] == [0.01, 1.0, 0.001, 1.0, 1.0]
    assert unit_of(0.1 + 0.2) == 1e-14
