"""Capital budgeting: which projects to fund within each year's budget, for most value.

A program of yes-or-no decisions. Called through ``build_base``.
"""

from __future__ import annotations

from random import Random

from lit_grpo.environment.domains.base import BaseModel, Domain, ProgramSize, Wording
from lit_grpo.environment.domains.draft import Draft
from lit_grpo.environment.domains.tiny import TinyTheme
from lit_grpo.environment.domains.wording import Phrasings, on_subject
from lit_grpo.environment.programs.program import Direction, Sense, Variable, VariableType

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

PROJECTS = tuple(
    f"{place}_{what}"
    for place in ("coast", "valley", "city", "lake", "hill")
    for what in ("bridge", "school", "tram", "dam", "park")
)
BUDGETS = tuple(
    f"{what} in the {year} year"
    for year in ("first", "second", "third", "fourth")
    for what in ("of money", "days of planners", "acres of land")
)
TARGETS = (
    "jobs", "homes", "green", "safety", "youth", "traffic", "rural", "tourism", "energy", "water", "health", "culture",
)  # fmt: skip
MOTIONS = tuple(f"motion_{number}" for number in range(11, 43))

PHRASINGS = Phrasings(
    introduction="A council chooses the projects to fund, in thousands.",
    variables=("Funding {name} is decided {range}.", "The council votes on {name}: {range}."),
    objectives=(
        "The projects are worth {terms}; that should be {best}.",
        "Their value, {terms}, is to be made {best}.",
    ),
    distractors=(
        "The council met {number} times last year.",
        "There were {number} letters from residents.",
        "The town hall has {number} windows.",
        "The festival drew {number} singers.",
    ),
)
BUDGET_PHRASINGS = (
    "There is {limit} {subject} to give out, and the projects take {terms}",
    "At {terms}, the projects may take {limit} {subject}",
)
TARGET_PHRASINGS = (
    "The council promised {limit} points for {subject}, with {terms}",
    "With {terms}, the choice must reach {limit} points for {subject}",
)


def build(rng: Random, size: ProgramSize, wording: Wording) -> BaseModel:
    """A choice of projects."""
    projects = rng.sample(PROJECTS, size.draw(rng))
    funded = rng.choice(projects)
    plan = {name: int(rng.random() < 0.6) for name in projects} | {funded: 1}
    variables = [Variable(name, 0.0, 1.0, VariableType.BINARY) for name in projects]
    num_rows = size.draw(rng)
    num_targets = min(len(TARGETS) - 2, num_rows // 2)
    num_budgets = min(len(BUDGETS) - 2, num_rows - num_targets)
    draft = Draft(rng, variables, plan, rng.sample(MOTIONS, len(MOTIONS)))
    for i, budget in enumerate(rng.sample(BUDGETS, num_budgets)):
        cost = {p: rng.randint(5, 90) for p in projects}
        add = draft.planned if i % 2 == 0 else draft.implied
        add(cost, Sense.LESS_EQUAL, on_subject(BUDGET_PHRASINGS, budget))
    for target in rng.sample(TARGETS, num_targets):
        points = {p: rng.randint(1, 40) for p in projects if rng.random() < 0.6} | {funded: rng.randint(1, 40)}
        draft.planned(points, Sense.GREATER_EQUAL, on_subject(TARGET_PHRASINGS, target))
    values = {name: rng.randint(20, 300) for name in projects}
    return draft.finish(Domain.CAPITAL_BUDGETING, Direction.MAXIMIZE, values, PHRASINGS, wording)
