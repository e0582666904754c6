"""Draws docs/figures/explained.png, the page of `lit-grpo explain --format html` in outline, without a browser.

Run as ``python scripts/pages/explained_picture.py PROGRAM SPECIFICATION PICTURE``: the words are those of the page.
"""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

from lit_grpo.environment.programs.reading.program_file import read_program_file
from lit_grpo.environment.programs.specification_file import read_specification
from lit_grpo.explain.as_text import candidate_line, conflict_heading, member_lines, relaxation_line, verdict_line
from lit_grpo.explain.explain import explain
from lit_grpo.explain.explanation import ExplainSettings, Explanation

INK, GREY, RED = "#1d2430", "#5a6475", "#a3211b"
LINE, WIDTH, COLUMNS = 0.27, 9.5, 98
MOST_CANDIDATES = 4

Styled = tuple[str, str, float, str]
"""Text, colour, size in points, and font family."""


def lines_of(found: Explanation, name: str) -> Iterator[Styled]:
    """The page from top to bottom."""
    report = found.report
    yield name, INK, 15, "sans-serif"
    yield (
        f"{report.format}, {report.direction}, {report.num_rows} rows, {report.num_columns} columns",
        GREY,
        9,
        "sans-serif",
    )
    yield verdict_line(found), RED, 11, "sans-serif"
    for position, conflict in enumerate(found.conflicts):
        yield conflict_heading(found, conflict, position), INK, 10.5, "sans-serif"
        for element, text in member_lines(found, conflict):
            yield f"{element:<14}{text}", INK, 9, "monospace"
    yield "The least changes of right-hand sides and bounds", INK, 10.5, "sans-serif"
    for relaxation in found.relaxations:
        yield f"- {relaxation_line(relaxation)}", INK, 9, "monospace"
    yield "What may have happened, the likeliest slip first", INK, 10.5, "sans-serif"
    for position, candidate in enumerate(found.candidates[:MOST_CANDIDATES], start=1):
        yield f"{position}. {candidate_line(found, candidate)}", INK, 9, "monospace"


def draw(found: Explanation, name: str, picture: Path) -> None:
    """Write the picture."""
    wrapped: list[Styled] = []
    for text, colour, size, family in lines_of(found, name):
        for part in textwrap.wrap(text, COLUMNS, subsequent_indent="   ") or [""]:
            wrapped.append((part, colour, size, family))
    height = LINE * (len(wrapped) + 4)
    figure = plt.figure(figsize=(WIDTH, height))
    y = 1 - LINE / height
    for text, colour, size, family in wrapped:
        y -= (LINE * 1.35 if family == "sans-serif" and size > 10 else LINE) / height
        figure.text(0.03, y, text, color=colour, fontsize=size, family=family, parse_math=False)
    figure.savefig(picture, dpi=110, facecolor="white")


def main() -> None:
    """Explain and draw."""
    program, specification, picture = map(Path, sys.argv[1:])
    file = read_program_file(program)
    draw(explain(file, read_specification(specification, file.program), ExplainSettings()), program.name, picture)


if __name__ == "__main__":
    main()
