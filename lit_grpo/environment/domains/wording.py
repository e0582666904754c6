"""The business text of SMALL to LARGE programs: sentences with all the numbers of what they are about.

Called by the domains. A sentence about a row carries the row's name in parentheses, like a reference in a model's
documentation: ``Assembly has at most 120 hours a week, using 3 per oak_chair, 2 per pine_desk (assembly_hours).``
Each domain brings its own phrasings, at least two of everything, as templates with ``{terms}`` and ``{limit}``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random

from lit_grpo.environment.domains.base import Wording, Wordings
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

LIMITS = {
    Sense.LESS_EQUAL: ("at most", "no more than"),
    Sense.GREATER_EQUAL: ("at least", "no less than"),
    Sense.EQUAL: ("exactly",),
}


@dataclass(frozen=True, slots=True)
class Phrasings:
    """How a domain speaks of its programs."""

    introduction: str
    variables: tuple[str, ...]
    """Sentences with ``{name}`` and ``{range}``, e.g. ``Output of {name} is {range}.``"""
    objectives: tuple[str, ...]
    """Sentences with ``{terms}`` and ``{best}`` (as large, or as small, as possible)."""
    distractors: tuple[str, ...]
    """Sentences with one ``{number}`` each, which determine nothing."""


class Words:
    """Chooses among templates, for one program.

    What the usual ones need of the generator is drawn whatever the wordings are, and nothing more: so the same programs
    and faults follow.
    """

    def __init__(self, rng: Random, wordings: Wordings, program: LinearProgram) -> None:
        self.is_usual = wordings is Wordings.USUAL
        self.own = Random(f"{wordings}/{program!r}")
        """Apart from the generator; not used for the usual wordings."""
        self._rng, self._wordings = rng, wordings

    def choose(self, usual: Sequence[str], more: Sequence[str] = (), held_out: Sequence[str] = ()) -> str:
        """One of the templates.

        Args:
            usual: Where it is a single one, nothing is drawn.
            more: Are drawn in training besides.
            held_out: Are drawn for tests alone; empty: the last of the usual ones is held out.
        """
        drawn = usual[0] if len(usual) == 1 else self._rng.choice(usual)
        kept = usual if held_out else usual[:-1]
        match self._wordings:
            case Wordings.USUAL:
                return drawn
            case Wordings.TRAINING:
                return self.own.choice((*kept, *more))
            case Wordings.HELD_OUT:
                return self.own.choice(held_out or usual[-1:])


def on_subject(templates: Sequence[str], subject: str) -> tuple[str, ...]:
    """Templates with their ``{subject}`` filled in; ``{terms}`` and ``{limit}`` stay open, for ``specify``."""
    return tuple(template.replace("{subject}", subject) for template in templates)


def listed(names: Sequence[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def specify(
    rng: Random,
    wording: Wording,
    phrasings: Phrasings,
    program: LinearProgram,
    row_phrasings: Mapping[str, Sequence[str]],
) -> Specification:
    """The specification of a program: introduction, variables, objective, rows (and distractors), as the wording asks.

    ``row_phrasings``: the templates that fit each row, by the row's name.
    """
    words = Words(rng, wording.wordings, program)
    about = [_about_variable(rng, v, words.choose(phrasings.variables)) for v in program.variables]
    about.append(_about_objective(program, words.choose(phrasings.objectives)))
    about += [_about_row(rng, row, words, row_phrasings[row.name]) for row in program.constraints]
    chosen = rng.sample(phrasings.distractors, wording.num_distractors)
    about += [Sentence(text.format(number=rng.randint(2, 400))) for text in chosen]
    if not words.is_usual and not chosen:
        about.append(Sentence(words.own.choice(phrasings.distractors).format(number=words.own.randint(2, 400))))
    if wording.shuffled:
        rng.shuffle(about)
    return Specification((Sentence(phrasings.introduction), *about))


def _about_variable(rng: Random, variable: Variable, template: str) -> Sentence:
    text = template.format(name=variable.name, range=_range(rng, variable))
    return Sentence(text, variable_element(variable.name))


def _range(rng: Random, variable: Variable) -> str:
    if variable.type is VariableType.BINARY:
        return "yes or no (1 or 0)"
    if variable.upper == math.inf:
        return rng.choice(("{:.0f} or more", "anything from {:.0f}")).format(variable.lower)
    if variable.type is VariableType.INTEGER:
        phrasings = ("any whole number from {:.0f} to {:.0f}", "a whole number between {:.0f} and {:.0f}")
    else:
        phrasings = ("between {:.0f} and {:.0f}", "{:.0f} to {:.0f}")
    return rng.choice(phrasings).format(variable.lower, variable.upper)


def _about_objective(program: LinearProgram, template: str) -> Sentence:
    best = "as large as possible" if program.direction is Direction.MAXIMIZE else "as small as possible"
    return Sentence(template.format(terms=_terms(program.objective), best=best))


def _about_row(rng: Random, row: Constraint, words: Words, templates: Sequence[str]) -> Sentence:
    limit = f"{rng.choice(LIMITS[row.sense])} {row.rhs:.0f}"
    text = words.choose(templates).format(terms=_terms(row.terms), limit=limit)
    return Sentence(f"{text} ({row.name}).", row_element(row.name))


def _terms(terms: tuple[tuple[str, float], ...]) -> str:
    """``3 per chair, 2 per table, less 4 per lamp``."""
    return ", ".join(f"{'less ' if value < 0 else ''}{abs(value):.0f} per {name}" for name, value in terms)
