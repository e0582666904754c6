"""Conflicts where numbers or sizes are hard: what HiGHS leaves undecided, thousands of requirements, limits.

1. A program that the simplex method leaves undecided gets its verdict another way.
2. Conflicts of NETLIB's infeasible programs: infeasible, and each member needed by a solve without it.
3. A conflict of a large program is irreducible, whatever its family, and no larger than twice HiGHS's own; equalities
   that contradict each other are found by elimination, unless that is too much work or a smaller conflict is at hand.
4. The alternative polyhedron as worked by hand: its vertices are the conflicts, a single point says irreducible.
5. A row that bounds alone exclude is found without a solver.
6. Blocks are left out as long as what is left is infeasible, within the number of questions.
7. At a limit the conflict is what is left, marked; a row of whole numbers that no whole numbers meet is a conflict.
8. A time limit and conflict_nodes have to be positive.
"""

from __future__ import annotations

import math
import time
from dataclasses import replace
from pathlib import Path
from random import Random

import highspy
import pytest
from large_programs import FAMILIES

from lit_grpo.environment.programs.files import read_program
from lit_grpo.environment.programs.program import Constraint, Direction, LinearProgram, Sense, Variable, VariableType
from lit_grpo.environment.solver.alternative import alternative, is_single_point, vertex
from lit_grpo.environment.solver.equalities import contradicting_equalities
from lit_grpo.environment.solver.highs import HighsSolver
from lit_grpo.environment.solver.highs_model import HighsModel, pass_arrays
from lit_grpo.environment.solver.irreducible import is_irreducible
from lit_grpo.environment.solver.model_arrays import model_arrays
from lit_grpo.environment.solver.narrowing import lone_row, narrowed, without_blocks
from lit_grpo.environment.solver.solver import Conflict, ConflictMember, ConflictPart, SolverStatus
from lit_grpo.environment.solver.whole_rows import unreachable_row

CASES = Path(__file__).parents[1] / "programs" / "cases"
LE, GE, EQ = Sense.LESS_EQUAL, Sense.GREATER_EQUAL, Sense.EQUAL


def row(name: str) -> ConflictMember:
    return ConflictMember(ConflictPart.ROW, name)


def contradiction() -> LinearProgram:
    """x >= 4 three times over: a and b (x <= 2 and x <= 3) contradict it, and so does the upper bound 1."""
    rows = [("need", GE, 4.0), ("a", LE, 2.0), ("b", LE, 3.0)]
    constraints = tuple(Constraint(name, (("x", 1.0),), sense, rhs) for name, sense, rhs in rows)
    return LinearProgram(Direction.MINIMIZE, (), (Variable("x", -math.inf, 1.0),), constraints)


@pytest.mark.parametrize("name", ["vol1.mps", "klein1.mps"])
def test_1_undecided_is_asked_again(name: str) -> None:
    assert HighsSolver().solve(read_program(CASES / name)).status is SolverStatus.INFEASIBLE


@pytest.mark.parametrize("name", ["galenet.mps", "klein1.mps", "vol1.mps"])
def test_2_netlib(name: str) -> None:
    program, solver = read_program(CASES / name), HighsSolver()
    conflict = solver.conflict(program)
    assert conflict is not None
    assert conflict.is_irreducible
    assert is_irreducible(narrowed(program, conflict.members), conflict, solver)


@pytest.mark.parametrize("family", [name for name in FAMILIES if name != "degenerate"])
def test_3_large_programs(family: str) -> None:
    program, solver = FAMILIES[family](900, Random(2)), HighsSolver()
    conflict = solver.conflict(program)
    assert conflict is not None
    assert conflict.is_irreducible
    assert is_irreducible(narrowed(program, conflict.members), conflict, solver)
    assert len(conflict.members) <= 2 * num_highs_members(program)
    assert conflict == HighsSolver().conflict(program)


def num_highs_members(program: LinearProgram) -> int:
    """Of HiGHS's own conflict, from its deletion filter; bounds count once for each side."""
    arrays, highs = model_arrays(program).without_costs(), highspy.Highs()
    highs.setOptionValue("output_flag", False)
    highs.setOptionValue("iis_strategy", 4)
    pass_arrays(highs, arrays)
    _, found = highs.getIis()
    assert found.valid_
    return len(found.row_index_) + sum({2: 1, 3: 1, 4: 2}.get(int(side), 0) for side in found.col_bound_)


def test_3b_a_conflict_of_every_row() -> None:
    program = FAMILIES["degenerate"](800, Random(2))
    conflict = HighsSolver().conflict(program)
    # Its equalities sum to 400 on one side and to 400.0001 on the other, and no fewer of them say anything.
    assert conflict == Conflict(tuple(row(found.name) for found in program.constraints))


def test_3c_thousands_of_equalities_take_a_second_and_one_more_contradiction_is_found_beside_them() -> None:
    program, solver = FAMILIES["degenerate"](3000, Random(2)), HighsSolver()
    start = time.process_time()
    conflict = solver.conflict(program)
    assert time.process_time() - start < 2.0  # simplex runs alone take many times as long
    assert conflict == Conflict(tuple(row(found.name) for found in program.constraints))
    # A smaller conflict that the simplex method finds at once comes first: two rows and no bound.
    apart = (
        Constraint("a", (("x0_0", 1.0), ("x1_1", 1.0)), GE, 3.0),
        Constraint("b", (("x0_0", 1.0), ("x1_1", 1.0)), LE, 2.0),
    )
    smaller = solver.conflict(replace(program, constraints=(*program.constraints, *apart)))
    assert smaller is not None
    assert len(smaller.members) < 20
    assert smaller.is_irreducible


def test_3d_contradicting_equalities_by_hand() -> None:
    # 2 (x + y = 4) - (2 x + 2 y + z = 9) + (z = 2) is 0 = 1; w is in one row alone, and nothing is known of the last.
    rows = [
        ("w", {"w": 1.0, "x": 1.0}, EQ, 3.0),
        ("sum", {"x": 1.0, "y": 1.0}, EQ, 4.0),
        ("twice", {"x": 2.0, "y": 2.0, "z": 1.0}, EQ, 9.0),
        ("z", {"z": 1.0}, EQ, 2.0),
        ("at_most", {"x": 1.0, "z": 1.0}, LE, 0.0),
    ]

    def with_z(value: float) -> LinearProgram:
        constraints = [Constraint(name, tuple(terms.items()), sense, rhs) for name, terms, sense, rhs in rows]
        constraints[3] = replace(constraints[3], rhs=value)
        return LinearProgram(Direction.MINIMIZE, (), tuple(Variable(name) for name in "wxyz"), tuple(constraints))

    assert contradicting_equalities(with_z(2.0)) == [row("sum"), row("twice"), row("z")]
    assert contradicting_equalities(with_z(1.0)) is None
    assert contradicting_equalities(with_z(1.0 + 1e-9)) is None  # less than rounding may have done
    assert contradicting_equalities(with_z(1.0 + 1e-7)) == [row("sum"), row("twice"), row("z")]


@pytest.mark.parametrize("seed", range(20))
def test_3e_no_contradicting_equality_can_be_spared(seed: int) -> None:
    rng = Random(seed)
    names, point = [f"v{j}" for j in range(8)], [rng.randint(-9, 9) for _ in range(8)]
    drawn = [{j: rng.choice((-3.0, -0.5, 0.1, 1.0, 2.0)) for j in rng.sample(range(8), 3)} for _ in range(11)]
    rows = tuple(
        Constraint(
            f"r{i}", tuple((names[j], terms[j]) for j in sorted(terms)), EQ, sum(a * point[j] for j, a in terms.items())
        )
        for i, terms in enumerate(drawn)
    )
    variables = tuple(Variable(name, -math.inf) for name in names)
    right = LinearProgram(Direction.MINIMIZE, (), variables, rows)
    assert contradicting_equalities(right) is None
    # Eleven rows over eight variables: whatever is left of one that depends on the others, it cannot be 1 more.
    wrong = rng.randrange(11)
    moved = replace(rows[wrong], rhs=rows[wrong].rhs + 1.0)
    program = replace(right, constraints=(*rows[:wrong], moved, *rows[wrong + 1 :]))
    found, solver = contradicting_equalities(program), HighsSolver()
    is_feasible = solver.solve(program).status is SolverStatus.OPTIMAL
    assert (found is None) == is_feasible
    if found is not None:
        assert is_irreducible(narrowed(program, found), Conflict(tuple(found)), solver)


def test_3f_an_elimination_that_would_fill_the_matrix_is_given_up() -> None:
    rng = Random(0)
    rows = tuple(
        Constraint(
            f"r{i}", tuple((f"v{j}", float(rng.randint(1, 9))) for j in sorted(rng.sample(range(400), 6))), EQ, 1.0
        )
        for i in range(600)
    )
    program = LinearProgram(Direction.MINIMIZE, (), tuple(Variable(f"v{j}") for j in range(400)), rows)
    start = time.process_time()
    assert contradicting_equalities(program) is None
    assert time.process_time() - start < 1.0


def test_4_the_alternative_polyhedron_by_hand() -> None:
    lp = HighsModel({"presolve": "off", "solver": "simplex"})
    found = alternative(model_arrays(contradiction()))
    # -x <= -4 with x <= 2 gives 0 <= -2, so each is taken 1/2 times: a sum of 1. With x <= 3 it is 0 <= -1: a sum of
    # 2. With the bound x <= 1 it is 0 <= -3: 1/3 each, the least. Rows are 0 to 2, the upper bound is 3 + 1.
    assert vertex(found, lp) == {0, 4}
    assert lp.objective == pytest.approx(2 / 3)
    assert not is_single_point(found, lp)
    pair = narrowed(contradiction(), [row("need"), row("a")])
    assert is_single_point(alternative(model_arrays(pair)), lp)


def test_5_a_lone_row() -> None:
    bounds = (Variable("x", 0.0, 3.0), Variable("y", 1.0, math.inf))
    fits = Constraint("fits", (("x", 2.0), ("y", 1.0)), GE, 7.0)
    # 2 x - y is at most 2 * 3 - 1 = 5.
    too_much = Constraint("too_much", (("x", 2.0), ("y", -1.0)), GE, 5.5)
    program = LinearProgram(Direction.MINIMIZE, (), bounds, (fits, too_much))
    sides = [ConflictMember(ConflictPart.UPPER, "x"), ConflictMember(ConflictPart.LOWER, "y")]
    assert lone_row(program) == [row("too_much"), *sides]
    assert lone_row(narrowed(program, [row("fits")])) is None


def test_6_blocks() -> None:
    members = [row(str(i)) for i in range(100)]
    culprits = {members[17], members[83]}
    asked: list[int] = []

    def is_infeasible(some: object) -> bool:
        assert isinstance(some, list)
        asked.append(len(some))
        return culprits <= set(some)

    left = without_blocks(members, is_infeasible, max_tests=100)
    assert culprits <= set(left)
    assert len(left) < 16
    asked.clear()
    assert culprits <= set(without_blocks(members, is_infeasible, max_tests=3))
    assert len(asked) == 3


def test_7_what_is_left_at_a_limit_is_infeasible() -> None:
    program = read_program(CASES / "94_timetable_big.lp")
    solver = HighsSolver(conflict_nodes=200)
    conflict = solver.conflict(program)
    assert conflict is not None
    assert not conflict.is_irreducible
    assert conflict.if_irreducible is None
    assert len(conflict.members) < len(program.constraints)
    assert HighsSolver().solve(narrowed(program, conflict.members)).status is SolverStatus.INFEASIBLE


def test_7b_whole_numbers_that_cannot_sum() -> None:
    # 6 x + 4 y = 9.000001: every value of the left side is even.
    variables = tuple(Variable(name, 0.0, 9.0, VariableType.INTEGER) for name in "xy")
    parity = Constraint("parity", (("x", 6.0), ("y", 4.0)), EQ, 9.000001)
    program = LinearProgram(Direction.MINIMIZE, (), variables, (Constraint("cap", (("x", 1.0),), LE, 5.0), parity))
    conflict = unreachable_row(program)
    whole = [ConflictMember(ConflictPart.INTEGRALITY, name) for name in "xy"]
    assert conflict == Conflict((row("parity"), *whole))
    edge = read_program(CASES / "10_rounded_rhs.lp")
    conflict = HighsSolver().conflict(edge)
    assert conflict is not None
    assert conflict.members[0] == row("eps")
    assert len(conflict.members) == 61


def test_8_limits() -> None:
    with pytest.raises(ValueError, match="time_limit_s: expected above 0"):
        HighsSolver(time_limit_s=0.0)
    with pytest.raises(ValueError, match="conflict_nodes: expected at least 1"):
        HighsSolver(conflict_nodes=0)
