"""One arm over several training seeds: pooled values, and replicates that resample seeds and tasks.

Called by reports/comparison.py, even with a single seed. Two-way resampling (Owen 2007, "The pigeonhole bootstrap"): a
replicate draws training seeds with replacement and, once for all seeds, held-out tasks within kind x difficulty; a
score counts (draws of its seed) x (draws of its task). Both arms of a difference share the draws, so it is paired.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from lit_grpo.environment.faults.injection import FaultKind
from lit_grpo.metrics.bootstrap import BootstrapSettings, resample_seeds, resample_tasks
from lit_grpo.metrics.functional import ratio_terms
from lit_grpo.metrics.table import ScoreTable


@dataclass(frozen=True, slots=True)
class PooledDraws:
    """The draws of one bootstrap of a comparison, which weight every arm alike."""

    keys: Tensor
    """[num_tasks] int64, sorted: the tasks of all seeds."""
    task_counts: Tensor
    """[num_replicates, num_tasks] float64."""
    seed_counts: Tensor
    """[num_replicates, num_seeds] float64."""


@dataclass(frozen=True, slots=True)
class PooledValues:
    """All quantities of one arm."""

    values: Tensor
    """[len(QUANTITIES)] float64, over all seeds; NaN where not defined."""
    replicates: Tensor
    """[num_replicates, len(QUANTITIES)] float64."""
    num_tasks: int
    """The number of tasks, each counted once, in however many seeds it was played."""

    def minus(self, other: PooledValues) -> PooledValues:
        """The paired difference; both must come from the same draws."""
        values, replicates = self.values - other.values, self.replicates - other.replicates
        return PooledValues(values, replicates, self.num_tasks)


def draw_pool(tables: Sequence[ScoreTable], settings: BootstrapSettings) -> PooledDraws:
    """The draws for arms that were scored on these tables' tasks, one table per seed."""
    pool = ScoreTable(torch.cat([table.rows for table in tables])).canonical()
    return PooledDraws(
        keys=pool.keys,
        task_counts=resample_tasks(pool.strata, settings),
        seed_counts=resample_seeds(len(tables), settings),
    )


def pooled_values(tables: Sequence[ScoreTable], draws: PooledDraws, kind: FaultKind | None = None) -> PooledValues:
    """The quantities of one arm over its seeds, of one kind or all.

    Args:
        tables: One table per seed, in the order that the draws were made for.
        draws: The draws from `draw_pool`.
        kind: Only tasks of this kind; None for all.
    """
    replicate_sums: list[tuple[Tensor, Tensor]] = []
    played: list[Tensor] = []
    sums: list[tuple[Tensor, Tensor]] = []
    for seed, table in enumerate(tables):
        terms = ratio_terms(table)
        chosen = torch.ones(len(table), dtype=torch.bool) if kind is None else table.is_kind(kind)
        numerators, denominators = terms.numerators[chosen], terms.denominators[chosen]
        positions = torch.searchsorted(draws.keys, table.keys[chosen])
        played.append(positions)
        weights = draws.task_counts[:, positions] * draws.seed_counts[:, seed : seed + 1]
        sums.append((numerators.sum(0), denominators.sum(0)))
        replicate_sums.append((weights @ numerators, weights @ denominators))
    return PooledValues(_ratio(sums), _ratio(replicate_sums), torch.unique(torch.cat(played)).numel())


def require_same_tasks(arms: Mapping[str, ScoreTable]) -> None:
    """Refuse arms with different tasks: a paired difference needs the same ones in every arm.

    Raises:
        ValueError: Two arms differ; the message names them and counts the tasks that each lacks.
    """
    (first_name, first), *others = arms.items()
    for name, table in others:
        lacks = int((~torch.isin(first.keys, table.keys)).sum())
        extra = int((~torch.isin(table.keys, first.keys)).sum())
        if lacks or extra:
            raise ValueError(
                f"expected {name!r} on the same tasks as {first_name!r}, got {lacks} missing and {extra} others; "
                "evaluate both on one test set"
            )


def _ratio(sums: Sequence[tuple[Tensor, Tensor]]) -> Tensor:
    return torch.stack([numerators for numerators, _ in sums]).sum(0) / torch.stack([d for _, d in sums]).sum(0)
