"""Base models with real semantics: a true program and the business text that determines it, one domain a file."""

from __future__ import annotations

from random import Random

from lit_grpo.environment.domains import (
    assignment,
    blending,
    capital_budgeting,
    facility_location,
    lot_sizing,
    network_flow,
    production,
    set_covering,
    staffing,
    transportation,
)
from lit_grpo.environment.domains.base import BaseModel, Domain, DomainBuilder, ProgramSize, Wording
from lit_grpo.environment.domains.tiny import TinyTheme, build_tiny


def build_base(domain: Domain, size: ProgramSize, wording: Wording, rng: Random) -> BaseModel:
    """One base model of the domain; a pure function of the generator's state and the other arguments.

    ValueError if the domain does not come in the size.
    """
    if domain not in domains_of(size):
        offered = ", ".join(domains_of(size))
        raise ValueError(f"expected a domain of size {size}, of {offered}, got {domain}; change domain or size")
    if size is ProgramSize.TINY:
        return build_tiny(rng, _TINY_THEMES[domain], wording.wordings)
    return _BUILDERS[domain](rng, size, wording)


def domains_of(size: ProgramSize | None) -> tuple[Domain, ...]:
    """The domains that build programs of a size; None: of any size but TINY."""
    return tuple(_TINY_THEMES) if size is ProgramSize.TINY else tuple(_BUILDERS)


_TINY_THEMES: dict[Domain, TinyTheme] = {
    module.TINY.domain: module.TINY
    for module in (production, blending, transportation, lot_sizing, capital_budgeting, staffing)
}
_BUILDERS: dict[Domain, DomainBuilder] = {
    Domain.PRODUCTION: production.build,
    Domain.BLENDING: blending.build,
    Domain.TRANSPORTATION: transportation.build,
    Domain.LOT_SIZING: lot_sizing.build,
    Domain.CAPITAL_BUDGETING: capital_budgeting.build,
    Domain.STAFFING: staffing.build,
    Domain.ASSIGNMENT: assignment.build,
    Domain.NETWORK_FLOW: network_flow.build,
    Domain.FACILITY_LOCATION: facility_location.build,
    Domain.SET_COVERING: set_covering.build,
}
