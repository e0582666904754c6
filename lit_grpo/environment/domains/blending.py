"""Blending: how much of each ingredient to mix, above needs and below limits, for least cost.

Called through ``build_base``.
"""

from __future__ import annotations

from lit_grpo.environment.domains.base import Domain
from lit_grpo.environment.domains.tiny import TinyTheme
from lit_grpo.environment.program import Direction, VariableType

TINY = TinyTheme(
    domain=Domain.BLENDING,
    direction=Direction.MINIMIZE,
    goal="least cost",
    nouns=("oats", "corn", "rice", "beans"),
    types=(VariableType.CONTINUOUS, VariableType.CONTINUOUS),
    limited=("fat", "salt"),
    required=("iron", "fibre", "protein", "energy"),
    num_limits=1,
)
