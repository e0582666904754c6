"""The solver: verdicts, conflicts and relaxations, against worked numbers and a filter without any acceleration."""

from __future__ import annotations

import math
from dataclasses import replace
from random import Random

import pytest
from plain_filter import brute_force_conflict
from random_programs import random_program

from lit_grpo.environment.programs.program import (
    Constraint,
    Direction,
    LinearProgram,
    ProgramError,
    Sense,
    Variable,
    VariableType,
)
from lit_grpo.environment.solver.highs import HighsSolver
from lit_grpo.environment.solver.irreducible import is_irreducible
from lit_grpo.environment.solver.solver import Conflict, ConflictMember, ConflictPart, SolverStatus

INTEGER = VariableType.INTEGER
LE, GE, EQ = Sense.LESS_EQUAL, Sense.GREATER_EQUAL, Sense.EQUAL


def program(
    variables: list[Variable], rows: list[tuple[str, dict[str, float], Sense, float]], **objective: float
) -> LinearProgram:
    """A minimisation from short literals."""
    constraints = tuple(Constraint(name, tuple(terms.items()), sense, rhs) for name, terms, sense, rhs in rows)
    return LinearProgram(Direction.MINIMIZE, tuple(objective.items()), tuple(variables), constraints)


def member(text: str) -> ConflictMember:
    part, name = text.split()
    return ConflictMember(ConflictPart(part), name)


@pytest.fixture(scope="module")
def solver() -> HighsSolver:
    return HighsSolver()


# 3 x + 2 y <= 19 and y >= 2 with x, y in [0, 40].
WINDOW = program(
    [Variable("x", 0.0, 40.0), Variable("y", 0.0, 40.0)],
    [("ra", {"x": 3.0, "y": 2.0}, LE, 19.0), ("rb", {"y": 1.0}, GE, 2.0)],
    x=1.0,
    y=2.0,
)


def test_01_both_directions_reach_the_worked_optimum_with_the_offset(solver: HighsSolver) -> None:
    least = solver.solve(replace(WINDOW, objective_offset=0.5))
    assert least.status is SolverStatus.OPTIMAL
    assert least.objective == pytest.approx(4.5, abs=1e-9)  # x = 0, y = 2: 0 + 4 + 0.5
    assert least.values == pytest.approx((0.0, 2.0), abs=1e-9)
    most = solver.solve(replace(WINDOW, direction=Direction.MAXIMIZE))
    assert most.objective == pytest.approx(19.0, abs=1e-9)  # x = 0, y = 9.5


def test_02_integers_are_solved_without_a_gap(solver: HighsSolver) -> None:
    whole = replace(
        WINDOW, direction=Direction.MAXIMIZE, variables=tuple(replace(v, type=INTEGER) for v in WINDOW.variables)
    )
    solution = solver.solve(whole)
    assert solution.objective == pytest.approx(18.0, abs=1e-9)  # y = 9 leaves 3 x <= 1, so x = 0
    assert solution.values == pytest.approx((0.0, 9.0), abs=1e-6)


@pytest.mark.parametrize("type_", list(VariableType))
def test_03_crossed_bounds_and_empty_rows_are_infeasible_programs_not_failures(
    solver: HighsSolver, type_: VariableType
) -> None:
    crossed = program([Variable("x", 3.0, 1.0, type_), Variable("y")], [("r", {"y": 1.0}, LE, 1.0)])
    assert solver.solve(crossed).status is SolverStatus.INFEASIBLE
    assert solver.conflict(crossed) == Conflict((member("lower x"), member("upper x")))
    empty = program([Variable("x", 0.0, 1.0, type_)], [("r0", {}, LE, 2.0), ("r1", {}, GE, 5.0)])
    assert solver.solve(empty).status is SolverStatus.INFEASIBLE
    assert solver.conflict(empty) == Conflict((member("row r1"),))


def test_03b_bounds_crossed_within_the_tolerance_are_no_conflict(solver: HighsSolver) -> None:
    # z is 1 up to 1e-8, which HiGHS accepts: x + 1 >= 3 against x <= 1 is what is wrong.
    faulty = program([Variable("z", 1.0, 1.0 - 1e-8), Variable("x", 0.0, 1.0)], [("r", {"x": 1.0, "z": 1.0}, GE, 3.0)])
    found = solver.conflict(faulty)
    expected = Conflict((member("row r"), member("upper z"), member("upper x")))
    assert found == expected
    assert is_irreducible(faulty, expected, solver)


@pytest.mark.parametrize("type_", [VariableType.CONTINUOUS, INTEGER])
def test_04_unbounded_and_infeasible_are_told_apart(solver: HighsSolver, type_: VariableType) -> None:
    variables = [Variable("x", type=type_), Variable("y", type=type_)]
    ray = [("r", {"x": 1.0, "y": -1.0}, LE, 1.0)]
    assert solver.solve(program(variables, ray, x=-1.0, y=-1.0)).status is SolverStatus.UNBOUNDED
    # 2 x - 2 y = 1 leaves the relaxation its ray, and integers no point at all.
    closed = [("r", {"x": 2.0, "y": -2.0}, EQ, 1.0)]
    expected = SolverStatus.INFEASIBLE if type_ is INTEGER else SolverStatus.UNBOUNDED
    assert solver.solve(program(variables, closed, x=-1.0)).status is expected


def test_05_a_program_without_rows_or_objective_is_solved(solver: HighsSolver) -> None:
    assert solver.solve(program([Variable("x", 1.0, 2.0)], [], x=3.0)).objective == pytest.approx(3.0)
    assert solver.solve(program([Variable("x")], [], x=-1.0)).status is SolverStatus.UNBOUNDED
    assert solver.solve(program([Variable("x")], [])).status is SolverStatus.OPTIMAL


def test_06_limits_are_inconclusive_and_leave_no_trace(solver: HighsSolver) -> None:
    programs = [random_program(Random(seed), 12, 8, share) for share in (0.0, 0.8) for seed in range(60)]
    optimal = [candidate for candidate in programs if solver.solve(candidate).status is SolverStatus.OPTIMAL]
    for short, is_integer in ((HighsSolver(iteration_limit=1), False), (HighsSolver(node_limit=1), True)):
        verdicts = {short.solve(candidate).status for candidate in optimal if candidate.is_integer is is_integer}
        assert SolverStatus.INCONCLUSIVE in verdicts
        assert verdicts <= {SolverStatus.OPTIMAL, SolverStatus.INCONCLUSIVE}
        assert short.solve(program([Variable("x", 1.0, 2.0)], [], x=1.0)).status is SolverStatus.OPTIMAL


@pytest.mark.parametrize(
    "broken",
    [
        replace(WINDOW, constraints=(Constraint("ra", (("x", math.nan),), LE, 1.0),)),
        replace(WINDOW, constraints=(Constraint("ra", (("x", 1e30),), LE, 1.0),)),
        replace(WINDOW, constraints=(Constraint("ra", (("x", 1.0),), LE, math.inf),)),
        replace(WINDOW, objective=(("x", math.nan),)),
        replace(WINDOW, variables=(Variable("x", 0.0, 1e25), Variable("y"))),
        replace(WINDOW, variables=(Variable("x", math.nan), Variable("y"))),
    ],
)
def test_07_numbers_that_highs_misreads_are_refused_and_the_next_answer_is_right(
    solver: HighsSolver, broken: LinearProgram
) -> None:
    with pytest.raises(ProgramError, match=r"expected .* got"):
        solver.solve(broken)
    assert solver.solve(WINDOW).objective == pytest.approx(4.0, abs=1e-9)


def test_08_limits_below_one_are_refused() -> None:
    with pytest.raises(ValueError, match="node_limit: expected at least 1, got 0"):
        HighsSolver(node_limit=0)


def test_09_a_conflict_worked_by_hand(solver: HighsSolver) -> None:
    # rb wants y >= 10, ra allows 2 y <= 19 - 3 x <= 19: rows ra, rb and x >= 0. rc and the other bounds play no part.
    faulty = program(
        [Variable("x", 0.0, 40.0), Variable("y", 0.0, 40.0)],
        [
            ("rc", {"x": 1.0}, LE, 30.0),
            ("ra", {"x": 3.0, "y": 2.0}, LE, 19.0),
            ("rb", {"y": 1.0}, GE, 10.0),
        ],
    )
    found = solver.conflict(faulty)
    assert found == Conflict((member("row ra"), member("row rb"), member("lower x")))
    assert found is not None
    assert found.elements == ("row:ra", "row:rb", "var:x")


def test_10_integrality_is_in_the_conflict_only_where_nothing_else_is_wrong(solver: HighsSolver) -> None:
    # 2 x + 2 y = 3 has no integral point; as real numbers it has many.
    odd = program(
        [Variable("x", 0.0, 5.0, INTEGER), Variable("y", 0.0, 5.0, INTEGER)],
        [("even", {"x": 2.0, "y": 2.0}, EQ, 3.0), ("spare", {"x": 1.0}, LE, 4.0)],
    )
    assert solver.solve(odd).status is SolverStatus.INFEASIBLE
    found = solver.conflict(odd)
    assert found is not None
    assert {"row even", "integrality x", "integrality y"} <= {f"{m.part} {m.name}" for m in found.members}
    assert ConflictMember(ConflictPart.ROW, "spare") not in found.members
    assert is_irreducible(odd, found, solver)
    # Between 0.2 and 0.8 there is no integer: both bounds and the integrality, no row.
    narrow = program([Variable("x", 0.2, 0.8, INTEGER)], [("r", {"x": 1.0}, LE, 9.0)])
    assert solver.conflict(narrow) == Conflict((member("lower x"), member("upper x"), member("integrality x")))


def test_11_a_feasible_program_has_no_conflict_to_ask_for(solver: HighsSolver) -> None:
    with pytest.raises(ValueError, match="expected an infeasible program, got an optimal one"):
        solver.conflict(WINDOW)


def infeasible_programs(integer_share: float, count: int) -> list[LinearProgram]:
    solver, rng = HighsSolver(), Random(7)
    found: list[LinearProgram] = []
    while len(found) < count:
        candidate = random_program(rng, rng.randint(2, 9), rng.randint(2, 9), integer_share)
        if solver.solve(candidate).status is SolverStatus.INFEASIBLE:
            found.append(candidate)
    return found


@pytest.mark.parametrize("integer_share", [0.0, 0.6])
def test_12_certificates_change_nothing_but_the_time(solver: HighsSolver, integer_share: float) -> None:
    for faulty in infeasible_programs(integer_share, 40):
        relaxed = replace(faulty, variables=tuple(Variable(v.name, *v.effective_bounds) for v in faulty.variables))
        integers = solver.solve(relaxed).status is not SolverStatus.INFEASIBLE
        found = solver.conflict(faulty)
        assert found is None or found == brute_force_conflict(faulty, solver, integers=integers)


@pytest.mark.parametrize("integer_share", [0.0, 0.6])
def test_13_conflicts_are_irreducible_and_independent_of_history(solver: HighsSolver, integer_share: float) -> None:
    faulty_programs = infeasible_programs(integer_share, 50)
    fresh = HighsSolver()
    first = [fresh.conflict(faulty) for faulty in faulty_programs]
    for faulty, found in zip(reversed(faulty_programs), reversed(first), strict=True):
        solver.solve(faulty)
        assert solver.conflict(faulty) == found  # a solver that has seen the others, in another order
        assert HighsSolver().conflict(faulty) == found
        assert found is None or is_irreducible(faulty, found, solver)
    assert sum(found is not None for found in first) >= 48


def test_14_solutions_are_independent_of_history(solver: HighsSolver) -> None:
    programs = [random_program(Random(seed), 8, 6, 0.4) for seed in range(50)]
    first = [HighsSolver().solve(candidate) for candidate in programs]
    again = [solver.solve(candidate) for candidate in reversed(programs)]
    assert first == again[::-1]  # bit for bit
    assert {solution.status for solution in first} >= {SolverStatus.OPTIMAL, SolverStatus.INFEASIBLE}


def test_15_the_smallest_relaxation_worked_by_hand(solver: HighsSolver) -> None:
    # x >= 7 against x <= 4 twice: raising both costs 2 per unit, lowering the one costs 1, so it gives way by 3.
    faulty = program(
        [Variable("x", 0.0, 40.0)],
        [("need", {"x": 1.0}, GE, 7.0), ("cap1", {"x": 1.0}, LE, 4.0), ("cap2", {"x": 1.0}, LE, 4.0)],
    )
    (violation,) = list(solver.minimum_relaxation(faulty) or ())
    assert (violation.element, violation.part) == ("row:need", ConflictPart.ROW)
    assert violation.amount == pytest.approx(3.0, abs=1e-9)


def test_16_bounds_and_equalities_give_way_too(solver: HighsSolver) -> None:
    # 10 x = 60 with x <= 5: the bound by 1 is cheaper than the row by 10. Crossed bounds 3 > 1 cost 2 in all.
    tight = program([Variable("x", 0.0, 5.0)], [("r", {"x": 10.0}, EQ, 60.0)])
    (violation,) = list(solver.minimum_relaxation(tight) or ())
    assert (violation.element, violation.part) == ("var:x", ConflictPart.UPPER)
    assert violation.amount == pytest.approx(1.0, abs=1e-9)
    crossed = solver.minimum_relaxation(program([Variable("x", 3.0, 1.0)], []))
    assert crossed is not None
    assert sum(v.amount for v in crossed) == pytest.approx(2.0, abs=1e-9)


def test_17_a_relaxation_keeps_integers_and_a_feasible_program_needs_none(solver: HighsSolver) -> None:
    # 2 x = 3 with x integral is off by 1 at best (x = 1 or 2); its LP relaxation needs nothing.
    odd = program([Variable("x", 0.0, 5.0, INTEGER)], [("r", {"x": 2.0}, EQ, 3.0)])
    (violation,) = list(solver.minimum_relaxation(odd) or ())
    assert violation.amount == pytest.approx(1.0, abs=1e-6)
    assert solver.minimum_relaxation(WINDOW) == ()


@pytest.mark.parametrize("integer_share", [0.0, 0.6])
def test_18_what_a_relaxation_says_makes_the_program_feasible(solver: HighsSolver, integer_share: float) -> None:
    for faulty in infeasible_programs(integer_share, 15):
        violations = solver.minimum_relaxation(faulty)
        assert violations
        give: dict[tuple[ConflictPart, str], float] = {(v.part, v.element): v.amount for v in violations}
        rows = [
            Constraint(c.name + side, c.terms, sense, c.rhs + sign * give.get((ConflictPart.ROW, f"row:{c.name}"), 0.0))
            for c in faulty.constraints
            for side, sense, sign in (("-", GE, -1.0), ("+", LE, 1.0))
            if c.sense in (sense, EQ)
        ]
        variables = tuple(
            Variable(
                v.name,
                v.effective_bounds[0] - give.get((ConflictPart.LOWER, f"var:{v.name}"), 0.0) - 1e-6,
                v.effective_bounds[1] + give.get((ConflictPart.UPPER, f"var:{v.name}"), 0.0) + 1e-6,
                VariableType.CONTINUOUS if v.type is VariableType.CONTINUOUS else INTEGER,
            )
            for v in faulty.variables
        )
        widened = [replace(r, rhs=r.rhs + (1e-6 if r.sense is LE else -1e-6)) for r in rows]
        relaxed = LinearProgram(faulty.direction, (), variables, tuple(widened))
        assert solver.solve(relaxed).status is SolverStatus.OPTIMAL
