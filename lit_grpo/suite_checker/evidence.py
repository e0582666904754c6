"""The evidence of a certificate (kinds E to I), asked of the solver again, each figure and name of it.

Called by certificates.py, once everything else of the record holds or has been complained about.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from lit_grpo.suite_checker.case import Case, near
from lit_grpo.suite_checker.kinds import NEARLY_EQUAL
from lit_grpo.suite_checker.requirements import (
    Requirements,
    conflict,
    elements_of,
    relaxed,
    requirements_of,
    without,
)

Evidence = dict[str, Any]

ROUNDING = 1e-7
"""The rounding of the sum of a smallest relaxation, relative above 1."""
LEAST_SHARE = 1e-5
"""The share of a smallest relaxation from which on an element counts as giving way in it; likewise relative above 1."""


def evidence_failures(case: Case) -> Iterator[str]:
    """What does not hold of the evidence; A to D have none (layout.py)."""
    check = _CHECKS.get(case.record.fields["kind"])
    if check is not None:
        yield from check(case, case.record.certificate["evidence"])


def _several(case: Case, evidence: Evidence) -> Iterator[str]:
    """E: a conflict for each fault, without the others; and what is left whichever element is taken out."""
    elements, conflicts = case.record.elements, list(case.own_conflicts.values())
    yield from _same_conflicts(evidence["conflicts"], conflicts)
    for element, members in case.own_conflicts.items():
        if case.judge.feasible(members):
            yield f"expected {element} to make the original infeasible by itself, got a feasible program"
            return
        held = set(elements_of(members)) & set(elements)
        if held != {element}:
            yield f"expected the conflict of {element} to hold it and no other fault, got one with {sorted(held)}"
    shared = set.intersection(*(set(elements_of(members)) for members in conflicts))
    left = min(
        *(case.violation_of(members) for members in conflicts),
        *(case.violation_of(case.without(element)) for element in shared),
    )
    if not near(case.record.certificate["property_margin"], left):
        yield f"expected property_margin {left} from the conflicts of the evidence, got another"


def _distant(case: Case, evidence: Evidence) -> Iterator[str]:
    """F: what each deletion leads to, whom a smallest relaxation blames, and what the faulty element alone takes."""
    faulty = case.record.elements[0]
    rows = [e.removeprefix("row:") for e in elements_of(case.conflict) if e.startswith("row:") and e != faulty]
    recorded = evidence["deletions"]
    if [deletion["row"] for deletion in recorded] != rows:
        yield f"expected the deletions of {rows}, got those of {[deletion['row'] for deletion in recorded]}"
        return
    for deletion in recorded:
        status, objective = _without_row(case, deletion["row"])
        if deletion["status"] != status or not _same(deletion["objective"], objective):
            got = f"{deletion['status']} {deletion['objective']}"
            yield f"expected deleting {deletion['row']} to lead to {status} {objective}, got {got}"
    yield from _blame(case, evidence["relaxed"])
    if not near(evidence["alone"], case.amount(faulty)):
        yield f"expected {faulty} alone to give way by {case.amount(faulty)}, got {evidence['alone']}"


def _blame(case: Case, blamed: list[str]) -> Iterator[str]:
    """There is a smallest relaxation in which these elements give way, all of them, and no others."""
    linear = relaxed(case.faulty)
    if case.record.elements[0] in blamed or blamed != [e for e in elements_of(linear) if e in blamed]:
        yield f"expected relaxed to name true elements in the order of the program, got {blamed}"
        return
    soft = {r for r in linear if r.element in blamed}
    least = case.judge.least_violation(linear, soft)
    if least is None or not near(least, case.violation):
        yield f"expected relaxed to give way by {case.violation} in sum, got {blamed} by {least}"
        return
    scale = max(1.0, least)
    for element in blamed:
        if case.judge.furthest(linear, soft, least + ROUNDING * scale, element) < LEAST_SHARE * scale:
            yield f"expected each of relaxed to give way in a smallest relaxation, got {element}, which cannot"


def _cascade(case: Case, evidence: Evidence) -> Iterator[str]:
    """G: the conflict that the first repair reveals, and the optimum without the first element."""
    members = conflict(case.judge, relaxed(requirements_of(case.record.repairs[1])))
    yield from _same_conflicts([evidence["revealed"]], [members])
    if not set(case.record.elements) <= set(elements_of(members)):
        yield f"expected the revealed conflict to hold {case.record.elements}, got {elements_of(members)}"
    left, program = case.without(case.record.elements[0]), case.record.faulty
    optimum = case.judge.extreme(left, program.costs, program.maximize) if case.judge.feasible(left) else None
    if optimum is None or not near(evidence["objective_without"], optimum + program.offset):
        yield f"expected the optimum {optimum} without {case.record.elements[0]}, got {evidence['objective_without']}"


def _bounds(case: Case, evidence: Evidence) -> Iterator[str]:
    """H: the conflict, and the one that is left without its rows; or one of crossed bounds."""
    expected, linear = [case.conflict], relaxed(case.faulty)
    rows = {r.element for r in case.conflict if r.part == "row"}
    if rows:
        rest = without(linear, rows)
        if case.judge.feasible(rest):
            yield f"expected a conflict without {', '.join(sorted(rows))}, got a feasible program"
            return
        expected.append(conflict(case.judge, rest))
    yield from _same_conflicts(evidence["conflicts"], expected)


def _ambiguous(case: Case, evidence: Evidence) -> Iterator[str]:
    """I: the elements of the conflict that are as cheap to blame, with their amounts."""
    recorded = [repair["element"] for repair in evidence["repairs"]]
    amounts = {element: case.amount(element) for element in elements_of(case.conflict)}
    tied = [e for e, amount in amounts.items() if amount <= min(amounts.values()) * (1 + NEARLY_EQUAL)]
    if recorded != tied:
        yield f"expected the repairs of {tied}, got those of {recorded}"
        return
    for repair in evidence["repairs"]:
        element, amount = repair["element"], repair["amount"]
        if not near(amount, amounts[element]):
            yield f"expected {element} to give way by {amounts[element]}, got {amount}"


# --- what several kinds share ---------------------------------------------------------------------------------------


def _same_conflicts(recorded: list[Evidence], expected: list[Requirements]) -> Iterator[str]:
    """The recorded conflicts are these, member by member."""
    if len(recorded) != len(expected):
        yield f"expected {len(expected)} conflicts, got {len(recorded)}"
        return
    for conflict_, members in zip(recorded, expected, strict=True):
        got = [(member["part"], member["name"]) for member in conflict_["members"]]
        if got != [(r.part, r.element.partition(":")[2]) for r in members]:
            yield f"expected the conflict {_named(members)}, got {', '.join(f'{part} of {name}' for part, name in got)}"


def _named(members: Requirements) -> str:
    return ", ".join(f"{r.element} {r.part}" for r in members)


def _without_row(case: Case, row: str) -> tuple[str, float | None]:
    rows = {name: other for name, other in case.record.faulty.rows.items() if name != row}
    objective = case.judge.optimum(replace(case.record.faulty, rows=rows))
    if objective is None:
        return "infeasible", None
    return ("unbounded", None) if math.isinf(objective) else ("optimal", objective)


def _same(recorded: float | None, found: float | None) -> bool:
    return recorded is found is None or (recorded is not None and found is not None and near(recorded, found))


_CHECKS: dict[str, Callable[[Case, Evidence], Iterator[str]]] = {
    "E": _several,
    "F": _distant,
    "G": _cascade,
    "H": _bounds,
    "I": _ambiguous,
}
