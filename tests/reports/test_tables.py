"""Tables: trivial policies beside the arms, plain where there is no terminal."""

import io
from collections.abc import Callable
from pathlib import Path

from rich.console import Console

from lit_grpo.environment.faults.injection import FaultKind
from lit_grpo.metrics.bootstrap import BootstrapSettings
from lit_grpo.reports.comparison import Comparison, compare, standard_pairs
from lit_grpo.reports.differences import difference_tables
from lit_grpo.reports.runs import find_seed_runs
from lit_grpo.reports.show import markdown_table, show_tables
from lit_grpo.reports.tables import KIND_NAMES, Emphasis, comparison_tables


def compared(root: Path) -> Comparison:
    runs = find_seed_runs(root)
    return compare(runs, standard_pairs(runs[0], "sft_grpo"), BootstrapSettings(num_replicates=100))


def test_1_every_arm_and_policy_has_a_row_with_intervals(comparison_folder: Callable[..., Path]) -> None:
    headline, per_kind = comparison_tables(compared(comparison_folder()))
    names = [row.cells[0].text for row in headline.rows]
    assert names[:4] == ["drop-first", "minimum-relaxation", "informed-random", "oracle"]
    assert set(names[4:6]) == {"sft", "sft_compute_matched"}
    assert names[6] == "sft_grpo"
    assert headline.columns == ("", "FR@5", "FR@1", "RR@5", "DA", "turns")
    assert headline.rows[3].cells[1].text == "100.0 (100–100)"
    assert headline.rows[6].cells[0].emphasis is Emphasis.BEST
    assert [row.cells[0].text for row in per_kind.rows] == names


def test_2_a_difference_whose_interval_is_above_zero_is_marked(comparison_folder: Callable[..., Path]) -> None:
    overall, per_kind = difference_tables(compared(comparison_folder()))
    assert overall.columns == ("", "FR@5", "p", "p, Holm over 3", "FR@1", "RR@5")
    label, difference, p_value, *_ = overall.rows[0].cells
    assert label.text == "sft_grpo − sft"
    assert difference.emphasis is Emphasis.BETTER
    assert difference.text.startswith("+")
    assert p_value.text.endswith("*")
    assert [row.cells[0].text for row in per_kind.rows] == [row.cells[0].text for row in overall.rows]
    assert per_kind.columns[1:] == tuple(KIND_NAMES[kind] for kind in list(FaultKind)[:4])


def test_3_each_seed_has_its_own_difference(comparison_folder: Callable[..., Path]) -> None:
    *_, per_seed = difference_tables(compared(comparison_folder(num_seeds=2, num_tasks=60)))
    assert per_seed.columns == ("", "seed-0", "seed-1")
    assert per_seed.rows[0].cells[0].text == "sft_grpo − sft"


def test_4_without_a_terminal_the_output_is_markdown(comparison_folder: Callable[..., Path]) -> None:
    tables = comparison_tables(compared(comparison_folder(num_tasks=60)))
    output = io.StringIO()
    show_tables(tables, Console(file=output, width=40))
    assert "\x1b" not in output.getvalue()
    assert "| sft_compute_matched |" in output.getvalue()
    lines = markdown_table(tables[0]).strip().splitlines()
    assert len({len(line) for line in lines[2:]}) == 1
    assert lines[3].startswith("|:---")


def test_5_a_terminal_gets_colour_and_bars(comparison_folder: Callable[..., Path]) -> None:
    output = io.StringIO()
    tables = comparison_tables(compared(comparison_folder(num_tasks=60)))
    show_tables(tables, Console(file=output, width=140, force_terminal=True, color_system="standard"))
    assert "████" in output.getvalue()
    assert "\x1b[" in output.getvalue()


def test_6_every_kind_has_a_name() -> None:
    assert set(KIND_NAMES) == set(FaultKind)
