"""The public benchmark's layout: problems come back with neutral names, and a repair that leads to their original."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path

import pytest

from lit_grpo.environment.edits import DropRow, SetBounds, SetSense, SetType, apply_all
from lit_grpo.environment.highs import HighsSolver
from lit_grpo.environment.io import write_program
from lit_grpo.environment.irreducible import is_irreducible
from lit_grpo.environment.program import (
    Constraint,
    Direction,
    LinearProgram,
    ProgramError,
    Sense,
    Variable,
    VariableType,
)
from lit_grpo.environment.public_benchmark import PublicProblem, read_public_benchmark
from lit_grpo.environment.solver import SolverStatus

PUBLISHED_SAMPLE = Path(__file__).resolve().parents[3] / "shared" / "data" / "ordebug_sample"
"""Not part of the project: checked where someone has put it beside a clone, and the miniature stands in elsewhere."""

GE = Sense.GREATER_EQUAL


def bakery(flour_sense: Sense, rolls: Variable, *more: Constraint) -> LinearProgram:
    """Maximise 2 bread + rolls; 3 bread + rolls <= 24 of flour; bread >= 1."""
    rows = (
        Constraint("flour", (("bread", 3.0), ("rolls", 1.0)), flour_sense, 24.0),
        Constraint("least_bread", (("bread", 1.0),), GE, 1.0),
    )
    objective = (("bread", 2.0), ("rolls", 1.0))
    return LinearProgram(Direction.MAXIMIZE, objective, (Variable("bread", 0.0, 4.0), rolls), (*rows, *more))


def record(problem_id: str, kind: str, target: str, fix: str, objective: float) -> dict[str, object]:
    return {
        "problem_id": problem_id,
        "model_file": f"models/{problem_id}.mps",
        "error_type": kind,
        "target_name": target,
        "ground_truth_fix": fix,
        "original_objective": objective,
        "difficulty": "easy",
    }


@pytest.fixture
def miniature(tmp_path: Path) -> Path:
    """A reversed sense (12 + rolls <= 10 can never reach 24), and a type with a row that forces it apart."""
    rolls = Variable("rolls", 0.0, 10.0)
    forced = Constraint("_force_rolls", (("rolls", 1.0),), GE, 2.0)
    (tmp_path / "models").mkdir()
    write_program(bakery(GE, rolls), tmp_path / "models" / "lp_a.mps")
    binary = Variable("rolls", 0.0, 1.0, VariableType.BINARY)
    write_program(bakery(Sense.LESS_EQUAL, binary, forced), tmp_path / "models" / "mip_b.mps")
    fix_b = "Change rolls back to INTEGER with UB=10.0, remove _force_rolls"
    # Original optimum: rolls = 10 leaves 14 of flour, so bread = 4 (bound, needs 12): 8 + 10 = 18.
    records = [
        record("lp_a", "A", "flour", "Change flour from >= back to <=", 18.0),
        record("mip_b", "B", "rolls", fix_b, 18.0),
    ]
    (tmp_path / "dataset.json").write_text(json.dumps({"problems": records}), encoding="utf-8")
    return tmp_path


def all_problems(miniature: Path) -> Iterator[PublicProblem]:
    yield from read_public_benchmark(miniature)
    if PUBLISHED_SAMPLE.is_dir():
        yield from read_public_benchmark(PUBLISHED_SAMPLE)


def test_1_names_are_neutral_and_the_repair_is_the_published_one(miniature: Path) -> None:
    reversed_sense, wrong_type = read_public_benchmark(miniature)
    assert (reversed_sense.problem_id, reversed_sense.kind, reversed_sense.difficulty) == ("lp_a", "A", "easy")
    assert [row.name for row in wrong_type.faulty.constraints] == ["c1", "c2", "c3"]
    assert [variable.name for variable in wrong_type.faulty.variables] == ["x1", "x2"]
    assert reversed_sense.inverse == (SetSense("c1", Sense.LESS_EQUAL),)
    assert reversed_sense.target_elements == ("row:c1",)
    integer = SetType("x2", VariableType.INTEGER)
    assert wrong_type.inverse == (DropRow("c3"), SetBounds("x2", 0.0, 10.0), integer)
    assert wrong_type.target_elements == ("row:c3", "var:x2")


def test_2_every_problem_is_infeasible_with_a_minimal_conflict_and_its_original_is_optimal(miniature: Path) -> None:
    solver = HighsSolver()
    for problem in all_problems(miniature):
        assert solver.solve(problem.faulty).status is SolverStatus.INFEASIBLE
        conflict = solver.conflict(problem.faulty)
        assert conflict is not None
        assert is_irreducible(problem.faulty, conflict, solver)
        assert apply_all(problem.faulty, problem.inverse) == problem.original
        objective = solver.solve(problem.original).objective
        assert objective is not None
        assert math.isclose(objective, problem.original_objective, rel_tol=1e-3, abs_tol=1e-3), problem.problem_id


def test_3_no_published_name_is_left(miniature: Path) -> None:
    for problem in all_problems(miniature):
        names = [c.name for c in problem.faulty.constraints] + [v.name for v in problem.faulty.variables]
        assert all(name[0] in "cx" and name[1:].isdigit() for name in names)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"error_type": "Z"}, "lp_a: expected a fault kind A to I, got 'Z'"),
        ({"target_name": "flower"}, "expected the name of a row, got 'flower'"),
        ({"error_type": "I", "ground_truth_fix": "Relax it."}, "lp_a: expected a repair that says"),
        ({"model_file": "../../outside.mps"}, "expected a model file inside"),
        ({"model_file": "models/none.mps"}, "expected an existing file"),
        ({"original_objective": None}, "expected the published fields"),
    ],
)
def test_4_a_record_that_says_something_else_is_refused_by_name(
    miniature: Path, change: dict[str, object], message: str
) -> None:
    index = miniature / "dataset.json"
    records = json.loads(index.read_text(encoding="utf-8"))
    records["problems"][0] |= change
    index.write_text(json.dumps(records), encoding="utf-8")
    with pytest.raises(ProgramError, match=message):
        list(read_public_benchmark(miniature))


def test_5_a_folder_without_the_layout_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ProgramError, match=r"expected a folder that holds dataset\.json"):
        list(read_public_benchmark(tmp_path))
    (tmp_path / "dataset.json").write_text("[]", encoding="utf-8")
    with pytest.raises(ProgramError, match="expected JSON with a list 'problems'"):
        list(read_public_benchmark(tmp_path))
