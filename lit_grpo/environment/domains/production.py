"""Production planning: how much of each product to make, within resources and above orders, for most profit.

Called through ``build_base``.
"""

from __future__ import annotations

from lit_grpo.environment.domains.base import Domain
from lit_grpo.environment.domains.tiny import TinyTheme
from lit_grpo.environment.program import Direction, VariableType

TINY = TinyTheme(
    domain=Domain.PRODUCTION,
    direction=Direction.MAXIMIZE,
    goal="most profit",
    nouns=("chairs", "tables", "lamps", "doors"),
    types=(VariableType.CONTINUOUS, VariableType.CONTINUOUS),
    limited=("wood", "hours", "paint", "steel"),
    required=("orders", "income"),
    num_limits=2,
)
