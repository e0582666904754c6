"""What makes a fault the kind that it is: one check a kind, asked of the solver.

Called by certificates.py, once the faulty program is known to be infeasible and the original to be feasible.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace

from lit_grpo.suite_checker.case import LEAST_VIOLATION, TIE, TOLERANCE, Case, near
from lit_grpo.suite_checker.requirements import Requirements, conflict, elements_of, relaxed, requirements_of, without

LEAST_SHIFT = 1e-3
"""The shift of the objective, relative to it (to 1 if that is smaller), by which deleting a row shows (kind F)."""
NEARLY_EQUAL = 0.01
"""Relative; violations that differ by less are a tie (kind I)."""

SINGLE_EDITS = {
    "A": ("set_sense",),
    "B": ("set_bounds", "set_type"),
    "C": ("set_coefficient",),
    "D": ("set_rhs", "drop"),
}
"""The inverse of these kinds is one action, of these."""


def kind_failures(case: Case) -> Iterator[str]:
    """What does not hold of the record's own kind."""
    kind, actions = case.record.fields["kind"], [edit.action for edit in case.record.edits]
    allowed = SINGLE_EDITS.get(kind)
    if allowed is not None and (len(actions) != 1 or actions[0] not in allowed):
        yield f"expected one {' or '.join(allowed)} as the inverse of kind {kind}, got {', '.join(actions)}"
        return
    yield from KIND_CHECKS[kind](case)


def _sense(case: Case) -> Iterator[str]:
    """A: the others imply the row strictly, so its reversal cannot be met."""
    name = case.record.elements[0][len("row:") :]
    true, wrong = case.record.original.rows[name], case.record.faulty.rows[name]
    if {true.sense, wrong.sense} != {"<=", ">="}:
        yield f"expected the sense of an inequality reversed, got {true.sense} made {wrong.sense}"
        return
    rest = without(relaxed(case.original), [f"row:{name}"])
    furthest = case.judge.extreme(rest, true.terms, maximize=true.sense == "<=")
    assert furthest is not None, "the original is feasible"
    margin = true.rhs - furthest if true.sense == "<=" else furthest - true.rhs
    yield from _margin(case, "the row's redundancy margin in the original", margin)


def _bound_or_type(case: Case) -> Iterator[str]:
    """B: every conflict holds that bound or type, and at least one row."""
    changed = [r for r in case.faulty if r not in case.original]
    if case.record.edits[0].action == "set_bounds" and len(changed) != 1:
        yield f"expected one wrong bound, got {len(changed)}"
    if case.record.edits[0].action == "set_type" and "integrality" not in {r.part for r in case.faulty}:
        yield "expected a type that is too narrow, got one that requires nothing"
    if not case.judge.feasible(tuple(r for r in case.faulty if r not in changed)):
        yield "expected every conflict to hold the wrong bound or type, got one that does not"
    if not case.judge.feasible(tuple(r for r in case.faulty if r.part != "row")):
        yield "expected every conflict to hold a row, got one of bounds alone"
    yield from _margin(case, "the violation", case.violation, least=0.0)


def _coefficient(case: Case) -> Iterator[str]:
    """C: deleting the row is feasible, and the violation counts."""
    yield from _deletion_repairs(case)
    yield from _margin(case, "the violation", case.violation)


def _right_hand_side(case: Case) -> Iterator[str]:
    """D: the record says whether a right-hand side is wrong or a row was added."""
    action, variant = case.record.edits[0].action, case.record.certificate["variant"]
    expected = "wrong_rhs" if action == "set_rhs" else "added_row"
    if variant != expected:
        yield f"expected the variant {expected} where the inverse is {action}, got {variant}"
    yield from _deletion_repairs(case)
    yield from _margin(case, "the violation", case.violation)


def _several(case: Case) -> Iterator[str]:
    """E: no single row and no single variable is to blame."""
    yield from _at_least_two_elements(case)
    for element in elements_of(case.faulty):
        if case.repairs(element):
            yield f"expected it to stay infeasible without {element}, got a feasible program"
    left = min(case.violation_of(case.without(element)) for element in elements_of(case.faulty))
    recorded = case.record.certificate["property_margin"]
    if not LEAST_VIOLATION <= recorded <= left + TOLERANCE * max(1.0, left):
        yield f"expected property_margin from {LEAST_VIOLATION} to {left}, left without any one element, got {recorded}"


def _distant(case: Case) -> Iterator[str]:
    """F: a long conflict whose other rows matter, and whose cheapest repair is elsewhere."""
    elements = elements_of(case.conflict)
    rows = [element for element in elements if element.startswith("row:")]
    if len(elements) < 5 or len(rows) < 3:
        yield f"expected a conflict of at least 5 elements, 3 of them rows, got {len(elements)} and {len(rows)}"
    for row in rows:
        if row not in case.record.elements and not _deletion_shows(case, row):
            yield f"expected deleting {row} to move the objective or not to repair, got the same optimum"
    alone = case.amount(case.record.elements[0])
    if alone <= case.violation * (1 + TIE) + TIE:
        yield f"expected the minimum relaxation to be elsewhere, got {case.record.elements} as one"
    yield from _margin(case, "what the faulty element alone takes more", alone - case.violation, least=0.0)


def _deletion_shows(case: Case, row: str) -> bool:
    rows = {name: other for name, other in case.record.faulty.rows.items() if f"row:{name}" != row}
    objective = case.judge.optimum(replace(case.record.faulty, rows=rows))
    if objective is None or case.original_objective is None or math.isinf(objective):
        return True
    return abs(objective - case.original_objective) >= LEAST_SHIFT * max(1.0, abs(case.original_objective)) * (1 - TIE)


def _cascade(case: Case) -> Iterator[str]:
    """G: the first repair reveals the next conflict, which holds what was restored."""
    yield from _at_least_two_elements(case)
    restored, hidden = case.record.elements[0], case.record.elements[-1]
    revealed = requirements_of(case.record.repairs[1])
    if hidden in elements_of(conflict(case.judge, _with_last(case.faulty, hidden))):
        yield f"expected the first conflict to do without {hidden} wherever it stands, got one with it"
    if case.judge.feasible(revealed):
        yield f"expected it to be infeasible still after {restored} is restored, got a feasible program"
    elif not case.judge.feasible(without(revealed, [restored])):
        yield f"expected every conflict that is left to hold {restored}, got one that does not"
    yield from _margin(case, f"the violation once {restored} is restored", case.violation_of(revealed))


def _with_last(requirements: Requirements, element: str) -> Requirements:
    """The requirements with the element behind all others of its sort: rows, bounds, integralities."""
    sorts = {"row": 0, "lower": 1, "upper": 1, "integrality": 2}
    return tuple(sorted(requirements, key=lambda r: (sorts[r.part], r.element == element)))


def _bounds(case: Case) -> Iterator[str]:
    """H: no row is to blame; bounds that cross at easy, otherwise conflicts that share only bounds."""
    for name in case.record.faulty.rows:
        if case.repairs(f"row:{name}"):
            yield f"expected no deletion of a row to repair it, got a feasible program without {name}"
    crossed = [name for name, variable in case.record.faulty.variables.items() if variable.lower > variable.upper]
    difficulty = case.record.fields["difficulty"]
    if crossed and difficulty != "easy":
        yield f"expected crossed bounds at easy alone, got those of {crossed[0]} at {difficulty}"
    if not crossed and not _conflicts_share_only_bounds(case):
        yield "expected at least two conflicts that share only bounds, got none that were found"
    rest = case.without(*(r.element for r in case.conflict if r.part == "row"))
    yield from _margin(case, "the violation without the rows of the conflict", case.violation_of(rest))


def _conflicts_share_only_bounds(case: Case) -> bool:
    """Whether a conflict is left when the rows of another one are gone; conflicts are found in several orders."""
    rows = [r for r in case.faulty if r.part == "row"]
    rest = tuple(r for r in case.faulty if r.part != "row")
    for start in range(len(rows)):
        first = conflict(case.judge, (*rows[start:], *rows[:start], *rest))
        if not case.judge.feasible(case.without(*(r.element for r in first if r.part == "row"))):
            return True
    return False


def _ambiguous(case: Case) -> Iterator[str]:
    """I: several elements are as cheap to blame; the specification says of each what it should be."""
    amounts = {element: case.amount(element) for element in elements_of(relaxed(case.faulty))}
    least = min(amounts.values())
    tied = [element for element, amount in amounts.items() if amount <= least * (1 + NEARLY_EQUAL)]
    if math.isinf(least) or len(tied) < 2:
        yield f"expected at least two elements with the smallest violation {least}, got {tied}"
    elif not set(case.record.elements) <= set(tied):
        yield f"expected {case.record.elements} among those with the smallest violation, got {tied}"
    else:
        spread = max(amounts[element] for element in tied) / least - 1
        yield from _margin(case, "the relative spread of the tie", spread, least=0.0)
    told = {sentence["about"] for sentence in case.record.fields["specification"]}
    true = set(elements_of(case.original)) & set(tied)
    if not true <= told:
        yield f"expected a sentence about each of {tied}, got none about {sorted(true - told)}"


# --- what several kinds share ---------------------------------------------------------------------------------------


def _at_least_two_elements(case: Case) -> Iterator[str]:
    if len(case.record.elements) < 2:
        yield f"expected at least two faulty elements, got {case.record.elements}"


def _deletion_repairs(case: Case) -> Iterator[str]:
    if not case.repairs(*case.record.elements):
        yield f"expected {case.record.elements} to be in every conflict, got one without"


def _margin(case: Case, what: str, margin: float, least: float = LEAST_VIOLATION) -> Iterator[str]:
    """The recorded property_margin is this one, and it is large enough."""
    recorded = case.record.certificate["property_margin"]
    if margin < least:
        yield f"expected {what} to be at least {least}, got {margin}"
    elif not near(recorded, margin):
        yield f"expected property_margin {margin}, {what}, got {recorded}"


KIND_CHECKS: dict[str, Callable[[Case], Iterator[str]]] = {
    "A": _sense,
    "B": _bound_or_type,
    "C": _coefficient,
    "D": _right_hand_side,
    "E": _several,
    "F": _distant,
    "G": _cascade,
    "H": _bounds,
    "I": _ambiguous,
}
