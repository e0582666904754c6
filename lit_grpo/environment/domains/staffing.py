"""Staffing: how many people to put on each shift, so that every need is covered, for least cost.

Called through ``build_base``.
"""

from __future__ import annotations

from lit_grpo.environment.domains.base import Domain
from lit_grpo.environment.domains.tiny import TinyTheme
from lit_grpo.environment.program import Direction, VariableType

TINY = TinyTheme(
    domain=Domain.STAFFING,
    direction=Direction.MINIMIZE,
    goal="least cost",
    nouns=("nurses", "cooks", "clerks", "guards"),
    types=(VariableType.INTEGER, VariableType.INTEGER),
    limited=("wages", "rooms"),
    required=("calls", "meals", "visits"),
    num_limits=1,
)
