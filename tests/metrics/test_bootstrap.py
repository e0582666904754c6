"""Intervals: seeded, stratified, as wide as they should be."""

import pytest
import torch

from lit_grpo.metrics.bootstrap import BootstrapSettings, Estimate, estimates, resample_seeds, resample_tasks


def test_1_the_same_seed_draws_the_same_and_another_seed_another() -> None:
    strata = torch.zeros(50, dtype=torch.long)
    first = resample_tasks(strata, BootstrapSettings(100, seed=3))
    assert torch.equal(first, resample_tasks(strata, BootstrapSettings(100, seed=3)))
    assert not torch.equal(first, resample_tasks(strata, BootstrapSettings(100, seed=4)))


def test_2_every_replicate_keeps_each_stratums_size() -> None:
    strata = torch.tensor([0, 0, 0, 7, 7, 9])
    counts = resample_tasks(strata, BootstrapSettings(200))
    assert (counts[:, :3].sum(1) == 3).all()
    assert (counts[:, 3:5].sum(1) == 2).all()
    assert (counts[:, 5] == 1).all()
    assert counts[:, 0].std() > 0.5


def test_3_the_interval_of_a_share_has_its_binomial_width() -> None:
    # 400 tasks, 60 % right: standard error sqrt(.6 * .4 / 400) = .0245, so 95 % is .6 +- .048.
    outcomes = (torch.arange(400) < 240).double()
    settings = BootstrapSettings(4000)
    replicates = resample_tasks(torch.zeros(400, dtype=torch.long), settings) @ outcomes / 400
    (estimate,) = estimates(outcomes.mean()[None], replicates[:, None], settings, outcomes.numel())
    assert estimate.value == pytest.approx(0.6)
    assert estimate.low == pytest.approx(0.552, abs=0.004)
    assert estimate.high == pytest.approx(0.648, abs=0.004)


def test_4_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    generator = torch.Generator().manual_seed(0)
    settings = BootstrapSettings(400, confidence=0.9)
    samples = (torch.rand(400, 80, generator=generator) < 0.3).double()
    weights = resample_tasks(torch.zeros(80, dtype=torch.long), settings)
    intervals = estimates(samples.mean(1), weights @ samples.T / 80, settings, 80)
    covered = sum(low <= 0.3 <= high for _, low, high, _few in intervals if low is not None and high is not None)
    # 90 % asked; 400 experiments have a standard error of 1.5 points, and a percentile interval is a little narrow.
    assert 0.85 <= covered / 400 <= 0.94


def test_5_an_undefined_value_has_no_interval_and_undefined_replicates_are_left_out() -> None:
    nan = float("nan")
    replicates = torch.tensor([[nan, nan], [1.0, nan], [1.0, nan]])
    assert estimates(torch.tensor([1.0, nan]), replicates, BootstrapSettings(), 10) == [
        Estimate(1.0, 1.0, 1.0, 10),
        Estimate(None, None, None, 10),
    ]


def test_6_seeds_are_drawn_with_replacement() -> None:
    counts = resample_seeds(5, BootstrapSettings(1000))
    assert (counts.sum(1) == 5).all()
    # P(a seed is not drawn) = .8 ** 5 = .328
    assert (counts == 0).double().mean().item() == pytest.approx(0.328, abs=0.02)


@pytest.mark.parametrize(("replicates", "confidence"), [(0, 0.95), (10, 0.0), (10, 1.0)])
def test_7_bad_settings_say_what_was_expected(replicates: int, confidence: float) -> None:
    with pytest.raises(ValueError, match="expected"):
        BootstrapSettings(replicates, confidence)
