"""The independent checker of benchmarks.

1. A record of each kind, made by hand, holds; so do records of the generator, ids and splits included.
2. For each kind a record that lacks the kind's own property is refused, and the reason is named.
3. A record with any other figure, element, action, objective, id or program is refused; so is, for each kind, one with
   any other leaf in its certificate, evidence included, or without one.
4. What is no record is a line too, never a crash.
5. The command prints a table, names file and line, exits with 1; it finds what occurs twice, what is in a wrong file,
   and, by the manifest, whatever was done to the folder.
6. It imports nothing of lit_grpo but itself.
"""

import ast
import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from handmade_records import bounds, conflict_of, handmade, plan, record, rhs, sealed
from small_suites import write_small_suite

from lit_grpo.data.benchmark import task_from_record, task_to_record
from lit_grpo.data.contract import CURRENT
from lit_grpo.data.splits import Split
from lit_grpo.data.task import TaskSettings, generate_task
from lit_grpo.environment.domains.base import ProgramSize
from lit_grpo.environment.faults.difficulty import Difficulty
from lit_grpo.environment.faults.fault_kinds import FaultKind
from lit_grpo.environment.solver.highs import HighsSolver
from lit_grpo.suite_checker.case import Case
from lit_grpo.suite_checker.certificates import claim_failures, failures, identity_failures
from lit_grpo.suite_checker.check import Place, check_line, read_lines, repeated
from lit_grpo.suite_checker.manifest import manifest_failures
from lit_grpo.suite_checker.records import read_record
from lit_grpo.suite_checker.repair import inverse_failures
from lit_grpo.suite_checker.requirements import Judge
from lit_grpo.suite_checker.strict_json import RecordError

CHECKER = Path(__file__).parents[2] / "lit_grpo" / "suite_checker"
HANDMADE = handmade()
Fields = dict[str, Any]


def complaints(fields: Fields) -> list[str]:
    """Of all but the text and the difficulty, which a hand-made record lacks."""
    try:
        record = read_record(json.dumps(fields, ensure_ascii=False))
        found = [*identity_failures(record), *inverse_failures(record)]
        restored = record.repairs[-1].same_as(record.original)
        return [*found, *claim_failures(Case(record, Judge()))] if restored else found
    except RecordError as error:
        return [str(error)]


def as_kind(fields: Fields, kind: str) -> Fields:
    """Called another kind, with the evidence of that kind's hand-made record."""
    certificate = {key: value for key, value in fields["certificate"].items() if key != "evidence"}
    return fields | {"kind": kind, "certificate": certificate | evidence_of(kind)}


def evidence_of(kind: str) -> Fields:
    certificate = HANDMADE[kind]["certificate"]
    return {"evidence": certificate["evidence"]} if "evidence" in certificate else {}


def figure(fields: Fields, **changed: object) -> Fields:
    return fields | {"certificate": fields["certificate"] | changed}


@pytest.mark.parametrize("kind", HANDMADE)
def test_1_a_record_of_each_kind_holds(kind: str) -> None:
    assert complaints(HANDMADE[kind]) == []


@pytest.mark.parametrize("size", [ProgramSize.TINY, ProgramSize.SMALL, ProgramSize.MEDIUM])
def test_1b_records_of_the_generator_hold(size: ProgramSize) -> None:
    """Bounds of binaries, integralities and conflicts that rest on them among them."""
    solver = HighsSolver()
    settings = TaskSettings(size=size)
    for index in range(12):
        line = json.dumps(task_to_record(generate_task(settings, Split.TEST, 3, index, solver)), ensure_ascii=False)
        assert list(failures(read_record(line), Judge(), size.value)) == []


P = plan()
LACKING: dict[str, tuple[Fields, str]] = {
    "A": (figure(HANDMADE["A"], property_margin=17.0), "expected property_margin 18.0, the row's redundancy margin"),
    "A of another edit": (
        as_kind(HANDMADE["D"], "A"),
        "expected one set_sense as the inverse of kind A",
    ),
    "B": (
        record("B", P, [bounds("x", 150, 100)], [bounds("x", 1, 100)], ("wrong_lower_bound", 138.0, 138.0, 1, 0)),
        "expected every conflict to hold a row, got one of bounds alone",
    ),
    "C": (as_kind(HANDMADE["D"], "C"), "expected one set_coefficient"),
    "D": (figure(HANDMADE["D"], variant="added_row"), "expected the variant wrong_rhs"),
    "E": (as_kind(HANDMADE["G"], "E"), "expected it to stay infeasible without row:cap"),
    "E of one fault": (as_kind(HANDMADE["D"], "E"), "expected at least two faulty elements"),
    "F": (as_kind(HANDMADE["D"], "F"), "expected a conflict of at least 5 elements, 3 of them rows, got 2 and 2"),
    "F at the fault": (as_kind(HANDMADE["I"], "F"), "expected the minimum relaxation to be elsewhere"),
    "G": (as_kind(HANDMADE["E"], "G"), "expected every conflict that is left to hold row:cap"),
    "G that ends at once": (
        as_kind(HANDMADE["I"], "G"),
        "expected it to be infeasible still after row:zneed is restored",
    ),
    # need >= 35 contradicts cap and total: cap, tried first, is spared. Last of all, it would not be.
    "G by its place": (
        record(
            "G",
            P,
            [rhs("need", 35), rhs("cap", 3)],
            [rhs("need", 4), rhs("cap", 12)],
            ("wrong_rhs+wrong_rhs", 32.0, 1.0, 2, 1),
            **evidence_of("G"),
        ),
        "expected the first conflict to do without row:cap wherever it stands",
    ),
    "H": (
        record(
            "H",
            P,
            [bounds("z", 8, 100)],
            [bounds("z", 0, 100)],
            ("wrong_lower_bound", 3.0, 3.0, 2, 1),
            **evidence_of("H"),
        ),
        "expected no deletion of a row to repair it, got a feasible program without zcap",
    ),
    "H that crosses": (
        record(
            "H",
            P,
            [bounds("z", 150, 100)],
            [bounds("z", 0, 100)],
            ("crossed_bounds", 145.0, 145.0, 1, 0),
            **evidence_of("H"),
        ),
        "expected crossed bounds at easy alone",
    ),
    "I": (as_kind(HANDMADE["D"], "I"), "expected at least two elements with the smallest violation 28.0"),
    "I unspoken": (
        sealed(HANDMADE["I"] | {"specification": [{"text": "No word of z.", "about": None}]}),
        "expected a sentence about each of ['row:zcap', 'row:zneed']",
    ),
}


@pytest.mark.parametrize("case", LACKING)
def test_2_a_record_that_lacks_its_kind_is_refused(case: str) -> None:
    fields, reason = LACKING[case]
    assert any(complaint.startswith(reason) for complaint in complaints(fields)), complaints(fields)


def test_2b_crossed_bounds_are_right_at_easy() -> None:
    crossed = {"conflicts": [conflict_of("lower z", "upper z")]}
    assert complaints(figure(LACKING["H that crosses"][0], evidence=crossed) | {"difficulty": "easy"}) == []


MUTATED: list[tuple[Fields, str]] = [
    (figure(HANDMADE["A"], violation=18.1), "expected violation 18.0"),
    (figure(HANDMADE["A"], conflict_size=3), "expected conflict_size 2"),
    (figure(HANDMADE["A"], num_decoys=0), "expected num_decoys 1"),
    (HANDMADE["D"] | {"original_objective": 1.0}, "expected the original to be optimal with objective 1.0"),
    (HANDMADE["D"] | {"faulty_elements": ["row:cap"]}, "expected faulty_elements ['row:need']"),
    (HANDMADE["D"] | {"inverse_actions": [rhs("need", 5)]}, "expected inverse_actions to turn"),
    (HANDMADE["D"] | {"id": "0" * 64}, "expected the id"),
    (HANDMADE["D"] | {"split": "train"}, "expected the split test, got train"),
    (record("D", P, [rhs("need", 5)], [rhs("need", 4)], ("wrong_rhs", 1.0, 1.0, 2, 1)), "expected the faulty program"),
    (
        record("D", P, [rhs("need", 12.00001)], [rhs("need", 4)], ("wrong_rhs", 1e-5, 1e-5, 2, 1)),
        "expected a violation of at least 0.0001",
    ),
]


@pytest.mark.parametrize(("fields", "reason"), MUTATED, ids=[reason[:40] for _, reason in MUTATED])
def test_3_a_mutated_record_is_refused(fields: Fields, reason: str) -> None:
    assert any(complaint.startswith(reason) for complaint in complaints(fields)), complaints(fields)


def leaves(value: object, path: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], object]]:
    """Every place of a nested value that holds no other one, and every item of a list."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        if isinstance(value, list) or not isinstance(inner, dict | list):
            yield (*path, key), inner
        yield from leaves(inner, (*path, key))


def with_another(certificate: Fields, path: tuple[str | int, ...]) -> Fields:
    """The certificate with another number or text at the path; an item of a list that holds more is taken out."""
    changed = deepcopy(certificate)
    *steps, last = path
    inside: Any = changed
    for step in steps:
        inside = inside[step]
    match inside[last]:
        case str() as text:
            inside[last] = f"{text}x"
        case int() | float() as number:
            inside[last] = number + 1
        case _:
            del inside[last]
    return changed


@pytest.mark.parametrize("kind", HANDMADE)
def test_3b_of_each_kind_no_leaf_of_the_certificate_may_differ(kind: str) -> None:
    certificate = HANDMADE[kind]["certificate"]
    paths = [path for path, _ in leaves(certificate)]
    assert len(paths) >= 5 + 2 * ("evidence" in certificate)
    for path in paths:
        assert complaints(HANDMADE[kind] | {"certificate": with_another(certificate, path)}), path
    if "evidence" in certificate:
        assert complaints(figure(HANDMADE[kind], evidence=None))


EVIDENCE: list[tuple[Fields, str]] = [
    (
        figure(
            HANDMADE["E"],
            evidence={"conflicts": [conflict_of("row cap", "lower x"), conflict_of("row cap", "row need")]},
        ),
        "expected the conflict row:cap row, var:x lower, var:y lower, got row of cap, lower of x",
    ),
    (
        figure(
            HANDMADE["H"],
            evidence={"conflicts": [conflict_of("row ztop", "lower z"), conflict_of("row zcap", "row zneed")]},
        ),
        "expected the conflict row:zcap row, var:z lower, got row of zcap, row of zneed",
    ),
    (
        figure(HANDMADE["H"], evidence={"conflicts": [conflict_of("row ztop", "lower z")]}),
        "expected 2 conflicts, got 1",
    ),
    (
        figure(
            HANDMADE["G"],
            evidence=HANDMADE["G"]["certificate"]["evidence"] | {"revealed": conflict_of("row cap", "lower x")},
        ),
        "expected the conflict row:cap row, row:need row, got row of cap, lower of x",
    ),
    (
        figure(HANDMADE["F"], evidence=HANDMADE["F"]["certificate"]["evidence"] | {"relaxed": ["row:demand"]}),
        "expected relaxed to name true elements in the order of the program",
    ),
    (
        figure(HANDMADE["F"], evidence=HANDMADE["F"]["certificate"]["evidence"] | {"relaxed": ["row:wv", "var:w"]}),
        "expected each of relaxed to give way in a smallest relaxation, got var:w, which cannot",
    ),
    (figure(HANDMADE["D"], evidence={}), "expected the keys variant, violation"),
]


@pytest.mark.parametrize(("fields", "reason"), EVIDENCE, ids=[reason[:40] for _, reason in EVIDENCE])
def test_3c_evidence_that_is_none_is_refused(fields: Fields, reason: str) -> None:
    assert any(complaint.startswith(reason) for complaint in complaints(fields)), complaints(fields)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "expected one JSON object"),
        ("[]", "expected the record to be a JSON object"),
        (json.dumps({"id": "x"}), "expected a kind of ABCDEFGHI, got None"),
        (json.dumps({"kind": "A"}), "expected the keys id, domain, kind"),
        (json.dumps(HANDMADE["D"] | {"faulty_mps": "nothing"}), "expected an MPS text"),
        (json.dumps(HANDMADE["D"] | {"inverse_actions": ["drop need"]}), "expected one JSON object as the action"),
        (json.dumps(HANDMADE["D"] | {"inverse_actions": ['{"action":"submit"}']}), "expected one of drop, set_rhs"),
        (json.dumps(HANDMADE["D"] | {"inverse_actions": [rhs("nil", 1)]}), "expected the name of a row"),
        (json.dumps(HANDMADE["D"] | {"inverse_actions": [rhs("need", 1e9)]}), "expected another value"),
        (json.dumps(figure(HANDMADE["D"], violation="much")), "expected certificate.violation to be a number"),
    ],
)
def test_4_what_is_no_record_is_said_so(line: str, reason: str) -> None:
    with pytest.raises(RecordError) as error:
        read_record(line)
    assert str(error.value).startswith(reason)


def run_checker(path: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "lit_grpo", "suite", "check", str(path), "--workers", "1"]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def honest() -> list[Fields]:
    """Two records of the generator in a cell of each of two kinds."""
    solver = HighsSolver()
    records = []
    for seed, kind in enumerate((FaultKind.SENSE, FaultKind.AMBIGUOUS)):
        settings = TaskSettings(kinds={kind: 1.0}, difficulties={Difficulty.EASY: 1.0})
        records += [task_to_record(generate_task(settings, Split.TEST, seed, index, solver)) for index in range(2)]
    return json.loads(json.dumps(records))  # lists where the generator has tuples


def test_5_the_command_names_file_and_line(honest: list[Fields], tmp_path: Path) -> None:
    write_small_suite(tmp_path, [task_from_record(record) for record in honest])
    passed = run_checker(tmp_path)
    assert passed.returncode == 0, passed.stdout + passed.stderr
    assert "A" in passed.stdout
    bad, good = figure(honest[2], violation=3.0), honest[0]
    (tmp_path / "I_easy.jsonl").write_text("\n".join(map(json.dumps, [bad, good])) + "\n")
    refused = run_checker(tmp_path)
    assert refused.returncode == 1
    lines = refused.stdout.splitlines()
    assert any(f"{tmp_path}/I_easy.jsonl, line 1: expected violation " in line for line in lines)
    assert any("I_easy.jsonl, line 2: expected a record of I easy in this file" in line for line in lines)
    assert any("line 2: expected another id than that of A_easy.jsonl, line 1" in line for line in lines)
    assert f"{tmp_path}/suite.json: expected I_easy.jsonl as the manifest has its hash, got another file" in lines
    assert run_checker(tmp_path / "nowhere").returncode == 2


Spoil = Callable[[Path], object]


def edited(name: str, old: str, new: str) -> Spoil:
    def spoil(folder: Path) -> None:
        content = (folder / name).read_bytes()
        assert old.encode() in content
        (folder / name).write_bytes(content.replace(old.encode(), new.encode(), 1))

    return spoil


def sealed_manifest(key: str, value: object) -> Spoil:
    """Another value, and the manifest's own hash made anew."""

    def spoil(folder: Path) -> None:
        document = json.loads((folder / "suite.json").read_text()) | {key: value}
        content = {key: value for key, value in document.items() if key != "sha256"}
        digest = hashlib.sha256(json.dumps(content, separators=(",", ":")).encode()).hexdigest()
        (folder / "suite.json").write_text(json.dumps(content | {"sha256": digest}, indent=2) + "\n")

    return spoil


def deleted_line(folder: Path) -> None:
    file = folder / "A_easy.jsonl"
    file.write_text(file.read_text().split("\n", 1)[1])


def swapped_cells(folder: Path) -> None:
    one, other = folder / "A_easy.jsonl", folder / "I_easy.jsonl"
    content = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(content)


def cell_that_is_not_asked_for(folder: Path) -> None:
    cells = json.loads((folder / "suite.json").read_text())["cells"]
    sealed_manifest("cells", cells | {"J_easy.jsonl": "0" * 64})(folder)


SPOILT: dict[str, Spoil] = {
    "sealed: a cell that is not asked for": cell_that_is_not_asked_for,
    "no manifest": lambda folder: (folder / "suite.json").unlink(),
    "a cell deleted": lambda folder: (folder / "A_easy.jsonl").unlink(),
    "a cell renamed": lambda folder: (folder / "A_easy.jsonl").rename(folder / "A_hard.jsonl"),
    "a cell renamed in case": lambda folder: (folder / "A_easy.jsonl").rename(folder / "a_easy.jsonl"),
    "a cell more": lambda folder: shutil.copy(folder / "A_easy.jsonl", folder / "B_easy.jsonl"),
    "a file more": lambda folder: (folder / "extra.JSONL").write_text("{}"),
    "a line deleted": deleted_line,
    "a line twice": lambda f: (f / "A_easy.jsonl").write_bytes((f / "A_easy.jsonl").read_bytes() * 2),
    "a blank line": edited("A_easy.jsonl", "\n", "\n\n"),
    "cells swapped": swapped_cells,
    "a character": edited("A_easy.jsonl", " per ", " Per "),
    "white space": edited("A_easy.jsonl", ": ", ":  "),
    "seed": edited("suite.json", '"seed": 0', '"seed": 1'),
    "seed, minus zero": edited("suite.json", '"seed": 0', '"seed": -0'),
    "tasks": edited("suite.json", '"tasks_per_cell": 2', '"tasks_per_cell": 3'),
    "a key twice": edited("suite.json", '"seed": 0', '"seed": 0, "seed": 0'),
    "an unknown key": edited("suite.json", '"seed": 0', '"seed": 0, "note": 0'),
    "trailing data": lambda f: (f / "suite.json").write_text((f / "suite.json").read_text() + "{}"),
    "other white space": edited("suite.json", "  ", " "),
    "a byte order mark": edited("suite.json", "{", "\ufeff{"),
    "sealed: tasks": sealed_manifest("tasks_per_cell", 3),
    "sealed: tasks as a float": sealed_manifest("tasks_per_cell", 2.0),
    "sealed: seed as a text": sealed_manifest("seed", "0"),
    "sealed: seed below zero": sealed_manifest("seed", -1),
    "sealed: kinds": sealed_manifest("kinds", ["A"]),
    "sealed: kinds in another order": sealed_manifest("kinds", ["I", "A"]),
    "sealed: an unknown kind": sealed_manifest("kinds", ["A", "I", "J"]),
    "sealed: difficulties": sealed_manifest("difficulties", ["easy", "hard"]),
    "sealed: no difficulties": sealed_manifest("difficulties", []),
    "sealed: versions": sealed_manifest("versions", {"rendering": 1}),
    **{
        f"sealed: another {name}": sealed_manifest("versions", asdict(CURRENT) | {name: getattr(CURRENT, name) + 1})
        for name in ("rendering", "grammar", "generator", "verdict")
    },
    "sealed: cells": sealed_manifest("cells", {}),
    "sealed: cells of a list": sealed_manifest("cells", ["A_easy.jsonl"]),
    "sealed: hashes": sealed_manifest("cells", {"A_easy.jsonl": "0" * 64, "I_easy.jsonl": "0" * 64}),
    "sealed: a cell more": sealed_manifest("cells", {"A_easy.jsonl": "0", "B_easy.jsonl": "0", "I_easy.jsonl": "0"}),
    "sealed: a size at the end": sealed_manifest("size", "small"),
}


@pytest.mark.parametrize("name", SPOILT)
def test_5b_a_spoilt_folder_is_refused(honest: list[Fields], tmp_path: Path, name: str) -> None:
    write_small_suite(tmp_path, [task_from_record(record) for record in honest])
    assert list(manifest_failures(tmp_path)) == []
    SPOILT[name](tmp_path)
    assert list(manifest_failures(tmp_path)), name


def test_5c_files_that_are_no_lines_are_refused(tmp_path: Path) -> None:
    for content in (b"", b"{}", b"{}\r\n", b"\xef\xbb\xbf{}\n", b"\xff\n"):
        (tmp_path / "file").write_bytes(content)
        with pytest.raises(RecordError):
            read_lines(tmp_path / "file")


def test_5d_of_two_alike_the_later_is_named(honest: list[Fields], tmp_path: Path) -> None:
    """The same record, and one with another text about the same program."""
    line = json.dumps(honest[0], ensure_ascii=False)
    places = [Place(tmp_path / "A_easy.jsonl", number) for number in (1, 2)]
    found = list(repeated(check_line(place, line, Judge()) for place in places))
    assert [place.number for place, _ in found] == [2, 2]
    assert {text.split(" than")[0] for _, text in found} == {"expected another id", "expected another original program"}


def test_6_the_checker_imports_nothing_else_of_the_package() -> None:
    for path in CHECKER.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            ours = [name for name in names if name.split(".")[0] == "lit_grpo"]
            assert not [name for name in ours if not name.startswith("lit_grpo.suite_checker.")], path
