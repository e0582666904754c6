"""A user's own programs, before anything is drawn from them.

1. Programs and texts are read, compressed or not; everything that cannot be used is said at once, a line for each file.
2. The split follows from the content: names and the order of rows play no part, one program in two files has one split,
   none is empty, and a program that is added moves no other.
3. What a program has room for is found out once, and kept on disk; so is what was read of a large file.
4. A row that a fault adds has a name that another program of the split gives to its rows, or one numbered on.
"""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from own_programs import bakery, write_bakeries

from lit_grpo.data.programs.folder import read_own_program
from lit_grpo.data.programs.folder_error import ProgramFolderError
from lit_grpo.data.programs.kept import LARGE, read_kept
from lit_grpo.data.programs.names import spare_row_names
from lit_grpo.data.programs.pool import ProgramPool, splits_of
from lit_grpo.data.programs.survey import Survey
from lit_grpo.data.splits import Cell, Split
from lit_grpo.environment.faults.difficulty import Difficulty
from lit_grpo.environment.faults.fault_kinds import FaultKind
from lit_grpo.environment.programs.files import program_to_mps_text, read_program
from lit_grpo.environment.programs.program import LinearProgram
from lit_grpo.environment.solver.highs import HighsSolver
from lit_grpo.environment.solver.solver import Solution, SolverStatus

RHS_EASY = Cell(FaultKind.RIGHT_HAND_SIDE, Difficulty.EASY)


class Unasked(HighsSolver):
    def solve(self, program: LinearProgram) -> Solution:
        raise AssertionError("expected the answer from the disk")


def test_1_programs_are_read_with_their_texts_whatever_the_format(tmp_path: Path) -> None:
    folder = write_bakeries(tmp_path / "own", range(3))
    plain = read_own_program(folder / "bakery_1.lp")
    packed, mps = folder / "packed.lp.gz", folder / "other.mps"
    packed.write_bytes(gzip.compress(bakery(1)[0].encode()))
    mps.write_text(program_to_mps_text(plain.program))
    for file in (packed, mps):
        file.with_name(file.name.split(".")[0] + ".txt").write_text(bakery(1)[1])
        read = read_own_program(file)
        assert (read.specification, read.digest) == (plain.specification, plain.digest)
    assert plain.specification.sentences[0].about == "row:flour"
    assert plain.specification.sentences[-1].about is None
    assert len(ProgramPool(folder).programs) == 5


BROKEN = {
    "infeasible": (
        "minimize\n c: x\nsubject to\n r: x >= 4\nbounds\n x <= 3\nend\n",
        "A text.",
        "got infeasible; `lit-",
    ),
    "unbounded": ("maximize\n c: x\nsubject to\n r: x >= 4\nend\n", "A text.", "got unbounded; bound what its obje"),
    "unreadable": ("minimize\n c: 1,5 x\nend\n", "A text.", "unreadable.lp:2: "),
    "textless": (bakery(0)[0], None, "textless.txt: expected a text that says what the program means, got no such fi"),
    "empty": (bakery(0)[0], " \n", "empty.txt: expected a text that says what the program means, got an empty file"),
    "mislabelled": (bakery(0)[0], "row:flower: 120", "mislabelled.txt:1: expected row:NAME or var:NAME of the program"),
}


def test_1b_all_that_cannot_be_used_is_said_at_once(tmp_path: Path) -> None:
    folder = write_bakeries(tmp_path / "own", range(3))
    for name, (program, text, _) in BROKEN.items():
        (folder / f"{name}.lp").write_text(program)
        if text is not None:
            (folder / f"{name}.txt").write_text(text)
    with pytest.raises(ProgramFolderError) as raised:
        ProgramPool(folder)
    lines = str(raised.value).splitlines()
    assert len(lines) == len(BROKEN)
    for name, (_, _, expected) in BROKEN.items():
        (line,) = [line for line in lines if line.startswith(str(folder / name))]
        assert expected in line


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda folder: None, "expected a folder of programs, got .*; check the path"),
        (lambda folder: folder.mkdir(), "expected files named .mps, .mps.gz, .lp, .lp.gz in .*, got none"),
        (
            lambda folder: write_bakeries(folder, range(2)),
            "expected at least 3 different programs, .*, got 2; add some",
        ),
    ],
)
def test_1c_a_folder_without_programs_is_one_line(tmp_path: Path, make: object, expected: str) -> None:
    assert callable(make)
    make(tmp_path / "own")
    with pytest.raises(ProgramFolderError, match=expected):
        ProgramPool(tmp_path / "own")


def digests(splits: str) -> list[str]:
    """Made-up digests, from the smallest on, of the splits with these initials."""
    buckets = {"t": 0, "v": 8, "e": 9}
    firsts = [int(f"{number:02x}", 16) * 16**62 for number in range(len(splits))]
    return [f"{first + (buckets[s] - first) % 10:064x}" for first, s in zip(firsts, splits, strict=True)]


def test_2_splits_are_those_of_the_digests(tmp_path: Path) -> None:
    given = digests("tvtttetv")
    splits = splits_of(given, tmp_path)
    assert "".join({"test": "e"}.get(splits[digest], splits[digest][0]) for digest in given) == "tvtttetv"
    assert splits_of([*given, "f" * 64, given[0]], tmp_path).items() > splits.items()


def test_2b_no_split_is_empty(tmp_path: Path) -> None:
    """The largest digest of the split that has most goes to test, then to validation, then to train."""
    for given, expected in (("ttt", "tve"), ("ttttv", "tttev"), ("eeee", "eetv"), ("ttve", "ttve"), ("vvvv", "vvte")):
        splits = splits_of(digests(given), tmp_path)
        assert "".join({"test": "e"}.get(splits[d], splits[d][0]) for d in digests(given)) == expected


def test_2c_one_program_in_two_files_has_one_split(tmp_path: Path) -> None:
    folder = write_bakeries(tmp_path / "own", range(8))
    program, text = bakery(5)
    lines = program.replace("oven", "stove").splitlines()
    lines[3:6] = reversed(lines[3:6])
    (folder / "again.lp").write_text("\n".join(lines))
    (folder / "again.txt").write_text(text.replace("row:oven", "row:stove"))
    pool = ProgramPool(folder)
    places = {program.own.file.stem: pool.split_of(program) for program in pool.programs}
    assert places["again"] is places["bakery_5"]
    assert (len(pool.programs), len(pool.digests)) == (9, 8)
    assert sum(len(pool.of_split(split)) for split in Split) == 9


def test_3_answers_are_found_out_once(tmp_path: Path) -> None:
    program = read_own_program(write_bakeries(tmp_path / "own", [0]) / "bakery_0.lp").program
    first = Survey(program, HighsSolver())
    answers = (first.status, first.allows(RHS_EASY, ("spare",)))
    assert answers == (SolverStatus.OPTIMAL, True)
    kept = Survey(program, Unasked())
    assert (kept.status, kept.allows(RHS_EASY, ("spare",))) == answers


def test_3b_a_file_that_is_no_survey_is_found_out_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    program = read_own_program(write_bakeries(tmp_path / "own", [0]) / "bakery_0.lp").program
    assert Survey(program, HighsSolver()).status is SolverStatus.OPTIMAL
    (file,) = (tmp_path / "cache").rglob("*.json")
    for content in ("{", "[]", '{"status": "fine", "allowed": {}}', '{"status": "optimal", "allowed": 3}'):
        file.write_text(content)
        assert Survey(program, HighsSolver()).status is SolverStatus.OPTIMAL
        assert '"optimal"' in file.read_text()


def test_3c_a_place_that_cannot_be_written_to_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(ProgramFolderError, match=r"expected a folder to keep what was found out.*set XDG"):
        ProgramPool(write_bakeries(tmp_path / "own", range(3)))


def test_3d_a_large_file_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    file = tmp_path / "large.lp"
    file.write_text(bakery(0)[0].replace("bounds", "bounds\n roll >= 0.1\n bread free") + "\\ remark\n" * (LARGE // 8))
    program = read_kept(file)
    (kept,) = (tmp_path / "cache").rglob("*.program.json")
    written = kept.read_text()
    kept.write_text(written.replace("oven", "stove"))
    assert [row.name for row in read_kept(file).constraints] == ["flour", "stove", "orders"]
    for broken in ("{", "[]", written.replace("maximize", "maximise"), written.replace("[", "", 1), "3"):
        kept.write_text(broken)
        assert read_kept(file) == program == read_program(file)
        assert kept.read_text() == written
    file.write_text(file.read_text().replace("oven", "grill"))
    assert read_kept(file).constraints[1].name == "grill"


def test_4_an_added_row_is_called_what_a_true_one_could_be(tmp_path: Path) -> None:
    folder = write_bakeries(tmp_path / "own", range(2))
    one, other = (read_own_program(folder / f"bakery_{number}.lp").program for number in range(2))
    assert spare_row_names(one, [one, other]) == ("flour_2", "oven_2", "orders_2")
    stove = tmp_path / "stove.lp"
    stove.write_text(bakery(1)[0].replace("oven", "stove"))
    assert spare_row_names(one, [one, read_program(stove)]) == ("stove",)
    stove.write_text(bakery(1)[0].replace("oven", "day_9").replace("flour", "day_10"))
    assert spare_row_names(read_program(stove), []) == ("day_11", "orders_2")
