"""Tables: trivial policies beside the arms, plain where there is no terminal."""

import io
from collections.abc import Callable
from pathlib import Path

from rich.console import Console

from lit_grpo.environment.faults.injection import FaultKind
from lit_grpo.metrics.bootstrap import BootstrapSettings
from lit_grpo.reports.comparison import compare, standard_pairs
from lit_grpo.reports.runs import find_seed_runs
from lit_grpo.reports.show import markdown_table, show_tables
from lit_grpo.reports.tables import KIND_NAMES, Emphasis, TableContent, comparison_tables


def tables_of(root: Path) -> tuple[TableContent, ...]:
    runs = find_seed_runs(root)
    return comparison_tables(
        compare(runs, standard_pairs(list(runs[0].arms), "sft_grpo"), BootstrapSettings(num_replicates=100))
    )


def test_1_every_arm_and_policy_has_a_row_with_intervals(comparison_folder: Callable[..., Path]) -> None:
    headline, per_kind, _ = tables_of(comparison_folder())
    names = [row.cells[0].text for row in headline.rows]
    assert names[:4] == ["drop-first", "minimum-relaxation", "informed-random", "oracle"]
    assert set(names[4:6]) == {"sft", "sft_compute_matched"}
    assert names[6] == "sft_grpo"
    assert headline.columns == ("", "FR@5", "FR@1", "RR@5", "DA", "turns")
    assert headline.rows[3].cells[1].text == "100.0 (100–100)"
    assert headline.rows[6].cells[0].emphasis is Emphasis.BEST
    assert [row.cells[0].text for row in per_kind.rows] == names


def test_2_a_difference_whose_interval_is_above_zero_is_marked(comparison_folder: Callable[..., Path]) -> None:
    *_, differences = tables_of(comparison_folder())
    against_drop = differences.rows[0].cells[1]
    assert differences.columns[1] == "sft_grpo − sft"
    assert against_drop.emphasis is Emphasis.BETTER
    assert against_drop.text.startswith("+")


def test_3_seeds_stand_below_the_pooled_difference(comparison_folder: Callable[..., Path]) -> None:
    *_, differences = tables_of(comparison_folder(num_seeds=2, num_tasks=60))
    assert [row.cells[0].text for row in differences.rows][:4] == ["FR@5", "  seed-0", "  seed-1", "FR@1"]


def test_4_without_a_terminal_the_output_is_markdown(comparison_folder: Callable[..., Path]) -> None:
    tables = tables_of(comparison_folder(num_tasks=60))
    output = io.StringIO()
    show_tables(tables, Console(file=output, width=40))
    assert "\x1b" not in output.getvalue()
    assert "| sft_compute_matched |" in output.getvalue()
    lines = markdown_table(tables[0]).strip().splitlines()
    assert len({len(line) for line in lines[2:]}) == 1
    assert lines[3].startswith("|:---")


def test_5_a_terminal_gets_colour_and_bars(comparison_folder: Callable[..., Path]) -> None:
    output = io.StringIO()
    tables = tables_of(comparison_folder(num_tasks=60))
    show_tables(tables, Console(file=output, width=140, force_terminal=True, color_system="standard"))
    assert "████" in output.getvalue()
    assert "\x1b[" in output.getvalue()


def test_6_every_kind_has_a_name() -> None:
    assert set(KIND_NAMES) == set(FaultKind)
