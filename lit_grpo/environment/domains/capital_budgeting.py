"""Capital budgeting: which projects to fund within each year's budget, for most value.

Called through ``build_base``.
"""

from __future__ import annotations

from lit_grpo.environment.domains.base import Domain
from lit_grpo.environment.domains.tiny import TinyTheme
from lit_grpo.environment.program import Direction, VariableType

TINY = TinyTheme(
    domain=Domain.CAPITAL_BUDGETING,
    direction=Direction.MAXIMIZE,
    goal="most value",
    nouns=("shops", "farms", "roads", "mines"),
    types=(VariableType.INTEGER, VariableType.INTEGER),
    limited=("budget", "land", "staff"),
    required=("jobs", "income"),
    num_limits=2,
)
