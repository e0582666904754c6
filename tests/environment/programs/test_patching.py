"""A repaired program as a patch of the user's own file.

1. Worked by hand: a number, a new bound, a new term, a row that goes; comments, order and spelling stay.
2. Over hundreds of edits of the rebuilt cases, in both formats: what comes out reads as what was meant, and only lines
   of the edit differ; the share that can be written so is high.
3. What cannot be written so gives None, never another program.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from random import Random

import pytest

from lit_grpo.environment.programs.difference import elements_of, random_edit
from lit_grpo.environment.programs.edits import (
    DropRow,
    Edit,
    SetBounds,
    SetCoefficient,
    SetRhs,
    SetSense,
    SetType,
    apply,
    apply_all,
)
from lit_grpo.environment.programs.patching import patch_of, patched_text
from lit_grpo.environment.programs.program import ProgramError, Sense, VariableType
from lit_grpo.environment.programs.reading.program_file import ProgramFile, read_program_file, read_program_text

CASES = Path(__file__).parent / "cases"

PLAN = """\\ The plan of a week, as it was exported.
Maximize
 profit: 3 bread + 5 cake   \\ in euros
Subject To
 orders: bread + cake >= 12
 oven: 2 bread + 3 cake <= 9    \\ hours
 flour: .5 bread - 0.40 cake <= 7.0
 shop: 20 >= 1 bread
Bounds
 cake <= 8
General
 bread cake
End
"""

PLAN_MPS = """* comment
NAME          PLAN
ROWS
 N  COST
 G  NEED
 L  CAP
COLUMNS
    X         COST         1.0   NEED         1.0
    X         CAP          2.0
    Y         COST         2.0   NEED         1.0
RHS
    B         CAP          4.0
BOUNDS
 UP LIMITS    X            9.0
ENDATA
"""


def plan(text: str = PLAN, suffix: str = ".lp") -> ProgramFile:
    return read_program_text(text, suffix, f"plan{suffix}")


@pytest.mark.parametrize(
    ("edit", "before", "after"),
    [
        (SetRhs("oven", 90.0), "<= 9    \\ hours", "<= 90    \\ hours"),
        (SetSense("orders", Sense.LESS_EQUAL), "cake >= 12", "cake <= 12"),
        (SetSense("shop", Sense.GREATER_EQUAL), "20 >= 1", "20 <= 1"),
        (SetCoefficient("flour", "cake", 0.4), "- 0.40 cake", "+ 0.4 cake"),
        (SetCoefficient("orders", "bread", 2.0), " bread + cake >=", " 2 bread + cake >="),
        (SetCoefficient("shop", "cake", -1.0), None, None),
        (SetBounds("bread", 0.0, 40.0), "Bounds\n", "Bounds\n bread <= 40\n"),
        (SetBounds("cake", 0.0, 80.0), "cake <= 8\n", "cake <= 80\n"),
        (SetType("cake", VariableType.CONTINUOUS), " bread cake\n", " bread \n"),
        (DropRow("oven"), " oven: 2 bread + 3 cake <= 9    \\ hours\n", ""),
    ],
)
def test_1_by_hand(edit: Edit, before: str | None, after: str | None) -> None:
    file = plan()
    patched = patched_text(file, apply(file.program, edit))
    if before is None or after is None:
        assert patched is None or plan(patched).program.constraint("shop").terms == (("bread", 1.0), ("cake", -1.0))
        return
    assert PLAN.count(before) == 1
    assert patched == PLAN.replace(before, after)


def test_1b_by_hand_in_mps() -> None:
    file = plan(PLAN_MPS, ".mps")
    edits = (SetRhs("CAP", 40.0), SetRhs("NEED", 5.0), SetCoefficient("CAP", "Y", 3.0), SetBounds("Y", 1.0, 7.0))
    patched = patched_text(file, apply_all(file.program, edits))
    assert patched is not None
    added = [line for line in patched.splitlines() if line not in PLAN_MPS.splitlines()]
    assert sorted(line.split() for line in added) == [
        ["B", "CAP", "40"],
        ["B", "NEED", "5"],
        ["LO", "LIMITS", "Y", "1"],
        ["UP", "LIMITS", "Y", "7"],
        ["Y", "CAP", "3"],
    ]
    dropped = patched_text(file, apply(file.program, DropRow("CAP")))
    assert dropped == PLAN_MPS.replace(" L  CAP", " N  CAP").replace("    B         CAP          4.0\n", "").replace(
        "    B         CAP          4.0\n", ""
    )


@pytest.mark.skipif(shutil.which("patch") is None, reason="the program patch is not there")
@pytest.mark.parametrize(("text", "suffix"), [(PLAN, ".lp"), (PLAN_MPS, ".mps")])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_1c_mark_and_line_ends_stay_and_the_program_patch_takes_it(
    text: str, suffix: str, mark: str, line_end: str, tmp_path: Path
) -> None:
    text = mark + text.replace("\n", line_end).removesuffix(line_end)
    file = plan(text, suffix)
    row = "oven" if suffix == ".lp" else "CAP"
    changed = apply(apply(file.program, SetRhs(row, 90.0)), SetBounds(file.program.variables[0].name, 0.0, 4.0))
    patched = patched_text(file, changed)
    assert patched is not None
    assert patched.startswith(mark + text[len(mark) : 10])
    assert patched.count("\n") == patched.count(line_end)
    assert plan(patched, suffix).program == changed
    user, patch = tmp_path / "plan", tmp_path / "plan.patch"
    user.write_text(text, encoding="utf-8", newline="")
    patch.write_text(patch_of(file, patched), encoding="utf-8", newline="")
    subprocess.run(["patch", "--binary", "-s", str(user), str(patch)], check=True)
    assert user.read_bytes().decode() == patched


def test_2_hundreds_of_edits() -> None:
    num_tried = num_patched = 0
    for path in sorted(CASES.glob("[0-8]*.[lm]p*")):
        try:
            file = read_program_file(path)
        except ProgramError:
            continue
        rng = Random(path.name)
        for _ in range(25):
            edit = random_edit(rng.choice(elements_of(file.program)), file.program, rng)
            changed = apply(file.program, edit)
            patched = patched_text(file, changed)
            num_tried += 1
            if patched is not None:
                num_patched += 1
                patch = patch_of(file, patched).splitlines()
                touched = [line for line in patch if line[:1] in "+-" and line[:3] not in ("---", "+++")]
                assert len(touched) <= 4
    assert num_tried > 200
    assert num_patched > 0.9 * num_tried


def test_3_what_cannot_be_written_is_none() -> None:
    ranged = plan("Minimize\n obj: x\nSubject To\n r: 1 <= x <= 5\nEnd\n")
    assert patched_text(ranged, apply(ranged.program, SetRhs("r_upper", 6.0))) is None
    moved = plan("Minimize\n obj: x\nSubject To\n c: x - 1 >= 2\nEnd\n")
    assert patched_text(moved, apply(moved.program, SetRhs("c", 4.0))) is None
