"""Lot sizing: what to make in which week, with stock and set-ups in between, so that demand is met, for least cost.

A mixed-integer program with an equality (the stock balance) for every week. Called through ``build_base``.
"""

from __future__ import annotations

import math
from random import Random

from lit_grpo.environment.domains.base import BaseModel, Domain, ProgramSize, Wording
from lit_grpo.environment.domains.draft import Draft
from lit_grpo.environment.domains.tiny import TinyTheme
from lit_grpo.environment.domains.wording import Phrasings, on_subject
from lit_grpo.environment.program import Direction, Sense, Variable, VariableType

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

WEEKS = {ProgramSize.SMALL: (2, 2), ProgramSize.MEDIUM: (3, 4), ProgramSize.LARGE: (5, 7)}
WEEK_NAMES = ("one", "two", "three", "four", "five", "six", "seven")
SHARED = ("hours of labour", "machine hours", "tons of steel", "units of energy", "pallet places", "lifts of the crane")
WEEKLY = ("hours of labour", "units of energy", "lifts of the crane")
WEEKLY_SHARE = 0.2
"""Share of weeks that have a limit of their own, for each of these."""
ENTRIES = tuple(f"entry_{number}" for number in range(11, 43))
MOST_STOCK = 60

PHRASINGS = Phrasings(
    introduction="A plant makes one good week by week and may keep stock for later weeks; there is none at the start.",
    variables=("The plan for {name} is {range}.", "We allow {name} to be {range}."),
    objectives=(
        "Making, keeping and setting up cost {terms}; keep that {best}.",
        "The bill is {terms}, to be kept {best}.",
    ),
    distractors=(
        "The good has been sold for {number} months.",
        "The yard has {number} lamp posts.",
        "Visitors are shown {number} machines.",
        "The canteen serves {number} meals.",
    ),
)
BALANCE_PHRASINGS = (
    "Customers of week {subject} take {limit}, out of {terms}",
    "With {terms}, what is sold in week {subject} comes to {limit}",
)
LINK_PHRASINGS = (
    "Nothing is made in week {subject} without a set-up: {terms} is {limit}",
    "The set-up gives room for week {subject}: {terms} comes to {limit}",
)
SHARED_PHRASINGS = (
    "Over all weeks there are {limit} {subject}, used by {terms}",
    "All weeks together, at {terms}, may use {limit} {subject}",
)
WEEKLY_PHRASINGS = (
    "There are {limit} {subject}, at {terms}",
    "At {terms}, the plan may use {limit} {subject}",
)


def build(rng: Random, size: ProgramSize, wording: Wording) -> BaseModel:
    """Some weeks of making and keeping."""
    weeks = range(1, rng.randint(*WEEKS[size]) + 1)
    made = {t: rng.randint(20, 90) for t in weeks}
    kept = {t: rng.randint(0, 20) if t < len(weeks) else 0 for t in weeks}
    room = {t: made[t] + rng.randint(5, 60) for t in weeks}
    variables = [v for t in weeks for v in _week_variables(rng, t, room[t])]
    rng.shuffle(variables)
    plan = {f"make_{t}": made[t] for t in weeks} | {f"setup_{t}": 1 for t in weeks}
    draft = Draft(rng, variables, plan, rng.sample(ENTRIES, len(ENTRIES)))
    for t in weeks:
        demand = made[t] + kept.get(t - 1, 0) - kept[t]
        flows = ({f"stock_{t - 1}": 1} if t > 1 else {}) | {f"make_{t}": 1, f"stock_{t}": -1}
        link = {f"make_{t}": 1, f"setup_{t}": -room[t]}
        draft.exact(flows, Sense.EQUAL, demand, on_subject(BALANCE_PHRASINGS, WEEK_NAMES[t - 1]))
        draft.exact(link, Sense.LESS_EQUAL, 0, on_subject(LINK_PHRASINGS, WEEK_NAMES[t - 1]))
    uses = [({name: rng.randint(1, 9) for name in plan}, on_subject(SHARED_PHRASINGS, rng.choice(SHARED)))]
    for t, what in [(t, what) for what in WEEKLY for t in weeks if rng.random() < WEEKLY_SHARE]:
        use = {f"{does}_{t}": rng.randint(1, 20) for does in ("make", "setup")}
        uses.append((use, on_subject(WEEKLY_PHRASINGS, f"{what} in week {WEEK_NAMES[t - 1]}")))
    for i, (use, phrasings) in enumerate(uses):
        add = draft.implied if i % 2 == 0 else draft.planned
        add(use, Sense.LESS_EQUAL, phrasings)
    return draft.finish(Domain.LOT_SIZING, Direction.MINIMIZE, _costs(rng, weeks), PHRASINGS, wording)


def _week_variables(rng: Random, week: int, room: int) -> tuple[Variable, Variable, Variable]:
    return (
        Variable(f"make_{week}", 0.0, float(room + rng.randint(0, 40))),
        Variable(f"stock_{week}", 0.0, rng.choice((math.inf, float(MOST_STOCK + rng.randint(0, 40))))),
        Variable(f"setup_{week}", 0.0, 1.0, VariableType.BINARY),
    )


def _costs(rng: Random, weeks: range) -> dict[str, int]:
    making = {f"make_{t}": rng.randint(3, 20) for t in weeks}
    keeping = {f"stock_{t}": rng.randint(1, 6) for t in weeks}
    return making | keeping | {f"setup_{t}": rng.randint(50, 400) for t in weeks}
