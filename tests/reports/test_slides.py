"""Figures that are shown to others.

1. Nine arms have nine colours, and those after them another marker: no two look alike.
2. The figure of nine arms and nine kinds is no wider than a slide, and its smallest text is readable there.
3. A heat map has the number of tasks in each cell, and no more than three panels stand side by side.
4. Every figure is there as PNG and as PDF; the same figure has the same bytes.
"""

import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from lit_grpo.environment.faults.injection import FaultKind
from lit_grpo.metrics.bootstrap import BootstrapSettings
from lit_grpo.metrics.records import ScoredTask
from lit_grpo.metrics.results import results_of, write_run
from lit_grpo.reports.comparison import Comparison, compare
from lit_grpo.reports.figures import draw_arms, look_of_arm
from lit_grpo.reports.final import draw_final
from lit_grpo.reports.pooled_cells import CellEstimates, pooled_cells
from lit_grpo.reports.runs import SeedRun, read_table

CHEAP = BootstrapSettings(num_replicates=20)
SLIDE_INCHES = 13.34
NUM_TASKS = 54


@pytest.fixture
def nine_arms(tmp_path: Path, make_scored_task: Callable[[int, float, random.Random], ScoredTask]) -> SeedRun:
    """Nine arms on 54 tasks, six of each of nine kinds."""
    folders = {}
    for arm in range(9):
        rng, folder = random.Random(arm), tmp_path / f"arm_{arm}"
        kinds = list(FaultKind)
        tasks = [replace(make_scored_task(i, 0.1 * arm, rng), kind=kinds[i % 9]) for i in range(NUM_TASKS)]
        write_run(folder, tasks, results_of(tasks, CHEAP), CHEAP)
        folders[folder.name] = folder
    return SeedRun("seed", folders, {})


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """The figures that are saved, as they are saved."""
    figures: list[Figure] = []
    saved = Figure.savefig

    def savefig(self: Figure, *args: object, **kwargs: object) -> None:
        if self not in figures:
            figures.append(self)
        saved(self, *args, **kwargs)  # pyright: ignore[reportArgumentType]

    monkeypatch.setattr(Figure, "savefig", savefig)
    return figures


def texts(figure: Figure) -> Iterator[Text]:
    yield from (text for text in figure.findobj(Text) if isinstance(text, Text) and text.get_text().strip())


def comparison_of(run: SeedRun) -> Comparison:
    return compare([run], [], CHEAP)


def cells_of(run: SeedRun) -> dict[str, CellEstimates]:
    return {name: pooled_cells([read_table(folder)], CHEAP) for name, folder in run.arms.items()}


def test_1_arms_have_looks_of_their_own(nine_arms: SeedRun, drawn: list[Figure], tmp_path: Path) -> None:
    looks = [look_of_arm(place) for place in range(36)]
    assert len(set(looks)) == 36
    assert len({colour for colour, _ in looks[:9]}) == 9
    draw_arms(comparison_of(nine_arms), tmp_path / "arms.png")
    named = {label.get_text(): label.get_color() for label in drawn[0].axes[0].get_yticklabels()}
    assert len(set(named.values())) == len(named) == 9


def test_2_nine_arms_and_nine_kinds_fit_a_slide(nine_arms: SeedRun, drawn: list[Figure], tmp_path: Path) -> None:
    draw_arms(comparison_of(nine_arms), tmp_path / "arms.png")
    width, height = drawn[0].get_size_inches()
    assert width <= SLIDE_INCHES
    assert height <= 7.5
    assert min(float(text.get_fontsize()) for text in texts(drawn[0])) >= 8
    assert len(drawn[0].axes) == 2


def test_3_each_cell_has_its_number_of_tasks(nine_arms: SeedRun, drawn: list[Figure], tmp_path: Path) -> None:
    draw_final(cells_of(nine_arms), tmp_path / "cells.png")
    width, _ = drawn[0].get_size_inches()
    assert width <= SLIDE_INCHES
    assert len({round(axes.get_position().x0, 2) for axes in drawn[0].axes}) == 3
    first = [text.get_text() for text in drawn[0].axes[0].texts]
    assert first.count("n 6") == 9  # each kind over all difficulties
    assert first.count(f"n {NUM_TASKS}") == 1


def test_4_png_and_pdf_of_the_same_bytes(nine_arms: SeedRun, tmp_path: Path) -> None:
    comparison = comparison_of(nine_arms)
    for name in ("one", "two"):
        draw_arms(comparison, tmp_path / f"{name}.png")
    for suffix in (".png", ".pdf"):
        assert (tmp_path / f"one{suffix}").read_bytes() == (tmp_path / f"two{suffix}").read_bytes()
    assert (tmp_path / "one.pdf").read_bytes().startswith(b"%PDF")
