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

from collections.abc import Collection, Iterable
from enum import StrEnum

from lit_grpo.environment.episodes.actions import number_text
from lit_grpo.environment.episodes.elements import (
    MEANING,
    algebra_of,
    beside,
    bound_text,
    marks_of,
    name_of,
    objective_pieces,
)
from lit_grpo.environment.episodes.inspection import Inspection
from lit_grpo.environment.episodes.instructions import FULL_INSTRUCTIONS
from lit_grpo.environment.episodes.levels import SpecificationLevel, as_one_text
from lit_grpo.environment.programs.program import Element, LinearProgram
from lit_grpo.environment.programs.specification import RepairProblem, Specification
from lit_grpo.environment.solver.solver import Conflict, SolverStatus

RENDERING_VERSION = 1
"""Raised whenever an observation of either style is written otherwise for the same content: models are trained on these
texts, byte for byte."""


VERDICT_HEADING = "The solver reports: "
INFEASIBLE = f"{VERDICT_HEADING}infeasible."
SPECIFICATION_HEADING = "Specification, what the model is meant to say:"
CONFLICT_HEADING = "Conflict, requirements that cannot hold together, none of them superfluous:"
NAMES_HEADING = "The conflict is as before: "
"""Openings of the parts of a full observation."""


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
    parts = [INFEASIBLE, _full_model(problem.program)]
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
    verdict = f"{VERDICT_HEADING}{status.value}" + (
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
    return "\n".join(
        f"{marker} {name_of(element)} {algebra[element]}" for element, marker in marks_of(conflict).items()
    )


def conflict_names(conflict: Conflict | None, style: ObservationStyle) -> str:
    """The conflict of a program whose algebra the agent has already seen."""
    names = member_names(conflict, style)
    if style is ObservationStyle.FULL:
        return f"{NAMES_HEADING}{', '.join(names)}." if names else ""
    return " , ".join(names)


def member_names(conflict: Conflict | None, style: ObservationStyle) -> list[str]:
    """The elements of a conflict, each once, as they are named where their algebra is not repeated."""
    marks = marks_of(conflict)
    if style is ObservationStyle.FULL:
        return list(marks)
    return [name_of(element) if m == "*" else f"{name_of(element)} {m}" for element, m in marks.items()]


def refusal_observation(word: str, explanation: str, style: ObservationStyle) -> str:
    """Why a turn changed nothing: the word alone in the compact style."""
    return word if style is ObservationStyle.COMPACT else f"{word}: {explanation}. A step was spent."


def inspection_observation(
    answers: Iterable[Inspection], program: LinearProgram, style: ObservationStyle, show_violation: bool = True
) -> str:
    """What `inspect` found out. What is violated lies in a conflict, so it is hidden where that is."""
    if style is ObservationStyle.COMPACT:
        return "\n".join(range_text(answer, style, show_violation) for answer in answers)
    algebra = algebra_of(program)
    return "\n".join(
        f"{answer.element}  {algebra[answer.element]}\n{range_text(answer, style, show_violation)}"
        for answer in answers
    )


def range_text(answer: Inspection, style: ObservationStyle, show_violation: bool = True) -> str:
    """An element's range, and how far it must give way."""
    low, high = bound_text(answer.low), bound_text(answer.high)
    violation = "unknown" if answer.violation is None else number_text(answer.violation)
    if style is ObservationStyle.COMPACT:
        return f"{name_of(answer.element)} {low} .. {high}" + (f" violation {violation}" if show_violation else "")
    shown = f"; violation in a smallest relaxation of the program: {violation}"
    return f"  range within the bounds: {low} .. {high}" + (shown if show_violation else "")


# --- the parts of both styles -------------------------------------------------------------------------------------


def sentences_beside(
    specification: Specification | None, known: Collection[Element], level: SpecificationLevel
) -> dict[Element | None, str]:
    """The sentences beside each element, joined by blanks; under None those beside the objective."""
    if specification is not None and level is not SpecificationLevel.BESIDE:
        return {None: as_one_text(specification, known, level)}
    texts: dict[Element | None, list[str]] = {element: [] for element in known}
    for sentence in specification.sentences if specification is not None else ():
        texts.setdefault(sentence.about if sentence.about in texts else None, []).append(sentence.text)
    return {about: " ".join(sentences) for about, sentences in texts.items() if sentences}


def _compact_problem(problem: RepairProblem, conflict: Conflict | None, level: SpecificationLevel) -> str:
    algebra = algebra_of(problem.program)
    sentences = sentences_beside(problem.specification, algebra, level)
    markers = marks_of(conflict)
    order = [*markers, *(element for element in algebra if element not in markers)]
    lines = [
        (f"{markers[e]} " if e in markers else "") + f"{name_of(e)} {algebra[e]}" + beside(sentences.get(e), name_of(e))
        for e in order
    ]
    lines.append(" ".join(objective_pieces(problem.program)) + beside(sentences.get(None)))
    return "\n".join(lines if conflict is not None else ["conflict unknown", *lines])


def _full_model(program: LinearProgram) -> str:
    algebra = algebra_of(program)
    objective = " ".join(objective_pieces(program))
    return "\n".join(["Model:", f"  {objective}", *(f"  {e}  {text}" for e, text in algebra.items())])


def _full_specification(program: LinearProgram, specification: Specification, level: SpecificationLevel) -> str:
    known = algebra_of(program)
    if level is not SpecificationLevel.BESIDE:
        separator = "\n  " if level is SpecificationLevel.LABELLED else " "
        return f"{SPECIFICATION_HEADING}\n  {as_one_text(specification, known, level, separator)}"
    lines = [f"  [{s.about}] {s.text}" if s.about in known else f"  {s.text}" for s in specification.sentences]
    return "\n".join([SPECIFICATION_HEADING, *lines])


def _full_conflict(program: LinearProgram, conflict: Conflict | None) -> str:
    if conflict is None:
        return "Conflict: unknown, the search for it hit a limit."
    algebra = algebra_of(program)
    lines = [f"  {m.element}  {algebra[m.element]}{MEANING[m.part]}" for m in conflict.members]
    return "\n".join([CONFLICT_HEADING, *lines])
