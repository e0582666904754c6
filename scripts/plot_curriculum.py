"""The mix of a curriculum and FR@5 per difficulty over a run: ``python scripts/plot_curriculum.py RUN``.

RUN is the folder of a `lit-grpo fit` with ``data.curriculum``. Writes `curriculum.png` there, or where --output says.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from lit_grpo.reports.curriculum import draw_curriculum, read_curriculum


def main() -> None:
    """Read, draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--output", type=Path, help="a PNG file; RUN/curriculum.png by default")
    arguments = parser.parse_args()
    curve = read_curriculum(arguments.run)
    if curve is None:
        parser.error(f"expected a run with a curriculum, got {arguments.run}, whose metrics.csv names no mix")
    path = arguments.output or arguments.run / "curriculum.png"
    draw_curriculum(curve, path)
    print(f"Written: {path}")


if __name__ == "__main__":
    main()
