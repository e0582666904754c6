"""How well an element agrees with what a text says of it: the numbers, the sense, the type.

Called by candidates.py. Nothing is understood: numbers are matched by value, senses by the usual words for them. It
ranks candidates; it proves nothing.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass

from lit_grpo.environment.programs.program import (
    Constraint,
    Element,
    LinearProgram,
    Variable,
    row_element,
    variable_element,
)
from lit_grpo.environment.programs.specification import Specification
from lit_grpo.environment.repairs.numbers_in_text import (
    mentions,
    names_in,
    negatives_in,
    numbers_in,
    senses_in,
    sentences_in,
    type_in,
)

NUMBER_WEIGHT = 3.0
"""Logarithmic: what a number that the sentence has counts for, and one that it does not have against."""

SIGN_WEIGHT = 2.0
"""For each number whose sign is not the one that the sentence has."""

NAME_WEIGHT = 3.0
"""For each variable that the sentence names and the row lacks, or the other way round."""

SENSE_WEIGHT = 3.0
TYPE_WEIGHT = 2.0

SILENCE_WEIGHT = 4.0
"""For a row to be superfluous of which the text says nothing, where it speaks of most others."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a text says of each element of a program."""

    sentences: dict[Element, str]
    """The text about each element, where there is any."""
    numbers: Counter[float]
    """Of the whole text."""
    speaks_of_rows: bool
    """Whether most rows have a sentence, so that silence about one says something."""
    variables: frozenset[str]
    """The names of all variables."""

    def numbers_about(self, element: Element) -> Counter[float]:
        """The numbers that are said of an element; of the whole text where nothing is said of it alone."""
        text = self.sentences.get(element)
        return self.numbers if text is None else numbers_in(text)

    def variables_named_about(self, element: Element) -> set[str]:
        """The variables that the text about an element names."""
        return names_in(self.sentences.get(element, "")) & self.variables

    def of_row(self, row: Constraint | None, element: Element) -> float:
        """The logarithmic weight for a row as it is; None: for there being no such row."""
        text = self.sentences.get(element)
        if row is None:
            return -SILENCE_WEIGHT if text is not None else SILENCE_WEIGHT if self.speaks_of_rows else 0.0
        if text is None and self.speaks_of_rows:
            return 0.0  # what is said of other rows says nothing of this one
        numbers = Counter(abs(value) for _, value in row.terms)
        numbers[abs(row.rhs)] += 1
        score = _agreement(numbers, self.numbers_about(element), exact=text is not None)
        if text is None:
            return score
        named = self.variables_named_about(element)
        if named:
            score -= NAME_WEIGHT * len(named ^ {name for name, _ in row.terms})
        score -= SIGN_WEIGHT * wrong_signs(row, text)
        senses = senses_in(text)
        return score + (0.0 if not senses else SENSE_WEIGHT if row.sense in senses else -SENSE_WEIGHT)

    def of_variable(self, variable: Variable) -> float:
        """The logarithmic weight for a variable's bounds and type as they are."""
        element = variable_element(variable.name)
        text = self.sentences.get(element)
        bounds = Counter(abs(b) for b in (variable.lower, variable.upper) if math.isfinite(b))
        score = _agreement(bounds, self.numbers_about(element), exact=text is not None)
        said = None if text is None else type_in(text)
        return score + (0.0 if said is None else TYPE_WEIGHT if variable.type is said else -TYPE_WEIGHT)


def evidence_of(program: LinearProgram, specification: Specification | None) -> Evidence | None:
    """What the specification says of each element, by its labels where it has them, else by names and numbers."""
    if specification is None:
        return None
    texts: dict[Element, list[str]] = {}
    known = {row_element(row.name) for row in program.constraints}
    known |= {variable_element(variable.name) for variable in program.variables}
    if any(sentence.about in known for sentence in specification.sentences):
        for sentence in specification.sentences:
            if sentence.about in known and sentence.about is not None:
                texts.setdefault(sentence.about, []).append(sentence.text)
    else:
        for sentence in sentences_in(specification.text):
            for element in known:
                if mentions(sentence, element.partition(":")[2]):
                    texts.setdefault(element, []).append(sentence)
    num_rows = sum(row_element(row.name) in texts for row in program.constraints)
    return Evidence(
        {element: " ".join(said) for element, said in texts.items()},
        numbers_in(specification.text),
        speaks_of_rows=num_rows > len(program.constraints) / 2,
        variables=frozenset(variable.name for variable in program.variables),
    )


def wrong_signs(row: Constraint, text: str, *, may_be_turned: bool = True) -> int:
    """Numbers that the text takes away and the row does not, or the other way round.

    ``may_be_turned``: whether the row may have all signs the other way round.
    """
    values = [*(value for _, value in row.terms), row.rhs]
    said, negative = numbers_in(text), negatives_in(text)

    def mismatch(sign: float) -> int:
        written = Counter(abs(value) for value in values if sign * value < 0)
        return sum(abs(written[number] - negative[number]) for number in {*written, *negative} if number in said)

    return min(mismatch(1.0), mismatch(-1.0)) if may_be_turned else mismatch(1.0)


def _agreement(numbers: Counter[float], said: Counter[float], *, exact: bool) -> float:
    """Numbers that are said, less those that are not; 0 and 1 are often left out, and count for nothing then."""
    score = 0.0
    for number, count in numbers.items():
        if number in (0.0, 1.0):
            continue
        missing = max(0, count - said[number]) if exact else (0 if said[number] else count)
        score += NUMBER_WEIGHT * (count - 2 * missing)
    return score
