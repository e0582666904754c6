"""`lit-grpo explain`: what a repair is held to, several conflicts, and the three forms.

1. What is kept is in no relaxation and in no candidate; a pattern that fits nothing is refused.
2. A repair satisfies the asserted rows, and admits the asserted points; a name that is no variable is refused.
3. --max-changes bounds how many elements change; two independent faults take two.
4. Independent conflicts are shown, each with its own members.
5. The least changes, worked by hand, with what they cost.
6. The page is one file that fetches nothing, and escapes every name; the text names rows and bounds.
7. JSON has no infinities, and the keys that are documented.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from lit_grpo.commands.main import main

SCHEMA = Path(__file__).parents[2] / "lit_grpo" / "explain" / "explanation.schema.json"

BREAD = """Maximize
 profit: 3 bread + 5 cake
Subject To
 demand: bread + cake >= 12
 oven: 2 bread + 3 cake <= 9
 shop: bread <= 40
Bounds
 cake <= 8
End
"""
"""12 pieces need at least 24 of the oven, at 2 a bread: it has 9, of a meant 90."""

TWO = """Minimize
 cost: x + y
Subject To
 low_x: x >= 5
 high_x: x <= 4
 low_y: y >= 30
 high_y: y <= 3
End
"""


def told(tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, *words: str) -> dict[str, Any]:
    path = tmp_path / "plan.lp"
    path.write_text(text, encoding="utf-8")
    assert main(["explain", str(path), "--format", "json", *words]) == 0
    return json.loads(capsys.readouterr().out)


def test_1_keep(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = told(tmp_path, capsys, BREAD, "--keep", "row:d*", "--keep", "var:*")
    touched = {e for kind in ("relaxations", "candidates") for repair in found[kind] for e in repair["elements"]}
    assert touched == {"row:oven"}
    assert main(["explain", str(tmp_path / "plan.lp"), "--keep", "row:ovn"]) == 2
    assert "--keep: expected row:NAME" in capsys.readouterr().err


def test_2_assertions(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asserted = tmp_path / "must.txt"
    asserted.write_text("enough: bread + cake >= 11\nPoints\n last_year: bread = 12, cake = 2\n", encoding="utf-8")
    found = told(tmp_path, capsys, BREAD, "--assert", str(asserted))
    changes = [change for candidate in found["candidates"] for change in candidate["changes"]]
    # Without demand, or with less than 11 of it, some plan breaks the row. 12 bread and 2 cake take 30 of the oven.
    assert "row:demand: leave it out" not in changes
    assert "row:oven: right-hand side 9 -> 90" in changes
    ovens = [re.fullmatch(r"row:oven: right-hand side 9 -> (\d+)", change) for change in changes]
    assert all(int(match[1]) >= 30 for match in ovens if match)
    asserted.write_text("enough: bred >= 11\n", encoding="utf-8")
    assert main(["explain", str(tmp_path / "plan.lp"), "--assert", str(asserted)]) == 2
    assert "did you mean 'bread'" in capsys.readouterr().err


def test_3_and_4_two_faults(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = told(tmp_path, capsys, TWO)
    pairs = [{"row:low_x", "row:high_x"}, {"row:low_y", "row:high_y"}]
    conflicts = [found["conflict"], *found["other_conflicts"]]
    assert sorted(sorted(conflict["elements"]) for conflict in conflicts) == sorted(map(sorted, pairs))
    assert all(len(candidate["elements"]) == 2 for candidate in found["candidates"])
    assert {candidate["status"] for candidate in found["candidates"]} == {"optimal"}
    assert found["relaxations"][0]["total"] == pytest.approx(28.0)  # 1 for x, 27 for y
    found = told(tmp_path, capsys, TWO, "--max-changes", "1")
    assert found["relaxations"] == found["candidates"] == []
    assert any("up to 1" in remark for remark in found["remarks"])


def test_5_least_changes_by_hand(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = told(tmp_path, capsys, BREAD)
    by_changes = {tuple(c["text"] for c in r["changes"]): r for r in found["relaxations"]}
    # Bread alone fits best: 9 / 2 = 4.5 pieces, so demand gives way by 7.5; then 3 * 4.5 is made of it.
    demand = by_changes[("row:demand: right-hand side 12 -> 4.5",)]
    assert demand["objective"] == pytest.approx(13.5)
    # 12 bread take 24; for 12 pieces no other mix takes less, and 3 * 12 is made of it.
    oven = by_changes[("row:oven: right-hand side 9 -> 24",)]
    assert oven["objective"] == pytest.approx(36.0)
    assert found["relaxations"][0] == demand


def test_6_forms(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "plan.lp"
    path.write_text(BREAD.replace("oven", "oven&co"), encoding="utf-8")
    page = tmp_path / "plan.html"
    assert main(["explain", str(path), "--format", "html", "--output", str(page)]) == 0
    text = page.read_text(encoding="utf-8")
    assert "oven&amp;co" in text
    assert "oven&co" not in text
    assert not re.search(r"(src|href)=|url\(|<script", text)
    assert main(["explain", str(path)]) == 0
    shown = capsys.readouterr().out
    assert "row:oven&co  2 bread + 3 cake <= 9" in shown
    assert "not negative, as by default: " in shown


def test_7_the_documented_keys(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    found = told(tmp_path, capsys, BREAD)
    assert set(found) == set(schema["required"]) == set(schema["properties"])
    for name in ("program", "conflict"):
        assert set(found[name]) == set(schema["properties"][name]["properties"])
    for name in ("relaxations", "candidates"):
        assert set(found[name][0]) == set(schema["properties"][name]["items"]["properties"])


def test_8_the_least_change_admits_the_points(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asserted = tmp_path / "must.txt"
    asserted.write_text("Points\n last_year: bread = 12, cake = 2\n", encoding="utf-8")
    found = told(tmp_path, capsys, BREAD, "--assert", str(asserted), "--keep", "row:demand")
    # 2 * 12 + 3 * 2 = 30 of the oven; 24 would do for demand alone.
    assert [c["text"] for c in found["relaxations"][0]["changes"]] == ["row:oven: right-hand side 9 -> 30"]
