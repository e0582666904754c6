"""Lot sizing: what to make in which week, with stock and set-ups in between, so that demand is met, for least cost.

A mixed-integer program with an equality (the stock balance) for every week. Called through ``build_base``.
"""

from __future__ import annotations

import math
from random import Random

from lit_grpo.environment.domains.base import BaseModel, Domain, ProgramSize, Wording, make_program
from lit_grpo.environment.domains.rows import implied_row, make_row, planned_row
from lit_grpo.environment.domains.tiny import TinyTheme
from lit_grpo.environment.domains.wording import Phrasings, specify
from lit_grpo.environment.program import Constraint, Direction, Sense, Variable, VariableType

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
SHARED = ("labour_hours", "machine_hours", "steel_tons", "energy_units", "pallet_places", "crane_lifts")
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
    "Customers of the week take {limit}, out of {terms}",
    "With {terms}, what is sold comes to {limit}",
)
LINK_PHRASINGS = (
    "Nothing is made without a set-up: {terms} is {limit}",
    "The set-up gives room for the week: {terms} comes to {limit}",
)
SHARED_PHRASINGS = (
    "Over all weeks there is {limit}, used by {terms}",
    "All weeks together, at {terms}, may use {limit}",
)


WEEKLY_PHRASINGS = ("That week there is {limit}, at {terms}", "At {terms}, the week may use {limit}")
WEEKLY = ("labour", "energy", "crane")
WEEKLY_SHARE = 0.2
"""Share of weeks that have a limit of their own, for each of these."""


def build(rng: Random, size: ProgramSize, wording: Wording) -> BaseModel:
    """Some weeks of making and keeping."""
    weeks = range(1, rng.randint(*WEEKS[size]) + 1)
    made = {t: rng.randint(20, 90) for t in weeks}
    kept = {t: rng.randint(0, 20) if t < len(weeks) else 0 for t in weeks}
    room = {t: made[t] + rng.randint(5, 60) for t in weeks}
    variables = [v for t in weeks for v in _week_variables(rng, t, room[t])]
    rows: list[Constraint] = []
    for t in weeks:
        demand = made[t] + kept.get(t - 1, 0) - kept[t]
        flows = ({f"stock_{t - 1}": 1} if t > 1 else {}) | {f"make_{t}": 1, f"stock_{t}": -1}
        rows.append(make_row(variables, f"balance_{t}", flows, Sense.EQUAL, demand))
        rows.append(make_row(variables, f"link_{t}", {f"make_{t}": 1, f"setup_{t}": -room[t]}, Sense.LESS_EQUAL, 0))
    plan = {f"make_{t}": made[t] for t in weeks} | {f"setup_{t}": 1 for t in weeks}
    shared = rng.sample(SHARED, len(SHARED))
    weekly = {f"{what}_{t}": t for what in WEEKLY for t in weeks}
    chosen = [name for name in weekly if rng.random() < WEEKLY_SHARE]
    uses = {shared[0]: {name: rng.randint(1, 9) for name in plan}}
    uses |= {name: {f"{what}_{weekly[name]}": rng.randint(1, 20) for what in ("make", "setup")} for name in chosen}
    for i, (name, use) in enumerate(uses.items()):
        if i % 2 == 0:
            rows.append(implied_row(rng, variables, name, use, Sense.LESS_EQUAL, []))
        else:
            rows.append(planned_row(rng, variables, name, use, Sense.LESS_EQUAL, plan))
    rng.shuffle(rows)
    program = make_program(Direction.MINIMIZE, _costs(rng, weeks), variables, rows)
    phrasings = {f"balance_{t}": BALANCE_PHRASINGS for t in weeks} | {f"link_{t}": LINK_PHRASINGS for t in weeks}
    phrasings |= dict.fromkeys(weekly, WEEKLY_PHRASINGS) | dict.fromkeys(shared, SHARED_PHRASINGS)
    text = specify(rng, wording, PHRASINGS, program, phrasings)
    return BaseModel(Domain.LOT_SIZING, program, text, (*shared[1:], *(n for n in weekly if n not in chosen)))


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
