"""Set covering: which posts to man and how often to sail each beat, so that every bay is watched, for least cost.

An integer program: a post is a yes-or-no decision, patrols are counted, and a patrol needs the post it starts from.
Called through ``build_base``.
"""

from __future__ import annotations

from enum import Enum, auto
from random import Random

from lit_grpo.environment.domains.base import BaseModel, Domain, ProgramSize, Wording
from lit_grpo.environment.domains.draft import Draft, Topics, variables_around
from lit_grpo.environment.domains.wording import Phrasings, listed, on_subject
from lit_grpo.environment.programs.program import Constraint, Direction, Sense, VariableType


class Unit(Enum):
    """What the watch over a bay is counted in; only bays of one unit are added up."""

    HOURS = auto()
    TIMES = auto()


POSTS = tuple(f"{what}_post" for what in ("cliff", "pier", "dune", "mole", "lighthouse", "tower", "marsh", "spit"))
BEATS = tuple(f"beat_{number}" for number in range(11, 70))
BAYS = (
    "seal", "heron", "amber", "herring", "oyster", "puffin", "kelp", "curlew", "mussel", "tern", "cod", "otter",
)  # fmt: skip
ORDERS = tuple(f"order_{number}" for number in range(11, 60))
SHAPES = {
    ProgramSize.SMALL: ((2, 2, 2), (2, 3, 2), (2, 4, 2)),
    ProgramSize.MEDIUM: ((3, 6, 4), (3, 8, 4), (4, 6, 4)),
    ProgramSize.LARGE: ((5, 11, 7), (4, 13, 8), (5, 14, 7)),
}
"""Posts, beats and bays."""
NUM_SHARED = {ProgramSize.SMALL: 1, ProgramSize.MEDIUM: 2, ProgramSize.LARGE: 4}
MOST_PATROLS_TO_SPARE = 8
MANNED_SHARE = 0.7
"""The share of the posts that the plan mans."""
HOURS = (2, 20)
"""Least and most hours that a post, or a patrol, watches a bay."""
REACH = 0.4
"""Share of the posts and beats that see a bay."""

PHRASINGS = Phrasings(
    introduction="The coast guard decides which posts to man and how many patrols to send on each beat, a week ahead.",
    variables=(
        "Under {name} the plan enters {range}.",
        "For {name} there is to be {range}.",
        "The duty officer fills in {name} with {range}.",
    ),
    objectives=(
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
)
BAY_PHRASINGS = {
    Unit.HOURS: (
        "The bay of {subject} must be watched for {limit} hours, which are {terms}",
        "Counting {terms}, {limit} hours of watch are due in {subject} bay",
        "Over {subject} bay there are {limit} hours of eyes, from {terms}",
    ),
    Unit.TIMES: (
        "The bay of {subject} must be seen {limit} times, with {terms}",
        "With {terms}, someone looks at {subject} bay {limit} times",
    ),
}
COAST_PHRASINGS = {
    Unit.HOURS: (
        "The coast along {subject} as a whole gets {limit} hours of watch, from {terms}",
        "Taken together, {subject} are owed {limit} hours, from {terms}",
    ),
    Unit.TIMES: (
        "Added up over {subject}, someone looks {limit} times, with {terms}",
        "Taken together, {subject} are seen {limit} times, with {terms}",
    ),
}
BERTH_PHRASINGS = (
    "Boats sail from the {subject} only if it is manned, and from so many berths: {terms} is {limit}",
    "Patrols from the {subject} less its berths, {terms}, come to {limit}",
    "Beyond the berths of the {subject}, {terms}, there sails {limit}",
)
USED = Topics(
    ("There are {limit} {subject}, used at {terms}", "At {terms}, the week may take {limit} {subject}"),
    ("hours of crews", "litres of diesel", "flares", "radio hours", "meals on board", "hours of mechanics"),
)
OWED = Topics(
    ("The ministry asks for {limit} {subject}, reached by {terms}", "At {terms}, the log must show {limit} {subject}"),
    ("water samples", "checks of nets", "hours of training", "counts of birds", "soundings", "visits to buoys"),
)


def build(rng: Random, size: ProgramSize, wording: Wording) -> BaseModel:
    """A week of watches."""
    num_posts, num_beats, num_bays = rng.choice(SHAPES[size])
    posts, beats = rng.sample(POSTS, num_posts), rng.sample(BEATS, num_beats)
    manned = [post for i, post in enumerate(posts) if i == 0 or rng.random() < MANNED_SHARE]
    home = {beat: posts[i % num_posts] for i, beat in enumerate(beats)}
    sails = {beat: rng.randint(2, 12) if home[beat] in manned else 0 for beat in beats}
    plan = {post: int(post in manned) for post in posts} | sails
    variables = variables_around(rng, plan, posts, VariableType.INTEGER, MOST_PATROLS_TO_SPARE)
    draft = Draft(rng, variables, plan, rng.sample(ORDERS, len(ORDERS)))
    bays = rng.sample(BAYS, num_bays)
    units = [rng.choice(list(Unit))] * 2 + [rng.choice(list(Unit)) for _ in bays[2:]]
    covers = [_add_bay(draft, bay, unit) for bay, unit in zip(bays, units, strict=True)]
    for post in posts:
        based = {beat: 1 for beat in beats if home[beat] == post}
        planned = sum(plan[beat] for beat in based)
        berths = planned + rng.randint(0, 4) if planned else rng.randint(4, 20)
        draft.exact(based | {post: -berths}, Sense.LESS_EQUAL, 0, on_subject(BERTH_PHRASINGS, post.replace("_", " ")))
    coast = [i for i, unit in enumerate(units) if unit is units[0]][: rng.randint(2, 4)]
    together = on_subject(COAST_PHRASINGS[units[0]], listed([bays[i] for i in coast]))
    draft.total(Sense.GREATER_EQUAL, [covers[i] for i in coast], together)
    draft.shared(NUM_SHARED[size], USED, OWED)
    costs = {post: rng.randint(40, 400) for post in posts} | {beat: rng.randint(3, 50) for beat in beats}
    return draft.finish(Domain.SET_COVERING, Direction.MINIMIZE, costs, PHRASINGS, wording)


def _add_bay(draft: Draft, bay: str, unit: Unit) -> Constraint:
    """What must be seen of a bay: in hours, which differ by who looks, or in times."""
    rng = draft.rng
    seen_by = {v.name for v in draft.variables if rng.random() < REACH}
    seen_by |= set(rng.sample(sorted(name for name, planned in draft.plan.items() if planned > 0), 2))
    watch = {name: 1 if unit is Unit.TIMES else rng.randint(*HOURS) for name in draft.plan if name in seen_by}
    return draft.planned(watch, Sense.GREATER_EQUAL, on_subject(BAY_PHRASINGS[unit], bay))
