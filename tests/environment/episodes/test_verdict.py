"""The verdict against enumeration: faithful implies the same points, and the same points nearly always count.

1. Over whole numbers of all magnitudes that the grammar takes, faithful implies the same points, by single and by
   double edits; with every row and variable there, the same points count as faithful.
2. The worked examples: a coefficient of -999999999, a binary within [-3, 0], right-hand sides that are the same.
3. A row less never counts, implied or not: dropping the culprit of kind A or C.
4. Rational LPs: what follows exactly counts, a hair less does not; rounding does not enter the proofs.
5. The second judge, which shares no code with the verdict, finds the same differences.
6. A nearly integral relaxation is no solution.
7. Variables and the objective, term by term; what one element asks for.
"""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from math import inf
from pathlib import Path
from random import Random
from types import ModuleType

import pytest
from whole_programs import any_number, any_program, best, points

from lit_grpo.data.splits import Split
from lit_grpo.data.task import TaskSettings, generate_task
from lit_grpo.environment.domains.base import ProgramSize
from lit_grpo.environment.episodes.faithful import asks_no_more, is_faithful
from lit_grpo.environment.faults.injection import FaultKind
from lit_grpo.environment.programs.edits import (
    AddRow,
    AgentEdit,
    DropRow,
    Edit,
    SetBounds,
    SetCoefficient,
    SetRhs,
    SetSense,
    SetType,
    apply,
    apply_all,
)
from lit_grpo.environment.programs.program import (
    Constraint,
    Direction,
    LinearProgram,
    Sense,
    Variable,
    VariableType,
    row_element,
)
from lit_grpo.environment.solver.highs import HighsSolver
from lit_grpo.environment.solver.solver import SolverStatus

SOLVER = HighsSolver()
LE, GE, EQ = Sense.LESS_EQUAL, Sense.GREATER_EQUAL, Sense.EQUAL
INTEGER, BINARY = VariableType.INTEGER, VariableType.BINARY


def _second_judge() -> ModuleType:
    path = Path(__file__).parents[3] / "scripts" / "audits" / "equivalence.py"
    spec = importlib.util.spec_from_file_location("equivalence", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


JUDGE = _second_judge()


def _any_edit(rng: Random, program: LinearProgram) -> AgentEdit:
    row, variable = rng.choice(program.constraints), rng.choice(program.variables)
    value = any_number(rng) if rng.random() < 0.6 else row.rhs + rng.choice((-1.0, -0.5, 0.0, 0.25, 0.9999999, 1.0))
    lower, upper = variable.lower, variable.upper
    edits: tuple[AgentEdit, ...] = (
        SetRhs(row.name, value),
        SetSense(row.name, rng.choice(list(Sense))),
        SetCoefficient(row.name, variable.name, value),
        SetBounds(variable.name, lower - rng.choice((0.0, 0.25, 1.0)), upper + rng.choice((0.0, 0.25, 1.0))),
        SetBounds(variable.name, lower, upper - rng.choice((0.25, 1.0))),
        SetType(variable.name, rng.choice((INTEGER, BINARY))),
    )
    return rng.choices(edits, (3, 2, 3, 2, 1, 1))[0]


def test_1_faithful_is_the_same_points() -> None:
    """Of the edits that leave the points as they are, at most one in two hundred may be left undecided."""
    num_same = num_undecided = 0
    for seed in range(700):
        rng = Random(seed)
        program = any_program(rng, 2, rng.randint(1, 3), is_plain=seed % 3 == 0)
        true_points = points(program)
        if not true_points:
            continue
        edited = apply_all(program, [_any_edit(rng, program) for _ in range(rng.choice((1, 1, 1, 2)))])
        is_same = points(edited) == true_points
        verdict = is_faithful(edited, program, SOLVER)
        assert is_same or not verdict, f"seed {seed}: {edited} is no {program}"
        num_same += is_same
        num_undecided += is_same and not verdict
    assert num_same > 60
    assert num_undecided <= num_same / 200


def test_1b_a_row_more_is_redundant_or_not() -> None:
    num_redundant = 0
    for seed in range(400):
        rng = Random(seed)
        program = any_program(rng, 2, rng.randint(1, 2), is_plain=seed % 2 == 0)
        true_points = points(program)
        names = [v.name for v in program.variables]
        terms = tuple((n, any_number(rng) if rng.random() < 0.5 else float(rng.randint(1, 4))) for n in names)
        at = rng.choice(list(true_points or {(0, 0): 0}))
        rhs = float(sum(c * x for (_, c), x in zip(terms, at, strict=True)) + rng.choice((0, 1, 20, 1e9)))
        edited = apply(program, AddRow(Constraint("more", terms, rng.choice((LE, GE)), rhs), 0))
        is_same = points(edited) == true_points
        if true_points:
            assert is_faithful(edited, program, SOLVER) is is_same, f"seed {seed}: {edited}"
            num_redundant += is_same
    assert num_redundant > 30


# 2. Worked examples.


def _whole(*bounds: tuple[float, float], rows: list[Constraint], type_: VariableType = INTEGER) -> LinearProgram:
    variables = tuple(Variable(name, *pair, type_) for name, pair in zip("xyz", bounds, strict=False))
    return LinearProgram(Direction.MINIMIZE, (("x", 5.0), ("y", 1.0)), variables, tuple(rows))


MEAN = _whole((0, 9), (0, 9), rows=[Constraint("r", (("x", 1.0), ("y", 1.0)), GE, 3.0)])
ADDED = apply(MEAN, AddRow(Constraint("zz", (("x", 1.0), ("y", 2.0)), LE, 2.0), 1))


@pytest.mark.parametrize("value", [-999_999_999.0, -1e6, -1e4, -100.0])
def test_2_one_huge_coefficient_buys_nothing(value: float) -> None:
    """x = 0 wants y >= 3, and 2 y <= 2: the least of 5 x + y is then 5 + 2 = 7, not 3."""
    bought = apply(ADDED, SetCoefficient("zz", "x", value))
    assert (best(MEAN), best(bought)) == (3, 7)
    assert not is_faithful(bought, MEAN, SOLVER)
    assert SOLVER.solve(bought).objective == 7.0
    assert JUDGE.differences(bought, MEAN)


def test_2b_fixed_by_its_effective_bounds() -> None:
    """b is a binary within [-3, 0], so 0: b + z <= 1 forbids z = 2 and more."""
    rows = [Constraint("r", (("z", 1.0),), LE, 5.0)]
    program = LinearProgram(
        Direction.MAXIMIZE, (("z", 1.0),), (Variable("b", -3.0, 0.0, BINARY), Variable("z", 0.0, 9.0)), tuple(rows)
    )
    terms = (("b", 1.0), ("z", 1.0))
    for rhs, expected in ((1.0, False), (4.999999, False), (5.0, True)):
        assert is_faithful(apply(program, AddRow(Constraint("more", terms, LE, rhs), 0)), program, SOLVER) is expected


@pytest.mark.parametrize(("rhs", "expected"), [(11.0, True), (10.0, True), (11.9, True), (9.999, False), (12.0, False)])
def test_2c_what_whole_numbers_cannot_tell_apart(rhs: float, expected: bool) -> None:
    """2 x + 4 y is even: at most 10 or 11 or 11.9 is the same, 9.999 is at most 8."""
    program = _whole((0, 9), (0, 9), rows=[Constraint("r", (("x", 2.0), ("y", 4.0)), LE, 10.0)])
    assert is_faithful(apply(program, SetRhs("r", rhs)), program, SOLVER) is expected


@pytest.mark.parametrize(("rhs", "expected"), [(2.4999997, False), (2.5, True), (2.9, True)])
def test_2d_a_hair_forbids_a_point(rhs: float, expected: bool) -> None:
    """x + 2 y <= 5 over whole numbers, and a row more: 0.5 x + y reaches 2.5 at (5, 0)."""
    program = _whole((0, 9), (0, 9), rows=[Constraint("r", (("x", 1.0), ("y", 2.0)), LE, 5.0)])
    more = AddRow(Constraint("more", (("x", 0.5), ("y", 1.0)), LE, rhs), 0)
    assert is_faithful(apply(program, more), program, SOLVER) is expected


def test_2e_decimals_are_what_is_written() -> None:
    """0.1 + 0.2 is 0.3 on paper, though not in binary: (1, 1) is allowed, and 3 times the row is the row."""
    tenths = _whole((0, 5), (0, 5), rows=[Constraint("r", (("x", 0.1), ("y", 0.2)), LE, 0.3)])
    tens = [SetCoefficient("r", "x", 1.0), SetCoefficient("r", "y", 2.0), SetRhs("r", 3.0)]
    assert (1, 1) in points(tenths)
    assert is_faithful(apply_all(tenths, tens), tenths, SOLVER)
    most = SOLVER.solve(replace(tenths, direction=Direction.MAXIMIZE)).objective
    assert most == pytest.approx(15.0, abs=1e-9)  # x = 3, y = 0


def test_2f_beside_whole_numbers_nothing_is_forgiven() -> None:
    """x <= s / 1.1 and s <= 5.5 allow x = 5; with s <= 5.499997, within 1e-6 of it, they do not."""
    variables = (Variable("x", 0.0, 9.0, INTEGER), Variable("s"))
    rows = (Constraint("r", (("x", 1.1), ("s", -1.0)), LE, 0.0), Constraint("cap", (("s", 1.0),), LE, 5.5))
    program = LinearProgram(Direction.MAXIMIZE, (("x", 1.0),), variables, rows)
    assert not is_faithful(apply(program, SetRhs("cap", 5.499997)), program, SOLVER)
    alone = replace(program, variables=(Variable("x", 0.0, 9.0), Variable("s")))
    assert is_faithful(apply(alone, SetRhs("cap", 5.499997)), alone, SOLVER)


# 3. A row less never counts.


def test_3_dropping_the_culprit_is_no_repair() -> None:
    """Kind A breaks a row that the others imply: without it the points are those of the original."""
    num_same = 0
    for kind in (FaultKind.SENSE, FaultKind.COEFFICIENT):
        settings = TaskSettings(kinds={kind: 1.0}, size=ProgramSize.TINY)
        for i in range(8):
            fault = generate_task(settings, Split.TEST, 3, i, SOLVER).fault
            rows = [element.removeprefix("row:") for element in fault.faulty_elements]
            dropped = apply_all(fault.faulty, [DropRow(row) for row in rows])
            assert not is_faithful(dropped, fault.original, SOLVER)
            num_same += not JUDGE.differences(dropped, fault.original)
    assert num_same >= 8


# 4. LPs: 3 x + 2 y <= 194, x + y <= 90, x <= 40.

LP = LinearProgram(
    Direction.MAXIMIZE,
    (("x", 7.0), ("y", 4.0)),
    (Variable("x", 0.0, 40.0), Variable("y", 0.0, inf)),
    (
        Constraint("wood", (("x", 3.0), ("y", 2.0)), LE, 194.0),
        Constraint("hours", (("x", 1.0), ("y", 1.0)), LE, 90.0),
        Constraint("far", (("x", 1.0), ("y", 2.0)), LE, 300.0),
    ),
)


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        (SetBounds("y", 0.0, 90.0), True),  # x = 0 leaves y at most 90 hours
        (SetBounds("y", 0.0, 89.9999999), False),
        (SetRhs("far", 180.0), True),  # x = 0, y = 90
        (SetRhs("far", 179.9999999), False),
        (SetCoefficient("far", "x", 3.0), True),  # 2 (x + y) + x <= 180 + 40, 80 below
        (SetCoefficient("far", "x", 5.0), True),  # 3 x + 2 y <= 194 and 2 x <= 80: 274
        (SetCoefficient("far", "x", 6.0), False),  # at x = 40, y = 37: 240 + 74 = 314
        (SetSense("far", GE), False),
        (DropRow("far"), False),
    ],
)
def test_4_what_follows_exactly(edit: Edit, expected: bool) -> None:
    assert is_faithful(apply(LP, edit), LP, SOLVER) is expected


def test_4b_rounding_does_not_enter_the_proofs() -> None:
    """1.5 s <= 4.5 may be written with 1.4999999; that s + t reaches no more than 3 + 7 still holds of the true row."""
    variables = (Variable("s", 0.0, 9.0), Variable("t", 0.0, 7.0))
    rows = (Constraint("r", (("s", 1.5),), LE, 4.5), Constraint("far", (("s", 1.0), ("t", 1.0)), LE, 10.0))
    program = LinearProgram(Direction.MAXIMIZE, (("s", 1.0), ("t", 2.0)), variables, rows)
    rounded = apply(program, SetCoefficient("r", "s", 1.4999999))
    assert is_faithful(rounded, program, SOLVER)
    assert is_faithful(apply(rounded, SetRhs("far", 11.0)), program, SOLVER)
    assert not is_faithful(apply(rounded, SetRhs("far", 9.9999999)), program, SOLVER)


# 5. The second judge.


def test_5_the_second_judge_agrees_with_enumeration() -> None:
    for seed in range(150):
        rng = Random(seed)
        program = any_program(rng, 2, 2, is_plain=seed % 2 == 0)
        if points(program):
            edited = apply(program, _any_edit(rng, program))
            is_same = points(edited) == points(program)
            assert (not JUDGE.differences(edited, program)) is is_same, f"seed {seed}: {edited}"


def test_6_a_nearly_integral_relaxation_is_no_solution() -> None:
    """s >= 1 needs b = 1, which a row forbids; b = 1e-7 would let s pass."""
    variables = (Variable("s", 0.0, 9.0), Variable("b", 0.0, 1.0, BINARY))
    rows = (
        Constraint("open", (("s", 1.0), ("b", -1e7)), LE, 0.0),
        Constraint("need", (("s", 1.0),), GE, 1.0),
        Constraint("shut", (("b", 1.0),), LE, 0.5),
    )
    program = LinearProgram(Direction.MINIMIZE, (("b", 1.0),), variables, rows)
    assert SOLVER.solve(program).status is SolverStatus.INFEASIBLE
    opened = SOLVER.solve(replace(program, constraints=rows[:2]))
    assert (opened.status, opened.objective) == (SolverStatus.OPTIMAL, 1.0)


# 7. Variables, the objective, one element.


def test_7_other_variables() -> None:
    """One more that no row holds, or one less, is another program."""
    more = replace(MEAN, variables=(*MEAN.variables, Variable("z", 0.0, 9.0)))
    assert not is_faithful(more, MEAN, SOLVER)
    assert not is_faithful(MEAN, more, SOLVER)
    assert is_faithful(more, more, SOLVER)


@pytest.mark.parametrize(
    ("objective", "expected"),
    [
        ((("x", 5.3), ("y", 1.0)), True),
        ((("x", 5.3), ("z", 1.0)), False),
        ((("x", 5.3),), False),
        ((("x", 5.3), ("y", 1.0), ("z", 1.0)), False),
        ((("x", 5.300001), ("y", 1.0)), False),  # x is a whole number
    ],
)
def test_7b_other_objectives(objective: tuple[tuple[str, float], ...], expected: bool) -> None:
    program = replace(_whole((0, 9), (0, 9), (0, 9), rows=[]), objective=(("x", 5.3), ("y", 1.0)))
    assert is_faithful(replace(program, objective=objective), program, SOLVER) is expected


@pytest.mark.parametrize(("rhs", "expected"), [(2.0, True), (2.1, True), (3.5, False), (4.0, False)])
def test_7c_what_an_element_asks(rhs: float, expected: bool) -> None:
    """x + y >= 3 holds where it was written; more is asked for, or not."""
    assert asks_no_more(row_element("r"), apply(MEAN, SetRhs("r", rhs)), MEAN, SOLVER) is expected
