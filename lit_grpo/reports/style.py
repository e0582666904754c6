"""The look of every figure: one set of sizes, colours that stay apart for the colour-blind, no global state.

Called by figures.py and transcripts.py. Colours: Okabe & Ito, "Color universal design" (2008).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

BLUE, ORANGE, SKY, PURPLE, GREEN, VERMILION = "#0072B2", "#E69F00", "#56B4E9", "#CC79A7", "#009E73", "#D55E00"
INK, MUTED, FAINT = "#222222", "#7A7A7A", "#E3E3E3"
ARM_COLOURS = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY, "#882255", "#999933", "#222222")
"""Of arms, in their order: Okabe & Ito's, and wine and olive of Tol, "Colour schemes" (2021)."""
ARM_MARKERS = ("o", "s", "D", "^")
"""The second nine arms have the second marker, and so on."""
DOTS_PER_INCH = 160

_STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 9.5,
    "axes.titlesize": 10.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": FAINT,
    "grid.linewidth": 0.8,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "text.color": INK,
    "text.parse_math": False,
    "pdf.fonttype": 42,
}


@contextmanager
def figure(width: float, height: float, path: Path) -> Iterator[Figure]:
    """A figure of this size in inches, written to ``path`` (PNG), and as PDF beside it, when the block ends."""
    with matplotlib.rc_context(_STYLE):
        drawing = Figure(figsize=(width, height), layout="constrained")
        yield drawing
        path.parent.mkdir(parents=True, exist_ok=True)
        drawing.savefig(path, dpi=DOTS_PER_INCH, facecolor="white", metadata={"Software": None})
        # Without the date and the program the same figure gives the same bytes; text stays text, to be searched.
        unnamed = {"CreationDate": None, "Creator": None, "Producer": None}
        drawing.savefig(path.with_suffix(".pdf"), facecolor="white", metadata=unnamed)


def label_line_end(axes: Axes, x: float, y: float, text: str, colour: str, *, lifted: float = 0.0) -> None:
    """Name a line at its end, which needs no legend; ``lifted`` by some points where two lines end close together."""
    axes.annotate(
        text,
        (x, y),
        xytext=(6, lifted),
        textcoords="offset points",
        va="center",
        color=colour,
        weight="bold",
        fontsize=9,
    )
