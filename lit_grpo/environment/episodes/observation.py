"""What the agent is shown: the same content in a full and a compact rendering.

Called by the episode. Numbers are written so that parsing them back gives the same float.

Compact, one line per element, its algebra and its sentences together, what is in the conflict first and marked::

    * ra 3 x + 2 y <= 194 | Sawing has 194 hours ; a desk takes 3 , a shelf 2 .
    > x 80 .. null integer | At least 8 desks .
    rb 1 x + 1 y <= 90 | ...
    y 0 .. 40 | ...
    max 7 x + 4 y | A desk earns 7 , a shelf 4 .

``*`` marks a row in the conflict; ``>`` a lower bound, ``<`` an upper bound, ``#`` an integrality. ``null`` is no
bound, as in the actions. Sentences about no element stand beside the objective, and so do all of them at another level
than `BESIDE` (levels.py).
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable
from enum import StrEnum

from lit_grpo.environment.episodes.actions import number_text
from lit_grpo.environment.episodes.inspection import Inspection
from lit_grpo.environment.episodes.instructions import FULL_INSTRUCTIONS
from lit_grpo.environment.episodes.levels import SpecificationLevel, as_one_text
from lit_grpo.environment.programs.program import (
    Direction,
    Element,
    LinearProgram,
    Variable,
    VariableType,
    row_element,
    variable_element,
)
from lit_grpo.environment.programs.specification import RepairProblem, Specification
from lit_grpo.environment.solver.solver import Conflict, ConflictPart, SolverStatus

RENDERING_VERSION = 1
"""Raised whenever an observation of either style is written otherwise for the same content: models are trained on these
texts, byte for byte."""


class ObservationStyle(StrEnum):
    """How an observation is written."""

    FULL = "full"
    COMPACT = "compact"
    """Made for small models and short contexts: a row's algebra and its sentence on one line."""


# --- at the start of an episode -----------------------------------------------------------------------------------


def instructions(style: ObservationStyle) -> str:
    """The system prompt; empty for the compact style, whose models are trained on the task."""
    return FULL_INSTRUCTIONS if style is ObservationStyle.FULL else ""


def initial_observation(
    problem: RepairProblem,
    conflict: Conflict | None,
    style: ObservationStyle,
    show_conflict: bool = True,
    level: SpecificationLevel = SpecificationLevel.BESIDE,
) -> str:
    """The program, its specification if there is one, and its conflict (None: the search for it hit a limit).

    With a hidden conflict the elements stand in the program's order: the text is the same whatever the conflict is.
    """
    if style is ObservationStyle.COMPACT:
        return _compact_problem(problem, conflict if show_conflict else Conflict(()), level)
    parts = ["The solver reports: infeasible.", _full_model(problem.program)]
    if problem.specification is not None:
        parts.append(_full_specification(problem.program, problem.specification, level))
    return "\n\n".join([*parts, _full_conflict(problem.program, conflict) if show_conflict else "Conflict: not shown."])


# --- after a turn -------------------------------------------------------------------------------------------------


def edit_observation(
    status: SolverStatus, objective: float | None, was_undone: bool, conflict_text: str, style: ObservationStyle
) -> str:
    """The verdict on an edited program; ``conflict_text`` is empty where none is shown."""
    if style is ObservationStyle.COMPACT:
        word = "still" if was_undone and status is SolverStatus.INFEASIBLE else status.value
        number = "" if objective is None else number_text(objective)
        verdict = f"{word} {number}".rstrip()
        return (f"{verdict} {conflict_text}" if was_undone else f"{verdict}\n{conflict_text}").rstrip()
    verdict = f"The solver reports: {status.value}" + (
        f", objective {number_text(objective)}." if objective is not None else "."
    )
    undone = "The edit was taken back." if was_undone else ""
    return "\n".join(part for part in (verdict, undone, conflict_text) if part)


def conflict_text(program: LinearProgram, conflict: Conflict | None, style: ObservationStyle) -> str:
    """The conflict with its algebra."""
    if style is ObservationStyle.FULL:
        return _full_conflict(program, conflict)
    if conflict is None:
        return "conflict unknown"
    algebra = algebra_of(program)
    return "\n".join(f"{marker} {_name(element)} {algebra[element]}" for element, marker in _markers(conflict).items())


def conflict_names(conflict: Conflict | None, style: ObservationStyle) -> str:
    """The conflict of a program whose algebra the agent has already seen."""
    members = _markers(conflict) if conflict is not None else {}
    if style is ObservationStyle.FULL:
        return "The conflict is as before: " + ", ".join(members) + "." if members else ""
    return " , ".join(_name(element) if m == "*" else f"{_name(element)} {m}" for element, m in members.items())


def refusal_observation(word: str, explanation: str, style: ObservationStyle) -> str:
    """Why a turn changed nothing: the word alone in the compact style."""
    return word if style is ObservationStyle.COMPACT else f"{word}: {explanation}. A step was spent."


def inspection_observation(
    answers: Iterable[Inspection], program: LinearProgram, style: ObservationStyle, show_violation: bool = True
) -> str:
    """What `inspect` found out. What is violated lies in a conflict, so it is hidden where that is."""
    algebra = algebra_of(program)
    lines: list[str] = []
    for answer in answers:
        low, high = _bound(answer.low), _bound(answer.high)
        violation = "unknown" if answer.violation is None else number_text(answer.violation)
        if style is ObservationStyle.COMPACT:
            text = f"{_name(answer.element)} {low} .. {high}"
            lines.append(text + (f" violation {violation}" if show_violation else ""))
        else:
            text = f"{answer.element}  {algebra[answer.element]}\n  range within the bounds: {low} .. {high}"
            shown = f"; violation in a smallest relaxation of the program: {violation}"
            lines.append(text + (shown if show_violation else ""))
    return "\n".join(lines)


# --- the parts of both styles -------------------------------------------------------------------------------------

_MARKER = {ConflictPart.ROW: "*", ConflictPart.LOWER: ">", ConflictPart.UPPER: "<", ConflictPart.INTEGRALITY: "#"}
_MEANING = {
    ConflictPart.ROW: "",
    ConflictPart.LOWER: " (lower bound)",
    ConflictPart.UPPER: " (upper bound)",
    ConflictPart.INTEGRALITY: " (must be integral)",
}
_DIRECTION = {Direction.MINIMIZE: "min", Direction.MAXIMIZE: "max"}


def _name(element: Element) -> str:
    return element.partition(":")[2]


def _bound(value: float) -> str:
    return "null" if math.isinf(value) else number_text(value)


def _markers(conflict: Conflict) -> dict[Element, str]:
    """Each element of the conflict with the marks of its parts, e.g. ``>#``."""
    markers: dict[Element, str] = {}
    for member in conflict.members:
        markers[member.element] = markers.get(member.element, "") + _MARKER[member.part]
    return markers


def _linear(terms: tuple[tuple[str, float], ...], offset: float = 0.0) -> str:
    """``3 x - 2 y``; every coefficient is written, also 1."""
    pieces: list[str] = []
    for name, value in (*terms, ("", offset)) if offset else terms:
        sign = ("- " if value < 0 else "+ ") if pieces else ("-" if value < 0 else "")
        pieces.append(f"{sign}{number_text(abs(value))} {name}".rstrip())
    return " ".join(pieces) or "0"


def _variable(variable: Variable) -> str:
    kind = "" if variable.type is VariableType.CONTINUOUS else f" {variable.type.value}"
    return f"{_bound(variable.lower)} .. {_bound(variable.upper)}{kind}"


def algebra_of(program: LinearProgram) -> dict[Element, str]:
    """Every element's algebra, rows before variables."""
    rows = {
        row_element(c.name): f"{_linear(c.terms)} {c.sense.value} {number_text(c.rhs)}" for c in program.constraints
    }
    return rows | {variable_element(v.name): _variable(v) for v in program.variables}


def _objective(program: LinearProgram) -> str:
    return f"{_DIRECTION[program.direction]} {_linear(program.objective, program.objective_offset)}"


def _sentences(
    specification: Specification | None, known: Collection[Element], level: SpecificationLevel
) -> dict[Element | None, str]:
    """The sentences beside each element, joined; under None those beside the objective."""
    if specification is not None and level is not SpecificationLevel.BESIDE:
        return {None: as_one_text(specification, known, level)}
    texts: dict[Element | None, list[str]] = {element: [] for element in known}
    for sentence in specification.sentences if specification is not None else ():
        texts.setdefault(sentence.about if sentence.about in texts else None, []).append(sentence.text)
    return {about: " ".join(sentences) for about, sentences in texts.items() if sentences}


def _compact_problem(problem: RepairProblem, conflict: Conflict | None, level: SpecificationLevel) -> str:
    algebra = algebra_of(problem.program)
    sentences = _sentences(problem.specification, algebra, level)
    markers = _markers(conflict) if conflict is not None else {}
    order = [*markers, *(element for element in algebra if element not in markers)]
    lines = [
        (f"{markers[e]} " if e in markers else "") + f"{_name(e)} {algebra[e]}" + _beside(sentences.get(e), _name(e))
        for e in order
    ]
    lines.append(_objective(problem.program) + _beside(sentences.get(None)))
    return "\n".join(lines if conflict is not None else ["conflict unknown", *lines])


def _beside(text: str | None, name: str = "") -> str:
    """A sentence behind the algebra; where it opens with the element's name, the line has said it already."""
    return "" if text is None else f" | {text.removeprefix(f'{name} : ')}"


def _full_model(program: LinearProgram) -> str:
    algebra = algebra_of(program)
    return "\n".join(["Model:", f"  {_objective(program)}", *(f"  {e}  {text}" for e, text in algebra.items())])


def _full_specification(program: LinearProgram, specification: Specification, level: SpecificationLevel) -> str:
    known = algebra_of(program)
    heading = "Specification, what the model is meant to say:"
    if level is not SpecificationLevel.BESIDE:
        separator = "\n  " if level is SpecificationLevel.LABELLED else " "
        return f"{heading}\n  {as_one_text(specification, known, level, separator)}"
    lines = [f"  [{s.about}] {s.text}" if s.about in known else f"  {s.text}" for s in specification.sentences]
    return "\n".join([heading, *lines])


def _full_conflict(program: LinearProgram, conflict: Conflict | None) -> str:
    if conflict is None:
        return "Conflict: unknown, the search for it hit a limit."
    algebra = algebra_of(program)
    lines = [f"  {m.element}  {algebra[m.element]}{_MEANING[m.part]}" for m in conflict.members]
    return "\n".join(["Conflict, requirements that cannot hold together, none of them superfluous:", *lines])
