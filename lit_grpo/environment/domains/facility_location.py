"""Facility location: which halls to open and what each sends to which shop, for least cost.

A mixed-integer program: opening is a yes-or-no decision, tons are not. A row links what leaves a hall to whether it is
open. Called through ``build_base``.
"""

from __future__ import annotations

from random import Random

from lit_grpo.environment.domains.base import BaseModel, Domain, ProgramSize, Wording
from lit_grpo.environment.domains.draft import Draft, Topics, variables_around
from lit_grpo.environment.domains.pairs import some_pairs
from lit_grpo.environment.domains.wording import Phrasings, listed, on_subject
from lit_grpo.environment.programs.program import Direction, Sense, VariableType

HALLS = tuple(f"hall_{letter}" for letter in "abcdefghkmnprstw")
LANES = tuple(f"lane_{number}" for number in range(11, 80))
TOWNS = (
    "aalen", "bremen", "celle", "dessau", "emden", "fulda", "gotha", "halle", "ilmenau", "jena", "kassel", "luebeck",
    "mainz", "neuss", "olpe", "passau", "rheine", "siegen", "trier", "ulm", "velbert", "weimar", "xanten", "zwickau",
    "ansbach", "bautzen", "coburg", "dueren", "erfurt", "forst", "goslar", "hameln", "itzehoe", "kleve", "lemgo",
)  # fmt: skip
GRIDS = {
    ProgramSize.SMALL: ((2, 2),),
    ProgramSize.MEDIUM: ((2, 4), (3, 3), (2, 5)),
    ProgramSize.LARGE: ((3, 5), (4, 4), (3, 6), (4, 5), (5, 3)),
}
"""Halls and shops; with a lane from each to each, less at most two."""
NUM_SHARED = {ProgramSize.SMALL: 1, ProgramSize.MEDIUM: 2, ProgramSize.LARGE: 3}
MOST_TONS_TO_SPARE = 40
OPEN_SHARE = 0.7
"""The share of the halls that the plan opens."""
LEAST_USE_SHARES = {ProgramSize.SMALL: 0.0, ProgramSize.MEDIUM: 0.3, ProgramSize.LARGE: 0.4}
"""Share of the halls that have a least use."""

PHRASINGS = Phrasings(
    introduction="A grocer decides which storage halls to rent and what to send over each lane, in tons a week.",
    variables=(
        "The plan has {name} at {range}.",
        "As to {name}, there is a choice: {range}.",
        "For {name} the contracts allow {range}.",
    ),
    objectives=(
        "Rent and freight are {terms}; keep them {best}.",
        "A week costs {terms}, which should be {best}.",
        "The sum of {terms} is to be {best}.",
    ),
    distractors=(
        "The grocer sells {number} kinds of tea.",
        "The founder's portrait is {number} centimetres wide.",
        "There were {number} rainy days last year.",
        "The trade fair had {number} stands.",
        "A lorry driver reported {number} deer.",
    ),
)
SHOP_PHRASINGS = (
    "The shop in {subject} sells {limit} tons, brought by {terms}",
    "Counting {terms}, {subject} has to be sent {limit} tons",
    "Customers in {subject} ask for {limit} tons, and get {terms}",
)
ROOM_PHRASINGS = (
    "Nothing leaves {subject} unless it is rented, and then only what it holds: {terms} is {limit} tons",
    "Beyond the room of {subject}, {terms}, there goes {limit} tons",
    "For {subject}, tons sent less its room, {terms}, come to {limit}",
)
USE_PHRASINGS = (
    "If it is rented, {subject} must be worth it: {terms} is {limit} tons",
    "Over the least use of {subject}, {terms}, there is {limit} tons",
)
RENTED_PHRASINGS = ("Of the halls, counting {terms}, {limit} are rented", "The number of halls, {terms}, is {limit}")
RENT_PHRASINGS = (
    "The owners have set aside {limit} thousand euros for fitting out, at {terms}",
    "Fitting out takes {terms}, and {limit} thousand euros can be had",
)
REGION_PHRASINGS = (
    "The region of {subject} as a whole is promised {limit} tons, at {terms}",
    "With {terms}, {limit} tons must come to {subject} together",
)
USED = Topics(
    ("There are {limit} {subject}, used at {terms}", "At {terms}, the week may take {limit} {subject}"),
    ("hours of forklifts", "litres of diesel", "places in the car park", "units of cooling", "hours of clerks"),
)
OWED = Topics(
    ("The bank expects {limit} {subject}, reached by {terms}", "At {terms}, the plan must show {limit} {subject}"),
    ("points of quality", "jobs in the region", "crates given to food banks", "points of safety", "tons of returns"),
)


def build(rng: Random, size: ProgramSize, wording: Wording) -> BaseModel:
    """A week of rented halls and busy lanes."""
    num_halls, num_shops = rng.choice(GRIDS[size])
    halls, shops = rng.sample(HALLS, num_halls), [f"shop {i}" for i in range(num_shops)]
    opened = [hall for i, hall in enumerate(halls) if i == 0 or rng.random() < OPEN_SHARE]
    served = {(rng.choice(opened), shop) for shop in shops}
    pairs = some_pairs(rng, halls, shops, served, most_missing=2)
    lanes = dict(zip(rng.sample(LANES, len(pairs)), pairs, strict=True))
    sent = {name: rng.randint(5, 60) if hall in opened else 0 for name, (hall, _) in lanes.items()}
    plan = {hall: int(hall in opened) for hall in halls} | sent
    variables = variables_around(rng, plan, halls, VariableType.CONTINUOUS, MOST_TONS_TO_SPARE)
    draft = Draft(rng, variables, plan, rng.sample(TOWNS, len(TOWNS)))
    demands = []
    for shop in shops:
        brought = {name: 1 for name, (_, end) in lanes.items() if end == shop}
        sense = rng.choice((Sense.EQUAL, Sense.GREATER_EQUAL))
        demands.append(draft.planned(brought, sense, on_subject(SHOP_PHRASINGS, draft.names[-1])))
    for hall in halls:
        _add_hall(draft, hall, [name for name, (start, _) in lanes.items() if start == hall], LEAST_USE_SHARES[size])
    if size is not ProgramSize.SMALL:
        draft.planned({hall: rng.randint(10, 90) for hall in halls}, Sense.LESS_EQUAL, RENT_PHRASINGS)
    if size is ProgramSize.LARGE:
        draft.exact(dict.fromkeys(halls, 1), Sense.LESS_EQUAL, len(opened), RENTED_PHRASINGS)
    region = rng.sample(demands, rng.randint(2, min(4, num_shops)))
    draft.total(Sense.GREATER_EQUAL, region, on_subject(REGION_PHRASINGS, listed([row.name for row in region])))
    draft.shared(NUM_SHARED[size], USED, OWED)
    costs = {hall: rng.randint(100, 900) for hall in halls} | {name: rng.randint(2, 40) for name in lanes}
    return draft.finish(Domain.FACILITY_LOCATION, Direction.MINIMIZE, costs, PHRASINGS, wording)


def _add_hall(draft: Draft, hall: str, lanes: list[str], least_use_share: float) -> None:
    """The hall's room, and perhaps a least use."""
    sent = sum(draft.plan[name] for name in lanes)
    leaving, named = dict.fromkeys(lanes, 1), hall.replace("_", " ")
    room = sent + draft.rng.randint(0, max(2, sent // 3)) if sent else draft.rng.randint(40, 120)
    draft.exact(leaving | {hall: -room}, Sense.LESS_EQUAL, 0, on_subject(ROOM_PHRASINGS, named))
    if draft.rng.random() < least_use_share:
        least = sent - draft.rng.randint(0, sent // 3) if sent else draft.rng.randint(10, 40)
        draft.exact(leaving | {hall: -least}, Sense.GREATER_EQUAL, 0, on_subject(USE_PHRASINGS, named))
