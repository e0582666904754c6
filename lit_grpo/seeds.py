"""The seed of a run: the one of `--seed_everything` (Lightning's `seed_everything`), which moves whatever has no seed.

Asked by data, rollouts and evaluation when they draw, not when they are made: a resumed run goes on with the seed that
it began with, which its checkpoint brings (checkpointing.py).
"""

from __future__ import annotations

import os
from dataclasses import dataclass

_SEED_EVERYTHING = "PL_GLOBAL_SEED"
"""Where Lightning keeps it, so that processes which it starts have it, too."""


def run_seed() -> int:
    """The seed that was given last; 0 where none was."""
    return int(os.environ.get(_SEED_EVERYTHING, "0"))


def go_on_with(seed: int) -> None:
    """Make it the seed of the run. No random state changes."""
    os.environ[_SEED_EVERYTHING] = str(seed)


def require_seed(seed: int | None, key: str) -> None:
    """ValueError if a number cannot seed every generator of a run, of which NumPy's has 32 bits.

    Args:
        seed: The number; None is none.
        key: The setting, for the error.
    """
    if seed is not None and not 0 <= seed < 2**32:
        raise ValueError(f"{key}: expected a seed from 0 to {2**32 - 1}, got {seed}")


@dataclass(frozen=True, slots=True)
class Seed:
    """The seed of something that draws."""

    own: int | None = None
    """None: that of the run, whatever it is when it is asked for."""

    @property
    def value(self) -> int:
        """The number."""
        return run_seed() if self.own is None else self.own
