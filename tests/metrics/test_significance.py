"""P-values of paired differences, and Holm's correction.

1. The p-value counts replicates on either side of 0, each side with one more; it is never 0 and never above 1.
2. It agrees with the percentile interval: below the level exactly where the interval of that level leaves 0 out.
3. Holm's values are those worked by hand, in the order given; never below the raw ones, never above 1.
4. Under the null hypothesis, the smallest of many is below 0.05 in about one family of twenty, not in most of them.
"""

import pytest
import torch

from lit_grpo.metrics.bootstrap import BootstrapSettings, estimates
from lit_grpo.metrics.significance import bootstrap_p_value, holm


def test_1_counted_by_hand() -> None:
    # Below 0: two; at 0: one; above: six. The smaller side has 2 + 1 = 3 of 9: 2 (1 + 3) / 10.
    assert bootstrap_p_value(torch.tensor([-2.0, -1, 0, 1, 2, 3, 4, 5, 6])) == pytest.approx(0.8)
    # None at or below 0: 2 (1 + 0) / 20.
    assert bootstrap_p_value(torch.arange(1.0, 20.0)) == pytest.approx(0.1)
    assert bootstrap_p_value(-torch.arange(1.0, 20.0)) == pytest.approx(0.1)
    assert bootstrap_p_value(torch.zeros(9)) == 1.0
    nan = float("nan")
    assert bootstrap_p_value(torch.tensor([1.0, nan, 2.0])) == pytest.approx(2 / 3)
    assert bootstrap_p_value(torch.tensor([nan])) is None


@pytest.mark.parametrize("shift", [0.0, 1.0, 1.6, 1.9, 2.0, 2.1, 2.5, 3.0])
def test_2_agrees_with_the_interval(shift: float) -> None:
    replicates = torch.randn(3999, generator=torch.Generator().manual_seed(0), dtype=torch.float64) + shift
    ((_, low, high, _),) = estimates(replicates.mean()[None], replicates[:, None], BootstrapSettings(), num_tasks=100)
    p_value = bootstrap_p_value(replicates)
    assert low is not None
    assert high is not None
    assert p_value is not None
    assert (p_value < 0.05) == (low > 0 or high < 0)


def test_3_worked_by_hand() -> None:
    # Sorted 0.01 x 3, 0.03 x 2 = 0.06, 0.04 x 1 raised to the 0.06 before it.
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    # 0.005 x 4, 0.011 x 3, 0.02 x 2, 0.04.
    assert holm([0.04, 0.005, 0.02, 0.011]) == pytest.approx([0.04, 0.02, 0.04, 0.033])
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([0.2]) == [0.2]
    assert holm([]) == []
    with pytest.raises(ValueError, match="expected p-values between 0 and 1"):
        holm([0.1, float("nan")])


def test_4_a_family_errs_as_seldom_as_one_test() -> None:
    generator = torch.Generator().manual_seed(0)
    families = torch.rand(2000, 20, generator=generator, dtype=torch.float64).tolist()
    assert sum(min(family) < 0.05 for family in families) / 2000 > 0.6
    assert sum(min(holm(family)) < 0.05 for family in families) / 2000 == pytest.approx(0.049, abs=0.015)
