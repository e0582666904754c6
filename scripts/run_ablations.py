"""The study of the ablations: ``python scripts/run_ablations.py --seeds 0 1 2 --jobs 2 --output runs/ablations``.

Trains and tests every arm that is not done yet, and writes `ablations.json`, `report.md` and figures. What the arms
are, and how to read the result: docs/ablations.md.
"""

from __future__ import annotations

import sys

from lit_grpo.experiments.ablations import main

if __name__ == "__main__":
    sys.exit(main())
