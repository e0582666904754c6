"""Transportation: how many trips to drive on each route, so that every town gets its goods, for least cost.

An integer program. Depots have stock, towns have demand, a trip carries a load that depends on the route, and drivers'
hours and fuel are shared. Called through ``build_base``.
"""

from __future__ import annotations

from random import Random

from lit_grpo.environment.domains.base import BaseModel, Domain, ProgramSize, Wording, make_program
from lit_grpo.environment.domains.rows import implied_row, planned_row
from lit_grpo.environment.domains.tiny import TinyTheme
from lit_grpo.environment.domains.wording import Phrasings, specify
from lit_grpo.environment.program import Constraint, Direction, Sense, Variable, VariableType

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

DEPOTS = ("north", "south", "east", "west", "harbour")
TOWNS = ("ashby", "burton", "corby", "dover", "ely", "frome")
SHARED = ("driver_hours", "fuel_litres", "toll_money", "engine_service", "tyre_wear", "night_passes")
GRIDS = {
    ProgramSize.SMALL: ((2, 2), (2, 3)),
    ProgramSize.MEDIUM: ((3, 3), (2, 5), (3, 4)),
    ProgramSize.LARGE: ((4, 4), (4, 5), (3, 6)),
}

PHRASINGS = Phrasings(
    introduction="A haulier plans the trips of a week from its depots to the towns, in crates per trip.",
    variables=("The route {name} can be driven {range} times.", "Trips on {name}: {range}."),
    objectives=("The trips cost {terms}; keep that {best}.", "Drivers and fuel come to {terms}, to be kept {best}."),
    distractors=(
        "The firm's lorries are {number} months old on average.",
        "The motorway has {number} bridges.",
        "A crate holds {number} jars.",
        "The office moved {number} weeks ago.",
    ),
)
STOCK_PHRASINGS = (
    "The depot has {limit} crates in stock, loaded at {terms}",
    "Loading {terms}, the depot can give {limit}",
)
DEMAND_PHRASINGS = (
    "The town needs {limit} crates, brought at {terms}",
    "Bringing {terms}, the lorries must deliver {limit}",
)
SHARED_PHRASINGS = ("The fleet has {limit} to spend, at {terms}", "All trips together, at {terms}, may use {limit}")


LOCAL_PHRASINGS = ("On the spot there is {limit} to use, at {terms}", "At {terms}, the place can take {limit}")
LOCAL_SHARE = 0.4
"""Share of depots and towns with a limit of their own."""


def build(rng: Random, size: ProgramSize, wording: Wording) -> BaseModel:
    """A week of trips."""
    num_depots, num_towns = rng.choice(GRIDS[size])
    depots, towns = rng.sample(DEPOTS, num_depots), rng.sample(TOWNS, num_towns)
    routes = {f"{depot}_to_{town}": (depot, town) for depot in depots for town in towns}
    plan = {name: rng.randint(1, 12) for name in routes}
    variables = [Variable(name, 0.0, float(n + rng.randint(1, 15)), VariableType.INTEGER) for name, n in plan.items()]
    load = {name: rng.randint(5, 40) for name in routes}
    rows: list[Constraint] = []
    for town in towns:
        brought = {name: load[name] for name, (_, end) in routes.items() if end == town}
        rows.append(planned_row(rng, variables, f"demand_{town}", brought, Sense.GREATER_EQUAL, plan))
    limits = {f"stock_{d}": {name: load[name] for name, ends in routes.items() if ends[0] == d} for d in depots}
    local = {f"gates_{place}": [n for n, ends in routes.items() if place in ends] for place in (*depots, *towns)}
    chosen = [name for name in local if rng.random() < LOCAL_SHARE][: len(local) - 1]
    shared = rng.sample(SHARED, len(SHARED))
    num_shared = 1 if size is ProgramSize.SMALL else 2
    limits |= {name: {route: rng.randint(1, 9) for route in local[name]} for name in chosen}
    limits |= {name: {route: rng.randint(1, 9) for route in routes} for name in shared[:num_shared]}
    for i, (name, use) in enumerate(limits.items()):
        if i % 2 == 0:
            rows.append(planned_row(rng, variables, name, use, Sense.LESS_EQUAL, plan))
        else:
            rows.append(implied_row(rng, variables, name, use, Sense.LESS_EQUAL, rows))
    rng.shuffle(rows)
    program = make_program(Direction.MINIMIZE, {name: rng.randint(20, 95) for name in routes}, variables, rows)
    phrasings = {f"stock_{d}": STOCK_PHRASINGS for d in depots} | {f"demand_{t}": DEMAND_PHRASINGS for t in towns}
    phrasings |= dict.fromkeys(local, LOCAL_PHRASINGS) | dict.fromkeys(shared, SHARED_PHRASINGS)
    text = specify(rng, wording, PHRASINGS, program, phrasings)
    return BaseModel(
        Domain.TRANSPORTATION, program, text, (*shared[num_shared:], *(n for n in local if n not in chosen))
    )
