"""Lot sizing: what to make in which week, with stock and set-ups in between, so that demand is met, for least cost.

A mixed-integer program with an equality (the stock balance) for every week. Called through ``build_base``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from lit_grpo.environment.domains.base import BaseModel, Domain, ProgramSize, Wording
from lit_grpo.environment.domains.draft import Draft
from lit_grpo.environment.domains.tiny import TinyTheme
from lit_grpo.environment.domains.wording import Phrasings, on_subject
from lit_grpo.environment.programs.program import Direction, Sense, Variable, VariableType

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
CELLS = tuple(f"cell_{number}" for number in range(11, 60))
"""Names of variables: which week a figure is of, and whether it is made, kept or set up, is said by the text alone."""
ENTRIES = tuple(f"entry_{number}" for number in range(11, 43))
MOST_STOCK = 60

PHRASINGS = Phrasings(
    introduction=(
        "A plant makes one good week by week and may keep stock for later weeks; there is none at the start. "
        "The plan is a sheet whose cells are what is made, kept and set up."
    ),
    variables=("The plan has {range} in {name}.", "We allow {name} to be {range}."),
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


@dataclass(frozen=True, slots=True)
class Week:
    """The names of a week's variables."""

    made: str
    kept: str
    set_up: str


def build(rng: Random, size: ProgramSize, wording: Wording) -> BaseModel:
    """Some weeks of making and keeping."""
    num_weeks = rng.randint(*WEEKS[size])
    cells = iter(rng.sample(CELLS, 3 * num_weeks))
    weeks = [Week(*names) for names in zip(cells, cells, cells, strict=True)]
    made = [rng.randint(20, 90) for _ in weeks]
    kept = [*(rng.randint(0, 20) for _ in weeks[1:]), 0]
    room = [planned + rng.randint(5, 60) for planned in made]
    variables = [v for week, most in zip(weeks, room, strict=True) for v in _week_variables(rng, week, most)]
    rng.shuffle(variables)
    plan = {week.made: planned for week, planned in zip(weeks, made, strict=True)} | {w.set_up: 1 for w in weeks}
    draft = Draft(rng, variables, plan, rng.sample(ENTRIES, len(ENTRIES)))
    for t, week in enumerate(weeks):
        demand = made[t] + (kept[t - 1] if t else 0) - kept[t]
        flows = ({weeks[t - 1].kept: 1} if t else {}) | {week.made: 1, week.kept: -1}
        link = {week.made: 1, week.set_up: -room[t]}
        draft.exact(flows, Sense.EQUAL, demand, on_subject(BALANCE_PHRASINGS, WEEK_NAMES[t]))
        draft.exact(link, Sense.LESS_EQUAL, 0, on_subject(LINK_PHRASINGS, WEEK_NAMES[t]))
    _add_limits(draft, weeks)
    return draft.finish(Domain.LOT_SIZING, Direction.MINIMIZE, _costs(rng, weeks), PHRASINGS, wording)


def _add_limits(draft: Draft, weeks: Sequence[Week]) -> None:
    """What making and setting up may use, over all weeks and in some of them; by turns implied and not."""
    rng = draft.rng
    uses = [({name: rng.randint(1, 9) for name in draft.plan}, on_subject(SHARED_PHRASINGS, rng.choice(SHARED)))]
    for t, what in [(t, what) for what in WEEKLY for t in range(len(weeks)) if rng.random() < WEEKLY_SHARE]:
        use = {name: rng.randint(1, 20) for name in (weeks[t].made, weeks[t].set_up)}
        uses.append((use, on_subject(WEEKLY_PHRASINGS, f"{what} in week {WEEK_NAMES[t]}")))
    for i, (use, phrasings) in enumerate(uses):
        add = draft.implied if i % 2 == 0 else draft.planned
        add(use, Sense.LESS_EQUAL, phrasings)


def _week_variables(rng: Random, week: Week, room: int) -> tuple[Variable, Variable, Variable]:
    return (
        Variable(week.made, 0.0, float(room + rng.randint(0, 40))),
        Variable(week.kept, 0.0, rng.choice((math.inf, float(MOST_STOCK + rng.randint(0, 40))))),
        Variable(week.set_up, 0.0, 1.0, VariableType.BINARY),
    )


def _costs(rng: Random, weeks: Sequence[Week]) -> dict[str, int]:
    making = {week.made: rng.randint(3, 20) for week in weeks}
    keeping = {week.kept: rng.randint(1, 6) for week in weeks}
    return making | keeping | {week.set_up: rng.randint(50, 400) for week in weeks}
