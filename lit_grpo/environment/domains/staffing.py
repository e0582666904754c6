"""Staffing: how many people to put on each shift, so that every hour's work is covered, for least cost.

An integer program. A shift covers neighbouring hours. Called through ``build_base``.
"""

from __future__ import annotations

from itertools import combinations
from random import Random

from lit_grpo.environment.domains.base import BaseModel, Domain, ProgramSize, Wording
from lit_grpo.environment.domains.draft import Draft
from lit_grpo.environment.domains.rows import upper_bound
from lit_grpo.environment.domains.tiny import TinyTheme
from lit_grpo.environment.domains.wording import Phrasings, listed, on_subject
from lit_grpo.environment.programs.program import Constraint, Direction, Sense, Variable, VariableType

TINY = TinyTheme(
    domain=Domain.STAFFING,
    direction=Direction.MINIMIZE,
    goal="least cost",
    nouns=("nurses", "cooks", "clerks", "guards"),
    types=(VariableType.INTEGER, VariableType.INTEGER),
    limited=("wages", "rooms"),
    required=("calls", "meals", "visits"),
    num_limits=1,
)

SHIFTS = tuple(
    f"{colour}_{sign}"
    for colour in ("red", "blue", "green", "amber", "violet")
    for sign in ("kite", "oak", "moon", "key", "bell", "fox")
)
"""Names of shifts: which hours one covers is said by the text alone."""
STARTS = tuple(range(6, 15))
SAME_START = 3
"""At most so many shifts start in the same hour."""
SHARED = ("pounds of wages", "places at desks", "days of training", "meal vouchers", "parking places")
HOURS = {
    6: "six", 7: "seven", 8: "eight", 9: "nine", 10: "ten", 11: "eleven", 12: "noon", 13: "one", 14: "two",
    15: "three", 16: "four", 17: "five", 18: "six in the evening", 19: "seven in the evening",
}  # fmt: skip
"""Every hour of every shift, and what it is called: each shift covers as many of them."""
SHIFT_HOURS = 6
TICKETS = tuple(f"ticket_{number}" for number in range(11, 43))

PHRASINGS = Phrasings(
    introduction="A call centre plans tomorrow's shifts, each of the same length.",
    variables=("On {name} we can put {range} people.", "People on {name}: {range}."),
    objectives=("Wages are {terms}; keep them {best}.", "The shifts cost {terms}, which should be {best}."),
    distractors=(
        "The building has {number} doors.",
        "The longest call ever took {number} minutes.",
        "The manual has {number} chapters.",
        "Headsets were bought {number} days ago.",
    ),
)
HOUR_PHRASINGS = (
    "In the hour from {subject}, {limit} calls must be taken, at {terms}",
    "Taking {terms}, the staff must manage {limit} calls from {subject} on",
)
HOURS_PHRASINGS = (
    "Added up over the hours from {subject}, {limit} calls must be taken, at {terms}",
    "Taking {terms}, the staff must manage {limit} calls in the hours from {subject} together",
)
SHARED_PHRASINGS = (
    "The centre has {limit} {subject} in all, at {terms}",
    "All shifts together, at {terms}, may use {limit} {subject}",
)


def build(rng: Random, size: ProgramSize, wording: Wording) -> BaseModel:
    """A day of shifts: every second row on calls adds up two hours, and so is implied by theirs."""
    shifts = rng.sample(SHIFTS, size.draw(rng))
    starts = dict(zip(shifts, rng.sample(STARTS * SAME_START, len(shifts)), strict=True))
    plan = {name: rng.randint(2, 15) for name in shifts}
    variables = [
        Variable(name, float(rng.choice((0, 0, 1))), upper_bound(rng, n, 20, sum(plan.values())), VariableType.INTEGER)
        for name, n in plan.items()
    ]
    num_shared = 1 if size is ProgramSize.SMALL else 3
    num_hours = min(10, size.draw(rng) - num_shared)
    draft = Draft(rng, variables, plan, rng.sample(TICKETS, len(TICKETS)))
    covered = [hour for hour in HOURS if _on_duty(starts, hour)]
    hours = rng.sample(covered, num_hours // 2 + 1)
    calls = {hour: _add_hour(draft, hour, _on_duty(starts, hour)) for hour in hours}
    for together in rng.sample(list(combinations(sorted(hours), 2)), num_hours - len(hours)):
        named = on_subject(HOURS_PHRASINGS, listed([HOURS[hour] for hour in together]))
        draft.total(Sense.GREATER_EQUAL, [calls[hour] for hour in together], named)
    for what in rng.sample(SHARED, num_shared):
        use = {shift: rng.randint(1, 9) for shift in shifts}
        draft.planned(use, Sense.LESS_EQUAL, on_subject(SHARED_PHRASINGS, what))
    wages = {name: rng.randint(8, 40) for name in shifts}
    return draft.finish(Domain.STAFFING, Direction.MINIMIZE, wages, PHRASINGS, wording)


def _on_duty(starts: dict[str, int], hour: int) -> list[str]:
    """The shifts that cover the hour."""
    return [name for name, start in starts.items() if 0 <= hour - start < SHIFT_HOURS]


def _add_hour(draft: Draft, hour: int, on_duty: list[str]) -> Constraint:
    calls = {name: draft.rng.randint(1, 12) for name in on_duty}
    return draft.planned(calls, Sense.GREATER_EQUAL, on_subject(HOUR_PHRASINGS, HOURS[hour]))
