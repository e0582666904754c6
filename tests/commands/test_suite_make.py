"""The command that makes the suite: a named subset, and one line for what cannot be made."""

from pathlib import Path

import pytest

from lit_grpo.commands.main import main
from lit_grpo.data import suite_maker
from lit_grpo.data.splits import Split
from lit_grpo.data.suite import SuiteSettings
from lit_grpo.data.suite_maker import Report
from lit_grpo.data.task import TaskSettings, generate_task
from lit_grpo.environment.programs.program import LinearProgram
from lit_grpo.environment.solver.highs import HighsSolver
from lit_grpo.environment.solver.solver import Conflict


class GivesUp(HighsSolver):
    """Its search for a conflict always hits a limit."""

    def conflict(self, program: LinearProgram) -> Conflict | None:
        return None


def test_the_study_is_kinds_a_to_d(tmp_path: Path) -> None:
    arguments = (
        "--subset",
        "study",
        "--difficulties",
        "easy",
        "--num-tasks",
        "1",
        "--workers",
        "1",
        "--output",
        str(tmp_path),
    )
    assert main(["suite", "make", *arguments]) == 0
    assert {path.name for path in tmp_path.glob("*.jsonl")} == {f"{kind}_easy.jsonl" for kind in "ABCD"}


def test_tiny_programs_have_the_kinds_that_fit(tmp_path: Path) -> None:
    arguments = ("--size", "tiny", "--num-tasks", "1", "--workers", "1", "--output", str(tmp_path))
    assert main(["suite", "make", *arguments]) == 0
    cells = {f"{kind}_{difficulty}.jsonl" for kind in "ABCD" for difficulty in ("easy", "medium", "hard")}
    assert {path.name for path in tmp_path.glob("*.jsonl")} == cells


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--size", "tiny", "--kinds", "AE"], "expected kinds of A, B, C, D in programs of size tiny, got E"),
        (["--kinds", "AZ"], "argument --kinds: expected letters of ABCDEFGHI, got 'AZ'"),
        (
            ["--difficulties", "easy,impossible"],
            "argument --difficulties: expected words of easy,medium,hard, got 'easy,impossible'",
        ),
        (["--num-tasks", "0"], "expected a kind, a difficulty and at least one task"),
        (["--kinds", "A", "--subset", "study"], "not allowed with argument"),
    ],
)
def test_what_makes_no_sense_is_one_line(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    expected: str,
) -> None:
    assert main(["suite", "make", *arguments, "--output", str(tmp_path)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("lit-grpo suite make: ")
    assert expected in line
    assert list(tmp_path.iterdir()) == []


def test_a_cell_that_cannot_be_filled_stops_the_command_with_what_came_of_the_attempts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every cell of the suite can be filled, so this one is drawn with a solver that gives up."""

    def unfillable(folder: Path, settings: SuiteSettings, num_workers: int, report: Report) -> None:
        (cell,) = settings.cells
        drawn = TaskSettings(kinds={cell.kind: 1.0}, difficulties={cell.difficulty: 1.0})
        generate_task(drawn, Split.TEST, settings.seed, 0, GivesUp())

    monkeypatch.setattr(suite_maker, "make_suite", unfillable)
    arguments = ("--kinds", "D", "--difficulties", "easy", "--num-tasks", "1", "--output", str(tmp_path))
    assert main(["suite", "make", *arguments]) == 1
    error = capsys.readouterr().err
    assert "/D/easy: expected a fault within 200 base programs, got none (a solver's limit was reached: 200)" in error
    assert list(tmp_path.iterdir()) == []
