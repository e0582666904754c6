"""A second reader of the domains' texts, which shares no code with them: text in, program out.

What it rebuilds from the text alone proves that the text determines the program.
"""

import math
import re

from lit_grpo.environment.programs.program import Constraint, Direction, LinearProgram, Sense, Variable, VariableType

SENSES = {
    "at most": Sense.LESS_EQUAL,
    "no more than": Sense.LESS_EQUAL,
    "at least": Sense.GREATER_EQUAL,
    "no less than": Sense.GREATER_EQUAL,
    "exactly": Sense.EQUAL,
}
LIMIT = re.compile(r"\b(at most|no more than|at least|no less than|exactly) (-?\d+)")
TERM = re.compile(r"(less )?(\d+) per (\w+)")
RANGES = (
    (re.compile(r"whole number (?:from|between) (\d+) (?:to|and) (\d+)"), VariableType.INTEGER),
    (re.compile(r"between (\d+) and (\d+)"), VariableType.CONTINUOUS),
    (re.compile(r"(\d+) to (\d+)"), VariableType.CONTINUOUS),
    (re.compile(r"(?:(\d+) or more|anything from (\d+))"), VariableType.CONTINUOUS),
)


def read_program(text: str) -> LinearProgram:
    """The program a specification describes; variables and rows in the order of their names."""
    sentences = [s.strip(" .") for s in re.split(r"\.(?: |$)", text) if s.strip()]
    is_tiny = any(re.match(r"\w+ : ", s) for s in sentences)
    objectives = [s for s in sentences if TERM.search(s) and not LIMIT.search(s)]
    rows = [s for s in sentences if TERM.search(s) and LIMIT.search(s)]
    assert len(objectives) == 1
    costs = _terms(objectives[0])
    names = sorted({name for s in sentences for name in _terms(s)})
    maximise = re.search(r"as large as possible|\bmost\b", objectives[0])
    minimise = re.search(r"as small as possible|\bleast\b", objectives[0])
    assert (maximise is None) != (minimise is None)
    return LinearProgram(
        Direction.MAXIMIZE if maximise else Direction.MINIMIZE,
        tuple((name, costs[name]) for name in names if name in costs),
        tuple(_variable(name, sentences, is_tiny) for name in names),
        tuple(sorted((_row(s, names, is_tiny) for s in rows), key=lambda c: c.name)),
    )


def _terms(sentence: str) -> dict[str, float]:
    return {name: -float(value) if less else float(value) for less, value, name in TERM.findall(sentence)}


def _row(sentence: str, order: list[str], is_tiny: bool) -> Constraint:
    named = re.match(r"(\w+) : ", sentence) if is_tiny else re.search(r"\((\w+)\)$", sentence)
    (limit,) = LIMIT.findall(sentence)
    terms = _terms(sentence)
    assert named is not None
    return Constraint(named[1], tuple((n, terms[n]) for n in order if n in terms), SENSES[limit[0]], float(limit[1]))


def _variable(name: str, sentences: list[str], is_tiny: bool) -> Variable:
    (sentence,) = (s for s in sentences if re.search(rf"\b{name}\b", s) and not TERM.search(s))
    if "yes or no (1 or 0)" in sentence:
        return Variable(name, 0.0, 1.0, VariableType.BINARY)
    for pattern, type_ in RANGES:
        if found := pattern.search(sentence):
            lower, *upper = (float(number) for number in found.groups() if number is not None)
            whole = is_tiny and " , whole" in sentence
            return Variable(name, lower, upper[0] if upper else math.inf, VariableType.INTEGER if whole else type_)
    raise AssertionError(f"no range in {sentence!r}")
