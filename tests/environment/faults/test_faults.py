"""Faults of kinds A to D: 1 every certificate, checked again from its definition; 2 a fault of integrality alone;
3 difficulty is measured; 4 no tell-tale in names, places and digits; 5 refusals say why; 6 decoys and wrong numbers by
hand.
"""

from collections import Counter
from dataclasses import replace
from random import Random

import pytest

from lit_grpo.data.splits import Split
from lit_grpo.data.task import Task, TaskSettings, generate_task
from lit_grpo.environment.domains.base import Domain, ProgramSize
from lit_grpo.environment.faults.decoys import count_decoys
from lit_grpo.environment.faults.difficulty import Difficulty
from lit_grpo.environment.faults.fault_kinds import PLAIN_KINDS, FaultKind
from lit_grpo.environment.faults.injection import (
    LEAST_VIOLATION,
    FaultyProgram,
    Rejection,
    RejectionReason,
    inject,
)
from lit_grpo.environment.faults.wrong_numbers import wrong_number
from lit_grpo.environment.programs.edits import (
    DropRow,
    SetBounds,
    SetRhs,
    SetSense,
    SetType,
    apply,
    apply_all,
    edited_element,
)
from lit_grpo.environment.programs.program import (
    Constraint,
    Direction,
    LinearProgram,
    Sense,
    Variable,
    VariableType,
    row_element,
    variable_element,
)
from lit_grpo.environment.solver.highs import HighsSolver
from lit_grpo.environment.solver.relaxation import linear_relaxation
from lit_grpo.environment.solver.solver import Conflict, ConflictMember, ConflictPart, SolverStatus

SOLVER = HighsSolver()
BOTH = (("x", 1.0), ("y", 1.0))
TRIANGLE = LinearProgram(
    Direction.MAXIMIZE,
    BOTH,
    (Variable("x", 0.0, 9.0), Variable("y", 0.0, 9.0)),
    (Constraint("ra", BOTH, Sense.LESS_EQUAL, 8.0),),
)


def _tasks(kind: FaultKind, size: ProgramSize | None, number: int) -> list[Task]:
    settings = TaskSettings(size=size, kinds={kind: 1.0})
    return [generate_task(settings, Split.TRAIN, 3, i, SOLVER) for i in range(number)]


@pytest.mark.parametrize("kind", PLAIN_KINDS)
@pytest.mark.parametrize(("size", "number"), [(ProgramSize.TINY, 30), (None, 6)])
def test_1_what_holds_for_every_kind(kind: FaultKind, size: ProgramSize | None, number: int) -> None:
    for task in _tasks(kind, size, number):
        fault = task.fault
        solution = SOLVER.solve(fault.original)
        assert solution.status is SolverStatus.OPTIMAL
        assert solution.objective == pytest.approx(fault.original_objective, rel=1e-9)
        assert SOLVER.solve(fault.faulty).status is SolverStatus.INFEASIBLE
        assert apply_all(fault.faulty, fault.inverse) == fault.original
        assert fault.faulty_elements == tuple(edited_element(edit) for edit in fault.inverse)
        relaxation = SOLVER.minimum_relaxation(linear_relaxation(fault.faulty))
        assert relaxation is not None
        assert sum(v.amount for v in relaxation) == pytest.approx(fault.certificate.violation, rel=1e-6)
        assert fault.certificate.violation >= LEAST_VIOLATION
        conflict = SOLVER.conflict(fault.faulty)
        assert conflict is not None
        assert set(fault.faulty_elements) <= set(conflict.elements), "single faults are in every conflict"
        assert any(member.part is ConflictPart.ROW for member in conflict.members)
        assert len(conflict.elements) == fault.certificate.conflict_size


@pytest.mark.parametrize("size", [ProgramSize.TINY, None])
def test_1a_a_reversed_row_was_implied_strictly(size: ProgramSize | None) -> None:
    """Moved in by all but a hair of its margin the row still changes nothing; dropping it keeps the objective."""
    for task in _tasks(FaultKind.SENSE, size, 12):
        original, margin = task.fault.original, task.fault.certificate.property_margin
        (undo,) = task.fault.inverse
        assert isinstance(undo, SetSense)
        row = original.constraint(undo.row)
        assert (undo.sense, task.fault.faulty.constraint(undo.row).sense) == (row.sense, row.sense.reversed)
        assert margin >= 1e-4
        inward = -margin if row.sense is Sense.LESS_EQUAL else margin
        for edit in (SetRhs(row.name, row.rhs + inward * 0.999), DropRow(row.name)):
            objective = SOLVER.solve(apply(original, edit)).objective
            assert objective == pytest.approx(task.fault.original_objective, rel=1e-7)
        assert SOLVER.solve(apply(task.fault.faulty, DropRow(row.name))).status is SolverStatus.OPTIMAL


@pytest.mark.parametrize("size", [ProgramSize.TINY, None])
def test_1b_a_wrong_bound_or_type_contradicts_rows(size: ProgramSize | None) -> None:
    """Freed, the program is feasible; bounds alone are never crossed."""
    variants: Counter[str] = Counter()
    for task in _tasks(FaultKind.BOUND_OR_TYPE, size, 24):
        (undo,) = task.fault.inverse
        assert isinstance(undo, SetBounds | SetType)
        variants[task.fault.certificate.variant] += 1
        wrong = task.fault.faulty.variable(undo.variable)
        lower, upper = wrong.effective_bounds
        assert lower <= upper
        assert wrong.type is not VariableType.BINARY or {wrong.lower, wrong.upper} & {0.0, 1.0} or upper == 1.0
        freed = apply(task.fault.faulty, SetType(wrong.name, VariableType.CONTINUOUS))
        freed = apply(freed, SetBounds(wrong.name, float("-inf"), float("inf")))
        assert SOLVER.solve(freed).status in (SolverStatus.OPTIMAL, SolverStatus.UNBOUNDED)
    assert {"wrong_lower_bound", "wrong_upper_bound", "wrong_type"} <= set(variants)


@pytest.mark.parametrize("size", [ProgramSize.TINY, None])
def test_1c_and_d_deleting_the_row_is_feasible(size: ProgramSize | None) -> None:
    variants: Counter[str] = Counter()
    for kind in (FaultKind.COEFFICIENT, FaultKind.RIGHT_HAND_SIDE):
        for task in _tasks(kind, size, 30):
            (element,) = task.fault.faulty_elements
            assert SOLVER.solve(apply(task.fault.faulty, DropRow(element[4:]))).status is SolverStatus.OPTIMAL
            variant = task.fault.certificate.variant
            variants[variant] += 1
            added = len(task.fault.faulty.constraints) - len(task.fault.original.constraints)
            assert added == (1 if variant == "added_row" else 0)
            assert isinstance(task.fault.inverse[0], DropRow) == (variant == "added_row")
    assert {"dropped", "negated", "unit_slip_10", "wrong_rhs", "added_row"} <= set(variants)
    assert ("unit_slip_1000" in variants) == (size is None)


def test_2_a_type_that_only_integrality_forbids() -> None:
    """10y = 33 is met by y = 3.3; with y whole the left side is a multiple of 10."""
    mixed = LinearProgram(
        Direction.MAXIMIZE,
        (("x", 1.0), ("y", 1.0)),
        (Variable("x", 0.0, 9.0, VariableType.INTEGER), Variable("y", 0.0, 9.0)),
        (Constraint("mix", (("y", 10.0),), Sense.EQUAL, 33.0), Constraint("cap", BOTH, Sense.LESS_EQUAL, 8.0)),
    )
    faults = [inject(mixed, FaultKind.BOUND_OR_TYPE, Difficulty.EASY, Random(i), SOLVER, ["gap"]) for i in range(20)]
    wrong = next(f for f in faults if isinstance(f, FaultyProgram) and f.certificate.variant == "wrong_type")
    assert wrong.inverse == (SetType("y", VariableType.CONTINUOUS),)
    assert wrong.certificate.violation == 0.0
    assert wrong.certificate.conflict_size == 2
    assert SOLVER.solve(wrong.faulty).status is SolverStatus.INFEASIBLE


def test_3_suspects_grow_with_difficulty_in_every_kind() -> None:
    """At TINY exactly as the table says; with the size left open the means rise in every kind."""
    for kind in PLAIN_KINDS:
        suspects = {d: [] for d in Difficulty}
        for task in _tasks(kind, ProgramSize.TINY, 15):
            c = task.fault.certificate
            suspects[task.fault.difficulty].append(c.conflict_size - 1 + c.num_decoys)
        assert max(suspects[Difficulty.EASY]) <= 2
        assert set(suspects[Difficulty.MEDIUM]) == {3}
        assert set(suspects[Difficulty.HARD]) == {4}
        opened = {d: [] for d in Difficulty}
        for task in _tasks(kind, None, 24):
            c = task.fault.certificate
            opened[task.fault.difficulty].append(c.conflict_size - 1 + c.num_decoys)
        means = [sum(opened[d]) / len(opened[d]) for d in Difficulty]
        assert means == sorted(means)


def test_4_names_and_places_say_nothing() -> None:
    """Guessing the faulty row by its name or place, learnt on half of the tasks, is right on the others no oftener
    than chance (1 row in 3 or 4) plus three standard errors."""
    settings = TaskSettings(size=ProgramSize.TINY, domains=(Domain.PRODUCTION, Domain.STAFFING))
    tasks = [generate_task(settings, Split.TRAIN, 5, i, SOLVER) for i in range(400)]
    at_rows = [t for t in tasks if t.fault.faulty_elements[0].startswith("row:")]
    half = len(at_rows) // 2
    guilt: Counter[str] = Counter()
    seen: Counter[str] = Counter()
    for task in at_rows[:half]:
        for clues, is_faulty in _clues(task):
            seen.update(clues)
            guilt.update(clues if is_faulty else ())
    right, expected = 0, 0.0
    for task in at_rows[half:]:
        scored = [(sum(guilt[c] / seen[c] for c in clues if seen[c]), faulty) for clues, faulty in _clues(task)]
        right += max(scored)[1]
        expected += 1 / len(scored)
    num = len(at_rows) - half
    assert right <= expected + 3 * (num * (1 / 3) * (2 / 3)) ** 0.5


def _clues(task: Task) -> list[tuple[tuple[str, str], bool]]:
    rows = task.fault.faulty.constraints
    return [
        ((f"name {row.name}", f"place {i} of {len(rows)}"), task.fault.faulty_elements == (row_element(row.name),))
        for i, row in enumerate(rows)
    ]


def test_4b_tiny_numbers_keep_to_three_digits() -> None:
    for kind in PLAIN_KINDS:
        for task in _tasks(kind, ProgramSize.TINY, 20):
            program = task.fault.faulty
            numbers = [n for c in program.constraints for n in (c.rhs, *(v for _, v in c.terms))]
            numbers += [n for v in program.variables for n in (v.lower, v.upper)]
            assert all(n == int(n) and abs(n) <= 999 for n in numbers)


def test_5_a_refusal_says_why() -> None:
    """ra binds at the optimum, so it cannot be reversed; without upper bounds the program is unbounded."""
    refused = inject(TRIANGLE, FaultKind.SENSE, Difficulty.EASY, Random(0), SOLVER, ["rb"])
    assert refused == Rejection(RejectionReason.NO_CANDIDATE)
    at_least_8 = Constraint("ra", BOTH, Sense.GREATER_EQUAL, 8.0)
    free = replace(TRIANGLE, variables=(Variable("x"), Variable("y", 0.0, 9.0)), constraints=(at_least_8,))
    refusals = {
        inject(free, FaultKind.RIGHT_HAND_SIDE, d, Random(i), SOLVER, ["rb"]) for d in Difficulty for i in range(9)
    }
    assert Rejection(RejectionReason.ORIGINAL_NOT_OPTIMAL) in refusals
    assert all(isinstance(refusal, Rejection) for refusal in refusals)


def test_6_decoys_by_hand() -> None:
    """3x + y <= 4, x >= 3, y >= 3 conflict with multipliers 1, 3, 1 (sum: 0 >= 9 + 3 - 4 = 8). Moved alone they end it
    by 8, 8/3 and 8: x is no decoy's equal, the row and y are each other's."""
    program = LinearProgram(
        Direction.MAXIMIZE,
        BOTH,
        (Variable("x", 3.0, 9.0), Variable("y", 3.0, 9.0)),
        (Constraint("ra", (("x", 3.0), ("y", 1.0)), Sense.LESS_EQUAL, 4.0),),
    )
    parts = ((ConflictPart.ROW, "ra"), (ConflictPart.LOWER, "x"), (ConflictPart.LOWER, "y"))
    conflict = Conflict(tuple(ConflictMember(part, name) for part, name in parts))
    assert count_decoys(program, conflict, variable_element("x")) == 0
    assert count_decoys(program, conflict, variable_element("y")) == 2
    assert count_decoys(program, conflict, row_element("ra")) == 2


@pytest.mark.parametrize("seed", range(50))
def test_6b_wrong_numbers_are_out_of_reach_and_look_native(seed: int) -> None:
    """Above 63.2 and at most 99: 64 to 99, near the edge or a slip of 36 (63 swapped is still within reach)."""
    value = wrong_number(Random(seed), 36.0, above=63.2, most=99.0)
    assert value in range(64, 100)
    below = wrong_number(Random(seed), 120.0, below=63.0, least=1.0)
    assert below in range(1, 63)
    assert wrong_number(Random(seed), 5.0, above=9.0, most=9.0) is None
    assert wrong_number(Random(seed), 5.0, below=float("inf"), least=0.0) is None
