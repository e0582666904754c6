"""The TINY program of any domain: 2 variables, 3 rows, short names, and sentences of a small shared vocabulary.

Called by each domain with its theme. It exists for models of under a million parameters: every number has at most 3
digits, a row's sentence is ``ra : wood 3 per x , 2 per y , at most 190 .``, and only nouns differ between the domains.
The wordings beyond the usual ones are for texts that are read as one: they name a variable somewhere, and not in front.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from lit_grpo.environment.domains.base import BaseModel, Domain, Wordings, make_program
from lit_grpo.environment.domains.rows import implied_row, planned_row
from lit_grpo.environment.domains.wording import LIMITS, Words
from lit_grpo.environment.programs.program import (
    Constraint,
    Direction,
    LinearProgram,
    Sense,
    Variable,
    VariableType,
    row_element,
    variable_element,
)
from lit_grpo.environment.programs.specification import Sentence, Specification

ROW_NAMES = ("ra", "rb", "rc", "rd", "re", "rf")
LARGEST_NUMBER = 999


@dataclass(frozen=True, slots=True)
class Templates:
    """The wordings of one sort of sentence."""

    usual: tuple[str, ...]
    more: tuple[str, ...]
    held_out: tuple[str, ...]

    def choose(self, words: Words) -> str:
        """One of them, as the wordings asked for say."""
        return words.choose(self.usual, self.more, self.held_out)


VARIABLES = Templates(
    usual=("{name} : {noun}{whole} , {least} to {most} .",),
    more=(
        "{name} counts {noun}{whole} , {least} to {most} .",
        "between {least} and {most} {noun}{whole} , {name} in short .",
        "of {noun}{whole} , which {name} counts , there are {least} to {most} .",
    ),
    held_out=(
        "there are between {least} and {most} {noun}{whole} , which {name} counts .",
        "{name} in short , {noun}{whole} , {least} to {most} .",
    ),
)
GOALS = Templates(
    usual=("goal : {goal} , {terms} .",),
    more=("with {terms} , the goal is {goal} .", "{goal} is the goal , counting {terms} ."),
    held_out=("counting {terms} , {goal} is the goal .",),
)
ROWS = Templates(
    usual=("{noun} {terms} , {limit}", "{limit} {noun} , {terms}"),
    more=(
        "with {terms} , {noun} in all {limit}",
        "{limit} of {noun} , counting {terms}",
        "of {noun} there are {limit} , with {terms}",
        "{terms} , {limit} {noun} in all",
    ),
    held_out=(
        "counting {terms} , there are {limit} of {noun}",
        "of {noun} {limit} , {terms} in all",
        "with {terms} , {limit} {noun}",
    ),
)
REMARKS = Templates(
    usual=("there are {number} pages .",),
    more=("of pages there are {number} in all .", "in short , {number} pages ."),
    held_out=("{number} pages in all .", "in all , there are {number} pages ."),
)
"""Sentences about nothing; the usual wordings have none of them."""


@dataclass(frozen=True, slots=True)
class TinyTheme:
    """What a domain means at two variables and three rows."""

    domain: Domain
    direction: Direction
    goal: str
    """E.g. ``most profit``."""
    nouns: tuple[str, ...]
    """What is decided on; two of them are drawn."""
    types: tuple[VariableType, VariableType]
    """The types of x and of y."""
    limited: tuple[str, ...]
    """Nouns of ``<=`` rows."""
    required: tuple[str, ...]
    """Nouns of ``>=`` rows."""
    num_limits: int
    """How many of the three rows are ``<=``: 1 or 2. The doubled side holds one row that does not bind."""


def build_tiny(rng: Random, theme: TinyTheme, wordings: Wordings = Wordings.USUAL) -> BaseModel:
    """A tiny base model; feasible at an integer plan, and bounded because every variable is."""
    plan = {"x": rng.randint(4, 30), "y": rng.randint(4, 30)}
    variables = tuple(_variable(rng, name, plan[name], t) for name, t in zip("xy", theme.types, strict=True))
    names = rng.sample(ROW_NAMES, 6)
    senses = [Sense.LESS_EQUAL] * theme.num_limits + [Sense.GREATER_EQUAL] * (3 - theme.num_limits)
    rows: list[Constraint] = []
    doubled = Sense.LESS_EQUAL if theme.num_limits == 2 else Sense.GREATER_EQUAL
    for name, sense in zip(names, senses, strict=False):
        if sense is doubled and any(row.sense is doubled for row in rows):
            rows.append(_implied_row(rng, variables, name, sense, rows))
        else:
            rows.append(planned_row(rng, variables, name, _coefficients(rng), sense, plan))
    rng.shuffle(rows)
    objective = {"x": rng.randint(1, 9), "y": rng.randint(1, 9)}
    program = make_program(theme.direction, objective, variables, rows)
    return BaseModel(theme.domain, program, _specification(rng, theme, program, wordings), tuple(names[3:]))


def _variable(rng: Random, name: str, planned: int, type_: VariableType) -> Variable:
    lower = rng.choice((0, 0, rng.randint(1, planned // 2)))
    return Variable(name, float(lower), float(planned + rng.randint(2, 40)), type_)


def _coefficients(rng: Random) -> dict[str, int]:
    """Anything from 1 to 9, or mostly ones, as in the totals of real models."""
    choices = (1, 1, 1, 2) if rng.random() < 0.4 else range(1, 10)
    return {name: rng.choice(choices) for name in "xy"}


def _implied_row(
    rng: Random, variables: tuple[Variable, ...], name: str, sense: Sense, rows: list[Constraint]
) -> Constraint:
    """A row that the rows so far and the bounds imply, drawn again until its number has 1 to 3 digits."""
    row = implied_row(rng, variables, name, _coefficients(rng), sense, rows)
    while not 1 <= row.rhs <= LARGEST_NUMBER:
        row = implied_row(rng, variables, name, _coefficients(rng), sense, rows)
    return row


def _specification(rng: Random, theme: TinyTheme, program: LinearProgram, wordings: Wordings) -> Specification:
    nouns = rng.sample(theme.nouns, 2)
    limited = iter(rng.sample(theme.limited, len(theme.limited)))
    required = iter(rng.sample(theme.required, len(theme.required)))
    words = Words(rng, wordings, program)
    sentences = [_variable_sentence(words, v, noun) for v, noun in zip(program.variables, nouns, strict=True)]
    sentences.append(Sentence(GOALS.choose(words).format(goal=theme.goal, terms=_terms(program.objective))))
    for row in program.constraints:
        noun = next(limited if row.sense is Sense.LESS_EQUAL else required)
        sentences.append(_row_sentence(words, row, noun))
    if not words.is_usual:
        sentences += [_remark(words) for _ in range(words.own.randint(1, 2))]
    return Specification(tuple(sentences))


def _variable_sentence(words: Words, variable: Variable, noun: str) -> Sentence:
    text = VARIABLES.choose(words).format(
        name=variable.name,
        noun=noun,
        whole=" , whole" if variable.type is VariableType.INTEGER else "",
        least=f"{variable.lower:.0f}",
        most=f"{variable.upper:.0f}",
    )
    return Sentence(text, variable_element(variable.name))


def _row_sentence(words: Words, row: Constraint, noun: str) -> Sentence:
    usual, *_ = LIMITS[row.sense]
    limit = usual if words.is_usual else words.own.choice(LIMITS[row.sense])
    text = ROWS.choose(words).format(noun=noun, terms=_terms(row.terms), limit=f"{limit} {row.rhs:.0f}")
    return Sentence(f"{row.name} : {text} .", row_element(row.name))


def _remark(words: Words) -> Sentence:
    return Sentence(REMARKS.choose(words).format(number=words.own.randint(2, 400)))


def _terms(terms: tuple[tuple[str, float], ...]) -> str:
    return " , ".join(f"{value:.0f} per {name}" for name, value in terms)
