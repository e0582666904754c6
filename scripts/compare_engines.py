"""The same training with either engine: ``python scripts/compare_engines.py --seeds 0 1 2 --jobs 2``.

Trains and tests what is not done yet, prints the paired difference of FR@5, and ends with 1 if its interval excludes 0.
How to read it: docs/rollouts.md.
"""

from __future__ import annotations

import sys

from lit_grpo.experiments.engine_comparison import main

if __name__ == "__main__":
    sys.exit(main())
