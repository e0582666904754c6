"""Staffing: how many people to put on each shift, so that every hour's work is covered, for least cost.

An integer program. A shift covers neighbouring hours. Called through ``build_base``.
"""

from __future__ import annotations

from random import Random

from lit_grpo.environment.domains.base import BaseModel, Domain, ProgramSize, Wording, make_program
from lit_grpo.environment.domains.rows import implied_row, planned_row, upper_bound
from lit_grpo.environment.domains.tiny import TinyTheme
from lit_grpo.environment.domains.wording import Phrasings, specify
from lit_grpo.environment.program import Constraint, Direction, Sense, Variable, VariableType

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

SHIFTS = tuple(f"{who}_{start:02d}" for who in ("senior", "junior", "trainee") for start in range(6, 15))
SHARED = ("wage_budget", "desk_places", "training_days", "meal_vouchers", "parking_places")

PHRASINGS = Phrasings(
    introduction="A call centre plans tomorrow's shifts; a shift's number is the hour it starts.",
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
    "In this hour {limit} calls must be taken, at {terms}",
    "Taking {terms}, the staff must manage {limit}",
)
SHARED_PHRASINGS = ("The centre has {limit} in all, at {terms}", "All shifts together, at {terms}, may use {limit}")


def build(rng: Random, size: ProgramSize, wording: Wording) -> BaseModel:
    """A day of shifts."""
    shifts = sorted(rng.sample(SHIFTS, size.draw(rng)))
    plan = {name: rng.randint(2, 15) for name in shifts}
    variables = [
        Variable(name, float(rng.choice((0, 0, 1))), upper_bound(rng, n, 20, sum(plan.values())), VariableType.INTEGER)
        for name, n in plan.items()
    ]
    hours = rng.sample(range(8, 20), 12)
    num_shared = 1 if size is ProgramSize.SMALL else 3
    num_hours = min(10, size.draw(rng) - num_shared)
    rows: list[Constraint] = []
    for i, hour in enumerate(hours[:num_hours]):
        calls = {name: rng.randint(1, 12) for name in shifts if 0 <= hour - int(name[-2:]) < 6}
        calls = calls or {rng.choice(shifts): rng.randint(1, 12)}
        if i % 2 == 0:
            rows.append(planned_row(rng, variables, f"calls_{hour:02d}", calls, Sense.GREATER_EQUAL, plan))
        else:
            rows.append(implied_row(rng, variables, f"calls_{hour:02d}", calls, Sense.GREATER_EQUAL, rows))
    shared = rng.sample(SHARED, len(SHARED))
    for name in shared[:num_shared]:
        use = {shift: rng.randint(1, 9) for shift in shifts}
        rows.append(planned_row(rng, variables, name, use, Sense.LESS_EQUAL, plan))
    rng.shuffle(rows)
    program = make_program(Direction.MINIMIZE, {name: rng.randint(8, 40) for name in shifts}, variables, rows)
    hour_names = [f"calls_{hour:02d}" for hour in hours]
    phrasings = dict.fromkeys(hour_names, HOUR_PHRASINGS) | dict.fromkeys(shared, SHARED_PHRASINGS)
    text = specify(rng, wording, PHRASINGS, program, phrasings)
    return BaseModel(Domain.STAFFING, program, text, (*hour_names[num_hours:], *shared[num_shared:]))
