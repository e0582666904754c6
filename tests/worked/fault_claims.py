"""What the certificate of each kind claims, checked again from its definition with plain verdicts.

Shared by the tests of kinds E to I. Nothing of kinds/ is used: elements are taken out and numbers moved by hand, and
conflicts are tested for being irreducible.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

from lit_grpo.environment.faults.certificates import (
    BoundConflicts,
    Cascade,
    DistantCause,
    IndependentConflicts,
    Tie,
)
from lit_grpo.environment.faults.fault_kinds import FaultKind
from lit_grpo.environment.faults.injection import FaultyProgram
from lit_grpo.environment.programs.edits import DropRow, SetBounds, SetRhs, SetType, apply, apply_all
from lit_grpo.environment.programs.program import (
    Element,
    LinearProgram,
    Sense,
    VariableType,
    row_element,
    variable_element,
)
from lit_grpo.environment.solver.highs import HighsSolver
from lit_grpo.environment.solver.irreducible import is_irreducible
from lit_grpo.environment.solver.relaxation import linear_relaxation
from lit_grpo.environment.solver.solver import ConflictPart, SolverStatus

SOLVER = HighsSolver()


def broken_claims(fault: FaultyProgram) -> list[str]:
    """What does not hold of a fault, in words; empty if everything does."""
    checks = {
        FaultKind.MULTIPLE: _multiple,
        FaultKind.DISTANT: _distant,
        FaultKind.CASCADE: _cascade,
        FaultKind.BOUND_CONFLICT: _bound_conflict,
        FaultKind.AMBIGUOUS: _ambiguous,
    }
    return [*_general(fault), *checks[fault.kind](fault)]


def _general(fault: FaultyProgram) -> Iterator[str]:
    solution = SOLVER.solve(fault.original)
    if solution.objective is None or not math.isclose(solution.objective, fault.original_objective, rel_tol=1e-9):
        yield "the original's objective"
    if apply_all(fault.faulty, fault.inverse) != fault.original:
        yield "the inverse restores the original"
    relaxed = linear_relaxation(fault.faulty)
    if _violation(relaxed) < 1e-4 or not math.isclose(_violation(relaxed), fault.certificate.violation, rel_tol=1e-6):
        yield "the violation"
    conflict = SOLVER.conflict(fault.faulty)
    if conflict is None or len(conflict.elements) != fault.certificate.conflict_size:
        yield "the conflict's size"
    for num_undone in range(len(fault.inverse)):
        if not _infeasible(apply_all(fault.faulty, fault.inverse[:num_undone])):
            yield f"infeasible with {num_undone} faults repaired"


def _multiple(fault: FaultyProgram) -> Iterator[str]:
    evidence = fault.certificate.evidence
    assert isinstance(evidence, IndependentConflicts)
    for element in _elements(fault.faulty):
        if not _infeasible(_without(fault.faulty, element)):
            yield f"infeasible without {element}"
    for element, conflict in zip(fault.faulty_elements, evidence.conflicts, strict=True):
        if set(conflict.elements) & set(fault.faulty_elements) != {element}:
            yield f"a conflict of {element} alone"
        if not is_irreducible(linear_relaxation(fault.faulty), conflict, SOLVER):
            yield f"the conflict of {element} is one"
    left = min(_violation(_without(fault.faulty, element)) for element in _elements(fault.faulty))
    if left < fault.certificate.property_margin * (1 - 1e-6):
        yield "what is left without any one element"


def _distant(fault: FaultyProgram) -> Iterator[str]:
    evidence = fault.certificate.evidence
    assert isinstance(evidence, DistantCause)
    (faulty,) = fault.faulty_elements
    conflict = SOLVER.conflict(fault.faulty)
    assert conflict is not None
    rows = [member.name for member in conflict.members if member.part is ConflictPart.ROW]
    if len(conflict.elements) < 5 or len(rows) < 3:
        yield "a long conflict"
    if [d.row for d in evidence.deletions] != [row for row in rows if row_element(row) != faulty]:
        yield "the rows deleted"
    for deletion in evidence.deletions:
        solution = SOLVER.solve(apply(fault.faulty, DropRow(deletion.row)))
        if (solution.status, solution.objective) != (deletion.status, deletion.objective):
            yield f"what deleting {deletion.row} leads to"
        if solution.objective is not None and abs(solution.objective - fault.original_objective) < 1e-3:
            yield f"deleting {deletion.row} moves the objective"
    if faulty in evidence.relaxed or evidence.alone <= fault.certificate.violation:
        yield "the symptom is elsewhere"
    if not _is_smallest_move(fault.faulty, faulty, evidence.alone):
        yield "what the faulty element alone has to give way by"


def _cascade(fault: FaultyProgram) -> Iterator[str]:
    evidence = fault.certificate.evidence
    assert isinstance(evidence, Cascade)
    first, second = fault.faulty_elements
    restored = apply(fault.faulty, fault.inverse[0])
    conflict = SOLVER.conflict(fault.faulty)
    assert conflict is not None
    if second in conflict.elements:
        yield "the first conflict hides the second fault"
    if not {first, second} <= set(evidence.revealed.elements):
        yield "the revealed conflict holds both"
    if not is_irreducible(linear_relaxation(restored), evidence.revealed, SOLVER):
        yield "the revealed conflict is one"
    for program in (fault.faulty, restored):
        if SOLVER.solve(_without(program, first)).objective != evidence.objective_without:
            yield "optimal without the first element"
    if not math.isclose(_violation(linear_relaxation(restored)), fault.certificate.property_margin, rel_tol=1e-6):
        yield "what is left of the violation"


def _bound_conflict(fault: FaultyProgram) -> Iterator[str]:
    evidence = fault.certificate.evidence
    assert isinstance(evidence, BoundConflicts)
    for row in fault.faulty.constraints:
        if not _infeasible(apply(fault.faulty, DropRow(row.name))):
            yield f"infeasible without row {row.name}"
    if not all(is_irreducible(linear_relaxation(fault.faulty), conflict, SOLVER) for conflict in evidence.conflicts):
        yield "the conflicts are some"
    shared = set(evidence.conflicts[0].members).intersection(*(c.members for c in evidence.conflicts[1:]))
    if not shared or any(member.part is ConflictPart.ROW for member in shared):
        yield "bounds and nothing else in all conflicts"
    crossed = any(v.lower > v.upper for v in fault.faulty.variables)
    if crossed is not (fault.certificate.variant == "crossed_bounds") or len(evidence.conflicts) != 2 - crossed:
        yield "crossed, or two conflicts"


def _ambiguous(fault: FaultyProgram) -> Iterator[str]:
    evidence = fault.certificate.evidence
    assert isinstance(evidence, Tie)
    amounts = {repair.element: repair.amount for repair in evidence.repairs}
    if len(amounts) < 2 or not set(fault.faulty_elements) <= set(amounts):
        yield "a tie of two or more, the fault among them"
    if max(amounts.values()) > 1.01 * min(amounts.values()):
        yield "within 1 %"
    for element, amount in amounts.items():
        if not _is_smallest_move(fault.faulty, element, amount):
            yield f"{element} must give way by {amount:g}"
    conflict = SOLVER.conflict(fault.faulty)
    assert conflict is not None
    for element in set(conflict.elements) - set(amounts):
        if not _infeasible(_moved(linear_relaxation(fault.faulty), element, min(amounts.values()) * 0.999)):
            yield f"{element} repairs more cheaply"


# --- plain means --------------------------------------------------------------------------------------------------


def _elements(program: LinearProgram) -> list[Element]:
    rows = [row_element(row.name) for row in program.constraints]
    return rows + [variable_element(variable.name) for variable in program.variables]


def _infeasible(program: LinearProgram) -> bool:
    return SOLVER.solve(program).status is SolverStatus.INFEASIBLE


def _violation(program: LinearProgram) -> float:
    violations = SOLVER.minimum_relaxation(linear_relaxation(program))
    assert violations is not None
    return sum(violation.amount for violation in violations)


def _without(program: LinearProgram, element: Element) -> LinearProgram:
    kind, _, name = element.partition(":")
    if kind == "row":
        return apply(program, DropRow(name))
    return apply_all(program, (SetType(name, VariableType.CONTINUOUS), SetBounds(name, -math.inf, math.inf)))


def _moved(relaxed: LinearProgram, element: Element, amount: float) -> LinearProgram:
    """With all that the element requires looser by the amount."""
    kind, _, name = element.partition(":")
    if kind == "var":
        variable = relaxed.variable(name)
        return apply(relaxed, SetBounds(name, variable.lower - amount, variable.upper + amount))
    row = relaxed.constraint(name)
    if row.sense is not Sense.EQUAL:
        return apply(relaxed, SetRhs(name, row.rhs + (amount if row.sense is Sense.LESS_EQUAL else -amount)))
    lower, upper = (
        replace(row, sense=Sense.GREATER_EQUAL, rhs=row.rhs - amount),
        replace(row, name=f"{name}_upper", sense=Sense.LESS_EQUAL, rhs=row.rhs + amount),
    )
    rest = apply(relaxed, DropRow(name))
    return replace(rest, constraints=(*rest.constraints, lower, upper))


def _is_smallest_move(faulty: LinearProgram, element: Element, amount: float) -> bool:
    relaxed = linear_relaxation(faulty)
    return not _infeasible(_moved(relaxed, element, amount * 1.0001)) and _infeasible(
        _moved(relaxed, element, amount * 0.999)
    )
