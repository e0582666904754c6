"""The independent checker of benchmarks.

1. A record of each kind, made by hand, holds; so do records of the generator, ids and splits included.
2. For each kind a record that lacks the kind's own property is refused, and the reason is named.
3. A record with any other figure, element, action, objective, id or program is refused; so is, for each kind, one with
   any other leaf in its certificate, evidence included, or without one.
4. What is no record is a line too, never a crash.
5. The command prints a table, names file and line, exits with 1; it finds what occurs twice,
   and what is in a wrong file.
6. It imports nothing of lit_grpo but itself.
"""

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from handmade_records import bounds, conflict_of, handmade, plan, record, rhs, sealed

from lit_grpo.data.benchmark import task_to_record
from lit_grpo.data.task import Split, TaskSettings, generate_task
from lit_grpo.environment.domains.base import ProgramSize
from lit_grpo.environment.solver.highs import HighsSolver
from lit_grpo.suite_checker.certificates import failures
from lit_grpo.suite_checker.records import RecordError, read_record
from lit_grpo.suite_checker.requirements import Judge

CHECKER = Path(__file__).parents[2] / "lit_grpo" / "suite_checker"
HANDMADE = handmade()
Fields = dict[str, Any]


def complaints(fields: Fields) -> list[str]:
    return list(failures(read_record(json.dumps(fields)), Judge()))


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
        assert complaints(task_to_record(generate_task(settings, Split.TEST, 3, index, solver))) == []


P = plan()
LACKING: dict[str, tuple[Fields, str]] = {
    "A": (figure(HANDMADE["A"], property_margin=17.0), "expected property_margin 18.0, the row's redundancy margin"),
    "A of another edit": (
        HANDMADE["D"] | {"kind": "A"},
        "expected one set_sense as the inverse of kind A",
    ),
    "B": (
        record("B", P, [bounds("x", 150, 100)], [bounds("x", 1, 100)], ("wrong_lower_bound", 138.0, 138.0, 1, 0)),
        "expected every conflict to hold a row, got one of bounds alone",
    ),
    "C": (HANDMADE["D"] | {"kind": "C"}, "expected one set_coefficient"),
    "D": (figure(HANDMADE["D"], variant="added_row"), "expected the variant wrong_rhs"),
    "E": (HANDMADE["G"] | {"kind": "E"}, "expected it to stay infeasible without row:cap"),
    "E of one fault": (HANDMADE["D"] | {"kind": "E"}, "expected at least two faulty elements"),
    "F": (HANDMADE["D"] | {"kind": "F"}, "expected a conflict of at least 5 elements, 3 of them rows, got 2 and 2"),
    "F at the fault": (HANDMADE["I"] | {"kind": "F"}, "expected the minimum relaxation to be elsewhere"),
    "G": (HANDMADE["E"] | {"kind": "G"}, "expected every conflict that is left to hold row:cap"),
    "G that ends at once": (
        HANDMADE["I"] | {"kind": "G"},
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
        ),
        "expected the first conflict to do without row:cap wherever it stands",
    ),
    "H": (
        record("H", P, [bounds("z", 8, 100)], [bounds("z", 0, 100)], ("wrong_lower_bound", 3.0, 3.0, 2, 1)),
        "expected no deletion of a row to repair it, got a feasible program without zcap",
    ),
    "H that crosses": (
        record("H", P, [bounds("z", 150, 100)], [bounds("z", 0, 100)], ("crossed_bounds", 145.0, 145.0, 1, 0)),
        "expected crossed bounds at easy alone",
    ),
    "I": (HANDMADE["D"] | {"kind": "I"}, "expected at least two elements with the smallest violation 28.0"),
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
        "expected the conflict of row:zneed to hold it and no other fault, got one with ['row:cap']",
    ),
    (
        figure(
            HANDMADE["H"],
            evidence={"conflicts": [conflict_of("row ztop", "lower z"), conflict_of("row zcap", "row zneed")]},
        ),
        "expected row:zcap row, row:zneed row to contradict each other",
    ),
    (
        figure(HANDMADE["H"], evidence={"conflicts": [conflict_of("row ztop", "lower z")]}),
        "expected crossed bounds where there is one conflict",
    ),
    (
        figure(
            HANDMADE["G"],
            evidence=HANDMADE["G"]["certificate"]["evidence"] | {"revealed": conflict_of("row cap", "lower x")},
        ),
        "expected the revealed conflict row:cap row, row:need row, got row:cap row, var:x lower",
    ),
    (
        figure(HANDMADE["F"], evidence=HANDMADE["F"]["certificate"]["evidence"] | {"relaxed": ["row:demand"]}),
        "expected relaxed to name true elements that can give way",
    ),
    (figure(HANDMADE["D"], evidence={}), "expected no evidence for kind D"),
]


@pytest.mark.parametrize(("fields", "reason"), EVIDENCE, ids=[reason[:40] for _, reason in EVIDENCE])
def test_3c_evidence_that_is_none_is_refused(fields: Fields, reason: str) -> None:
    assert any(complaint.startswith(reason) for complaint in complaints(fields)), complaints(fields)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "expected one JSON object"),
        ("[]", "expected the record to be a JSON object"),
        (json.dumps({"id": "x"}), "expected the key domain"),
        (json.dumps(HANDMADE["D"] | {"faulty_mps": "nothing"}), "expected an MPS text"),
        (json.dumps(HANDMADE["D"] | {"inverse_actions": ["drop need"]}), "expected an action as the text"),
        (json.dumps(HANDMADE["D"] | {"inverse_actions": ['{"action":"submit"}']}), "expected one of drop, set_rhs"),
        (json.dumps(HANDMADE["D"] | {"inverse_actions": [rhs("nil", 1)]}), "expected the name of a row"),
        (json.dumps(HANDMADE["D"] | {"inverse_actions": [rhs("need", 1e9)]}), "expected another value"),
        (json.dumps(figure(HANDMADE["D"], violation="much")), "expected violation to be of type float"),
    ],
)
def test_4_what_is_no_record_is_said_so(line: str, reason: str) -> None:
    with pytest.raises(RecordError) as error:
        read_record(line)
    assert str(error.value).startswith(reason)


def run_checker(path: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "lit_grpo", "suite", "check", str(path), "--workers", "1"]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_5_the_command_names_file_and_line(tmp_path: Path) -> None:
    good, bad = HANDMADE["D"], figure(HANDMADE["I"], violation=3.0)
    (tmp_path / "D_medium.jsonl").write_text(json.dumps(good) + "\n")
    passed = run_checker(tmp_path)
    assert passed.returncode == 0, passed.stdout + passed.stderr
    assert "D" in passed.stdout
    (tmp_path / "I_hard.jsonl").write_text("\n".join(map(json.dumps, [bad, good])) + "\n")
    refused = run_checker(tmp_path)
    assert refused.returncode == 1
    lines = refused.stdout.splitlines()
    assert f"{tmp_path}/I_hard.jsonl, line 1: expected violation 2.0, got 3.0" in lines
    assert any("I_hard.jsonl, line 1: expected a record of I hard in this file" in line for line in lines)
    assert any("line 2: expected another id than that of D_medium.jsonl, line 1" in line for line in lines)
    assert run_checker(tmp_path / "nowhere").returncode == 2


def test_6_the_checker_imports_nothing_else_of_the_package() -> None:
    for path in CHECKER.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            ours = [name for name in names if name.split(".")[0] == "lit_grpo"]
            assert not [name for name in ours if not name.startswith("lit_grpo.suite_checker.")], path
