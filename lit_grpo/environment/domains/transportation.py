"""Transportation: how many trips to drive on each route, so that every town gets its goods, for least cost.

An integer program. Depots have stock, towns have demand, a trip carries a load that depends on the route, and drivers'
hours and fuel are shared. Called through ``build_base``.
"""

from __future__ import annotations

from random import Random

from lit_grpo.environment.domains.base import BaseModel, Domain, ProgramSize, Wording
from lit_grpo.environment.domains.draft import Draft
from lit_grpo.environment.domains.tiny import TinyTheme
from lit_grpo.environment.domains.wording import Phrasings, on_subject
from lit_grpo.environment.programs.program import Direction, Sense, Variable, VariableType

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
SHARED = ("hours of drivers", "litres of fuel", "pounds of toll", "engine services", "tyres", "night passes")
LETTERS = tuple(f"letter_{number}" for number in range(11, 43))
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
    "The {subject} depot has {limit} crates in stock, loaded at {terms}",
    "Loading {terms}, the {subject} depot can give {limit}",
)
DEMAND_PHRASINGS = (
    "The town of {subject} needs {limit} crates, brought at {terms}",
    "Bringing {terms}, the lorries must deliver {limit} to {subject}",
)
SHARED_PHRASINGS = (
    "The fleet has {limit} {subject} to spend, at {terms}",
    "All trips together, at {terms}, may use {limit} {subject}",
)
LOCAL_PHRASINGS = (
    "At the gates of {subject} there are {limit} minutes to use, at {terms}",
    "At {terms}, the gates of {subject} can take {limit} minutes",
)
LOCAL_SHARE = 0.4
"""Share of places with a limit at their gates."""


def build(rng: Random, size: ProgramSize, wording: Wording) -> BaseModel:
    """A week of trips."""
    num_depots, num_towns = rng.choice(GRIDS[size])
    depots, towns = rng.sample(DEPOTS, num_depots), rng.sample(TOWNS, num_towns)
    routes = {f"{depot}_to_{town}": (depot, town) for depot in depots for town in towns}
    plan = {name: rng.randint(1, 12) for name in routes}
    variables = [Variable(name, 0.0, float(n + rng.randint(1, 15)), VariableType.INTEGER) for name, n in plan.items()]
    rng.shuffle(variables)
    load = {name: rng.randint(5, 40) for name in routes}
    draft = Draft(rng, variables, plan, rng.sample(LETTERS, len(LETTERS)))
    for town in towns:
        brought = {name: load[name] for name, (_, end) in routes.items() if end == town}
        draft.planned(brought, Sense.GREATER_EQUAL, on_subject(DEMAND_PHRASINGS, town))
    limits: list[tuple[dict[str, int], tuple[str, ...], str]] = [
        ({name: load[name] for name, (start, _) in routes.items() if start == depot}, STOCK_PHRASINGS, depot)
        for depot in depots
    ]
    chosen = [place for place in (*depots, *towns) if rng.random() < LOCAL_SHARE][: num_depots + num_towns - 1]
    for place in chosen:
        local = {name: rng.randint(1, 9) for name, ends in routes.items() if place in ends}
        limits.append((local, LOCAL_PHRASINGS, place))
    for what in rng.sample(SHARED, 1 if size is ProgramSize.SMALL else 2):
        limits.append(({name: rng.randint(1, 9) for name in routes}, SHARED_PHRASINGS, what))
    for i, (use, templates, subject) in enumerate(limits):
        add = draft.planned if i % 2 == 0 else draft.implied
        add(use, Sense.LESS_EQUAL, on_subject(templates, subject))
    costs = {name: rng.randint(20, 95) for name in routes}
    return draft.finish(Domain.TRANSPORTATION, Direction.MINIMIZE, costs, PHRASINGS, wording)
