"""Tables on a terminal (in colour, with bars) or as Markdown (a file, a pipe).

Called by report.py and the quickstart.
"""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from lit_grpo.reports.tables import Row, TableContent

BAR_WIDTH = 16
WIDTH_FOR_BARS = 120
"""Columns of a terminal below which figures matter more than bars."""
EIGHTHS = ("", "▏", "▎", "▍", "▌", "▋", "▊", "▉")


def show_tables(tables: Sequence[TableContent], console: Console) -> None:
    """Print tables; as Markdown if the console is no terminal, so that a log or a pipe stays readable."""
    for table in tables:
        if console.is_terminal:
            console.print()
            console.print(_rich_table(table, has_bars=console.width >= WIDTH_FOR_BARS))
        else:
            console.print(Text(markdown_table(table)), soft_wrap=True)


def markdown_table(table: TableContent) -> str:
    """The table as Markdown, its title in bold above it, columns padded so that it reads well as it stands."""
    grid = [table.columns, *(tuple(cell.text for cell in row.cells) for row in table.rows)]
    widths = [max(len(line[column]) for line in grid) for column in range(len(table.columns))]
    header, *body = [_padded(line, widths) for line in grid]
    rule = "|" + "|".join([":" + "-" * (widths[0] + 1), *("-" * (width + 1) + ":" for width in widths[1:])]) + "|"
    note = ["", table.note] if table.note else []
    return "\n".join(["", f"**{table.title}**", "", header, rule, *body, *note, ""])


def _padded(line: Sequence[str], widths: Sequence[int]) -> str:
    cells = [line[0].ljust(widths[0]), *(text.rjust(width) for text, width in zip(line[1:], widths[1:], strict=True))]
    return "| " + " | ".join(cells) + " |"


def _rich_table(content: TableContent, has_bars: bool) -> Table:
    table = Table(
        title=content.title,
        caption=content.note or None,
        box=box.SIMPLE_HEAD,
        title_justify="left",
        caption_justify="left",
        title_style="bold",
        pad_edge=False,
    )
    table.add_column(content.columns[0], no_wrap=True)
    for column in content.columns[1:]:
        table.add_column(column, justify="right")
    has_bars = has_bars and any(row.share is not None for row in content.rows)
    if has_bars:
        table.add_column(content.columns[1])
    for row in content.rows:
        table.add_row(*_texts(row, has_bars), end_section=row.ends_group)
    return table


def _texts(row: Row, has_bars: bool) -> list[Text]:
    texts = [Text(cell.text, style=cell.emphasis.value) for cell in row.cells]
    if has_bars:
        texts.append(Text(_bar(row.share or 0.0), style=row.cells[0].emphasis.value))
    return texts


def _bar(share: float) -> str:
    eighths = round(share * BAR_WIDTH * len(EIGHTHS))
    return ("█" * (eighths // len(EIGHTHS)) + EIGHTHS[eighths % len(EIGHTHS)]).ljust(BAR_WIDTH, "·")
