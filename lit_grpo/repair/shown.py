"""What is said of the few repairs that are shown: cost, the sentences that speak of them, those still broken, a patch.

Called by as_text.py, as_json.py and files.py, which say the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lit_grpo.environment.programs.patching import patch_of, patched_text
from lit_grpo.environment.programs.program import (
    Direction,
    Element,
    LinearProgram,
    Sense,
    VariableType,
    row_element,
    variable_element,
)
from lit_grpo.environment.repairs.broken_sentences import BrokenSentence, broken_sentences
from lit_grpo.environment.repairs.evidence import evidence_of
from lit_grpo.environment.solver.solver import Solver
from lit_grpo.repair.prediction import Prediction
from lit_grpo.repair.ranking import Repair

VIOLATION_TOLERANCE = 1e-6
"""The solver's own feasibility tolerance: smaller violations are none."""


@dataclass(frozen=True, slots=True)
class ShownRepair:
    """A repair with what there is to say of it."""

    repair: Repair
    behind: float | None
    """By how much its optimum is worse than the best of those shown; None without an optimum."""
    breaks: tuple[tuple[Element, float], ...]
    """What its optimum breaks of the program as it was written, and by how much."""
    sentences: tuple[tuple[Element, str], ...]
    """What the specification says of the elements that it changes, where it says something."""
    broken: tuple[BrokenSentence, ...]
    """The sentences that the repaired program does not say, as far as they can be matched."""
    text: str | None
    """The user's file with the changes; None if they cannot be written into it."""
    patch: str | None
    """The same as a unified difference."""


def shown_repairs(prediction: Prediction, solver: Solver) -> tuple[ShownRepair, ...]:
    """The repairs that are shown, in their order."""
    written = prediction.explanation.program
    objectives = [r.objective for r in prediction.shown if r.objective is not None]
    best = None
    if objectives:
        best = min(objectives) if written.direction is Direction.MINIMIZE else max(objectives)
    return tuple(_shown(prediction, repair, best, solver) for repair in prediction.shown)


def broken_requirements(program: LinearProgram, values: dict[str, float]) -> tuple[tuple[Element, float], ...]:
    """The rows and bounds of a program that a point breaks, and by how much.

    Args:
        program: The program whose requirements are meant.
        values: The values of its variables by name; a variable that is left out counts as 0.

    Returns:
        (element, amount) where the amount is above 1e-6: rows in units of their right-hand side, variables in their
        own (the distance to the bounds, or to the nearest integer).
    """
    broken: list[tuple[Element, float]] = []
    for row in program.constraints:
        slack = row.rhs - sum(coefficient * values.get(name, 0.0) for name, coefficient in row.terms)
        amount = {Sense.LESS_EQUAL: -slack, Sense.GREATER_EQUAL: slack, Sense.EQUAL: abs(slack)}[row.sense]
        broken.append((row_element(row.name), amount))
    for variable in program.variables:
        value = values.get(variable.name, 0.0)
        lower, upper = variable.effective_bounds
        fraction = 0.0 if variable.type is VariableType.CONTINUOUS else abs(value - round(value))
        broken.append((variable_element(variable.name), max(lower - value, value - upper, fraction)))
    return tuple((element, amount) for element, amount in broken if amount > VIOLATION_TOLERANCE)


def _shown(prediction: Prediction, repair: Repair, best: float | None, solver: Solver) -> ShownRepair:
    explanation = prediction.explanation
    written, specification = explanation.program, explanation.specification
    values = solver.solve(repair.program).values if repair.objective is not None else None
    named = {} if values is None else dict(zip((v.name for v in written.variables), values, strict=True))
    text = patched_text(explanation.file, repair.program)
    return ShownRepair(
        repair,
        None if repair.objective is None or best is None else abs(repair.objective - best),
        broken_requirements(written, named) if named else (),
        () if specification is None else _sentences(prediction, repair.elements),
        () if specification is None else broken_sentences(repair.program, written, specification),
        text,
        None if text is None else patch_of(explanation.file, text),
    )


def _sentences(prediction: Prediction, elements: Sequence[Element]) -> tuple[tuple[Element, str], ...]:
    evidence = evidence_of(prediction.explanation.program, prediction.explanation.specification)
    said = {} if evidence is None else evidence.sentences
    return tuple((element, said[element]) for element in elements if element in said)
