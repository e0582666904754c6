"""Assignment: who works on which job, so that every team is complete within everyone's hours, for most value.

A mixed-integer program: whether a person is on a job is a yes-or-no decision, overtime is a number of hours that links
the hours of all. Called through ``build_base``.
"""

from __future__ import annotations

from random import Random

from lit_grpo.environment.domains.base import BaseModel, Domain, ProgramSize, Wording
from lit_grpo.environment.domains.draft import Draft, Topics, variables_around
from lit_grpo.environment.domains.pairs import Pair, some_pairs
from lit_grpo.environment.domains.wording import Phrasings, listed, on_subject
from lit_grpo.environment.programs.program import Direction, Sense, VariableType

PEOPLE = ("ann", "ben", "cara", "dev", "eli", "fay", "gus", "hana", "ida", "jon", "kim", "leo", "mia", "noor")
JOBS = ("audit", "merger", "payroll", "survey", "website", "training", "archive", "tender", "budget", "recall")
CLAUSES = tuple(f"clause_{number}" for number in range(11, 60))
GRIDS = {
    ProgramSize.SMALL: ((2, 2),),
    ProgramSize.MEDIUM: ((3, 3), (2, 4), (2, 5)),
    ProgramSize.LARGE: ((3, 5), (4, 4), (3, 6), (5, 3), (4, 5)),
}
"""People and jobs; with overtime for every person, less at most two pairs."""
HOURS_OF_THE_IDLE = (4, 30)
"""Least and most hours of a person whom the plan does not need."""
MOST_OVERTIME_TO_SPARE = 12
NUM_SHARED = {ProgramSize.SMALL: 1, ProgramSize.MEDIUM: 2, ProgramSize.LARGE: 4}

PHRASINGS = Phrasings(
    introduction="A consultancy staffs the jobs of a month under a works agreement, counting work in hours.",
    variables=(
        "The roster settles {name}: {range}.",
        "For {name} the agreement leaves open {range}.",
        "What can be put down for {name} is {range}.",
    ),
    objectives=(
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
)
TEAM_PHRASINGS = (
    "The team of the {subject} is to count {limit}, from {terms}",
    "Counting {terms}, {limit} must work on the {subject}",
    "The {subject} takes {limit} out of {terms}",
)
HOURS_PHRASINGS = (
    "For {subject} the month has {limit} hours, overtime aside: {terms}",
    "With {terms}, {subject} comes to {limit} hours",
    "The jobs take {terms}, and {subject} owes the firm {limit} hours",
)
OVERTIME_PHRASINGS = (
    "All overtime together, {terms}, is {limit} hours",
    "The agreement grants {limit} hours of overtime, counting {terms}",
)
FIRM_PHRASINGS = (
    "Taken together, {subject} come to {limit} hours, with {terms}",
    "The desk of {subject} has {limit} hours in all, overtime aside: {terms}",
)
USED = Topics(
    ("There are {limit} {subject}, used at {terms}", "At {terms}, the jobs may take {limit} {subject}"),
    ("euros of travel money", "days in hotels", "licences of the ledger program", "evenings on site", "desk days"),
)
OWED = Topics(
    ("The clients are promised {limit} {subject}, earned at {terms}", "At {terms}, we must reach {limit} {subject}"),
    ("points of seniority", "points of language skill", "hours of teaching", "credits of training", "visits"),
)


def build(rng: Random, size: ProgramSize, wording: Wording) -> BaseModel:
    """A month's roster."""
    num_people, num_jobs = rng.choice(GRIDS[size])
    people, jobs = rng.sample(PEOPLE, num_people), rng.sample(JOBS, num_jobs)
    teams = {job: rng.sample(people, rng.choice((1, 1, min(2, num_people - 1)))) for job in jobs}
    assigned = {(person, job) for job, team in teams.items() for person in team}
    pairs = {_on(pair): pair for pair in some_pairs(rng, people, jobs, assigned, most_missing=2)}
    hours = {name: rng.randint(6, 40) for name in pairs}
    plan = {name: int(pair in assigned) for name, pair in pairs.items()}
    busy = {person for person, _ in assigned}
    plan |= {_overtime(person): rng.randint(0, 6) * (person in busy) for person in people}
    variables = variables_around(rng, plan, pairs, VariableType.CONTINUOUS, MOST_OVERTIME_TO_SPARE)
    draft = Draft(rng, variables, plan, rng.sample(CLAUSES, len(CLAUSES)))
    for job in jobs:
        sense = rng.choice((Sense.EQUAL, Sense.GREATER_EQUAL))
        team = {name: 1 for name, (_, where) in pairs.items() if where == job}
        draft.exact(team, sense, len(teams[job]), on_subject(TEAM_PHRASINGS, job))
    limits = []
    for person in people:
        use = {name: hours[name] for name, (who, _) in pairs.items() if who == person} | {_overtime(person): -1}
        phrasings = on_subject(HOURS_PHRASINGS, person)
        if person in busy:
            limits.append(draft.planned(use, Sense.LESS_EQUAL, phrasings))
        else:
            limits.append(draft.exact(use, Sense.LESS_EQUAL, rng.randint(*HOURS_OF_THE_IDLE), phrasings))
    if size is not ProgramSize.SMALL:
        draft.planned({_overtime(person): 1 for person in people}, Sense.LESS_EQUAL, OVERTIME_PHRASINGS)
    together = rng.sample(range(num_people), rng.randint(2, num_people))
    named = listed([people[i] for i in together])
    draft.total(Sense.LESS_EQUAL, [limits[i] for i in together], on_subject(FIRM_PHRASINGS, named))
    draft.shared(NUM_SHARED[size], USED, OWED)
    gains = {name: rng.randint(20, 300) for name in pairs} | {_overtime(p): -rng.randint(2, 30) for p in people}
    return draft.finish(Domain.ASSIGNMENT, Direction.MAXIMIZE, gains, PHRASINGS, wording)


def _on(pair: Pair) -> str:
    return f"{pair[0]}_on_{pair[1]}"


def _overtime(person: str) -> str:
    return f"overtime_{person}"
