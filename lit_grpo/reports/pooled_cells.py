"""One policy's quantities over kind x difficulty, its training seeds pooled. Called by final.py.

Intervals resample held-out tasks within each cell and training seeds, as those of comparison.py do (pooled.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lit_grpo.environment.faults.difficulty import Difficulty
from lit_grpo.environment.faults.injection import FaultKind
from lit_grpo.metrics.bootstrap import BootstrapSettings, Estimate, estimates
from lit_grpo.metrics.functional import QUANTITIES, Quantity
from lit_grpo.metrics.pooled import draw_pool, pooled_values
from lit_grpo.metrics.results import estimate_json
from lit_grpo.metrics.table import DIFFICULTIES, KINDS, ScoreTable

CellEstimates = Mapping[FaultKind | None, Mapping[Difficulty | None, Mapping[Quantity, Estimate]]]
"""Kind, then difficulty; None is all of them. Cells without a task are absent."""


def pooled_cells(tables: Sequence[ScoreTable], settings: BootstrapSettings) -> CellEstimates:
    """All cells of one policy.

    Args:
        tables: One per training seed, all of the same tasks.
        settings: The settings of the intervals.
    """
    draws = draw_pool(tables, settings)
    kinds = [kind for kind in KINDS if any(bool(table.is_kind(kind).any()) for table in tables)]
    found: dict[FaultKind | None, dict[Difficulty | None, Mapping[Quantity, Estimate]]] = {}
    for kind in (*kinds, None):
        found[kind] = {}
        for difficulty in (*DIFFICULTIES, None):
            of_difficulty = [_only(table, difficulty) for table in tables]
            if kind is not None and not any(bool(table.is_kind(kind).any()) for table in of_difficulty):
                continue
            pooled = pooled_values(of_difficulty, draws, kind)
            values = estimates(pooled.values, pooled.replicates, settings, pooled.num_tasks)
            found[kind][difficulty] = dict(zip(QUANTITIES, values, strict=True))
    return found


def cells_json(cells: CellEstimates, shown: Sequence[Quantity]) -> dict[str, Any]:
    """Kind, difficulty (``all`` for None), quantity: value, low, high."""
    return {
        _name(kind): {
            _name(difficulty): {quantity.value: estimate_json(values[quantity]) for quantity in shown}
            for difficulty, values in row.items()
        }
        for kind, row in cells.items()
    }


def _only(table: ScoreTable, difficulty: Difficulty | None) -> ScoreTable:
    return table if difficulty is None else ScoreTable(table.rows[table.is_difficulty(difficulty)])


def _name(part: FaultKind | Difficulty | None) -> str:
    return "all" if part is None else part.value
