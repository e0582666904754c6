"""What the pages of studies share: tables in a study's JSON, and the parts of a page that are made from it.

Called by ablations.py and real_size.py, which write the JSON, and by their pages.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lit_grpo.reports.tables import Row, TableCell, TableContent


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a page that is made from results: what stands between its two markers."""

    name: str

    @property
    def begin(self) -> str:
        """The marker before it."""
        return f"<!-- {self.name}: begin -->"

    @property
    def end(self) -> str:
        """The marker behind it."""
        return f"<!-- {self.name}: end -->"


RESULTS, HEADLINE = Section("results"), Section("headline")
"""All that a study came to, and what it came to in short."""


def table_json(table: TableContent) -> dict[str, Any]:
    """A table as the JSON holds it: without its looks."""
    rows = [[cell.text for cell in row.cells] for row in table.rows]
    return {"title": table.title, "columns": list(table.columns), "rows": rows}


def table_of(table: Mapping[str, Any]) -> TableContent:
    """The table that `table_json` wrote."""
    rows = tuple(Row(tuple(TableCell(text) for text in row)) for row in table["rows"])
    return TableContent(table["title"], tuple(table["columns"]), rows)


def write_section(page: Path, text: str, section: Section = RESULTS) -> None:
    """Fill in a part of a page of documentation; ValueError if the page lacks the markers."""
    page.write_text(fill_in(page.read_text(encoding="utf-8"), text, section), encoding="utf-8")


def copy_figures(root: Path, figures: Iterable[str], folder: Path) -> None:
    """Put a study's figures beside a page.

    Args:
        root: The study's folder.
        figures: Their paths within it, and within ``folder``.
        folder: That of the page.
    """
    for figure in figures:
        (folder / figure).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(root / figure, folder / figure)


def fill_in(page: str, text: str, section: Section = RESULTS) -> str:
    """``page`` with everything between the markers of a section replaced.

    Raises:
        ValueError: The page does not have each marker once, in this order.
    """
    before, begin, rest = page.partition(section.begin)
    _, end, after = rest.partition(section.end)
    if not begin or not end or section.begin in after or section.end in before + after:
        raise ValueError(
            f"expected {section.begin} and then {section.end}, each once, got another page; put the markers back"
        )
    return f"{before}{section.begin}\n\n{text.strip()}\n\n{section.end}{after}"
