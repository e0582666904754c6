"""Benchmark files: 1 round trip without loss; 2 one-line errors with the line; 3 an edited record is found out."""

import json
import math
from pathlib import Path

import pytest

from lit_grpo.data.benchmark import BenchmarkError, read_benchmark, task_to_record, write_benchmark
from lit_grpo.data.splits import Split
from lit_grpo.data.task import Task, TaskSettings, generate_task
from lit_grpo.environment.domains.base import Domain, ProgramSize
from lit_grpo.environment.faults.injection import FaultKind
from lit_grpo.environment.solver.highs import HighsSolver


@pytest.fixture(scope="module")
def tasks() -> list[Task]:
    solver = HighsSolver()
    tiny = TaskSettings(size=ProgramSize.TINY, kinds=dict.fromkeys((FaultKind.BOUND_OR_TYPE, FaultKind.SENSE), 1.0))
    mixed = TaskSettings(size=ProgramSize.SMALL, domains=(Domain.LOT_SIZING, Domain.CAPITAL_BUDGETING))
    return [generate_task(s, Split.TEST, 1, i, solver) for s in (tiny, mixed) for i in range(8)]


def test_1_what_is_written_is_read_back_exactly(tasks: list[Task], tmp_path: Path) -> None:
    """Bounds at infinity, binaries, sentences without an element, and every certificate come back equal."""
    path = tmp_path / "tasks.jsonl"
    write_benchmark(path, tasks)
    assert read_benchmark(path) == tuple(tasks)
    assert any(t.fault.certificate.variant == "wrong_type" for t in tasks), "MPS alone cannot say these"
    assert any(v.upper == math.inf for t in tasks for v in t.fault.original.variables)
    assert [p.name for p in tmp_path.iterdir()] == ["tasks.jsonl"]


def test_1b_a_file_stays_when_its_replacement_fails(tasks: list[Task], tmp_path: Path) -> None:
    path = tmp_path / "tasks.jsonl"
    write_benchmark(path, tasks[:2])

    def interrupted() -> "list[Task]":
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_benchmark(path, (t for _ in range(1) for t in interrupted()))
    assert read_benchmark(path) == tuple(tasks[:2])


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "line 2: expected one JSON object"),
        ("[]", "line 2: expected a line to be a JSON object, got list"),
        ("{}", "line 2: expected the key generator_version, got none"),
    ],
)
def test_2_a_bad_line_is_named(tasks: list[Task], tmp_path: Path, line: str, message: str) -> None:
    path = tmp_path / "tasks.jsonl"
    path.write_text(f"{json.dumps(task_to_record(tasks[0]))}\n{line}\n")
    with pytest.raises(BenchmarkError, match="line 2") as error:
        read_benchmark(path)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_2b_an_empty_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "tasks.jsonl").write_text("")
    with pytest.raises(BenchmarkError, match="empty file"):
        read_benchmark(tmp_path / "tasks.jsonl")


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("id", "0" * 64, "expected id"),
        ("split", "train", "expected split test"),
        ("kind", "Z", "'Z' is not a valid FaultKind"),
        ("inverse_actions", ['{"action":"submit"}'], "to be edits in the action grammar"),
        ("inverse_actions", [], "expected inverse_actions to turn"),
        ("faulty_mps", "NAME", "line 1"),
        ("original_objective", "12", "expected original_objective to be a number"),
        ("certificate", {"variant": "wrong_rhs"}, "expected the key violation"),
        ("specification", [{"text": "hello"}], "expected a sentence"),
        ("faulty_elements", ["ra"], "expected an element"),
    ],
)
def test_3_an_edited_record_is_found_out(
    tasks: list[Task], tmp_path: Path, key: str, value: object, message: str
) -> None:
    path = tmp_path / "tasks.jsonl"
    path.write_text(json.dumps(task_to_record(tasks[0]) | {key: value}))
    with pytest.raises(BenchmarkError, match="line 1") as error:
        read_benchmark(path)
    assert message in str(error.value)
