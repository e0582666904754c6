"""The guarded score takes off the largest loss of any kind since the start, beyond so many of its standard errors."""

from __future__ import annotations

import pytest

from lit_grpo.environment.faults.injection import FaultKind
from lit_grpo.metrics.bootstrap import Estimate
from lit_grpo.metrics.functional import Quantity
from lit_grpo.metrics.guard import guarded_score
from lit_grpo.metrics.results import RepairResults, RepairSummary

START = {"A": 0.5, "D": 0.36}


def results(mean: float, **kinds: float) -> RepairResults:
    def summary(value: float, num_tasks: int) -> RepairSummary:
        return RepairSummary(num_tasks, {Quantity.FR_5: Estimate(value, value, value, num_tasks)})

    by_kind = {FaultKind(kind): summary(value, 40) for kind, value in kinds.items()}
    return RepairResults(summary(mean, 40 * len(kinds)), by_kind, {}, {})


def test_a_loss_counts_and_a_gain_does_not() -> None:
    assert guarded_score(results(0.6, A=0.9, D=0.02), START) == pytest.approx(0.26)
    assert guarded_score(results(0.6, A=0.9, D=0.4), START) == 0.6
    assert guarded_score(results(0.6, A=0.9, B=0.1), START) == 0.6


def test_only_what_exceeds_its_standard_error() -> None:
    # sqrt((0.36 * 0.64 + 0.02 * 0.98) / 40) = sqrt(0.2500 / 40) = 0.07906
    assert guarded_score(results(0.6, A=0.9, D=0.02), START, 1.0) == pytest.approx(0.33906, abs=1e-5)
    # A loss of 0.04: one standard error is 0.105, and nothing is left.
    assert guarded_score(results(0.6, A=0.9, D=0.32), START, 1.0) == 0.6
