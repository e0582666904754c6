"""What lies where in the folder of a run.

Called by cli.py and the callbacks that write there.
"""

from __future__ import annotations

from pathlib import Path

CHECKPOINTS = "checkpoints"
"""The folder of checkpoints within a run folder, whatever the logger."""


def last_checkpoint(folder: Path | str) -> Path:
    """The checkpoint of where the run in a folder stands."""
    return Path(folder) / CHECKPOINTS / "last.ckpt"
