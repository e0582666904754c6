"""Blending: how much of each ingredient to mix, above needs and below limits, for least cost.

An LP with one equality, the weight of the batch. Called through ``build_base``.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from lit_grpo.environment.domains.base import BaseModel, Domain, ProgramSize, Wording
from lit_grpo.environment.domains.draft import Draft
from lit_grpo.environment.domains.rows import upper_bound
from lit_grpo.environment.domains.tiny import TinyTheme
from lit_grpo.environment.domains.wording import Phrasings, on_subject
from lit_grpo.environment.programs.program import Direction, Sense, Variable, VariableType

TINY = TinyTheme(
    domain=Domain.BLENDING,
    direction=Direction.MINIMIZE,
    goal="least cost",
    nouns=("oats", "corn", "rice", "beans"),
    types=(VariableType.CONTINUOUS, VariableType.CONTINUOUS),
    limited=("fat", "salt"),
    required=("iron", "fibre", "protein", "energy"),
    num_limits=1,
)

INGREDIENTS = (
    "oats", "corn", "rice", "beans", "wheat", "barley", "rye", "soy", "peas", "bran", "millet", "lentils", "malt",
    "fishmeal", "molasses", "yeast", "whey", "linseed", "hay", "canola", "sorghum", "lupins", "beet", "lucerne",
)  # fmt: skip
NEEDS = (
    "iron", "fibre", "protein", "energy", "zinc", "calcium", "iodine", "starch", "lysine", "copper", "niacin", "folate",
)  # fmt: skip
CEILINGS = ("fat", "salt", "ash", "sugar", "moisture", "tannin", "nitrate", "sodium", "lead", "dust")
SHEETS = tuple(f"sheet_{number}" for number in range(11, 43))

PHRASINGS = Phrasings(
    introduction="A mill mixes one batch of feed from ingredients measured in kilograms.",
    variables=("The batch holds {range} kilograms of {name}.", "Stores can give {range} kilograms of {name}."),
    objectives=("Ingredients cost {terms}; keep that {best}.", "We pay {terms}, and want the bill {best}."),
    distractors=(
        "The mixer was serviced {number} days ago.",
        "Farms in the region keep {number} horses.",
        "The silo stands {number} metres above the river.",
        "A bag carries a label of {number} words.",
    ),
)
NEED_PHRASINGS = (
    "The animals need {limit} units of {subject}, found at {terms}",
    "With {terms}, the batch must reach {limit} units of {subject}",
)
CEILING_PHRASINGS = (
    "The law allows {limit} units of {subject}, at {terms}",
    "With {terms}, the batch may hold {limit} units of {subject}",
)
WEIGHT_PHRASINGS = ("The batch weighs {limit}, counting {terms}", "Counting {terms}, the scales must show {limit}")


def build(rng: Random, size: ProgramSize, wording: Wording) -> BaseModel:
    """A feed mix."""
    ingredients = rng.sample(INGREDIENTS, size.draw(rng))
    plan = {name: rng.randint(10, 90) for name in ingredients}
    variables = [
        Variable(name, float(rng.choice((0, 0, rng.randint(1, used)))), upper_bound(rng, used, 90, sum(plan.values())))
        for name, used in plan.items()
    ]
    num_rows = size.draw(rng) - 1
    num_needs = min(len(NEEDS) - 1, (num_rows + 1) // 2)
    num_ceilings = min(len(CEILINGS) - 1, num_rows - num_needs)
    draft = Draft(rng, variables, plan, rng.sample(SHEETS, len(SHEETS)))
    draft.planned(dict.fromkeys(ingredients, 1), Sense.EQUAL, WEIGHT_PHRASINGS)
    for i, nutrient in enumerate(rng.sample(NEEDS, num_needs)):
        _add_content(draft, ingredients, Sense.GREATER_EQUAL, i % 2 == 1, on_subject(NEED_PHRASINGS, nutrient))
    for i, substance in enumerate(rng.sample(CEILINGS, num_ceilings)):
        _add_content(draft, ingredients, Sense.LESS_EQUAL, i % 2 == 1, on_subject(CEILING_PHRASINGS, substance))
    costs = {name: rng.randint(3, 60) for name in ingredients}
    return draft.finish(Domain.BLENDING, Direction.MINIMIZE, costs, PHRASINGS, wording)


def _add_content(
    draft: Draft, ingredients: Sequence[str], sense: Sense, is_implied: bool, phrasings: tuple[str, ...]
) -> None:
    """What the batch holds of something; where it is to be implied that there is any, all ingredients hold it."""
    rng = draft.rng
    content = {name: rng.randint(1, 30) for name in ingredients if rng.random() < 0.7}
    content |= {rng.choice(ingredients): rng.randint(1, 30)}
    if is_implied and sense is Sense.GREATER_EQUAL and not draft.implies_demand(content):
        content |= {name: rng.randint(1, 30) for name in ingredients if name not in content}
    add = draft.implied if is_implied else draft.planned
    add(content, sense, phrasings)
