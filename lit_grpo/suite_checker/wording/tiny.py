"""Sentences of programs of tiny size: two variables, three rows, and a vocabulary that the domains share but for nouns.

Read by tiny_specification.py.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from lit_grpo.suite_checker.wording.forms import WHOLE

ROW_NAMES = frozenset({"ra", "rb", "rc", "rd", "re", "rf"})
TERM = re.compile(f"({WHOLE}) per ([xy])")
TERMS = f"{WHOLE} per [xy](?: , {WHOLE} per [xy])*"
SENSES = {"at most": "<=", "at least": ">="}
LIMIT = f"(?P<sense>at most|at least) (?P<rhs>{WHOLE})"
VARIABLE = re.compile(
    f"(?P<name>[xy]) : (?P<noun>[a-z]+)(?P<whole> , whole)? , (?P<lower>{WHOLE}) to (?P<upper>{WHOLE}) \\."
)
OBJECTIVE = re.compile(f"goal : (?P<goal>[a-z ]+) , (?P<terms>{TERMS}) \\.")
ROWS = (
    re.compile(f"(?P<row>[a-z]+) : (?P<noun>[a-z]+) (?P<terms>{TERMS}) , {LIMIT} \\."),
    re.compile(f"(?P<row>[a-z]+) : {LIMIT} (?P<noun>[a-z]+) , (?P<terms>{TERMS}) \\."),
)


@dataclass(frozen=True)
class TinyWords:
    """What a domain adds to the shared sentences."""

    goal: str
    maximize: bool
    nouns: frozenset[str]
    types: tuple[str, str]
    """The types of x and of y."""
    limited: frozenset[str]
    """What a row with at most is about."""
    required: frozenset[str]
    """What a row with at least is about."""
    num_limits: int
    """Rows with at most, of three."""


def _words(goal: str, nouns: str, types: str, limited: str, required: str, num_limits: int) -> TinyWords:
    sorts = {"c": "continuous", "i": "integer"}
    return TinyWords(
        goal,
        goal.startswith("most"),
        frozenset(nouns.split()),
        (sorts[types[0]], sorts[types[1]]),
        frozenset(limited.split()),
        frozenset(required.split()),
        num_limits,
    )


TINY_WORDS: dict[str, TinyWords] = {
    "production": _words(
        "most profit", "chairs tables lamps doors", "cc", "wood hours paint steel", "orders income", 2
    ),
    "blending": _words("least cost", "oats corn rice beans", "cc", "fat salt", "iron fibre protein energy", 1),
    "transportation": _words("least cost", "trucks vans trains ships", "ii", "fuel hours tolls", "crates tons", 2),
    "lot_sizing": _words("least cost", "days nights weekends", "ci", "storage hours", "demand stock orders", 1),
    "capital_budgeting": _words("most value", "shops farms roads mines", "ii", "budget land staff", "jobs income", 2),
    "staffing": _words("least cost", "nurses cooks clerks guards", "ii", "wages rooms", "calls meals visits", 1),
}
"""The words by the name of the domain."""
