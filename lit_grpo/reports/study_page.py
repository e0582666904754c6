"""What the pages of studies share: tables in a study's JSON, and the part of a page that is made from it.

Called by ablations.py and real_size.py, which write the JSON, and by their pages.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from lit_grpo.reports.tables import Row, TableCell, TableContent

BEGIN, END = "<!-- results: begin -->", "<!-- results: end -->"


def table_json(table: TableContent) -> dict[str, Any]:
    """A table as the JSON holds it: without its looks."""
    rows = [[cell.text for cell in row.cells] for row in table.rows]
    return {"title": table.title, "columns": list(table.columns), "rows": rows}


def table_of(table: Mapping[str, Any]) -> TableContent:
    """The table that `table_json` wrote."""
    rows = tuple(Row(tuple(TableCell(text) for text in row)) for row in table["rows"])
    return TableContent(table["title"], tuple(table["columns"]), rows)


def write_section(page: Path, section: str) -> None:
    """Fill in a page of documentation; ValueError if it lacks the markers."""
    page.write_text(fill_in(page.read_text(encoding="utf-8"), section), encoding="utf-8")


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


def fill_in(page: str, section: str) -> str:
    """``page`` with everything between its markers replaced.

    Raises:
        ValueError: The page does not have each marker once, in this order.
    """
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end or BEGIN in after or END in before + after:
        raise ValueError(f"expected {BEGIN} and then {END}, each once, got another page; put the markers back")
    return f"{before}{BEGIN}\n\n{section.strip()}\n\n{END}{after}"
