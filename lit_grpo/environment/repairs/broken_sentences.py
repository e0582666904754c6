"""The sentences of a text that a program does not say, as far as numbers, senses and names can be matched.

Called by repair/ for what `lit-grpo predict` shows. Nothing is understood: a sentence that is not listed may be broken
all the same, and one that is listed may speak of something else. Each comes with what could not be matched.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from lit_grpo.environment.programs.difference import elements_of
from lit_grpo.environment.programs.program import Constraint, Element, LinearProgram, Variable
from lit_grpo.environment.programs.specification import Specification
from lit_grpo.environment.repairs.evidence import wrong_signs
from lit_grpo.environment.repairs.numbers_in_text import (
    figures_in,
    names_in,
    numbers_in,
    senses_in,
    sentences_in,
    type_in,
)

OFTEN_UNSAID = (0.0, 1.0)
"""Numbers that a text leaves out, or has for other reasons."""


@dataclass(frozen=True, slots=True)
class BrokenSentence:
    """A sentence, and what of it the program does not have."""

    text: str
    about: Element | None
    """The element that the text's label names; None for prose."""
    reasons: tuple[str, ...]
    """Never empty."""


def broken_sentences(
    program: LinearProgram, written: LinearProgram, specification: Specification
) -> tuple[BrokenSentence, ...]:
    """What the specification says and the program does not.

    Args:
        program: The repaired program.
        written: The program as the user wrote it: a row that only this one has was left out by the repair.
        specification: Sentences with labels are held against their element, in numbers, sense, type and names. Prose
            that states a requirement is held against the program as a whole, in its figures alone.
    """
    known, names = set(elements_of(written)), frozenset(variable.name for variable in written.variables)
    labelled: dict[Element, list[str]] = {}
    prose: list[str] = []
    for sentence in specification.sentences:
        if sentence.about in known and sentence.about is not None:
            labelled.setdefault(sentence.about, []).append(sentence.text)
        else:
            prose.extend(sentences_in(sentence.text))
    found = [
        BrokenSentence(text, element, tuple(_of_element(program, element, text, names)))
        for element, text in ((element, " ".join(texts)) for element, texts in labelled.items())
    ]
    everywhere = _all_numbers(program)
    found += [BrokenSentence(text, None, tuple(_of_prose(everywhere, text))) for text in prose]
    return tuple(sentence for sentence in found if sentence.reasons)


def _of_element(program: LinearProgram, element: Element, text: str, names: frozenset[str]) -> Iterator[str]:
    kind, _, name = element.partition(":")
    if kind == "var":
        yield from _of_variable(program.variable(name), text)
    else:
        row = next((row for row in program.constraints if row.name == name), None)
        yield from ["there is no such row any more"] if row is None else _of_row(row, text, names)


def _of_row(row: Constraint, text: str, names: frozenset[str]) -> Iterator[str]:
    numbers = {abs(value) for _, value in row.terms} | {abs(row.rhs)}
    yield from _numbers(numbers, text)
    missing = (names_in(text) & names) - {name for name, _ in row.terms}
    yield from (f"it names {name}, which the row does not have" for name in sorted(missing))
    senses = senses_in(text)
    if wrong_signs(row, text, may_be_turned=not senses or row.sense.reversed in senses):
        yield "a number has not the sign that it says"
    if senses and row.sense not in senses and not (_is_negated(row) and row.sense.reversed in senses):
        yield f"it says {' or '.join(sorted(sense.value for sense in senses))}, and the row {row.sense.value}"


def _of_variable(variable: Variable, text: str) -> Iterator[str]:
    yield from _numbers({abs(bound) for bound in variable.effective_bounds if math.isfinite(bound)}, text)
    type_ = type_in(text)
    if type_ is not None and type_ is not variable.type:
        yield f"it says {type_.value}, and the variable is {variable.type.value}"


def _of_prose(everywhere: set[float], text: str) -> Iterator[str]:
    if senses_in(text):
        for figure in figures_in(text):
            if figure not in everywhere and figure not in OFTEN_UNSAID:
                yield f"{figure:g} stands nowhere in the program"


def _numbers(numbers: set[float], text: str) -> Iterator[str]:
    said = numbers_in(text)
    yield from (f"{n:g} is not in it" for n in sorted(numbers) if n not in said and n not in OFTEN_UNSAID)
    for figure in figures_in(text):
        if figure not in numbers and figure not in OFTEN_UNSAID:
            yield f"its {figure:g} is not in the program"


def _is_negated(row: Constraint) -> bool:
    """Whether a person would have written the row the other way round, with all signs turned."""
    return row.rhs <= 0 and all(value < 0 for _, value in row.terms)


def _all_numbers(program: LinearProgram) -> set[float]:
    """The magnitudes of all numbers of a program."""
    numbers = {abs(value) for row in program.constraints for _, value in row.terms}
    numbers |= {abs(row.rhs) for row in program.constraints} | {abs(value) for _, value in program.objective}
    bounds = (bound for variable in program.variables for bound in variable.effective_bounds)
    return numbers | {abs(bound) for bound in bounds if math.isfinite(bound)} | {abs(program.objective_offset)}
