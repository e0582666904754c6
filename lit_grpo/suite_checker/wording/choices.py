"""Sentences, names and sizes of capital budgeting, staffing and assignment.

Read by specification.py through ``WORDS``.
"""

from __future__ import annotations

from collections.abc import Collection
from itertools import product

from lit_grpo.suite_checker.wording.forms import DRAWN, DomainWords, RowWords, VariableWords, numbered, one_of

AT_MOST, AT_LEAST, EXACTLY = ("<=",), (">=",), ("=",)


def _all(subject: str, names: Collection[str]) -> Collection[str]:
    return names


def _on_job(subject: str, names: Collection[str]) -> Collection[str]:
    return [name for name in names if name.endswith(f"_on_{subject}")]


def _of_person(subject: str, names: Collection[str]) -> Collection[str]:
    return [name for name in names if name.startswith(f"{subject}_on_") or name == f"overtime_{subject}"]


def _overtime(subject: str, names: Collection[str]) -> Collection[str]:
    return [name for name in names if name.startswith("overtime_")]


CAPITAL_BUDGETING = DomainWords(
    introduction="A council chooses the projects to fund, in thousands.",
    maximize=True,
    variables=(
        VariableWords(
            one_of(
                [
                    f"{place}_{what}"
                    for place in ("coast", "valley", "city", "lake", "hill")
                    for what in ("bridge", "school", "tram", "dam", "park")
                ]
            ),
            ("binary",),
        ),
    ),
    row_names=frozenset(numbered("motion", 11, 42)),
    variable_templates=("Funding {name} is decided {range}.", "The council votes on {name}: {range}."),
    objective_templates=(
        "The projects are worth {terms}; that should be {best}.",
        "Their value, {terms}, is to be made {best}.",
    ),
    distractors=(
        "The council met {number} times last year.",
        "There were {number} letters from residents.",
        "The town hall has {number} windows.",
        "The festival drew {number} singers.",
    ),
    rows=(
        RowWords(
            "budget",
            AT_MOST,
            (
                "There is {limit} {subject} to give out, and the projects take {terms}",
                "At {terms}, the projects may take {limit} {subject}",
            ),
            tuple(
                f"{what} in the {year} year"
                for year in ("first", "second", "third", "fourth")
                for what in ("of money", "days of planners", "acres of land")
            ),
            counted=_all,
        ),
        RowWords(
            "target",
            AT_LEAST,
            (
                "The council promised {limit} points for {subject}, with {terms}",
                "With {terms}, the choice must reach {limit} points for {subject}",
            ),
            (
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
            ),
        ),
    ),
    sizes=DRAWN,
)
_HOURS = (
    "six", "seven", "eight", "nine", "ten", "eleven", "noon", "one", "two", "three", "four", "five",
    "six in the evening", "seven in the evening",
)  # fmt: skip
STAFFING = DomainWords(
    introduction="A call centre plans tomorrow's shifts, each of the same length.",
    maximize=False,
    variables=(
        VariableWords(
            one_of(
                [
                    f"{colour}_{sign}"
                    for colour in ("red", "blue", "green", "amber", "violet")
                    for sign in ("kite", "oak", "moon", "key", "bell", "fox")
                ]
            ),
            ("integer",),
        ),
    ),
    row_names=frozenset(numbered("ticket", 11, 42)),
    variable_templates=("On {name} we can put {range} people.", "People on {name}: {range}."),
    objective_templates=("Wages are {terms}; keep them {best}.", "The shifts cost {terms}, which should be {best}."),
    distractors=(
        "The building has {number} doors.",
        "The longest call ever took {number} minutes.",
        "The manual has {number} chapters.",
        "Headsets were bought {number} days ago.",
    ),
    rows=(
        RowWords(
            "hour",
            AT_LEAST,
            (
                "In the hour from {subject}, {limit} calls must be taken, at {terms}",
                "Taking {terms}, the staff must manage {limit} calls from {subject} on",
            ),
            _HOURS,
        ),
        RowWords(
            "hours",
            AT_LEAST,
            (
                "Added up over the hours from {subject}, {limit} calls must be taken, at {terms}",
                "Taking {terms}, the staff must manage {limit} calls in the hours from {subject} together",
            ),
            adds_up=("hour",),
        ),
        RowWords(
            "shared",
            AT_MOST,
            (
                "The centre has {limit} {subject} in all, at {terms}",
                "All shifts together, at {terms}, may use {limit} {subject}",
            ),
            ("pounds of wages", "places at desks", "days of training", "meal vouchers", "parking places"),
            counted=_all,
        ),
    ),
    sizes=DRAWN,
)
_PEOPLE = ("ann", "ben", "cara", "dev", "eli", "fay", "gus", "hana", "ida", "jon", "kim", "leo", "mia", "noor")
_JOBS = ("audit", "merger", "payroll", "survey", "website", "training", "archive", "tender", "budget", "recall")
ASSIGNMENT = DomainWords(
    introduction="A consultancy staffs the jobs of a month under a works agreement, counting work in hours.",
    maximize=True,
    variables=(
        VariableWords(one_of([f"{person}_on_{job}" for person, job in product(_PEOPLE, _JOBS)]), ("binary",)),
        VariableWords(one_of([f"overtime_{person}" for person in _PEOPLE]), ("continuous",)),
    ),
    row_names=frozenset(numbered("clause", 11, 59)),
    variable_templates=(
        "The roster settles {name}: {range}.",
        "For {name} the agreement leaves open {range}.",
        "What can be put down for {name} is {range}.",
    ),
    objective_templates=(
        "The month is worth {terms}; make that {best}.",
        "Clients pay for skill and overtime is paid out: {terms}, to be {best}.",
        "Our gain is {terms}, which we want {best}.",
    ),
    distractors=(
        "The firm was founded {number} months ago.",
        "The meeting room seats {number} guests.",
        "Last summer the partners hiked {number} kilometres.",
        "There are {number} folders in the basement.",
        "The newsletter has {number} readers.",
    ),
    rows=(
        RowWords(
            "team",
            EXACTLY + AT_LEAST,
            (
                "The team of the {subject} is to count {limit}, from {terms}",
                "Counting {terms}, {limit} must work on the {subject}",
                "The {subject} takes {limit} out of {terms}",
            ),
            _JOBS,
            counted=_on_job,
        ),
        RowWords(
            "person",
            AT_MOST,
            (
                "For {subject} the month has {limit} hours, overtime aside: {terms}",
                "With {terms}, {subject} comes to {limit} hours",
                "The jobs take {terms}, and {subject} owes the firm {limit} hours",
            ),
            _PEOPLE,
            counted=_of_person,
        ),
        RowWords(
            "overtime",
            AT_MOST,
            (
                "All overtime together, {terms}, is {limit} hours",
                "The agreement grants {limit} hours of overtime, counting {terms}",
            ),
            counted=_overtime,
        ),
        RowWords(
            "firm",
            AT_MOST,
            (
                "Taken together, {subject} come to {limit} hours, with {terms}",
                "The desk of {subject} has {limit} hours in all, overtime aside: {terms}",
            ),
            adds_up=("person",),
        ),
        RowWords(
            "used",
            AT_MOST,
            ("There are {limit} {subject}, used at {terms}", "At {terms}, the jobs may take {limit} {subject}"),
            (
                "euros of travel money",
                "days in hotels",
                "licences of the ledger program",
                "evenings on site",
                "desk days",
            ),
        ),
        RowWords(
            "owed",
            AT_LEAST,
            (
                "The clients are promised {limit} {subject}, earned at {terms}",
                "At {terms}, we must reach {limit} {subject}",
            ),
            ("points of seniority", "points of language skill", "hours of teaching", "credits of training", "visits"),
        ),
    ),
    sizes={"small": (4, 6), "medium": (8, 12), "large": (16, 24)},
)
