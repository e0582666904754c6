"""Sentences, names and sizes of network flow and facility location.

Read by specification.py through ``WORDS``.
"""

from __future__ import annotations

from collections.abc import Collection

from lit_grpo.suite_checker.wording.forms import DomainWords, RowWords, VariableWords, numbered, one_of

AT_MOST, AT_LEAST, EXACTLY = ("<=",), (">=",), ("=",)


def _halls(subject: str, names: Collection[str]) -> Collection[str]:
    return [name for name in names if name.startswith("hall_")]


_PLACES = (
    "arden", "belper", "calder", "denby", "eaton", "fenton", "garth", "harlow", "ilkley", "kirkby",
    "linton", "marlow", "norton", "oakham", "penrith", "ripley", "selby", "thorpe", "upton", "walden",
    "yarm", "alston", "bolsover", "carlton", "derwent", "easby", "farley", "glossop", "hexham", "kelso",
    "lorton", "malton", "newby", "otley",
)  # fmt: skip
NETWORK_FLOW = DomainWords(
    introduction="A water company plans a day's flow through its mains, in megalitres.",
    maximize=False,
    variables=(
        VariableWords(
            one_of(
                [
                    f"{first}_{second}"
                    for first in [
                        "mill",
                        "church",
                        "bridge",
                        "castle",
                        "market",
                        "station",
                        "abbey",
                        "orchard",
                        "quarry",
                    ]
                    for second in ["lane", "road", "street", "row"]
                ]
            ),
            ("continuous",),
        ),
    ),
    row_names=frozenset(_PLACES),
    variable_templates=(
        "Through {name} we can send {range} megalitres.",
        "The flow in {name} is {range}.",
        "Engineers run {name} at {range} megalitres.",
    ),
    objective_templates=(
        "Pumping costs {terms}; keep that {best}.",
        "The bill for power is {terms}, and should be {best}.",
        "We pay {terms}, to be made {best}.",
    ),
    distractors=(
        "The oldest pipe was laid {number} years ago.",
        "The company sponsors {number} swimmers.",
        "A heron was seen on {number} mornings.",
        "The control room has {number} lamps.",
        "The call line was rung {number} times.",
    ),
    rows=(
        RowWords(
            "spring",
            AT_MOST,
            (
                "The spring at {subject} gives {limit} megalitres, drawn at {terms}",
                "Drawing {terms}, the company may take {limit} megalitres at {subject}",
                "The licence for {subject} is {limit} megalitres, counting {terms}",
            ),
        ),
        RowWords(
            "junction",
            EXACTLY,
            (
                "What comes in at {subject} less what goes on, {terms}, is {limit} megalitres",
                "The works of {subject} keep {limit} megalitres for the place itself, from {terms}",
                "With {terms}, there stays {limit} megalitres at {subject}",
            ),
        ),
        RowWords(
            "town",
            AT_LEAST,
            (
                "The town of {subject} needs {limit} megalitres, which come by {terms}",
                "People in {subject} must get {limit} megalitres, counting {terms}",
                "With {terms}, {limit} megalitres must reach {subject}",
            ),
        ),
        RowWords(
            "zone",
            AT_LEAST,
            (
                "The zone of {subject} as a whole is owed {limit} megalitres, net at {terms}",
                "Taken together, by {terms}, {subject} must draw {limit} megalitres",
            ),
            adds_up=("junction", "town"),
        ),
        RowWords(
            "river",
            AT_MOST,
            (
                "The river authority lets {subject} give {limit} megalitres in all, at {terms}",
                "Springs of one river, {subject}: {limit} megalitres, counting {terms}",
            ),
            adds_up=("spring",),
        ),
        RowWords(
            "used",
            AT_MOST,
            ("There are {limit} {subject} a day, used at {terms}", "At {terms}, the mains may use {limit} {subject}"),
            ("kilowatt hours", "hours of pump crews", "kilograms of chlorine", "litres of diesel", "filter changes"),
        ),
        RowWords(
            "owed",
            AT_LEAST,
            (
                "The regulator asks for {limit} {subject}, reached by {terms}",
                "At {terms}, there must be {limit} {subject}",
            ),
            ("samples", "points of pressure", "kilowatt hours from turbines", "flushes of pipes", "points of service"),
        ),
    ),
    sizes={"small": (4, 6), "medium": (8, 12), "large": (15, 22)},
)
_LETTERS = "abcdefghkmnprstw"
_SHOPS = (
    "aalen", "bremen", "celle", "dessau", "emden", "fulda", "gotha", "halle", "ilmenau", "jena",
    "kassel", "luebeck", "mainz", "neuss", "olpe", "passau", "rheine", "siegen", "trier", "ulm",
    "velbert", "weimar", "xanten", "zwickau", "ansbach", "bautzen", "coburg", "dueren", "erfurt",
    "forst", "goslar", "hameln", "itzehoe", "kleve", "lemgo",
)  # fmt: skip
FACILITY_LOCATION = DomainWords(
    introduction="A grocer decides which storage halls to rent and what to send over each lane, in tons a week.",
    maximize=False,
    variables=(
        VariableWords(one_of([f"hall_{letter}" for letter in _LETTERS]), ("binary",)),
        VariableWords(one_of(numbered("lane", 11, 79)), ("continuous",)),
    ),
    row_names=frozenset(_SHOPS),
    variable_templates=(
        "The plan has {name} at {range}.",
        "As to {name}, there is a choice: {range}.",
        "For {name} the contracts allow {range}.",
    ),
    objective_templates=(
        "Rent and freight are {terms}; keep them {best}.",
        "A week costs {terms}, which should be {best}.",
        "The sum of {terms} is to be {best}.",
    ),
    distractors=(
        "The grocer sells {number} kinds of tea.",
        "The founder's portrait is {number} centimetres wide.",
        "There were {number} rainy days last year.",
        "The trade fair had {number} stands.",
        "A lorry driver reported {number} deer.",
    ),
    rows=(
        RowWords(
            "shop",
            EXACTLY + AT_LEAST,
            (
                "The shop in {subject} sells {limit} tons, brought by {terms}",
                "Counting {terms}, {subject} has to be sent {limit} tons",
                "Customers in {subject} ask for {limit} tons, and get {terms}",
            ),
        ),
        RowWords(
            "room",
            AT_MOST,
            (
                "Nothing leaves {subject} unless it is rented, and then only what it holds: {terms} is {limit} tons",
                "Beyond the room of {subject}, {terms}, there goes {limit} tons",
                "For {subject}, tons sent less its room, {terms}, come to {limit}",
            ),
            tuple(f"hall {letter}" for letter in _LETTERS),
        ),
        RowWords(
            "least use",
            AT_LEAST,
            (
                "If it is rented, {subject} must be worth it: {terms} is {limit} tons",
                "Over the least use of {subject}, {terms}, there is {limit} tons",
            ),
            tuple(f"hall {letter}" for letter in _LETTERS),
        ),
        RowWords(
            "rented",
            AT_MOST,
            ("Of the halls, counting {terms}, {limit} are rented", "The number of halls, {terms}, is {limit}"),
            counted=_halls,
        ),
        RowWords(
            "rent",
            AT_MOST,
            (
                "The owners have set aside {limit} thousand euros for fitting out, at {terms}",
                "Fitting out takes {terms}, and {limit} thousand euros can be had",
            ),
            counted=_halls,
        ),
        RowWords(
            "region",
            AT_LEAST,
            (
                "The region of {subject} as a whole is promised {limit} tons, at {terms}",
                "With {terms}, {limit} tons must come to {subject} together",
            ),
            adds_up=("shop",),
        ),
        RowWords(
            "used",
            AT_MOST,
            ("There are {limit} {subject}, used at {terms}", "At {terms}, the week may take {limit} {subject}"),
            ("hours of forklifts", "litres of diesel", "places in the car park", "units of cooling", "hours of clerks"),
        ),
        RowWords(
            "owed",
            AT_LEAST,
            (
                "The bank expects {limit} {subject}, reached by {terms}",
                "At {terms}, the plan must show {limit} {subject}",
            ),
            (
                "points of quality",
                "jobs in the region",
                "crates given to food banks",
                "points of safety",
                "tons of returns",
            ),
        ),
    ),
    sizes={"small": (4, 6), "medium": (8, 12), "large": (16, 24)},
)
