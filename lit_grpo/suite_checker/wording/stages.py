"""Sentences, names and sizes of lot sizing and set covering, where a decision opens what others may use.

Read by specification.py through ``WORDS``.
"""

from __future__ import annotations

from lit_grpo.suite_checker.wording.forms import DomainWords, RowWords, VariableWords, numbered, one_of

AT_MOST, AT_LEAST, EXACTLY = ("<=",), (">=",), ("=",)

_WEEKS = ("one", "two", "three", "four", "five", "six", "seven")
LOT_SIZING = DomainWords(
    introduction=(
        "A plant makes one good week by week and may keep stock for later weeks; there is none at the start. The "
        "plan is a sheet whose cells are what is made, kept and set up."
    ),
    maximize=False,
    variables=(VariableWords(one_of(numbered("cell", 11, 59)), ("continuous", "binary")),),
    row_names=frozenset(numbered("entry", 11, 42)),
    variable_templates=("The plan has {range} in {name}.", "We allow {name} to be {range}."),
    objective_templates=(
        "Making, keeping and setting up cost {terms}; keep that {best}.",
        "The bill is {terms}, to be kept {best}.",
    ),
    distractors=(
        "The good has been sold for {number} months.",
        "The yard has {number} lamp posts.",
        "Visitors are shown {number} machines.",
        "The canteen serves {number} meals.",
    ),
    rows=(
        RowWords(
            "balance",
            EXACTLY,
            (
                "Customers of week {subject} take {limit}, out of {terms}",
                "With {terms}, what is sold in week {subject} comes to {limit}",
            ),
            _WEEKS,
        ),
        RowWords(
            "set-up",
            AT_MOST,
            (
                "Nothing is made in week {subject} without a set-up: {terms} is {limit}",
                "The set-up gives room for week {subject}: {terms} comes to {limit}",
            ),
            _WEEKS,
        ),
        RowWords(
            "shared",
            AT_MOST,
            (
                "Over all weeks there are {limit} {subject}, used by {terms}",
                "All weeks together, at {terms}, may use {limit} {subject}",
            ),
            (
                "hours of labour",
                "machine hours",
                "tons of steel",
                "units of energy",
                "pallet places",
                "lifts of the crane",
            ),
        ),
        RowWords(
            "weekly",
            AT_MOST,
            ("There are {limit} {subject}, at {terms}", "At {terms}, the plan may use {limit} {subject}"),
            tuple(
                f"{what} in week {week}"
                for what in ("hours of labour", "units of energy", "lifts of the crane")
                for week in _WEEKS
            ),
        ),
    ),
    sizes={"small": (6, 6), "medium": (9, 12), "large": (15, 21)},
)

_BAYS = ("seal", "heron", "amber", "herring", "oyster", "puffin", "kelp", "curlew", "mussel", "tern", "cod", "otter")
_POSTS = ("cliff", "pier", "dune", "mole", "lighthouse", "tower", "marsh", "spit")
SET_COVERING = DomainWords(
    introduction="The coast guard decides which posts to man and how many patrols to send on each beat, a week ahead.",
    maximize=False,
    variables=(
        VariableWords(one_of([f"{what}_post" for what in _POSTS]), ("binary",)),
        VariableWords(one_of(numbered("beat", 11, 69)), ("integer",)),
    ),
    row_names=frozenset(numbered("order", 11, 59)),
    variable_templates=(
        "Under {name} the plan enters {range}.",
        "For {name} there is to be {range}.",
        "The duty officer fills in {name} with {range}.",
    ),
    objective_templates=(
        "A week comes to {terms}; keep that {best}.",
        "Pay and fuel are {terms}, which should be {best}.",
        "The cost, {terms}, is to be made {best}.",
    ),
    distractors=(
        "The flagship is {number} feet long.",
        "Tourists photographed {number} seals.",
        "The museum shows {number} old charts.",
        "The tide table runs to {number} pages.",
        "A storm in spring lasted {number} hours.",
    ),
    rows=(
        RowWords(
            "bay in hours",
            AT_LEAST,
            (
                "The bay of {subject} must be watched for {limit} hours, which are {terms}",
                "Counting {terms}, {limit} hours of watch are due in {subject} bay",
                "Over {subject} bay there are {limit} hours of eyes, from {terms}",
            ),
            _BAYS,
        ),
        RowWords(
            "bay in times",
            AT_LEAST,
            (
                "The bay of {subject} must be seen {limit} times, with {terms}",
                "With {terms}, someone looks at {subject} bay {limit} times",
            ),
            _BAYS,
        ),
        RowWords(
            "coast in hours",
            AT_LEAST,
            (
                "The coast along {subject} as a whole gets {limit} hours of watch, from {terms}",
                "Taken together, {subject} are owed {limit} hours, from {terms}",
            ),
            adds_up=("bay in hours",),
        ),
        RowWords(
            "coast in times",
            AT_LEAST,
            (
                "Added up over {subject}, someone looks {limit} times, with {terms}",
                "Taken together, {subject} are seen {limit} times, with {terms}",
            ),
            adds_up=("bay in times",),
        ),
        RowWords(
            "berths",
            AT_MOST,
            (
                "Boats sail from the {subject} only if it is manned, and from so many berths: {terms} is {limit}",
                "Patrols from the {subject} less its berths, {terms}, come to {limit}",
                "Beyond the berths of the {subject}, {terms}, there sails {limit}",
            ),
            tuple(f"{what} post" for what in _POSTS),
        ),
        RowWords(
            "used",
            AT_MOST,
            ("There are {limit} {subject}, used at {terms}", "At {terms}, the week may take {limit} {subject}"),
            ("hours of crews", "litres of diesel", "flares", "radio hours", "meals on board", "hours of mechanics"),
        ),
        RowWords(
            "owed",
            AT_LEAST,
            (
                "The ministry asks for {limit} {subject}, reached by {terms}",
                "At {terms}, the log must show {limit} {subject}",
            ),
            ("water samples", "checks of nets", "hours of training", "counts of birds", "soundings", "visits to buoys"),
        ),
    ),
    sizes={"small": (4, 6), "medium": (9, 11), "large": (16, 19)},
)
