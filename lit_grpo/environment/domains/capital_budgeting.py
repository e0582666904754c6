"""Capital budgeting: which projects to fund within each year's budget, for most value.

A program of yes-or-no decisions. Called through ``build_base``.
"""

from __future__ import annotations

from random import Random

from lit_grpo.environment.domains.base import BaseModel, Domain, ProgramSize, Wording, make_program
from lit_grpo.environment.domains.rows import implied_row, planned_row
from lit_grpo.environment.domains.tiny import TinyTheme
from lit_grpo.environment.domains.wording import Phrasings, specify
from lit_grpo.environment.program import Constraint, Direction, Sense, Variable, VariableType

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
BUDGETS = tuple(f"{what}_{year}" for year in (2027, 2028, 2029, 2030) for what in ("budget", "planners", "land"))
TARGETS = tuple(
    f"{what}_target"
    for what in (
        "jobs",
        "homes",
        "green",
        "safety",
        "youth",
        "traffic",
        "rural",
        "tourism",
        "energy",
        "water",
        "health",
        "culture",
    )
)

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
    "There is {limit} to give out, and the projects take {terms}",
    "At {terms}, the projects may take {limit}",
)
TARGET_PHRASINGS = ("The council promised {limit} points, with {terms}", "With {terms}, the choice must reach {limit}")


def build(rng: Random, size: ProgramSize, wording: Wording) -> BaseModel:
    """A choice of projects."""
    projects = rng.sample(PROJECTS, size.draw(rng))
    plan = {name: int(rng.random() < 0.6) for name in projects} | {projects[0]: 1}
    variables = [Variable(name, 0.0, 1.0, VariableType.BINARY) for name in projects]
    num_rows = size.draw(rng)
    budgets, targets = rng.sample(BUDGETS, len(BUDGETS)), rng.sample(TARGETS, len(TARGETS))
    num_targets = min(len(TARGETS) - 2, num_rows // 2)
    num_budgets = min(len(BUDGETS) - 2, num_rows - num_targets)
    rows: list[Constraint] = []
    for i, name in enumerate(budgets[:num_budgets]):
        cost = {p: rng.randint(5, 90) for p in projects}
        if i % 2 == 0:
            rows.append(planned_row(rng, variables, name, cost, Sense.LESS_EQUAL, plan))
        else:
            rows.append(implied_row(rng, variables, name, cost, Sense.LESS_EQUAL, rows))
    for name in targets[:num_targets]:
        points = {p: rng.randint(1, 40) for p in projects if rng.random() < 0.6} | {projects[0]: rng.randint(1, 40)}
        rows.append(planned_row(rng, variables, name, points, Sense.GREATER_EQUAL, plan))
    rng.shuffle(rows)
    program = make_program(Direction.MAXIMIZE, {name: rng.randint(20, 300) for name in projects}, variables, rows)
    phrasings = dict.fromkeys(budgets, BUDGET_PHRASINGS) | dict.fromkeys(targets, TARGET_PHRASINGS)
    text = specify(rng, wording, PHRASINGS, program, phrasings)
    return BaseModel(Domain.CAPITAL_BUDGETING, program, text, (*budgets[num_budgets:], *targets[num_targets:]))
