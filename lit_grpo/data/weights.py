"""Weights per kind of fault or per difficulty, as a config writes them.

Called by the settings that have such weights: task.py and curriculum/.
"""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from enum import StrEnum
from typing import TypeVar

Member = TypeVar("Member", bound=StrEnum)


def weights_of(members: type[Member], weights: Mapping[Member, float], name: str) -> dict[Member, float]:
    """The weights by member; a config brings the keys as texts: "A", "easy".

    Args:
        members: The kinds, or the difficulties.
        weights: Weight of each; those left out do not occur.
        name: The setting, for the error.

    Raises:
        ValueError: A key is none of them.
    """
    known = [member.value for member in members]
    for key in weights:
        if key not in known:
            close = get_close_matches(str(key), known, n=1, cutoff=0.5)
            hint = f"; did you mean {close[0]!r}?" if close else ""
            raise ValueError(f"expected {name} with weights of {', '.join(known)}, got {str(key)!r}{hint}")
    return {members(key): weight for key, weight in weights.items()}
