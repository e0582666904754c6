"""What the agent is shown: the same content in a full and a compact rendering.

Called by the episode. Numbers are written so that parsing them back gives the same float.
"""

from __future__ import annotations

from enum import StrEnum


class ObservationStyle(StrEnum):
    """How an observation is written."""

    FULL = "full"
    COMPACT = "compact"
    """For small models and short contexts: a row's algebra and its sentence on one line."""
