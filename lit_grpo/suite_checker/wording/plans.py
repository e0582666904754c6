"""Sentences, names and sizes of production, blending and transportation.

Read by specification.py through ``WORDS``.
"""

from __future__ import annotations

from collections.abc import Collection
from itertools import product

from lit_grpo.suite_checker.wording.forms import DRAWN, DomainWords, RowWords, VariableWords, numbered, one_of

AT_MOST, AT_LEAST, EXACTLY = ("<=",), (">=",), ("=",)


def _all(subject: str, names: Collection[str]) -> Collection[str]:
    return names


def _from_here(subject: str, names: Collection[str]) -> Collection[str]:
    return [name for name in names if name.startswith(f"{subject}_to_")]


def _to_here(subject: str, names: Collection[str]) -> Collection[str]:
    return [name for name in names if name.endswith(f"_to_{subject}")]


def _through_here(subject: str, names: Collection[str]) -> Collection[str]:
    return [*_from_here(subject, names), *_to_here(subject, names)]


_PLACES = ("sawing", "sanding", "assembly", "painting", "packing", "drying", "storing")
PRODUCTION = DomainWords(
    introduction="A furniture maker plans next week's production.",
    maximize=True,
    variables=(
        VariableWords(
            one_of(
                [
                    f"{a}_{b}"
                    for a in ["oak", "pine", "ash", "elm", "teak"]
                    for b in ["chair", "desk", "shelf", "bed", "lamp"]
                ]
            ),
            ("continuous",),
        ),
    ),
    row_names=frozenset(numbered("card", 11, 42)),
    variable_templates=("Output of {name} is {range}.", "The market takes {range} of {name}."),
    objective_templates=("Profit is {terms}; make it {best}.", "The plan earns {terms}, which should be {best}."),
    distractors=(
        "Last year {number} customers sent a complaint.",
        "The showroom is {number} metres from the plant.",
        "A new catalogue of {number} pages is being printed.",
        "The plant employs {number} people.",
    ),
    rows=(
        RowWords(
            "resource",
            AT_MOST,
            (
                "There are {limit} {subject} available, used at {terms}",
                "Products take {terms}, and {limit} {subject} can be had",
            ),
            tuple(f"{unit} of {place}" for place in _PLACES for unit in ("hours", "square metres")),
        ),
        RowWords(
            "order",
            AT_LEAST,
            (
                "The {subject} must get {limit} pieces, counting {terms}",
                "Counting {terms}, the {subject} is owed {limit} pieces",
            ),
            ("hotel", "school", "office", "exporter", "web shop", "clinic", "retailer", "studio"),
        ),
    ),
    sizes=DRAWN,
)
BLENDING = DomainWords(
    introduction="A mill mixes one batch of feed from ingredients measured in kilograms.",
    maximize=False,
    variables=(
        VariableWords(
            one_of(
                [
                    "oats",
                    "corn",
                    "rice",
                    "beans",
                    "wheat",
                    "barley",
                    "rye",
                    "soy",
                    "peas",
                    "bran",
                    "millet",
                    "lentils",
                    "malt",
                    "fishmeal",
                    "molasses",
                    "yeast",
                    "whey",
                    "linseed",
                    "hay",
                    "canola",
                    "sorghum",
                    "lupins",
                    "beet",
                    "lucerne",
                ]
            ),
            ("continuous",),
        ),
    ),
    row_names=frozenset(numbered("sheet", 11, 42)),
    variable_templates=("The batch holds {range} kilograms of {name}.", "Stores can give {range} kilograms of {name}."),
    objective_templates=("Ingredients cost {terms}; keep that {best}.", "We pay {terms}, and want the bill {best}."),
    distractors=(
        "The mixer was serviced {number} days ago.",
        "Farms in the region keep {number} horses.",
        "The silo stands {number} metres above the river.",
        "A bag carries a label of {number} words.",
    ),
    rows=(
        RowWords(
            "weight",
            EXACTLY,
            ("The batch weighs {limit}, counting {terms}", "Counting {terms}, the scales must show {limit}"),
            counted=_all,
        ),
        RowWords(
            "need",
            AT_LEAST,
            (
                "The animals need {limit} units of {subject}, found at {terms}",
                "With {terms}, the batch must reach {limit} units of {subject}",
            ),
            (
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
            ),
        ),
        RowWords(
            "ceiling",
            AT_MOST,
            (
                "The law allows {limit} units of {subject}, at {terms}",
                "With {terms}, the batch may hold {limit} units of {subject}",
            ),
            ("fat", "salt", "ash", "sugar", "moisture", "tannin", "nitrate", "sodium", "lead", "dust"),
        ),
    ),
    sizes=DRAWN,
)
_DEPOTS = ("north", "south", "east", "west", "harbour")
_TOWNS = ("ashby", "burton", "corby", "dover", "ely", "frome")
TRANSPORTATION = DomainWords(
    introduction="A haulier plans the trips of a week from its depots to the towns, in crates per trip.",
    maximize=False,
    variables=(VariableWords(one_of([f"{a}_to_{b}" for a, b in product(_DEPOTS, _TOWNS)]), ("integer",)),),
    row_names=frozenset(numbered("letter", 11, 42)),
    variable_templates=("The route {name} can be driven {range} times.", "Trips on {name}: {range}."),
    objective_templates=(
        "The trips cost {terms}; keep that {best}.",
        "Drivers and fuel come to {terms}, to be kept {best}.",
    ),
    distractors=(
        "The firm's lorries are {number} months old on average.",
        "The motorway has {number} bridges.",
        "A crate holds {number} jars.",
        "The office moved {number} weeks ago.",
    ),
    rows=(
        RowWords(
            "stock",
            AT_MOST,
            (
                "The {subject} depot has {limit} crates in stock, loaded at {terms}",
                "Loading {terms}, the {subject} depot can give {limit}",
            ),
            _DEPOTS,
            counted=_from_here,
        ),
        RowWords(
            "demand",
            AT_LEAST,
            (
                "The town of {subject} needs {limit} crates, brought at {terms}",
                "Bringing {terms}, the lorries must deliver {limit} to {subject}",
            ),
            _TOWNS,
            counted=_to_here,
        ),
        RowWords(
            "shared",
            AT_MOST,
            (
                "The fleet has {limit} {subject} to spend, at {terms}",
                "All trips together, at {terms}, may use {limit} {subject}",
            ),
            ("hours of drivers", "litres of fuel", "pounds of toll", "engine services", "tyres", "night passes"),
            counted=_all,
        ),
        RowWords(
            "local",
            AT_MOST,
            (
                "At the gates of {subject} there are {limit} minutes to use, at {terms}",
                "At {terms}, the gates of {subject} can take {limit} minutes",
            ),
            (*_DEPOTS, *_TOWNS),
            counted=_through_here,
        ),
    ),
    sizes={"small": (4, 6), "medium": (9, 12), "large": (16, 20)},
)
