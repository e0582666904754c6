"""The repair metrics as pure functions: each a ratio of two sums over tasks, so that resampling only changes weights.

Called by bootstrap.py, results.py and reports/comparison.py. Formulas, healthy ranges and blind spots: docs/metrics.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import torch
from torch import Tensor

from lit_grpo.metrics.table import KINDS, Column, ScoreTable


class Quantity(StrEnum):
    """The quantities reported of a set of episodes. The value is the name in files, tables and logs."""

    RR_1 = "RR@1"
    """Recovery rate: share of episodes whose program became OPTIMAL within 1 turn."""
    RR_2 = "RR@2"
    RR_3 = "RR@3"
    RR_4 = "RR@4"
    RR_5 = "RR@5"
    FR_1 = "FR@1"
    """Faithful recovery: OPTIMAL within 1 turn, and the program is the original."""
    FR_2 = "FR@2"
    FR_3 = "FR@3"
    FR_4 = "FR@4"
    FR_5 = "FR@5"
    UNFAITHFUL = "unfaithful"
    """Share of episodes that recovered, but not the original."""
    DIAGNOSIS_F1 = "DA"
    """F1 of the stated diagnosis, as the mean over the kinds' means (macro), within a difficulty as well."""
    DIAGNOSIS_PRECISION = "DA_precision"
    DIAGNOSIS_RECALL = "DA_recall"
    DIAGNOSIS_EXACT = "DA_exact"
    IIS_RECALL = "DA_iis"
    """Share of the rows in the first conflicts that were acted on: the literature's micro-recall."""
    TURNS = "turns"
    """Mean number of turns to recovery, over recovered episodes."""
    EDITS = "edits"
    """Mean number of elements in which the final program differs from the original."""
    DRIFT = "drift"
    """Mean relative distance of the objective from the original's, over recovered episodes."""
    MALFORMED = "malformed"
    """Share of turns that held no action."""
    INCONCLUSIVE = "inconclusive"
    """Share of turns after which the solver reached a limit."""
    VERIFIED = "verified"
    """Share of episodes with a solver verdict: must be 1."""
    TOO_LONG = "too_long"
    """Share of episodes without a turn, because the prompt did not fit the policy's context."""


QUANTITIES = tuple(Quantity)
RECOVERY_WITHIN = (Quantity.RR_1, Quantity.RR_2, Quantity.RR_3, Quantity.RR_4, Quantity.RR_5)
FAITHFUL_WITHIN = (Quantity.FR_1, Quantity.FR_2, Quantity.FR_3, Quantity.FR_4, Quantity.FR_5)


@dataclass(frozen=True, slots=True)
class RatioTerms:
    """Every quantity's two summands per task."""

    numerators: Tensor
    """[num_tasks, len(QUANTITIES)] float64."""
    denominators: Tensor
    """[num_tasks, len(QUANTITIES)] float64."""


def ratio_terms(table: ScoreTable) -> RatioTerms:
    """The summands of each quantity, one row per task of ``table``."""
    columns = {
        **_shares_of_episodes(table),
        **_diagnosis(table),
        **_means_over_recovered(table),
        **_shares_of_turns(table),
    }
    return RatioTerms(
        numerators=torch.stack([columns[quantity][0] for quantity in QUANTITIES], dim=1),
        denominators=torch.stack([columns[quantity][1] for quantity in QUANTITIES], dim=1),
    )


def weighted_values(terms: RatioTerms, weights: Tensor) -> Tensor:
    """The quantities of weighted tasks.

    Args:
        terms: The summands of num_tasks tasks.
        weights: [..., num_tasks], the number of times that each task counts.

    Returns:
        [..., len(QUANTITIES)] float64; NaN where the denominator is 0 (turns, when nothing recovered).
    """
    weights = weights.to(torch.float64)
    return (weights @ terms.numerators) / (weights @ terms.denominators)


def repair_values(table: ScoreTable) -> dict[Quantity, float]:
    """Every quantity of a table; NaN where it is not defined."""
    values = weighted_values(ratio_terms(table), torch.ones(len(table)))
    return dict(zip(QUANTITIES, values.tolist(), strict=True))


Terms = dict[Quantity, tuple[Tensor, Tensor]]


def _shares_of_episodes(table: ScoreTable) -> Terms:
    recovered, faithful = table.column(Column.RECOVERED), table.column(Column.FAITHFUL)
    turns, one = table.column(Column.TURNS), torch.ones_like(recovered)
    terms: Terms = {}
    for limit, (recovery, faithful_recovery) in enumerate(zip(RECOVERY_WITHIN, FAITHFUL_WITHIN, strict=True), start=1):
        in_time = (turns <= limit).double()
        terms[recovery] = (recovered * in_time, one)
        terms[faithful_recovery] = (faithful * in_time, one)
    terms[Quantity.UNFAITHFUL] = (recovered - faithful, one)
    terms[Quantity.EDITS] = (table.column(Column.EDITS), one)
    terms[Quantity.IIS_RECALL] = (table.column(Column.IIS_HITS), table.column(Column.IIS_ROWS))
    terms[Quantity.VERIFIED] = (table.column(Column.VERIFIED), one)
    terms[Quantity.TOO_LONG] = (table.column(Column.TOO_LONG), one)
    return terms


def _diagnosis(table: ScoreTable) -> Terms:
    """The macro mean over the table's kinds: with weight 1 / (tasks of its kind), every kind's tasks sum to 1."""
    kinds = table.column(Column.KIND).long()
    share = 1.0 / torch.bincount(kinds, minlength=len(KINDS))[kinds].double()
    columns = {
        Quantity.DIAGNOSIS_F1: Column.F1,
        Quantity.DIAGNOSIS_PRECISION: Column.PRECISION,
        Quantity.DIAGNOSIS_RECALL: Column.RECALL,
        Quantity.DIAGNOSIS_EXACT: Column.EXACT,
    }
    return {quantity: (table.column(column) * share, share) for quantity, column in columns.items()}


def _means_over_recovered(table: ScoreTable) -> Terms:
    recovered = table.column(Column.RECOVERED)
    drift = table.column(Column.DRIFT)
    return {
        Quantity.TURNS: (table.column(Column.TURNS) * recovered, recovered),
        Quantity.DRIFT: (torch.where(recovered > 0, drift, 0.0), recovered),
    }


def _shares_of_turns(table: ScoreTable) -> Terms:
    turns = table.column(Column.TURNS)
    return {
        Quantity.MALFORMED: (table.column(Column.MALFORMED_TURNS), turns),
        Quantity.INCONCLUSIVE: (table.column(Column.INCONCLUSIVE_TURNS), turns),
    }
