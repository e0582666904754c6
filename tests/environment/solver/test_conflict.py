"""The search for a conflict of integer programs: what it reuses saves time and changes nothing.

1. Against a plain deletion filter, over hundreds of programs, the conflict is the same.
2. What a proof rests on is infeasible, after any number of deletions.
3. A point that violates one requirement alone leads to others, as worked by hand.
4. A requirement that is called needed is: the rest of the active ones can be met without it.
5. The nodes of one conflict are bounded, and a hard program's conflict comes out within them.
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

import pytest
from plain_filter import brute_force_conflict
from random_programs import random_program

from lit_grpo.environment.domains import build_base
from lit_grpo.environment.domains.base import Domain, ProgramSize, Wording
from lit_grpo.environment.programs.edits import SetRhs, apply
from lit_grpo.environment.programs.program import Constraint, Direction, LinearProgram, Sense, Variable, VariableType
from lit_grpo.environment.solver import integer_proof
from lit_grpo.environment.solver.conflict import Filtered, canonical_conflict, deletion_filter
from lit_grpo.environment.solver.feasibility import FeasibilityLp, LimitReached
from lit_grpo.environment.solver.highs import HighsSolver
from lit_grpo.environment.solver.highs_model import HighsModel, Verdict
from lit_grpo.environment.solver.integer_proof import IntegerProver
from lit_grpo.environment.solver.lone_violations import LoneViolations
from lit_grpo.environment.solver.model_arrays import model_arrays
from lit_grpo.environment.solver.relaxation import linear_relaxation
from lit_grpo.environment.solver.requirements import Numbering
from lit_grpo.environment.solver.solver import SolverStatus

ONE_TEST = 2500
"""More than the nodes that one test of the filter can take."""


def integer_conflict_programs(count: int, seed: int) -> Iterator[LinearProgram]:
    """Small programs that only integrality makes infeasible."""
    solver, rng = HighsSolver(), Random(seed)
    while count:
        program = random_program(rng, rng.randint(2, 5), rng.randint(1, 4), rng.choice([0.6, 1.0]))
        if (
            solver.solve(linear_relaxation(program)).status is SolverStatus.OPTIMAL
            and solver.solve(program).status is SolverStatus.INFEASIBLE
        ):
            count -= 1
            yield program


class Search:
    """The parts of the search, put together as in conflict.py, open to be looked at."""

    def __init__(self, program: LinearProgram, conflict_nodes: int = integer_proof.CONFLICT_NODES) -> None:
        self.arrays = model_arrays(program)
        lp = HighsModel({"presolve": "off", "solver": "simplex"})
        self.lp = FeasibilityLp(self.arrays, lp)
        self.number = self.lp.numbering
        self.mip = HighsModel({})
        self.prover = IntegerProver(self.arrays, self.lp, HighsModel({}), 10_000, conflict_nodes)
        self.violations = LoneViolations(self.arrays)

    def proof(self, active: frozenset[int]) -> frozenset[int] | None:
        """The prover's, after a look whether it is one."""
        support = self.prover.proof(active)
        if support is None:
            return None
        assert support <= active
        assert self.is_feasible(frozenset(support)) is False
        return frozenset(support)

    def needed(self, active: frozenset[int]) -> frozenset[int]:
        """What the points show, after a look whether each is needed."""
        before = frozenset(self.violations.found_from([], active))
        found = frozenset(self.violations.found_from(self.prover.points, active))
        assert all(self.is_feasible(active - {requirement}) for requirement in found - before)
        return found

    def is_feasible(self, active: frozenset[int]) -> bool:
        """By HiGHS, from scratch."""
        verdict = self.mip.solve(self.number.restricted(self.arrays, active))
        assert verdict in (Verdict.OPTIMAL, Verdict.INFEASIBLE)
        return verdict is Verdict.OPTIMAL

    def run(self) -> Filtered | None:
        return deletion_filter(self.number.all(self.arrays), self.proof, self.needed)


def test_1_the_conflict_is_that_of_a_plain_filter() -> None:
    solver = HighsSolver()
    for program in integer_conflict_programs(200, seed=3):
        assert solver.conflict(program) == brute_force_conflict(program, solver, integers=True)


def test_2_and_4_every_proof_and_every_need_holds() -> None:
    num_spared = 0
    for program in integer_conflict_programs(60, seed=4):
        search = Search(program)
        conflict = search.run()
        assert conflict is not None
        num_spared += len(search.violations.found_from([], frozenset()) & set(conflict.requirements))
    assert num_spared > 60  # or the points were of no use


def two_variables(rows: list[Constraint], upper: float) -> LinearProgram:
    variables = tuple(Variable(name, 0.0, upper, VariableType.INTEGER) for name in "xy")
    return LinearProgram(Direction.MINIMIZE, (), variables, tuple(rows))


def test_3_moves_worked_by_hand() -> None:
    # x + y >= 3 within [0, 1]: at (1, 1) only the row is violated; x = 2 meets it and breaks x <= 1 alone; so with y.
    need = two_variables([Constraint("need", (("x", 1.0), ("y", 1.0)), Sense.GREATER_EQUAL, 3.0)], 1.0)
    arrays, number = model_arrays(need), Numbering(1, 2)
    active = frozenset(number.all(arrays))
    assert LoneViolations(arrays).found_from([[1.0, 1.0]], active) == {0, number.upper(0), number.upper(1)}
    # (2, 1) breaks x <= 1 alone: back at x = 1 it is the row again.
    assert LoneViolations(arrays).found_from([[2.0, 1.0]], active) >= {0, number.upper(0)}
    # (0, 0) breaks the row alone, but no single move mends it within [0, 1]; (3, 0) and (0, 3) break one bound each.
    assert LoneViolations(arrays).found_from([[0.0, 0.0]], active) == {0, number.upper(0), number.upper(1)}
    # Two violations at once say nothing.
    assert LoneViolations(arrays).found_from([[-1.0, 0.0]], active) == set()
    # 2 x = 1: from x = 0, the only way to meet the row is x = 1/2, against integrality alone.
    half = two_variables([Constraint("half", (("x", 2.0),), Sense.EQUAL, 1.0)], 5.0)
    arrays = model_arrays(half)
    active = frozenset(number.all(arrays))
    assert LoneViolations(arrays).found_from([[0.0, 0.0]], active) == {0, number.integrality(0)}


def test_3b_a_move_from_one_row_to_another() -> None:
    # x + y >= 3 against x + y <= 2 within [0, 5]: (2, 0) breaks the first alone, (3, 0) the second alone.
    terms = (("x", 1.0), ("y", 1.0))
    rows = [Constraint("least", terms, Sense.GREATER_EQUAL, 3.0), Constraint("most", terms, Sense.LESS_EQUAL, 2.0)]
    arrays = model_arrays(two_variables(rows, 5.0))
    active = frozenset(Numbering(2, 2).all(arrays))
    assert LoneViolations(arrays).found_from([[2.0, 0.0]], active) >= {0, 1}


def hard_program(seed: int) -> LinearProgram:
    """Capital budgeting, with a target raised until no choice of projects meets it, though fractions would."""
    solver, rng = HighsSolver(), Random(seed)
    while True:
        program = build_base(Domain.CAPITAL_BUDGETING, ProgramSize.LARGE, Wording(), rng).program
        row = rng.choice([row for row in program.constraints if row.sense is Sense.GREATER_EQUAL])
        for k in range(1, 40):
            faulty = apply(program, SetRhs(row.name, row.rhs + k * max(1.0, row.rhs // 40)))
            if solver.solve(faulty).status is SolverStatus.INFEASIBLE:
                if solver.solve(linear_relaxation(faulty)).status is SolverStatus.OPTIMAL:
                    return faulty
                break


def test_5_a_hard_program_is_settled_within_the_nodes() -> None:
    program = hard_program(seed=1)
    search = Search(program)
    conflict = deletion_filter(
        search.number.all(search.arrays),
        search.prover.proof,
        lambda active: search.violations.found_from(search.prover.points, active),
    )
    assert conflict is not None
    assert any(search.number.is_integrality(requirement) for requirement in conflict.requirements)
    assert conflict.is_irreducible
    assert search.prover.num_nodes < integer_proof.CONFLICT_NODES


def test_5b_no_conflict_takes_more_nodes_than_it_may_and_what_is_left_is_infeasible() -> None:
    program = hard_program(seed=1)
    search = Search(program, conflict_nodes=40)
    everything = search.number.all(search.arrays)
    found = deletion_filter(everything, search.prover.proof, lambda _: frozenset())
    assert 40 < search.prover.num_nodes < 40 + ONE_TEST
    assert found is not None
    assert not found.is_irreducible
    assert not search.is_feasible(frozenset(found.requirements))
    lp = HighsModel({"presolve": "off", "solver": "simplex"})
    again = canonical_conflict(search.arrays, lp, HighsModel({}), 1000, conflict_nodes=40)
    assert again is not None
    assert not again.is_irreducible


def test_5c_a_first_test_without_an_answer_is_told() -> None:
    search = Search(hard_program(seed=1))

    def undecided(active: frozenset[int]) -> frozenset[int] | None:
        raise LimitReached

    with pytest.raises(LimitReached):
        deletion_filter(search.number.all(search.arrays), undecided, lambda _: frozenset())
