"""Arms and trivial policies on the same held-out tasks: values, intervals, paired differences, over seeds.

Called by report.py and the quickstart. The schema of `comparison.json` is in docs/metrics.md.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from lit_grpo.environment.faults.injection import FaultKind
from lit_grpo.metrics.bootstrap import BootstrapSettings, Estimate, estimates
from lit_grpo.metrics.functional import QUANTITIES, Quantity
from lit_grpo.metrics.pooled import PooledDraws, PooledValues, draw_pool, pooled_values, require_same_tasks
from lit_grpo.metrics.results import estimate_json, rounded
from lit_grpo.metrics.significance import bootstrap_p_value
from lit_grpo.metrics.table import KINDS, ScoreTable
from lit_grpo.reports.runs import SeedRun, read_table

COMPARISON_FILE = "comparison.json"
INFORMED_POLICY = "informed-random"
"""The trivial policy that a model has to beat: it knows every true value, and not which element is wrong."""


@dataclass(frozen=True, slots=True)
class Profile:
    """Every quantity of an arm, or of a difference between two."""

    overall: Mapping[Quantity, Estimate]
    by_kind: Mapping[FaultKind, Mapping[Quantity, Estimate]]


@dataclass(frozen=True, slots=True)
class Pair:
    """A difference to report: ``better`` minus ``base``."""

    better: str
    base: str

    @property
    def name(self) -> str:
        """The name that files have it under."""
        return f"{self.better}-{self.base}"

    @property
    def label(self) -> str:
        """The name that tables have it under."""
        return f"{self.better} − {self.base}"


@dataclass(frozen=True, slots=True)
class Profiles:
    """Arms, trivial policies and differences, of one seed or of all together."""

    num_tasks: int
    arms: Mapping[str, Profile]
    baselines: Mapping[str, Profile]
    differences: Mapping[Pair, Profile]
    p_values: Mapping[Pair, Mapping[Quantity, float | None]]
    """The p-values of the differences over all kinds, each for itself (significance.py); None where one is not defined.
    """


@dataclass(frozen=True, slots=True)
class Comparison:
    """A finished comparison."""

    pooled: Profiles
    """Over all seeds."""
    by_seed: Mapping[str, Profiles]
    confidence: float


def standard_pairs(run: SeedRun, candidate: str) -> tuple[Pair, ...]:
    """The candidate against every other arm, and against informed random where that was played."""
    others = [arm for arm in run.arms if arm != candidate]
    return tuple(Pair(candidate, name) for name in (*others, *_bar(run)))


def all_pairs(run: SeedRun) -> tuple[Pair, ...]:
    """Every arm against each that stands before it, and against informed random where that was played."""
    arms = list(run.arms)
    among = [Pair(arm, base) for position, arm in enumerate(arms) for base in arms[:position]]
    return (*among, *(Pair(arm, name) for arm in arms for name in _bar(run)))


def compare(
    runs: Sequence[SeedRun],
    pairs: Sequence[Pair],
    settings: BootstrapSettings,
    only_kinds: Collection[FaultKind] = KINDS,
) -> Comparison:
    """Compare the arms of one or several seeds.

    Args:
        runs: One per training seed.
        pairs: The differences.
        settings: The settings of the intervals.
        only_kinds: Tasks of other kinds are left out.

    Raises:
        ValueError: Seeds have different arms, arms of a seed have different tasks, or a pair names no arm.
    """
    arms, baselines = tuple(runs[0].arms), tuple(runs[0].baselines)
    for run in runs:
        if tuple(run.arms) != arms or tuple(run.baselines) != baselines:
            got = f"{list(run.arms)} and {list(run.baselines)}"
            raise ValueError(f"expected arms {list(arms)} and policies {list(baselines)} in {run.name!r}, got {got}")
    unknown = {name for pair in pairs for name in (pair.better, pair.base)} - {*arms, *baselines}
    if unknown:
        raise ValueError(f"expected pairs among {[*arms, *baselines]}, got {sorted(unknown)}")
    taken = set(arms) & set(baselines)
    if taken:
        raise ValueError(
            f"expected other names than {', '.join(sorted(taken))}, which policies without a model have; write "
            "NAME=FOLDER with another one"
        )
    tables = {
        run.name: {
            name: _of_kinds(read_table(path), only_kinds) for name, path in {**run.arms, **run.baselines}.items()
        }
        for run in runs
    }
    for table in tables.values():
        require_same_tasks(table)

    def profiles(seeds: Sequence[str]) -> Profiles:
        per_arm = {name: [tables[seed][name] for seed in seeds] for name in (*arms, *baselines)}
        return _profiles(per_arm, arms, pairs, settings)

    by_seed = {run.name: profiles([run.name]) for run in runs}
    pooled = profiles(list(by_seed)) if len(runs) > 1 else by_seed[runs[0].name]
    return Comparison(pooled, by_seed, settings.confidence)


def write_comparison(path: Path, comparison: Comparison) -> None:
    """Write `comparison.json`; the same scores give the same bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(comparison_json(comparison), indent=2, allow_nan=False) + "\n", encoding="utf-8")


def comparison_json(comparison: Comparison) -> dict[str, Any]:
    """The document of `comparison.json`."""
    return {
        **_profiles_json(comparison.pooled),
        "confidence": comparison.confidence,
        "seeds": {seed: _profiles_json(profiles) for seed, profiles in comparison.by_seed.items()},
    }


def _of_kinds(table: ScoreTable, kinds: Collection[FaultKind]) -> ScoreTable:
    chosen = torch.stack([table.is_kind(kind) for kind in kinds]).any(dim=0)
    return ScoreTable(table.rows[chosen])


def _bar(run: SeedRun) -> list[str]:
    return [INFORMED_POLICY] if INFORMED_POLICY in run.baselines else []


def _profiles(
    tables: Mapping[str, Sequence[ScoreTable]],
    arms: Sequence[str],
    pairs: Sequence[Pair],
    settings: BootstrapSettings,
) -> Profiles:
    draws = draw_pool(tables[arms[0]], settings)
    kinds = [kind for kind in KINDS if any(bool(table.is_kind(kind).any()) for table in tables[arms[0]])]
    values = {name: _by_part(of_arm, draws, kinds) for name, of_arm in tables.items()}
    profiles = {name: _profile(parts, settings) for name, parts in values.items()}
    differences = {
        pair: {part: value.minus(values[pair.base][part]) for part, value in values[pair.better].items()}
        for pair in pairs
    }
    return Profiles(
        num_tasks=draws.keys.numel(),
        arms={name: profiles[name] for name in tables if name in arms},
        baselines={name: profiles[name] for name in tables if name not in arms},
        differences={pair: _profile(parts, settings) for pair, parts in differences.items()},
        p_values={pair: _p_values(parts[None]) for pair, parts in differences.items()},
    )


Parts = dict[FaultKind | None, PooledValues]
"""None is the whole."""


def _by_part(tables: Sequence[ScoreTable], draws: PooledDraws, kinds: Sequence[FaultKind]) -> Parts:
    return {part: pooled_values(tables, draws, part) for part in (None, *kinds)}


def _profile(parts: Parts, settings: BootstrapSettings) -> Profile:
    named = {
        part: dict(zip(QUANTITIES, estimates(value.values, value.replicates, settings, value.num_tasks), strict=True))
        for part, value in parts.items()
    }
    by_kind = {part: quantities for part, quantities in named.items() if part is not None}
    return Profile(overall=named[None], by_kind=by_kind)


def _p_values(difference: PooledValues) -> dict[Quantity, float | None]:
    columns = difference.replicates.unbind(dim=1)
    return {quantity: bootstrap_p_value(column) for quantity, column in zip(QUANTITIES, columns, strict=True)}


def _profiles_json(profiles: Profiles) -> dict[str, Any]:
    differences = profiles.differences
    return {
        "tasks": profiles.num_tasks,
        "arms": {name: _arm_json(profile) for name, profile in profiles.arms.items()},
        "baselines": {name: _arm_json(profile) for name, profile in profiles.baselines.items()},
        "paired_differences": {pair.name: _estimates_json(profile.overall) for pair, profile in differences.items()},
        "paired_differences_by_kind": {
            pair.name: {kind.value: _estimates_json(quantities) for kind, quantities in profile.by_kind.items()}
            for pair, profile in differences.items()
        },
    }


def _arm_json(profile: Profile) -> dict[str, Any]:
    return {
        "metrics": _values_json(profile.overall),
        "by_kind": {kind.value: _values_json(quantities) for kind, quantities in profile.by_kind.items()},
        "intervals": _intervals_json(profile.overall),
        "intervals_by_kind": {kind.value: _intervals_json(quantities) for kind, quantities in profile.by_kind.items()},
        "kinds_of_few_tasks": [
            kind.value for kind, quantities in profile.by_kind.items() if quantities[Quantity.FR_5].has_few_tasks
        ],
    }


def _values_json(quantities: Mapping[Quantity, Estimate]) -> dict[str, float | None]:
    return {quantity.value: rounded(estimate.value) for quantity, estimate in quantities.items()}


def _intervals_json(quantities: Mapping[Quantity, Estimate]) -> dict[str, list[float | None]]:
    return {quantity.value: [rounded(value.low), rounded(value.high)] for quantity, value in quantities.items()}


def _estimates_json(quantities: Mapping[Quantity, Estimate]) -> dict[str, dict[str, float | bool | None]]:
    return {quantity.value: estimate_json(estimate) for quantity, estimate in quantities.items()}
