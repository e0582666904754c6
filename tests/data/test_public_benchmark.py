"""The public benchmark's layout: problems come back with neutral names, and a repair that leads to their original."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path

import pytest
from bakery_problems import write_miniature

from lit_grpo.data.public_benchmark import PublicProblem, read_public_benchmark
from lit_grpo.environment.programs.edits import DropRow, SetBounds, SetSense, SetType, apply_all
from lit_grpo.environment.programs.program import ProgramError, Sense, VariableType
from lit_grpo.environment.solver.highs import HighsSolver
from lit_grpo.environment.solver.irreducible import is_irreducible
from lit_grpo.environment.solver.solver import SolverStatus

PUBLISHED_SAMPLE = Path(__file__).resolve().parents[3] / "shared" / "data" / "ordebug_sample"
"""Not part of the project: checked where someone has put it beside a clone, and the miniature stands in elsewhere."""


@pytest.fixture
def miniature(tmp_path: Path) -> Path:
    write_miniature(tmp_path)
    return tmp_path


def all_problems(miniature: Path) -> Iterator[PublicProblem]:
    yield from read_public_benchmark(miniature)
    if PUBLISHED_SAMPLE.is_dir():
        yield from read_public_benchmark(PUBLISHED_SAMPLE)


def test_1_names_are_neutral_and_the_repair_is_the_published_one(miniature: Path) -> None:
    reversed_sense, wrong_type = read_public_benchmark(miniature)
    assert (reversed_sense.id, reversed_sense.fault.kind, reversed_sense.fault.difficulty) == ("lp_a", "A", "easy")
    assert [row.name for row in wrong_type.fault.faulty.constraints] == ["c1", "c2", "c3"]
    assert [variable.name for variable in wrong_type.fault.faulty.variables] == ["x1", "x2"]
    assert reversed_sense.fault.inverse == (SetSense("c1", Sense.LESS_EQUAL),)
    assert reversed_sense.fault.faulty_elements == ("row:c1",)
    integer = SetType("x2", VariableType.INTEGER)
    assert wrong_type.fault.inverse == (DropRow("c3"), SetBounds("x2", 0.0, 10.0), integer)
    assert wrong_type.fault.faulty_elements == ("row:c3", "var:x2")


def test_2_every_problem_is_infeasible_with_a_minimal_conflict_and_its_original_is_optimal(miniature: Path) -> None:
    solver = HighsSolver()
    for problem in all_problems(miniature):
        truth = problem.fault
        assert solver.solve(truth.faulty).status is SolverStatus.INFEASIBLE
        conflict = solver.conflict(truth.faulty)
        assert conflict is not None
        assert is_irreducible(truth.faulty, conflict, solver)
        assert apply_all(truth.faulty, truth.inverse) == truth.original
        objective = solver.solve(truth.original).objective
        assert objective is not None
        assert math.isclose(objective, truth.original_objective, rel_tol=1e-3, abs_tol=1e-3), problem.id


def test_3_no_published_name_is_left(miniature: Path) -> None:
    for problem in all_problems(miniature):
        program = problem.problem.program
        names = [c.name for c in program.constraints] + [v.name for v in program.variables]
        assert all(name[0] in "cx" and name[1:].isdigit() for name in names)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"error_type": "Z"}, "lp_a: expected a fault kind A to I, got 'Z'"),
        ({"difficulty": "harder"}, "lp_a: expected a difficulty of easy, medium, hard, got 'harder'"),
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
