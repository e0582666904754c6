"""Ten steps at learning rate 0, in which nothing may drift: ``python scripts/canary.py --config ...``.

Takes the configs of a GRPO fit, the engine's among them, and any of its options. What it checks, and how to read it:
docs/rollouts.md, "Mismatch monitor".
"""

from __future__ import annotations

import sys

from lit_grpo.experiments.canary import main

if __name__ == "__main__":
    sys.exit(main())
