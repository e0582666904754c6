"""The command that makes the suite: a named subset, and one line for what cannot be made."""

import runpy
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "make_benchmark.py"


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int | str | None:
    monkeypatch.setattr(sys, "argv", [str(SCRIPT), *arguments])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(SCRIPT), run_name="__main__")
    return ended.value.code


def test_the_study_is_kinds_a_to_d(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = ("--subset", "study", "--difficulties", "easy", "--num", "1", "--workers", "1", "--out", str(tmp_path))
    assert run(monkeypatch, *arguments) == 0
    assert {path.name for path in tmp_path.glob("*.jsonl")} == {f"{kind}_easy.jsonl" for kind in "ABCD"}


def test_tiny_programs_have_the_kinds_that_fit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = ("--size", "tiny", "--num", "1", "--workers", "1", "--out", str(tmp_path))
    assert run(monkeypatch, *arguments) == 0
    cells = {f"{kind}_{difficulty}.jsonl" for kind in "ABCD" for difficulty in ("easy", "medium", "hard")}
    assert {path.name for path in tmp_path.glob("*.jsonl")} == cells


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--size", "tiny", "--kinds", "AE"], "expected kinds of A, B, C, D in programs of size tiny, got E"),
        (["--kinds", "AZ"], "'Z' is not a valid FaultKind"),
        (["--difficulties", "easy,impossible"], "'impossible' is not a valid Difficulty"),
        (["--num", "0"], "expected a kind, a difficulty and at least one task"),
        (["--kinds", "A", "--subset", "study"], "not allowed with argument"),
    ],
)
def test_what_makes_no_sense_is_one_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    expected: str,
) -> None:
    assert run(monkeypatch, *arguments, "--out", str(tmp_path)) == 2
    assert expected in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
