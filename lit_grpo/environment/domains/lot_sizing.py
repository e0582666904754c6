"""Lot sizing: what to make in which period, with stock in between, so that demand is met, for least cost.

Called through ``build_base``.
"""

from __future__ import annotations

from lit_grpo.environment.domains.base import Domain
from lit_grpo.environment.domains.tiny import TinyTheme
from lit_grpo.environment.program import Direction, VariableType

TINY = TinyTheme(
    domain=Domain.LOT_SIZING,
    direction=Direction.MINIMIZE,
    goal="least cost",
    nouns=("days", "nights", "weekends"),
    types=(VariableType.CONTINUOUS, VariableType.INTEGER),
    limited=("storage", "hours"),
    required=("demand", "stock", "orders"),
    num_limits=1,
)
