"""The formulas, on four tasks worked by hand (see conftest.py)."""

import math
from collections.abc import Callable

import pytest
import torch

from lit_grpo.metrics.functional import (
    FAITHFUL_WITHIN,
    RECOVERY_WITHIN,
    Quantity,
    ratio_terms,
    repair_values,
    weighted_values,
)
from lit_grpo.metrics.records import ScoredTask
from lit_grpo.metrics.table import score_table


def test_1_recovery_counts_episodes_that_became_optimal_within_k_turns(four_tasks: list[ScoredTask]) -> None:
    values = repair_values(score_table(four_tasks))
    # Recovered after 1, 2 and 4 of four episodes' turns; the fourth never.
    assert [values[quantity] for quantity in RECOVERY_WITHIN] == [0.25, 0.5, 0.5, 0.75, 0.75]


def test_2_faithful_recovery_leaves_out_programs_that_are_not_the_original(four_tasks: list[ScoredTask]) -> None:
    values = repair_values(score_table(four_tasks))
    # a2 recovered by another program: a1 after 1 turn and d1 after 4 remain.
    assert [values[quantity] for quantity in FAITHFUL_WITHIN] == [0.25, 0.25, 0.25, 0.5, 0.5]
    assert values[Quantity.UNFAITHFUL] == 0.25


def test_3_diagnosis_is_macro_over_kinds(four_tasks: list[ScoredTask]) -> None:
    values = repair_values(score_table(four_tasks))
    # Kind A: (1 + 2/3 + 0) / 3 = 5/9; kind D: 1/2. Macro: (5/9 + 1/2) / 2 = 19/36, not the tasks' mean of 13/24.
    assert values[Quantity.DIAGNOSIS_F1] == pytest.approx(19 / 36, abs=1e-12)
    # Precision: A (1 + .5 + 0) / 3 = .5, D .5. Recall: A (1 + 1 + 0) / 3 = 2/3, D .5. Exact: A 1/3, D 0.
    assert values[Quantity.DIAGNOSIS_PRECISION] == pytest.approx(0.5, abs=1e-12)
    assert values[Quantity.DIAGNOSIS_RECALL] == pytest.approx((2 / 3 + 1 / 2) / 2, abs=1e-12)
    assert values[Quantity.DIAGNOSIS_EXACT] == pytest.approx(1 / 6, abs=1e-12)


def test_4_the_literatures_diagnosis_is_a_share_of_all_rows(
    four_tasks: list[ScoredTask], scored_task: Callable[..., ScoredTask]
) -> None:
    # 1 + 1 + 1 + 2 of 2 + 2 + 2 + 2; a conflict of 12 rows of which one was hit: 6 of 20, and not the mean of shares.
    assert repair_values(score_table(four_tasks))[Quantity.IIS_RECALL] == 0.625
    longer = [*four_tasks, scored_task("d2", iis_rows=12, iis_hits=1)]
    assert repair_values(score_table(longer))[Quantity.IIS_RECALL] == 0.3
    # Bounds alone: nothing to find, and nothing missed.
    longer.append(scored_task("h1", iis_rows=0, iis_hits=0))
    assert repair_values(score_table(longer))[Quantity.IIS_RECALL] == 0.3


def test_5_steps_and_drift_are_means_over_recovered_episodes_only(four_tasks: list[ScoredTask]) -> None:
    values = repair_values(score_table(four_tasks))
    assert values[Quantity.TURNS] == pytest.approx((1 + 2 + 4) / 3, abs=1e-12)
    assert values[Quantity.DRIFT] == pytest.approx((0 + 0.3 + 0) / 3, abs=1e-12)
    assert values[Quantity.EDITS] == (0 + 1 + 3 + 0) / 4


def test_6_malformed_is_a_share_of_turns(four_tasks: list[ScoredTask]) -> None:
    # 2 malformed of 1 + 2 + 5 + 4 = 12 turns.
    assert repair_values(score_table(four_tasks))[Quantity.MALFORMED] == pytest.approx(2 / 12, abs=1e-12)


def test_7_a_quantity_without_a_denominator_is_not_a_number(scored_task: Callable[..., ScoredTask]) -> None:
    values = repair_values(score_table([scored_task("t", recovered=False, turns=5)]))
    assert math.isnan(values[Quantity.TURNS])
    assert math.isnan(values[Quantity.DRIFT])
    assert values[Quantity.RR_5] == 0.0


def test_8_an_unverified_episode_shows_and_counts_as_a_failure(scored_task: Callable[..., ScoredTask]) -> None:
    values = repair_values(score_table([scored_task("a"), scored_task("b", recovered=False, verified=False)]))
    assert values[Quantity.VERIFIED] == 0.5
    assert values[Quantity.FR_5] == 0.5


def test_9_a_weight_of_two_is_the_task_twice(four_tasks: list[ScoredTask]) -> None:
    table = score_table(four_tasks)
    is_d = table.is_kind(four_tasks[3].kind)
    values = weighted_values(ratio_terms(table), torch.where(is_d, 2.0, 1.0))
    # Turns to recovery: (1 + 2 + 4 + 4) / 4.
    assert values[list(Quantity).index(Quantity.TURNS)].item() == pytest.approx(11 / 4, abs=1e-12)


def test_10_the_order_of_tasks_and_repeated_tasks_change_nothing(four_tasks: list[ScoredTask]) -> None:
    shuffled = [four_tasks[index] for index in (2, 0, 3, 1, 0, 3)]
    assert torch.equal(score_table(shuffled).rows.nan_to_num(-1), score_table(four_tasks).rows.nan_to_num(-1))
