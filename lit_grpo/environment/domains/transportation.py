"""Transportation: how many trips to drive on each route, so that every shop gets its goods, for least cost.

Called through ``build_base``.
"""

from __future__ import annotations

from lit_grpo.environment.domains.base import Domain
from lit_grpo.environment.domains.tiny import TinyTheme
from lit_grpo.environment.program import Direction, VariableType

TINY = TinyTheme(
    domain=Domain.TRANSPORTATION,
    direction=Direction.MINIMIZE,
    goal="least cost",
    nouns=("trucks", "vans", "trains", "ships"),
    types=(VariableType.INTEGER, VariableType.INTEGER),
    limited=("fuel", "hours", "tolls"),
    required=("crates", "tons"),
    num_limits=2,
)
