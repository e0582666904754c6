"""Several seeds pooled, and differences that are paired."""

from collections.abc import Callable

import pytest
import torch

from lit_grpo.environment.faults.injection import FaultKind
from lit_grpo.metrics.bootstrap import BootstrapSettings, estimates
from lit_grpo.metrics.functional import QUANTITIES, Quantity
from lit_grpo.metrics.pooled import draw_pool, pooled_values, require_same_tasks
from lit_grpo.metrics.records import ScoredTask
from lit_grpo.metrics.results import summarise
from lit_grpo.metrics.table import ScoreTable, score_table

Factory = Callable[..., ScoredTask]
FR_5 = QUANTITIES.index(Quantity.FR_5)
SETTINGS = BootstrapSettings(num_replicates=2000)


def outcomes(scored_task: Factory, faithful: list[bool], kind: FaultKind = FaultKind.SENSE) -> ScoreTable:
    return score_table(
        [scored_task(f"{kind}{i:03d}", kind, faithful=is_faithful) for i, is_faithful in enumerate(faithful)]
    )


def test_1_one_seed_gives_what_a_run_s_results_give(scored_task: Factory) -> None:
    table = outcomes(scored_task, [True, False, True, True, False])
    pooled = pooled_values([table], draw_pool([table], SETTINGS))
    expected = summarise(table, SETTINGS).overall.estimates[Quantity.FR_5]
    assert estimates(pooled.values, pooled.replicates, SETTINGS, num_tasks=5)[FR_5] == pytest.approx(expected)


def test_2_the_pooled_value_is_over_all_scores_of_all_seeds(scored_task: Factory) -> None:
    tables = [outcomes(scored_task, [True, False, False, False]), outcomes(scored_task, [True, True, True, False])]
    # (1 + 3) / 8
    assert pooled_values(tables, draw_pool(tables, SETTINGS)).values[FR_5].item() == 0.5


def test_3_a_difference_is_paired_by_task(scored_task: Factory) -> None:
    # The better arm solves what the other solves and ten tasks more of 100: every replicate's difference is a share of
    # those ten alone, with standard error sqrt(.1 * .9 / 100) = .03; unpaired it would be sqrt(.25 + .24) / 10 = .07.
    base = outcomes(scored_task, [i < 50 for i in range(100)])
    better = outcomes(scored_task, [i < 60 for i in range(100)])
    draws = draw_pool([base], SETTINGS)
    difference = pooled_values([better], draws).minus(pooled_values([base], draws))
    assert difference.values[FR_5].item() == pytest.approx(0.1)
    assert difference.replicates[:, FR_5].std().item() == pytest.approx(0.03, abs=0.002)


def test_4_seeds_that_disagree_widen_the_interval(scored_task: Factory) -> None:
    alike = [outcomes(scored_task, [i % 2 == 0 for i in range(100)]) for _ in range(4)]
    # Shares .2, .4, .6, .8: the mean of four draws among them has standard deviation sqrt(.05 / 4) = .112.
    apart = [outcomes(scored_task, [i < 20 * seed for i in range(100)]) for seed in (1, 2, 3, 4)]
    narrow = pooled_values(alike, draw_pool(alike, SETTINGS)).replicates[:, FR_5].std().item()
    wide = pooled_values(apart, draw_pool(apart, SETTINGS)).replicates[:, FR_5].std().item()
    # Tasks shared by all seeds are drawn once for all: sqrt(.25 / 100) = .05 however many seeds there are.
    assert narrow == pytest.approx(0.05, abs=0.004)
    assert wide == pytest.approx(0.112, abs=0.02)


def test_5_a_kind_takes_its_own_tasks_alone(scored_task: Factory) -> None:
    rows = [outcomes(scored_task, [True, True], FaultKind.SENSE), outcomes(scored_task, [False], FaultKind.COEFFICIENT)]
    table = ScoreTable(torch.cat([part.rows for part in rows])).canonical()
    draws = draw_pool([table], SETTINGS)
    assert pooled_values([table], draws, FaultKind.SENSE).values[FR_5].item() == 1.0
    assert pooled_values([table], draws, FaultKind.COEFFICIENT).values[FR_5].item() == 0.0


def test_6_arms_on_different_tasks_are_refused(scored_task: Factory) -> None:
    arms = {"sft": outcomes(scored_task, [True] * 4), "sft_grpo": outcomes(scored_task, [True] * 3)}
    with pytest.raises(ValueError, match="'sft_grpo' on the same tasks as 'sft', got 1 missing and 0 others"):
        require_same_tasks(arms)
