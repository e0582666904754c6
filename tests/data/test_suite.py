"""The benchmark suite.

1. The same settings give the same bytes, with one process or with three; another seed gives other tasks.
2. A cell holds as many test tasks as asked for, of its kind and difficulty; no id and no original program twice.
3. What was finished is kept; what is half-written, damaged or missing is made again, to the same bytes.
4. A folder with a suite of other settings is refused, and so is a suite of nothing.
5. A cell that cannot be filled says what came of the attempts, across processes.
6. A folder is read as one benchmark; a task in two files is an error.
7. Each record is as the shipped schema says, and the package ships it.
8. A suite of one size is of that size, its manifest says so, and one without a size is written as ever.
"""

import json
from collections import Counter
from importlib.resources import files
from pathlib import Path

import pytest
from record_schema import violations

from lit_grpo.data import suite_maker
from lit_grpo.data.benchmark import BenchmarkError, read_benchmark, task_to_record, write_benchmark
from lit_grpo.data.splits import Cell, Split, program_digest
from lit_grpo.data.suite import MANIFEST_FILE, STUDY_KINDS, SuiteSettings, read_suite
from lit_grpo.data.suite_maker import make_suite
from lit_grpo.data.task import Task, TaskSettings, UnfilledCellError, generate_task
from lit_grpo.environment.domains.base import Domain, ProgramSize
from lit_grpo.environment.episodes.faithful import VERDICT_VERSION
from lit_grpo.environment.faults.difficulty import Difficulty
from lit_grpo.environment.faults.injection import FaultKind, kinds_of
from lit_grpo.environment.solver.highs import HighsSolver

SETTINGS = SuiteSettings(
    kinds=(FaultKind.RIGHT_HAND_SIDE, FaultKind.SENSE), difficulties=(Difficulty.EASY,), num_tasks=22, seed=5
)
A_EASY, D_EASY = SETTINGS.cells


def quiet(cell: Cell, num_tasks: int) -> None:
    """A report to nobody."""


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("suite") / "new"
    make_suite(folder, SETTINGS, 3, quiet)
    return folder


@pytest.fixture
def copy(made: Path, tmp_path: Path) -> Path:
    for name, data in content(made).items():
        (tmp_path / name).write_bytes(data)
    return tmp_path


def test_1_the_number_of_processes_leaves_no_trace(made: Path, tmp_path: Path) -> None:
    reported: Counter[Cell] = Counter()
    make_suite(tmp_path, SETTINGS, 1, lambda cell, num_tasks: reported.update({cell: num_tasks}))
    assert content(tmp_path) == content(made)
    assert reported == {A_EASY: 22, D_EASY: 22}
    assert set(content(made)) == {"A_easy.jsonl", "D_easy.jsonl", MANIFEST_FILE}


def test_1b_another_seed_gives_other_tasks(made: Path, tmp_path: Path) -> None:
    make_suite(tmp_path, SuiteSettings(SETTINGS.kinds, SETTINGS.difficulties, 2, seed=6), 1, quiet)
    assert not {task.id for task in read_suite(tmp_path)} & {task.id for task in read_suite(made)}


def test_2_cells_hold_test_tasks_of_their_own(made: Path) -> None:
    for cell in SETTINGS.cells:
        tasks = read_benchmark(made / cell.file_name)
        assert len(tasks) == 22
        assert {(t.fault.kind, t.fault.difficulty, t.split) for t in tasks} == {
            (cell.kind, cell.difficulty, Split.TEST)
        }
    everything = read_suite(made)
    assert len({task.id for task in everything}) == 44
    assert len({program_digest(task.fault.original) for task in everything}) == 44


def test_2b_of_two_alike_the_earlier_stays(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With one seed for all cells their base programs would be the same: each cell then goes on to the next ones."""
    monkeypatch.setattr(suite_maker, "_cell_seed", lambda seed, cell: seed)
    make_suite(tmp_path, SETTINGS, 2, quiet)
    tasks = read_suite(tmp_path)
    assert len(tasks) == 44
    assert len({program_digest(task.fault.original) for task in tasks}) == 44


def test_3_only_what_is_not_finished_is_made(made: Path, copy: Path) -> None:
    (copy / "D_easy.jsonl.partial").write_text("half a li")
    (copy / "D_easy.jsonl").write_bytes(content(made)["D_easy.jsonl"][:500])
    before = (copy / "A_easy.jsonl").stat().st_mtime_ns
    make_suite(copy, SETTINGS, 2, quiet)
    assert content(copy) == content(made)
    assert (copy / "A_easy.jsonl").stat().st_mtime_ns == before


def test_3b_a_half_written_cell_is_never_a_file(copy: Path) -> None:
    """Interrupted while it settles the tasks of the second cell."""
    for name in ("D_easy.jsonl", MANIFEST_FILE):
        (copy / name).unlink()

    def interrupt(cell: Cell, num_tasks: int) -> None:
        if cell == D_EASY:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_suite(copy, SETTINGS, 2, interrupt)
    assert set(content(copy)) == {"A_easy.jsonl", MANIFEST_FILE}
    assert set(json.loads((copy / MANIFEST_FILE).read_text())["cells"]) == {"A_easy.jsonl"}


def test_4_another_suite_in_the_folder_is_refused(copy: Path) -> None:
    other = SuiteSettings(SETTINGS.kinds, SETTINGS.difficulties, num_tasks=22, seed=6)
    with pytest.raises(ValueError, match=r"expected a suite of .*'seed': 6.* got one of .*'seed': 5.*another folder"):
        make_suite(copy, other, 1, quiet)


@pytest.mark.parametrize("change", [{"kinds": ()}, {"difficulties": ()}, {"num_tasks": 0}])
def test_4b_a_suite_of_nothing_is_refused(change: dict) -> None:
    with pytest.raises(ValueError, match="expected a kind, a difficulty and at least one task"):
        SuiteSettings(**change)


def test_4c_all_kinds_unless_told_otherwise() -> None:
    assert SuiteSettings().kinds == kinds_of(None)
    assert len(SuiteSettings(kinds=STUDY_KINDS).cells) == 12


def test_5_an_unfilled_cell_says_why() -> None:
    """The error as it comes out of a worker: all it was told, not the message alone."""
    rejections = Counter({"candidate left it feasible": 3, "no candidate of the kind": 197})
    error = UnfilledCellError(Domain.BLENDING, FaultKind.SENSE, Difficulty.HARD, rejections)
    make, arguments = error.__reduce__()
    assert str(make(*arguments)) == str(error)
    assert "blending/A/hard" in str(error)
    assert "no candidate of the kind: 197, candidate left it feasible: 3" in str(error)


def test_6_a_folder_is_one_benchmark(made: Path, copy: Path) -> None:
    tasks = read_suite(made)
    assert tasks == (*read_benchmark(made / "A_easy.jsonl"), *read_suite(made / "D_easy.jsonl"))
    write_benchmark(copy / "Z.jsonl", read_benchmark(made / "A_easy.jsonl")[:1])
    assert read_suite(copy / "Z.jsonl") == tasks[:1]
    with pytest.raises(
        BenchmarkError, match=r"expected the 2 cells of the suite, got none missing and Z\.jsonl beside"
    ):
        read_suite(copy)


def test_6b_a_folder_without_a_manifest_is_refused(copy: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    (copy / MANIFEST_FILE).unlink()
    for folder in (copy, tmp_path_factory.mktemp("nothing")):
        with pytest.raises(BenchmarkError, match=r"expected suite\.json beside the cells of a suite, got none; name"):
            read_suite(folder)


def edited(path: Path, old: str, new: str) -> None:
    content = path.read_text(encoding="utf-8")
    assert old in content
    path.write_text(content.replace(old, new, 1), encoding="utf-8")


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("D_easy.jsonl", '"D"', '"C"', r"D_easy\.jsonl: expected the file that suite\.json has the hash of"),
        ("suite.json", '"seed": 5', '"seed": 6', r"expected the manifest as it was written, got a changed one"),
        ("suite.json", '"tasks_per_cell": 22', '"tasks_per_cell": 21', "got a changed one"),
        ("suite.json", '"A",', "", "got a changed one"),
        ("suite.json", "{", '{"note": 1,', "got a changed one"),
        ("suite.json", '"seed": 5', '"seed": 5, "seed": 5', "expected each key once, got 'seed' 2 times"),
        ("suite.json", f'"verdict": {VERDICT_VERSION}', '"verdict": 77', "got verdict 77"),
        ("suite.json", '"generator": 4', '"generator": 3', "got generator 3; make the suite again"),
    ],
)
def test_6c_what_was_changed_is_refused_before_anything_is_played(
    copy: Path, file: str, old: str, new: str, message: str
) -> None:
    edited(copy / file, old, new)
    for path in (copy, copy / "D_easy.jsonl"):
        with pytest.raises(BenchmarkError, match=message) as error:
            read_suite(path)
        assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", [None, "A_hard.jsonl", "a_easy.jsonl"])
def test_6d_a_cell_that_is_gone_or_renamed_is_refused(copy: Path, name: str | None) -> None:
    if name is None:
        (copy / "A_easy.jsonl").unlink()
    else:
        (copy / "A_easy.jsonl").rename(copy / name)
    with pytest.raises(BenchmarkError, match=r"expected the 2 cells of the suite, got A_easy\.jsonl missing and"):
        read_suite(copy)


def schema() -> dict:
    return json.loads(files("lit_grpo.data").joinpath("benchmark.schema.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("kind", kinds_of(None))
def test_7_records_are_as_the_schema_says(kind: FaultKind) -> None:
    solver, settings = HighsSolver(), TaskSettings(kinds={kind: 1.0}, difficulties={Difficulty.EASY: 1.0})
    for index in range(4):
        record = task_to_record(generate_task(settings, Split.TEST, 0, index, solver))
        assert list(violations(json.loads(json.dumps(record)), schema())) == []


def test_7a_the_schema_knows_every_kind_difficulty_and_split() -> None:
    assert set(schema()["properties"]["kind"]["enum"]) >= set(FaultKind)
    assert schema()["properties"]["difficulty"]["enum"] == list(Difficulty)
    assert schema()["properties"]["split"]["enum"] == list(Split)
    assert schema()["properties"]["domain"]["enum"] == list(Domain)


def test_7d_the_schema_ties_the_evidence_to_the_kind(made: Path) -> None:
    record = json.loads((made / "A_easy.jsonl").read_text(encoding="utf-8").splitlines()[0])
    spoilt = record | {"certificate": record["certificate"] | {"evidence": {"conflicts": []}}}
    assert list(violations(spoilt, schema())) == ["certificate: not"]


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"id": "abc"}, "id"),
        ({"kind": "Z"}, "kind"),
        ({"specification": [{"text": "Words."}]}, "specification[0]"),
        ({"faulty_elements": ["row:a", "row:a"]}, "faulty_elements"),
        ({"inverse_actions": []}, "inverse_actions"),
        ({"inverse_actions": ['{"action":"submit"}']}, "inverse_actions[0]"),
        ({"original_objective": "12"}, "original_objective"),
        ({"certificate": {"variant": "wrong_rhs"}}, "certificate"),
        ({"domain": "published"}, "domain"),
        ({"kind": "E"}, "certificate"),
        (
            {"kind": "H", "certificate": {"evidence": {"conflicts": [{"members": []}]}}},
            "certificate.evidence.conflicts[0].members",
        ),
        ({"kind": "E", "certificate": {"evidence": {"repairs": []}}}, "certificate.evidence"),
        ({"inverse_actions": ['{"action":"drop","row":"a","note":1}']}, "inverse_actions[0]"),
        ({"original_objective": 1e300}, "original_objective"),
        ({"hint": "row:a"}, "record"),
    ],
)
def test_7b_the_schema_refuses(made: Path, change: dict, where: str) -> None:
    record = json.loads((made / "A_easy.jsonl").read_text(encoding="utf-8").splitlines()[0])
    assert any(found.startswith(f"{where}: ") for found in violations(record | change, schema()))


def test_7c_the_package_ships_the_schema() -> None:
    setup = (Path(__file__).parents[2] / "setup.py").read_text(encoding="utf-8")
    assert '"lit_grpo.data": ["benchmark.schema.json"]' in setup


def test_8_tiny_programs_have_twelve_cells_of_their_own(tmp_path: Path) -> None:
    settings = SuiteSettings(kinds=kinds_of(ProgramSize.TINY), num_tasks=2, seed=3, size=ProgramSize.TINY)
    make_suite(tmp_path, settings, 1, quiet)
    tasks = read_suite(tmp_path)
    assert Counter((task.fault.kind, task.fault.difficulty) for task in tasks) == dict.fromkeys(
        ((kind, difficulty) for kind in STUDY_KINDS for difficulty in Difficulty), 2
    )
    assert all(len(task.fault.original.variables) == 2 for task in tasks)
    assert {task.split for task in tasks if isinstance(task, Task)} == {Split.TEST}
    assert json.loads((tmp_path / MANIFEST_FILE).read_text())["size"] == "tiny"
    with pytest.raises(ValueError, match="expected a suite of"):
        make_suite(tmp_path, SuiteSettings(kinds=STUDY_KINDS, num_tasks=2, seed=3), 1, quiet)
    with pytest.raises(ValueError, match="expected kinds of A, B, C, D in programs of size tiny, got E"):
        SuiteSettings(kinds=(FaultKind.MULTIPLE,), size=ProgramSize.TINY)


def test_8_without_a_size_the_manifest_names_none(made: Path) -> None:
    manifest = json.loads((made / MANIFEST_FILE).read_text())
    keys = ["seed", "tasks_per_cell", "kinds", "difficulties", "versions", "cells", "sha256"]
    assert list(manifest) == keys
    assert list(manifest["versions"]) == ["rendering", "grammar", "generator", "verdict"]
