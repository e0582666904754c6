"""Minimum-cost flow: what to send through each main, so that every town gets its water, for least cost.

An LP. Springs feed junctions, junctions feed each other and the towns; at a junction what comes in is what goes out
and what the place takes itself, an equality. Called through ``build_base``.
"""

from __future__ import annotations

from collections import Counter
from random import Random

from lit_grpo.environment.domains.base import BaseModel, Domain, ProgramSize, Wording
from lit_grpo.environment.domains.draft import Draft, Topics
from lit_grpo.environment.domains.rows import upper_bound
from lit_grpo.environment.domains.wording import Phrasings, listed, on_subject
from lit_grpo.environment.programs.program import Constraint, Direction, Sense, Variable

Main = tuple[int, int]
"""An arc from a node to one with a larger number; springs come first, then junctions, then towns."""

MAINS = tuple(
    f"{first}_{second}"
    for first in ("mill", "church", "bridge", "castle", "market", "station", "abbey", "orchard", "quarry")
    for second in ("lane", "road", "street", "row")
)
PLACES = (
    "arden", "belper", "calder", "denby", "eaton", "fenton", "garth", "harlow", "ilkley", "kirkby", "linton", "marlow",
    "norton", "oakham", "penrith", "ripley", "selby", "thorpe", "upton", "walden", "yarm", "alston", "bolsover",
    "carlton", "derwent", "easby", "farley", "glossop", "hexham", "kelso", "lorton", "malton", "newby", "otley",
)  # fmt: skip
NODES = {
    ProgramSize.SMALL: ((2, 1, 1), (1, 1, 2), (1, 2, 1)),
    ProgramSize.MEDIUM: ((2, 2, 3), (2, 3, 2), (3, 2, 2)),
    ProgramSize.LARGE: ((3, 4, 3), (3, 3, 4), (4, 4, 3)),
}
"""Springs, junctions and towns."""
NUM_SHARED = {ProgramSize.SMALL: 1, ProgramSize.MEDIUM: 2, ProgramSize.LARGE: 4}
ENDS_AT_JUNCTION = 0.15
"""How often planned water goes no further than a junction that it reaches."""

PHRASINGS = Phrasings(
    introduction="A water company plans a day's flow through its mains, in megalitres.",
    variables=(
        "Through {name} we can send {range} megalitres.",
        "The flow in {name} is {range}.",
        "Engineers run {name} at {range} megalitres.",
    ),
    objectives=(
        "Pumping costs {terms}; keep that {best}.",
        "The bill for power is {terms}, and should be {best}.",
        "We pay {terms}, to be made {best}.",
    ),
    distractors=(
        "The oldest pipe was laid {number} years ago.",
        "The company sponsors {number} swimmers.",
        "A heron was seen on {number} mornings.",
        "The control room has {number} lamps.",
        "The call line was rung {number} times.",
    ),
)
SPRING_PHRASINGS = (
    "The spring at {subject} gives {limit} megalitres, drawn at {terms}",
    "Drawing {terms}, the company may take {limit} megalitres at {subject}",
    "The licence for {subject} is {limit} megalitres, counting {terms}",
)
JUNCTION_PHRASINGS = (
    "What comes in at {subject} less what goes on, {terms}, is {limit} megalitres",
    "The works of {subject} keep {limit} megalitres for the place itself, from {terms}",
    "With {terms}, there stays {limit} megalitres at {subject}",
)
TOWN_PHRASINGS = (
    "The town of {subject} needs {limit} megalitres, which come by {terms}",
    "People in {subject} must get {limit} megalitres, counting {terms}",
    "With {terms}, {limit} megalitres must reach {subject}",
)
ZONE_PHRASINGS = (
    "The zone of {subject} as a whole is owed {limit} megalitres, net at {terms}",
    "Taken together, by {terms}, {subject} must draw {limit} megalitres",
)
RIVER_PHRASINGS = (
    "The river authority lets {subject} give {limit} megalitres in all, at {terms}",
    "Springs of one river, {subject}: {limit} megalitres, counting {terms}",
)
USED = Topics(
    ("There are {limit} {subject} a day, used at {terms}", "At {terms}, the mains may use {limit} {subject}"),
    ("kilowatt hours", "hours of pump crews", "kilograms of chlorine", "litres of diesel", "filter changes"),
)
OWED = Topics(
    ("The regulator asks for {limit} {subject}, reached by {terms}", "At {terms}, there must be {limit} {subject}"),
    ("samples", "points of pressure", "kilowatt hours from turbines", "flushes of pipes", "points of service"),
)


def build(rng: Random, size: ProgramSize, wording: Wording) -> BaseModel:
    """A day in a network of mains."""
    num_springs, num_junctions, num_towns = rng.choice(NODES[size])
    springs = range(num_springs)
    junctions = range(num_springs, num_springs + num_junctions)
    towns = range(junctions.stop, junctions.stop + num_towns)
    network = _network(rng, springs, junctions, towns, size.draw(rng))
    flow = _flow(rng, network, springs, towns)
    mains = dict(zip(rng.sample(MAINS, len(network)), rng.sample(network, len(network)), strict=True))
    plan = {name: flow[main] for name, main in mains.items()}
    total = sum(plan[name] for name, (start, _) in mains.items() if start in springs)
    variables = [
        Variable(name, float(rng.choice((0, 0, rng.randint(1, sent)))), upper_bound(rng, sent, 30, total))
        for name, sent in plan.items()
    ]
    draft = Draft(rng, variables, plan, rng.sample(PLACES, len(PLACES)))
    drawn = [_node_row(draft, mains, node, -1, Sense.LESS_EQUAL, SPRING_PHRASINGS) for node in springs]
    passed = [_node_row(draft, mains, node, 1, Sense.EQUAL, JUNCTION_PHRASINGS) for node in junctions]
    brought = [_node_row(draft, mains, node, 1, Sense.GREATER_EQUAL, TOWN_PHRASINGS) for node in towns]
    zone = [brought[0], *rng.sample([*passed, *brought[1:]], rng.randint(1, min(2, num_junctions + num_towns - 1)))]
    draft.total(Sense.GREATER_EQUAL, zone, on_subject(ZONE_PHRASINGS, listed([row.name for row in zone])))
    if size is not ProgramSize.SMALL:
        draft.total(Sense.LESS_EQUAL, drawn, on_subject(RIVER_PHRASINGS, listed([row.name for row in drawn])))
    draft.shared(NUM_SHARED[size], USED, OWED)
    costs = {name: rng.randint(2, 60) for name in mains}
    return draft.finish(Domain.NETWORK_FLOW, Direction.MINIMIZE, costs, PHRASINGS, wording)


def _network(rng: Random, springs: range, junctions: range, towns: range, number: int) -> list[Main]:
    """Mains such that each node but a spring is fed and each but a town feeds another; about so many."""
    mains: set[Main] = set()
    for end in (*junctions, *towns):
        if end in junctions or not any(main[1] == end for main in mains):
            mains.add((rng.choice([n for n in (*springs, *junctions) if n < end]), end))
    for start in (*springs, *junctions):
        if not any(main[0] == start for main in mains):
            mains.add((start, rng.choice([n for n in (*junctions, *towns) if n > start])))
    possible = [(a, b) for a in (*springs, *junctions) for b in (*junctions, *towns) if a < b and (a, b) not in mains]
    return sorted(mains) + rng.sample(possible, min(len(possible), max(0, number - len(mains))))


def _flow(rng: Random, network: list[Main], springs: range, towns: range) -> Counter[Main]:
    """A flow with something in every main: a path through each, from a spring to a town or a junction."""
    flow: Counter[Main] = Counter()
    for main in network:
        path = [main]
        while path[0][0] not in springs:
            path.insert(0, rng.choice([m for m in network if m[1] == path[0][0]]))
        while path[-1][1] not in towns and rng.random() >= ENDS_AT_JUNCTION:
            path.append(rng.choice([m for m in network if m[0] == path[-1][1]]))
        amount = rng.randint(4, 25)
        flow.update(dict.fromkeys(path, amount))
    return flow


def _node_row(
    draft: Draft, mains: dict[str, Main], node: int, sign: int, sense: Sense, phrasings: tuple[str, ...]
) -> Constraint:
    """What flows into the node less what flows out of it, or with sign -1 the other way round."""
    terms = {name: sign if main[1] == node else -sign for name, main in mains.items() if node in main}
    return draft.planned(terms, sense, on_subject(phrasings, draft.names[-1]))
