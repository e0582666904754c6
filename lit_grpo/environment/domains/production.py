"""Production planning: how much of each product to make, within resources and above orders, for most profit.

An LP. Each resource is used by some of the products; orders ask for a total of some of them. Every second resource has
more than can ever be used. Called through ``build_base``.
"""

from __future__ import annotations

from random import Random

from lit_grpo.environment.domains.base import BaseModel, Domain, ProgramSize, Wording
from lit_grpo.environment.domains.draft import Draft
from lit_grpo.environment.domains.rows import upper_bound
from lit_grpo.environment.domains.tiny import TinyTheme
from lit_grpo.environment.domains.wording import Phrasings, on_subject
from lit_grpo.environment.programs.program import Direction, Sense, Variable, VariableType

TINY = TinyTheme(
    domain=Domain.PRODUCTION,
    direction=Direction.MAXIMIZE,
    goal="most profit",
    nouns=("chairs", "tables", "lamps", "doors"),
    types=(VariableType.CONTINUOUS, VariableType.CONTINUOUS),
    limited=("wood", "hours", "paint", "steel"),
    required=("orders", "income"),
    num_limits=2,
)

PRODUCTS = tuple(
    f"{wood}_{piece}"
    for wood in ("oak", "pine", "ash", "elm", "teak")
    for piece in ("chair", "desk", "shelf", "bed", "lamp")
)
RESOURCES = tuple(
    f"{unit} of {place}"
    for place in ("sawing", "sanding", "assembly", "painting", "packing", "drying", "storing")
    for unit in ("hours", "square metres")
)
CUSTOMERS = ("hotel", "school", "office", "exporter", "web shop", "clinic", "retailer", "studio")
CARDS = tuple(f"card_{number}" for number in range(11, 43))

PHRASINGS = Phrasings(
    introduction="A furniture maker plans next week's production.",
    variables=("Output of {name} is {range}.", "The market takes {range} of {name}."),
    objectives=("Profit is {terms}; make it {best}.", "The plan earns {terms}, which should be {best}."),
    distractors=(
        "Last year {number} customers sent a complaint.",
        "The showroom is {number} metres from the plant.",
        "A new catalogue of {number} pages is being printed.",
        "The plant employs {number} people.",
    ),
)
RESOURCE_PHRASINGS = (
    "There are {limit} {subject} available, used at {terms}",
    "Products take {terms}, and {limit} {subject} can be had",
)
ORDER_PHRASINGS = (
    "The {subject} must get {limit} pieces, counting {terms}",
    "Counting {terms}, the {subject} is owed {limit} pieces",
)


def build(rng: Random, size: ProgramSize, wording: Wording) -> BaseModel:
    """A production plan."""
    products = rng.sample(PRODUCTS, size.draw(rng))
    plan = {name: rng.randint(5, 60) for name in products}
    variables = [
        Variable(name, float(rng.choice((0, 0, rng.randint(1, made)))), upper_bound(rng, made, 80, sum(plan.values())))
        for name, made in plan.items()
    ]
    num_rows = size.draw(rng)
    num_orders = min(len(CUSTOMERS) - 2, max(1, num_rows // 3))
    num_resources = min(num_rows - num_orders, len(RESOURCES) - 2)
    draft = Draft(rng, variables, plan, rng.sample(CARDS, len(CARDS)))
    for i, resource in enumerate(rng.sample(RESOURCES, num_resources)):
        use = {p: rng.randint(1, 20) for p in products if rng.random() < 0.6}
        use = use or {rng.choice(products): rng.randint(1, 20)}
        add = draft.planned if i % 2 == 0 else draft.implied
        add(use, Sense.LESS_EQUAL, on_subject(RESOURCE_PHRASINGS, resource))
    for customer in rng.sample(CUSTOMERS, num_orders):
        counted = dict.fromkeys(rng.sample(products, rng.randint(2, min(4, len(products)))), 1)
        draft.planned(counted, Sense.GREATER_EQUAL, on_subject(ORDER_PHRASINGS, customer))
    profits = {name: rng.randint(5, 95) for name in products}
    return draft.finish(Domain.PRODUCTION, Direction.MAXIMIZE, profits, PHRASINGS, wording)
