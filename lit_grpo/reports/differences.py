"""Paired differences of arms, corrected for their number: tables, and JSON.

Called by report.py, ablations.py and experiments/engine_comparison.py. Values, intervals and p-values are those of a
comparison; Holm's correction is over the family of all pairs given, on FR@5.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from lit_grpo.metrics.bootstrap import Estimate
from lit_grpo.metrics.functional import Quantity
from lit_grpo.metrics.results import estimate_json, rounded
from lit_grpo.metrics.significance import holm
from lit_grpo.reports.comparison import Comparison, Pair, Profiles
from lit_grpo.reports.tables import (
    KIND_NAMES,
    Emphasis,
    Row,
    TableCell,
    TableContent,
    difference_cell,
    kinds_of,
)

TESTED = Quantity.FR_5
"""The one quantity that p-values are computed for; the others have intervals alone."""
BESIDE = (Quantity.FR_1, Quantity.RR_5)
LEVEL = 0.05


@dataclass(frozen=True, slots=True)
class Difference:
    """One pair."""

    pair: Pair
    p_value: float
    """The p-value of `TESTED`, for itself."""
    holm_p_value: float
    """The same, corrected for all pairs of the family."""


def pairs_against(arms: Sequence[str], bases: Sequence[str]) -> tuple[Pair, ...]:
    """Every arm against every base; of two bases the later one against the earlier."""
    return tuple(
        Pair(arm, base)
        for position, base in enumerate(bases)
        for arm in arms
        if arm != base and arm not in bases[:position]
    )


def corrected(profiles: Profiles) -> tuple[Difference, ...]:
    """Every pair of the comparison, as one family. A difference that is not defined counts as no evidence (p = 1)."""
    values = [profiles.p_values[pair][TESTED] for pair in profiles.differences]
    p_values = [1.0 if value is None else value for value in values]
    return tuple(
        Difference(pair, p_value, adjusted)
        for pair, p_value, adjusted in zip(profiles.differences, p_values, holm(p_values), strict=True)
    )


def differences_table(profiles: Profiles, title: str) -> TableContent:
    """A row per pair, grouped by base as given."""
    family = corrected(profiles)
    rows = []
    for number, difference in enumerate(family):
        of_pair = profiles.differences[difference.pair].overall
        is_last = number + 1 == len(family) or family[number + 1].pair.base != difference.pair.base
        p_values = (_p_cell(difference.p_value), _p_cell(difference.holm_p_value))
        shown = [difference_cell(of_pair[quantity]) for quantity in (TESTED, *BESIDE)]
        rows.append(Row((TableCell(difference.pair.label), shown[0], *p_values, *shown[1:]), ends_group=is_last))
    columns = ("", TESTED.value, "p", f"p, Holm over {len(family)}", *(quantity.value for quantity in BESIDE))
    return TableContent(title, columns, tuple(rows))


def difference_tables(comparison: Comparison) -> tuple[TableContent, ...]:
    """All pairs over all tasks with their p-values, then `TESTED` per kind, and of each seed where there are several.

    Empty if nothing is compared with anything.
    """
    pooled, by_seed = comparison.pooled, comparison.by_seed
    if not pooled.differences:
        return ()
    over = "tasks and seeds" if len(by_seed) > 1 else "tasks"
    title = f"Paired differences in points, on the same tasks ({comparison.confidence:.0%} interval over {over})"
    kinds = kinds_of(comparison)
    per_kind = [
        _pair_row(pair, [profile.by_kind[kind][TESTED] for kind in kinds])
        for pair, profile in pooled.differences.items()
    ]
    heading = f"Paired differences of {TESTED.value} per kind of fault"
    tables = [
        differences_table(pooled, title),
        TableContent(heading, ("", *(KIND_NAMES[kind] for kind in kinds)), tuple(per_kind)),
    ]
    if len(by_seed) > 1:
        per_seed = [
            _pair_row(pair, [profiles.differences[pair].overall[TESTED] for profiles in by_seed.values()])
            for pair in pooled.differences
        ]
        heading = f"Paired differences of {TESTED.value} in each seed (interval over tasks)"
        tables.append(TableContent(heading, ("", *by_seed), tuple(per_seed)))
    return tuple(tables)


def differences_json(profiles: Profiles) -> list[dict[str, Any]]:
    """One object per pair."""

    def value(difference: Difference, quantity: Quantity) -> dict[str, float | None]:
        estimate: Estimate = profiles.differences[difference.pair].overall[quantity]
        return estimate_json(estimate)

    return [
        {
            "better": difference.pair.better,
            "base": difference.pair.base,
            **{quantity.value: value(difference, quantity) for quantity in (TESTED, *BESIDE)},
            "p_value": rounded(difference.p_value),
            "holm_p_value": rounded(difference.holm_p_value),
        }
        for difference in corrected(profiles)
    ]


def _pair_row(pair: Pair, estimates: Sequence[Estimate]) -> Row:
    return Row((TableCell(pair.label), *map(difference_cell, estimates)))


def _p_cell(p_value: float) -> TableCell:
    is_small = p_value < LEVEL
    text = "<0.001" if p_value < 0.001 else f"{p_value:.3f}"
    return TableCell(f"{text}{' *' if is_small else ''}", Emphasis.BEST if is_small else Emphasis.NONE)
