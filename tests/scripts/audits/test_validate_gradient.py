"""The script that measures difficulty: a suite whose difficulties are turned round fails, with what does not hold."""

import json
import sys
from pathlib import Path

import pytest
import validate_gradient

from lit_grpo.data.suite import SuiteSettings
from lit_grpo.data.suite_maker import make_suite
from lit_grpo.environment.faults.fault_kinds import FaultKind

TURNED = {"easy": "hard", "medium": "medium", "hard": "easy"}


def _run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["validate_gradient.py", *arguments])
    return validate_gradient.main()


def test_a_suite_turned_round_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made, turned, table = tmp_path / "made", tmp_path / "turned", tmp_path / "table.md"
    turned.mkdir()
    make_suite(made, SuiteSettings(kinds=(FaultKind.COEFFICIENT,), num_tasks=6), 1, lambda _cell, _num: None)
    for difficulty, other in TURNED.items():
        records = [json.loads(line) for line in (made / f"C_{difficulty}.jsonl").read_text().splitlines()]
        lines = [json.dumps(record | {"difficulty": other}) + "\n" for record in records]
        (turned / f"C_{other}.jsonl").write_text("".join(lines))
    assert _run(monkeypatch, str(turned), "--workers", "1", "--readings", "2", "--out", str(table)) == 1
    printed = capsys.readouterr().out
    assert "C, noisy oracle: expected easy above medium with 95 % confidence, got " in printed
    assert "C, one-step searcher: expected medium above hard with 95 % confidence, got " in printed
    rows = [line.split(" | ")[:3] for line in table.read_text().splitlines()[2:]]
    assert rows == [["| C", difficulty, "6"] for difficulty in ("easy", "medium", "hard")]


def test_a_folder_without_cells_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        _run(monkeypatch, str(tmp_path))
    assert ended.value.code == 2
    assert "expected KIND_DIFFICULTY.jsonl files, got none" in capsys.readouterr().err
