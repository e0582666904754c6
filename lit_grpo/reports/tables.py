"""What the tables of a comparison say: arms beside trivial policies, over all and faithful recovery per kind.

Called by report.py and the quickstart; show.py writes them to a terminal or as Markdown.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum

from lit_grpo.environment.faults.injection import FaultKind
from lit_grpo.metrics.bootstrap import FEW_TASKS, Estimate
from lit_grpo.metrics.functional import Quantity
from lit_grpo.reports.comparison import Comparison, Profile

HEADLINE = (Quantity.FR_5, Quantity.FR_1, Quantity.RR_5, Quantity.DIAGNOSIS_F1, Quantity.TURNS)
COUNTS = (Quantity.TURNS, Quantity.EDITS, Quantity.DRIFT)
"""Not shares: shown as they are, the others in percent."""
FEW_TASKS_MARK = "†"
FEW_TASKS_NOTE = (
    f"{FEW_TASKS_MARK} fewer than {FEW_TASKS} tasks: the interval is too narrow, and of one task it has no width"
)
KIND_NAMES = {
    FaultKind.SENSE: "A sense",
    FaultKind.BOUND_OR_TYPE: "B bound or type",
    FaultKind.COEFFICIENT: "C coefficient",
    FaultKind.RIGHT_HAND_SIDE: "D right-hand side",
    FaultKind.MULTIPLE: "E several faults",
    FaultKind.DISTANT: "F distant cause",
    FaultKind.CASCADE: "G cascade",
    FaultKind.BOUND_CONFLICT: "H bound conflict",
    FaultKind.AMBIGUOUS: "I ambiguous",
}


class Emphasis(Enum):
    """How a row or cell stands out on a terminal."""

    NONE = ""
    TRIVIAL = "dim"
    BEST = "bold green"
    BETTER = "green"
    WORSE = "red"


@dataclass(frozen=True, slots=True)
class TableCell:
    """What stands in one place of a table."""

    text: str
    emphasis: Emphasis = Emphasis.NONE


@dataclass(frozen=True, slots=True)
class Row:
    """One row; ``share`` in [0, 1] is drawn as a bar behind it on a terminal."""

    cells: tuple[TableCell, ...]
    share: float | None = None
    ends_group: bool = False


@dataclass(frozen=True, slots=True)
class TableContent:
    """A table without its looks."""

    title: str
    columns: tuple[str, ...]
    """The first is the rows' heading."""
    rows: tuple[Row, ...]

    @property
    def note(self) -> str:
        """What has to be said below it: nothing, unless a cell is marked."""
        is_marked = any(FEW_TASKS_MARK in cell.text for row in self.rows for cell in row.cells)
        return FEW_TASKS_NOTE if is_marked else ""


def comparison_tables(comparison: Comparison) -> tuple[TableContent, TableContent]:
    """What was reached: over all, and FR@5 per kind. The differences are in differences.py."""
    return _headline(comparison), _per_kind(comparison)


def by_faithful_recovery(profiles: Mapping[str, Profile]) -> list[tuple[str, Profile]]:
    """Names and profiles, worst first."""
    return sorted(profiles.items(), key=lambda item: item[1].overall[Quantity.FR_5].value or 0.0)


def _headline(comparison: Comparison) -> TableContent:
    pooled, num_seeds = comparison.pooled, len(comparison.by_seed)
    seeds = f", {num_seeds} seeds pooled" if num_seeds > 1 else ""
    title = f"{pooled.num_tasks} held-out tasks{seeds}: percent ({comparison.confidence:.0%} interval)"
    rows = [
        Row(
            cells=(
                TableCell(name, emphasis),
                *(TableCell(estimate_text(profile.overall[q], q), emphasis) for q in HEADLINE),
            ),
            share=profile.overall[Quantity.FR_5].value,
            ends_group=ends_group,
        )
        for name, profile, emphasis, ends_group in _everyone(comparison)
    ]
    return TableContent(title, ("", *(quantity.value for quantity in HEADLINE)), tuple(rows))


def _per_kind(comparison: Comparison) -> TableContent:
    kinds = kinds_of(comparison)
    rows = []
    for name, profile, emphasis, ends_group in _everyone(comparison):
        texts = (estimate_text(profile.by_kind[kind][Quantity.FR_5], Quantity.FR_5) for kind in kinds)
        rows.append(
            Row((TableCell(name, emphasis), *(TableCell(text, emphasis) for text in texts)), ends_group=ends_group)
        )
    return TableContent("FR@5 per kind of fault", ("", *(KIND_NAMES[kind] for kind in kinds)), tuple(rows))


def _everyone(comparison: Comparison) -> Iterator[tuple[str, Profile, Emphasis, bool]]:
    """Trivial policies, then arms, each worst first: name, profile, emphasis, whether the group ends."""
    trivial = by_faithful_recovery(comparison.pooled.baselines)
    for index, (name, profile) in enumerate(trivial, start=1):
        yield name, profile, Emphasis.TRIVIAL, index == len(trivial)
    arms = by_faithful_recovery(comparison.pooled.arms)
    for index, (name, profile) in enumerate(arms, start=1):
        yield name, profile, Emphasis.BEST if index == len(arms) else Emphasis.NONE, False


def kinds_of(comparison: Comparison) -> list[FaultKind]:
    """The kinds of fault that the tasks have."""
    return list(next(iter(comparison.pooled.arms.values())).by_kind)


def estimate_text(estimate: Estimate, quantity: Quantity) -> str:
    """``44.4 (41–48)``: in percent, or as it is where the quantity is a count; with a mark over few tasks."""
    value, low, high = estimate.value, estimate.low, estimate.high
    if value is None or low is None or high is None:
        return "none"
    mark = mark_of(estimate)
    if quantity in COUNTS:
        return f"{value:.2f} ({low:.1f}–{high:.1f}){mark}"
    return f"{100 * value:.1f} ({100 * low:.0f}–{100 * high:.0f}){mark}"


def mark_of(estimate: Estimate) -> str:
    """`FEW_TASKS_MARK` where the interval is over too few tasks to be one."""
    return FEW_TASKS_MARK if estimate.has_few_tasks else ""


def difference_cell(estimate: Estimate) -> TableCell:
    """In points. Better where the whole interval is above 0, worse where it is below; neither over few tasks."""
    value, low, high = estimate.value, estimate.low, estimate.high
    if value is None or low is None or high is None:
        return TableCell("none")
    is_told = not estimate.has_few_tasks
    emphasis = Emphasis.BETTER if low > 0 and is_told else Emphasis.WORSE if high < 0 and is_told else Emphasis.NONE
    return TableCell(f"{100 * value:+.1f} ({100 * low:+.1f}, {100 * high:+.1f}){mark_of(estimate)}", emphasis)
