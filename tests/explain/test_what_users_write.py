"""`lit-grpo explain` on files as they come: nothing is misread in silence, and nothing is written over.

1. A text that says nothing is refused; a byte order mark costs no label.
2. Assertions are rows and points: bounds and types are refused with their line, and so is what is no UTF-8.
3. A report replaces neither the model, nor a text, nor what may be a program, and a folder that is not there is
   said before anything is looked for.
4. A coefficient that the solver would take for 0 is refused; where it cannot matter, it is left out with a note.
5. A name with brackets is a name, and protects nothing else.
6. A direction that stands in a comment is noted, and so is a binary with other bounds, wherever these stand.
7. Numbers beyond double precision are refused in one line.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lit_grpo.commands.main import main

OVEN = """Maximize
 profit: 3 bread + 5 cake
Subject To
 demand: bread + cake >= 12
 oven: 2 bread + 3 cake <= 9
End
"""
TEXT = "row:demand: At least 12 pieces.\nrow:oven: A bread takes 2 hours and a cake 3, of 90.\n"


def plan(tmp_path: Path, text: str = OVEN, name: str = "plan.lp") -> Path:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def told(capsys: pytest.CaptureFixture[str], path: Path, *words: str) -> dict[str, Any]:
    assert main(["explain", str(path), "--format", "json", *words]) == 0
    return json.loads(capsys.readouterr().out)


def refused(capsys: pytest.CaptureFixture[str], path: Path, *words: str) -> str:
    assert main(["explain", str(path), *words]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    return said


@pytest.mark.parametrize("text", ["", " \n\n", "row:oven:  "])
def test_1_a_text_that_says_nothing(text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "plan.txt").write_text(text)
    said = refused(capsys, plan(tmp_path), "--specification", str(tmp_path / "plan.txt"))
    assert "plan.txt: expected a text that says what the program means, got an empty file; write what" in said


def test_1_a_byte_order_mark(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, text = plan(tmp_path), tmp_path / "plan.txt"
    text.write_text(TEXT, encoding="utf-8")
    without = told(capsys, path, "--specification", str(text))
    text.write_text(TEXT, encoding="utf-8-sig")
    assert told(capsys, path, "--specification", str(text)) == without


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("enough: bread >= 1\nBounds\n bread <= 10\n", "must.txt:2: Bounds"),
        ("enough: bread >= 1\nGeneral\n bread\n", "must.txt:2: General"),
        ("enough: bread >= 1\nbin\n cake\n", "must.txt:2: Binary"),
        ("enough: bread >= 1\n\nBounds bread <= 10\n", "must.txt:3: Bounds"),
    ],
)
def test_2_assertions(text: str, place: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = refused(capsys, plan(tmp_path), "--assert", str(plan(tmp_path, text, "must.txt")))
    assert f"{place}: expected rows and points, got another section; write a bound as a row" in said


def test_2_assertions_in_another_encoding(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asserted = tmp_path / "must.txt"
    asserted.write_bytes("enough: bread >= 1 \\ f\xfcr zwei\n".encode("latin-1"))
    assert "must.txt: expected text in UTF-8, got" in refused(capsys, plan(tmp_path), "--assert", str(asserted))


def test_3_nothing_is_written_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, text = plan(tmp_path), plan(tmp_path, TEXT, "plan.txt")
    (tmp_path / "link.html").symlink_to(text)
    with_text = ("--specification", str(text), "--output")
    for output, message in (
        (path, "expected a file of its own, got"),
        (text, "expected a file of its own, got"),
        (tmp_path / "link.html", "expected a file of its own, got"),
        (tmp_path / "other.MPS", "expected a name for a report, such as report.html, got"),
        (tmp_path / "missing" / "report.html", "expected a folder to write to, got"),
    ):
        assert message in refused(capsys, path, *with_text, str(output))
    assert path.read_text() == OVEN
    assert text.read_text() == TEXT
    report = tmp_path / "report.html"
    for _ in range(2):
        assert main(["explain", str(path), "--format", "html", "--output", str(report)]) == 0
    assert report.read_text(encoding="utf-8").startswith("<!")


def test_4_small_coefficients(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """x of a thousand million, which the solver would call infeasible."""
    tiny = "Minimize\n cost: x\nSubject To\n least: {} x + y >= 1\nBounds\n y <= 4\n{}End\n"
    said = refused(capsys, plan(tmp_path, tiny.format("1e-9", "")))
    assert (
        "row least, coefficient of x: expected 0 or a magnitude above 1e-09, got 1e-09, which the solver takes" in said
    )
    found = told(capsys, plan(tmp_path, tiny.format("1e-17", " x <= 1000\n")))
    assert found["status"] == "optimal"
    assert any("coefficients too small to matter left out of row least: x" in note for note in found["notes"])
    assert told(capsys, plan(tmp_path, tiny.format("2e-9", "")))["notes"] == []


def test_5_names_with_brackets(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = OVEN.replace("demand", "c[1]").replace("oven", "c1")
    found = told(capsys, plan(tmp_path, names), "--keep", "row:c[1]")
    touched = {e for kind in ("relaxations", "candidates") for repair in found[kind] for e in repair["elements"]}
    assert "row:c1" in touched
    assert "row:c[1]" not in touched


@pytest.mark.parametrize("direction", ["", "OBJSENSE\n    MAX\n"])
def test_6_a_direction_in_a_comment(direction: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    columns = "ROWS\n N profit\n L oven\nCOLUMNS\n x profit 3 oven 2\nRHS\n rhs oven 9\nENDATA\n"
    text = f"*SENSE:Maximize\nNAME plan\n{direction}{columns}"
    found = told(capsys, plan(tmp_path, text, "plan.mps"))
    said = "'*SENSE:Maximize' does not count: read as minimize"
    assert any(said in note for note in found["notes"]) is (not direction)


@pytest.mark.parametrize("rest", ["Bounds\n x <= 5\nBinary\n x\n", "Binary\n x\nBounds\n x <= 5\n"])
def test_6_a_binary_with_other_bounds(rest: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = told(capsys, plan(tmp_path, f"Minimize\n cost: x\nSubject To\n least: x >= 1\n{rest}End\n"))
    assert any("x is binary with the bounds [0, 5]" in note for note in found["notes"])


@pytest.mark.parametrize("row", ["1e308 x + 1e308 x >= 1", "-2 <= x - 1e308 x - 1e308 x <= 4"])
def test_7_beyond_double_precision(row: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = refused(capsys, plan(tmp_path, f"Minimize\n cost: x\nSubject To\n c: {row}\nEnd\n"))
    assert "expected a magnitude below 1e+15, got" in said
