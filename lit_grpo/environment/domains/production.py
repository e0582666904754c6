"""Production planning: how much of each product to make, within resources and above orders, for most profit.

An LP. Each resource is used by some of the products; orders ask for a total of some of them. Every second resource has
more than can ever be used. Called through ``build_base``.
"""

from __future__ import annotations

from random import Random

from lit_grpo.environment.domains.base import BaseModel, Domain, ProgramSize, Wording, make_program
from lit_grpo.environment.domains.rows import implied_row, planned_row, upper_bound
from lit_grpo.environment.domains.tiny import TinyTheme
from lit_grpo.environment.domains.wording import Phrasings, specify
from lit_grpo.environment.program import Constraint, Direction, Sense, Variable, VariableType

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
    f"{place}_{what}"
    for place in ("saw", "sanding", "assembly", "paint", "packing", "drying", "store")
    for what in ("hours", "space")
)
ORDERS = tuple(f"{who}_order" for who in ("hotel", "school", "office", "export", "web", "clinic", "retail", "studio"))

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
    "There is {limit} available, used at {terms}",
    "Products take {terms}, and {limit} can be had",
)
ORDER_PHRASINGS = ("The customer must get {limit}, counting {terms}", "Counting {terms}, we owe {limit}")


def build(rng: Random, size: ProgramSize, wording: Wording) -> BaseModel:
    """A production plan."""
    products = rng.sample(PRODUCTS, size.draw(rng))
    plan = {name: rng.randint(5, 60) for name in products}
    variables = [
        Variable(name, float(rng.choice((0, 0, rng.randint(1, made)))), upper_bound(rng, made, 80, sum(plan.values())))
        for name, made in plan.items()
    ]
    num_rows = size.draw(rng)
    num_orders = min(len(ORDERS) - 2, max(1, num_rows // 3))
    resources = rng.sample(RESOURCES, len(RESOURCES))
    orders = rng.sample(ORDERS, len(ORDERS))
    num_resources = min(num_rows - num_orders, len(RESOURCES) - 2)
    rows: list[Constraint] = []
    for i, name in enumerate(resources[:num_resources]):
        use = {p: rng.randint(1, 20) for p in products if rng.random() < 0.6} or {products[0]: rng.randint(1, 20)}
        if i % 2 == 0:
            rows.append(planned_row(rng, variables, name, use, Sense.LESS_EQUAL, plan))
        else:
            rows.append(implied_row(rng, variables, name, use, Sense.LESS_EQUAL, rows))
    for name in orders[:num_orders]:
        counted = dict.fromkeys(rng.sample(products, rng.randint(2, min(4, len(products)))), 1)
        rows.append(planned_row(rng, variables, name, counted, Sense.GREATER_EQUAL, plan))
    rng.shuffle(rows)
    program = make_program(Direction.MAXIMIZE, {name: rng.randint(5, 95) for name in products}, variables, rows)
    phrasings = dict.fromkeys(resources, RESOURCE_PHRASINGS) | dict.fromkeys(orders, ORDER_PHRASINGS)
    text = specify(rng, wording, PHRASINGS, program, phrasings)
    return BaseModel(Domain.PRODUCTION, program, text, (*resources[num_resources:], *orders[num_orders:]))
