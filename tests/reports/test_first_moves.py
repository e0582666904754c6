"""First moves per kind of fault.

1. They are counted by action, over all seeds of an arm; what is no move is malformed, an attempt without a turn none.
2. The table has the two most frequent of each kind, in percent of its attempts.
3. A line that is no attempt is refused with its number.
4. What is kept of an evaluation says the same once its attempts are gone, and is refused if it is something else.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from lit_grpo.environment.faults.injection import FaultKind
from lit_grpo.reports.first_moves import first_moves_json, first_moves_table, keep_first_moves, read_first_moves

SENSE = '{"action": "set_sense", "row": "cap", "sense": "<="}'
RHS = '{"action": "set_rhs", "row": "cap", "value": 3}'
SUBMIT = '{"action": "submit"}'


def attempts(folder: Path, kind: str, *turns: Sequence[str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "episodes.jsonl").open("a") as file:
        for texts in turns:
            file.write(json.dumps({"kind": kind, "turns": [{"text": text} for text in texts]}) + "\n")


def test_1_and_2_counted_and_shown(tmp_path: Path) -> None:
    attempts(tmp_path / "one", "C", [RHS], ["no move"], [])
    attempts(tmp_path / "one", "A", [SENSE, RHS], [SENSE], [RHS])
    attempts(tmp_path / "two", "A", [SUBMIT])
    moves = read_first_moves([tmp_path / "one", tmp_path / "two"])
    assert list(moves) == [FaultKind.SENSE, FaultKind.COEFFICIENT]
    assert first_moves_json(moves) == {
        "A": {"set_rhs": 1, "set_sense": 2, "submit": 1},
        "C": {"malformed": 1, "none": 1, "set_rhs": 1},
    }
    table = first_moves_table({"sft": moves})
    assert table.columns == ("", "A sense", "C coefficient")
    assert [cell.text for cell in table.rows[0].cells] == [
        "sft",
        "set_sense 50, set_rhs 25",
        "set_rhs 33, malformed 33",
    ]


def test_3_no_attempt(tmp_path: Path) -> None:
    attempts(tmp_path, "A", [SENSE])
    with (tmp_path / "episodes.jsonl").open("a") as file:
        file.write("{}\n")
    with pytest.raises(ValueError, match=r"episodes\.jsonl:2: expected an attempt"):
        read_first_moves([tmp_path])


def test_4_kept(tmp_path: Path) -> None:
    attempts(tmp_path / "one", "C", [RHS], ["no move"], [])
    attempts(tmp_path / "two", "C", [RHS])
    expected = read_first_moves([tmp_path / "one", tmp_path / "two"])
    keep_first_moves(tmp_path / "one")
    (tmp_path / "one" / "episodes.jsonl").unlink()
    assert read_first_moves([tmp_path / "one", tmp_path / "two"]) == expected
    keep_first_moves(tmp_path / "one")
    for wrong in ('{"C": 3}', '{"Z": {}}', '{"C": {"submit": "many"}}'):
        (tmp_path / "one" / "first_moves.json").write_text(wrong)
        with pytest.raises(ValueError, match=r"first_moves\.json: expected the first moves of an evaluation, got"):
            read_first_moves([tmp_path / "one"])
