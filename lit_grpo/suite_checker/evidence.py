"""The evidence of a certificate (kinds E to I), asked of the solver again, each figure and name of it.

Called by certificates.py, once everything else of the record holds or has been complained about.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from lit_grpo.suite_checker.case import Case, near
from lit_grpo.suite_checker.requirements import Requirements, conflict, elements_of, relaxed, requirements_of

Evidence = dict[str, Any]


def evidence_failures(case: Case) -> Iterator[str]:
    """What does not hold of the evidence; that of A to D is none."""
    kind, evidence = case.record.fields["kind"], case.record.certificate.get("evidence")
    check = _CHECKS.get(kind)
    if check is None:
        if evidence is not None:
            yield f"expected no evidence for kind {kind}, got {evidence}"
        return
    try:
        yield from check(case, evidence)  # pyright: ignore[reportArgumentType]
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        yield f"expected the evidence of kind {kind}, got {str(evidence)[:80]} ({error!r})"


def _several(case: Case, evidence: Evidence) -> Iterator[str]:
    """E: a conflict for each fault, without the others; and what is left whichever element is taken out."""
    elements, linear = case.record.elements, relaxed(case.faulty)
    conflicts = [_members(linear, recorded) for recorded in evidence["conflicts"]]
    if len(conflicts) != len(elements):
        yield f"expected a conflict for each of {elements}, got {len(conflicts)}"
        return
    for element, members in zip(elements, conflicts, strict=True):
        held = set(elements_of(members)) & set(elements)
        if held != {element}:
            yield f"expected the conflict of {element} to hold it and no other fault, got one with {sorted(held)}"
        yield from _irreducible(case, members)
    shared = set.intersection(*(set(elements_of(members)) for members in conflicts))
    left = min(
        *(case.violation_of(members) for members in conflicts),
        *(case.violation_of(case.without(element)) for element in shared),
    )
    if not near(case.record.certificate["property_margin"], left):
        yield f"expected property_margin {left} from the conflicts of the evidence, got another"


def _distant(case: Case, evidence: Evidence) -> Iterator[str]:
    """F: what each deletion leads to, whom a smallest relaxation blames, and what the faulty element alone takes."""
    (faulty,) = case.record.elements
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
    linear, blamed = relaxed(case.faulty), evidence["relaxed"]
    least = case.judge.least_violation(linear, {r for r in linear if r.element in blamed})
    if faulty in blamed or not set(blamed) <= set(elements_of(linear)) or least is None:
        yield f"expected relaxed to name true elements that can give way, got {blamed}"
    elif not near(least, case.violation):
        yield f"expected relaxed to give way by {case.violation} in sum, got {blamed} by {least}"
    if not near(evidence["alone"], case.amount(faulty)):
        yield f"expected {faulty} alone to give way by {case.amount(faulty)}, got {evidence['alone']}"


def _cascade(case: Case, evidence: Evidence) -> Iterator[str]:
    """G: the conflict that the first repair reveals, and the optimum without the first element."""
    revealed = relaxed(requirements_of(case.record.repairs[1]))
    members, expected = _members(revealed, evidence["revealed"]), conflict(case.judge, revealed)
    if set(members) != set(expected):
        yield f"expected the revealed conflict {_named(expected)}, got {_named(members)}"
    if not set(case.record.elements) <= set(elements_of(members)):
        yield f"expected the revealed conflict to hold {case.record.elements}, got {elements_of(members)}"
    left, program = case.without(case.record.elements[0]), case.record.faulty
    optimum = case.judge.extreme(left, program.costs, program.maximize) if case.judge.feasible(left) else None
    if optimum is None or not near(evidence["objective_without"], optimum + program.offset):
        yield f"expected the optimum {optimum} without {case.record.elements[0]}, got {evidence['objective_without']}"


def _bounds(case: Case, evidence: Evidence) -> Iterator[str]:
    """H: two conflicts that share bounds alone, or one of crossed bounds."""
    conflicts = [_members(relaxed(case.faulty), recorded) for recorded in evidence["conflicts"]]
    for members in conflicts:
        yield from _irreducible(case, members)
    rows = [{r for r in members if r.part == "row"} for members in conflicts]
    if len(conflicts) == 1:
        if rows[0]:
            yield f"expected crossed bounds where there is one conflict, got {_named(conflicts[0])}"
    elif len(conflicts) != 2 or rows[0] & rows[1]:
        yield f"expected two conflicts that share bounds alone, got {[_named(members) for members in conflicts]}"


def _ambiguous(case: Case, evidence: Evidence) -> Iterator[str]:
    """I: the elements that are as cheap to blame, with their amounts."""
    recorded = {repair["element"]: repair["amount"] for repair in evidence["repairs"]}
    amounts = {element: case.amount(element) for element in elements_of(relaxed(case.faulty))}
    tied = {e for e, amount in amounts.items() if amount <= min(amounts.values()) * 1.01}
    if set(recorded) != tied or len(recorded) != len(evidence["repairs"]):
        yield f"expected the repairs of {sorted(tied)}, got those of {sorted(recorded)}"
        return
    for element, amount in recorded.items():
        if not near(amount, amounts[element]):
            yield f"expected {element} to give way by {amounts[element]}, got {amount}"


# --- what several kinds share ---------------------------------------------------------------------------------------


def _members(requirements: Requirements, recorded: Evidence) -> Requirements:
    """The requirements that a recorded conflict names; KeyError for one that the program does not make."""
    known = {(r.part, r.element.partition(":")[2]): r for r in requirements}
    return tuple(known[member["part"], member["name"]] for member in recorded["members"])


def _irreducible(case: Case, members: Requirements) -> Iterator[str]:
    if case.judge.feasible(members):
        yield f"expected {_named(members)} to contradict each other, got a feasible set"
        return
    for member in members:
        if case.judge.feasible(tuple(r for r in members if r is not member)):
            continue
        yield f"expected none of {_named(members)} to be superfluous, got {member.element}"


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
