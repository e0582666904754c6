"""Blending: how much of each ingredient to mix, above needs and below limits, for least cost.

An LP with one equality, the weight of the batch. Called through ``build_base``.
"""

from __future__ import annotations

from random import Random

from lit_grpo.environment.domains.base import BaseModel, Domain, ProgramSize, Wording, make_program
from lit_grpo.environment.domains.rows import implied_row, planned_row, upper_bound
from lit_grpo.environment.domains.tiny import TinyTheme
from lit_grpo.environment.domains.wording import Phrasings, specify
from lit_grpo.environment.program import Direction, Sense, Variable, VariableType

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
NEEDS = tuple(
    f"{what}_need"
    for what in (
        "iron",
        "fibre",
        "protein",
        "energy",
        "zinc",
        "calcium",
        "iodine",
        "starch",
        "lysine",
        "copper",
        "niacin",
        "folate",
    )
)
CEILINGS = tuple(
    f"{what}_ceiling"
    for what in ("fat", "salt", "ash", "sugar", "moisture", "tannin", "nitrate", "sodium", "lead", "dust")
)
WEIGHT = "batch_weight"

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
    "The animals need {limit} units, found at {terms}",
    "With {terms}, the batch must reach {limit}",
)
CEILING_PHRASINGS = ("The law allows {limit} units, at {terms}", "With {terms}, the batch may hold {limit}")
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
    needs, ceilings = rng.sample(NEEDS, len(NEEDS)), rng.sample(CEILINGS, len(CEILINGS))
    num_needs = min(len(NEEDS) - 1, (num_rows + 1) // 2)
    num_ceilings = min(len(CEILINGS) - 1, num_rows - num_needs)
    rows = [planned_row(rng, variables, WEIGHT, dict.fromkeys(ingredients, 1), Sense.EQUAL, plan)]
    for names, sense in ((needs[:num_needs], Sense.GREATER_EQUAL), (ceilings[:num_ceilings], Sense.LESS_EQUAL)):
        for i, name in enumerate(names):
            content = {v: rng.randint(1, 30) for v in ingredients if rng.random() < 0.7}
            content |= {rng.choice(ingredients): rng.randint(1, 30)}
            if i % 2 == 0:
                rows.append(planned_row(rng, variables, name, content, sense, plan))
            else:
                rows.append(implied_row(rng, variables, name, content, sense, rows))
    rng.shuffle(rows)
    program = make_program(Direction.MINIMIZE, {name: rng.randint(3, 60) for name in ingredients}, variables, rows)
    phrasings = dict.fromkeys(needs, NEED_PHRASINGS) | dict.fromkeys(ceilings, CEILING_PHRASINGS)
    text = specify(rng, wording, PHRASINGS, program, phrasings | {WEIGHT: WEIGHT_PHRASINGS})
    return BaseModel(Domain.BLENDING, program, text, (*needs[num_needs:], *ceilings[num_ceilings:]))
