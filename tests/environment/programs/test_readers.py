"""The strict readers of LP and MPS files.

1. Each worked case is read as its text says, refused, or noted, as `cases/expected.json` has it.
2. Well-formed files in many styles mean the program they were written from, to this reader and to HiGHS.
3. A mutated file is refused, noted, or read as what it then says; one that is cut off is refused.
4. What lenient readers get wrong, one by one.
5. A refusal is one line with file, line number, and what to change; places are those of the file's own text.
6. Compressed files; texts that are none.
"""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path
from random import Random
from typing import Any

import highspy
import pytest
from program_texts import lp_in_some_style, mps_in_some_style, with_ranges
from random_programs import random_program

from lit_grpo.environment.programs.files import read_program
from lit_grpo.environment.programs.program import Constraint, LinearProgram, ProgramError, Sense, Variable, VariableType
from lit_grpo.environment.programs.reading.program_file import ProgramFile, read_program_file, read_program_text

CASES = Path(__file__).with_name("cases")
EXPECTED: dict[str, dict[str, Any]] = json.loads((CASES / "expected.json").read_text(encoding="utf-8"))


def notes_of(file: ProgramFile) -> str:
    return "\n".join(map(str, file.report.notes))


@pytest.mark.parametrize("name", EXPECTED)
def test_1_a_worked_case_is_read_as_it_says_or_refused(name: str) -> None:
    expected, path = EXPECTED[name], CASES / name
    pattern = expected.get("refuse") or expected.get("refuse_or_note")
    if pattern is not None:
        with pytest.raises(ProgramError, match=pattern) as error:
            read_program_file(path)
        assert re.match(rf"{re.escape(str(path))}:\d+: .*expected .*, got .*; ", str(error.value))
        return
    file = read_program_file(path)
    assert expected.get("note", "") in notes_of(file)
    if "objective_terms" in expected:
        objective = dict(file.program.objective)
        assert {name: objective[name] for name in expected["objective_terms"]} == expected["objective_terms"]
    if expected.get("objective_nonempty"):
        assert file.program.objective
        assert file.program.direction.value.startswith(expected["direction"])


# --- 2. against the program they were written from, and against HiGHS ------------------------------------------------


def as_it_holds(program: LinearProgram) -> LinearProgram:
    def variable(v: Variable) -> Variable:
        lower, upper = v.effective_bounds
        if v.type is VariableType.CONTINUOUS:
            return Variable(v.name, lower, upper)
        is_binary = (lower, upper) == (0.0, 1.0)
        return Variable(v.name, lower, upper, VariableType.BINARY if is_binary else VariableType.INTEGER)

    variables = tuple(map(variable, program.variables))
    return LinearProgram(program.direction, program.objective, variables, program.constraints, program.objective_offset)


def highs_reading(path: Path) -> tuple[Any, ...]:
    """Everything of a file that HiGHS reads, by name."""
    highs = highspy.Highs()
    highs.setOptionValue("output_flag", False)
    assert highs.readModel(str(path)) != highspy.HighsStatus.kError
    lp = highs.getLp()
    columns, rows = list(lp.col_names_), list(lp.row_names_)
    entries = {}
    for j, name in enumerate(columns):
        for k in range(lp.a_matrix_.start_[j], lp.a_matrix_.start_[j + 1]):
            if lp.a_matrix_.value_[k]:
                entries[rows[lp.a_matrix_.index_[k]], name] = lp.a_matrix_.value_[k]
    integral = [t == highspy.HighsVarType.kInteger for t in lp.integrality_] or [False] * len(columns)
    bounds = dict(zip(columns, zip(lp.col_lower_, lp.col_upper_, integral, strict=True), strict=True))
    sides = dict(zip(rows, zip(lp.row_lower_, lp.row_upper_, strict=True), strict=True))
    costs = {name: cost for name, cost in zip(columns, lp.col_cost_, strict=True) if cost}
    return lp.sense_ == highspy.ObjSense.kMaximize, costs, lp.offset_, bounds, sides, entries


def our_reading(program: LinearProgram) -> tuple[Any, ...]:
    """The same of a program without rows of two limits."""
    inf = float("inf")
    sides = {"<=": lambda rhs: (-inf, rhs), ">=": lambda rhs: (rhs, inf), "=": lambda rhs: (rhs, rhs)}
    bounds = {v.name: (*v.effective_bounds, v.type is not VariableType.CONTINUOUS) for v in program.variables}
    return (
        program.direction.value == "maximize",
        dict(program.objective),
        program.objective_offset,
        bounds,
        {row.name: sides[row.sense.value](row.rhs) for row in program.constraints},
        {(row.name, name): value for row in program.constraints for name, value in row.terms},
    )


@pytest.mark.parametrize("suffix", [".lp", ".mps"])
def test_2_any_style_means_the_program_to_this_reader_and_to_highs(tmp_path: Path, suffix: str) -> None:
    write = {".lp": lp_in_some_style, ".mps": mps_in_some_style}[suffix]
    for seed in range(300):
        rng = Random(seed)
        program = as_it_holds(random_program(rng, rng.randint(1, 8), rng.randint(1, 8), 0.4))
        path = tmp_path / f"model{suffix}"
        path.write_text(write(program, rng), encoding="utf-8")
        read = read_program(path)
        assert read == program, path.read_text(encoding="utf-8")
        assert highs_reading(path) == our_reading(read), path.read_text(encoding="utf-8")


def test_2_ranges_become_two_rows(tmp_path: Path) -> None:
    for seed in range(200):
        rng = Random(seed)
        text, program = with_ranges(as_it_holds(random_program(rng, 4, 5, 0.3)), rng)
        assert read_program_text(text, ".mps", "model.mps").program == program, text


# --- 3. mutations ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".lp", ".mps"])
def test_3_a_file_that_is_cut_off_is_refused(suffix: str) -> None:
    write = {".lp": lp_in_some_style, ".mps": mps_in_some_style}[suffix]
    text = write(as_it_holds(random_program(Random(5), 4, 4, 0.4)), Random(5)).rstrip("\n")
    for end in range(len(text)):
        with pytest.raises(ProgramError):
            read_program_text(text[:end], suffix, f"model{suffix}")


@pytest.mark.parametrize("suffix", [".lp", ".mps"])
def test_3_a_misspelt_name_is_refused_or_is_another_variable_that_the_text_names(suffix: str) -> None:
    """In rows and objective of an LP file a name declares a variable: there a slip makes a new one."""
    write, refusals = {".lp": lp_in_some_style, ".mps": mps_in_some_style}[suffix], list[str]()
    for seed in range(60):
        rng = Random(seed)
        program = as_it_holds(random_program(rng, 5, 4, 0.4))
        text = write(program, rng)
        names = [v.name for v in program.variables] + [row.name for row in program.constraints]
        places = [m for name in names for m in re.finditer(rf"\b{name}\b", text)]
        place = rng.choice(places)
        mutated = text[: place.start()] + place[0] + "q" + text[place.end() :]
        try:
            read = read_program_text(mutated, suffix, f"model{suffix}").program
        except ProgramError as error:
            refusals.append(str(error))
            continue
        named = {v.name for v in read.variables} | {row.name for row in read.constraints}
        assert f"{place[0]}q" in named, mutated
    assert refusals
    assert not [refusal for refusal in refusals if not re.match(r"model\.\w+:\d+: .*\b[xr]\d", refusal)]


NUMBER_SLIPS = {"4,5": "4,5", "four": "four", "1.2.3": "1.2.3", "1e": "1e", "--": "-", "0x10": "0x10", "1_000": "1_000"}


@pytest.mark.parametrize("slip", NUMBER_SLIPS)
def test_3_a_number_that_is_none_is_refused_in_either_format(slip: str) -> None:
    lp = f"Minimize\n obj: x\nSubject To\n c: x + y >= {slip}\nEnd\n"
    mps = f"NAME\nROWS\n N COST\n G c\nCOLUMNS\n x COST 1 c 1\n y c 1\nRHS\n RHS c {slip}\nENDATA\n"
    for text, suffix in ((lp, ".lp"), (mps, ".mps")):
        if (slip, suffix) == ("four", ".lp"):
            continue  # there it is the name of a variable on the right, which is noted
        with pytest.raises(ProgramError, match=rf"model{suffix}:\d+: "):
            read_program_text(text, suffix, f"model{suffix}")


@pytest.mark.parametrize("digits", ["1", "27", "300.5", "1e2", ".5", "7."])
def test_3_another_number_is_another_program(digits: str) -> None:
    text = f"Minimize\n obj: x\nSubject To\n c: {digits} x + y >= 2\nEnd\n"
    (row,) = read_program_text(text, ".lp", "model.lp").program.constraints
    assert row.terms == (("x", float(digits)), ("y", 1.0))


# --- 4. what lenient readers get wrong -------------------------------------------------------------------------------


def lp(rows: str, objective: str = "x", rest: str = "") -> ProgramFile:
    return read_program_text(f"Minimize\n obj: {objective}\nSubject To\n{rows}\n{rest}End\n", ".lp", "model.lp")


@pytest.mark.parametrize(
    ("rows", "terms", "sense", "rhs", "note"),
    [
        (" c: x - 1 >= 2", {"x": 1}, ">=", 3, "moved"),
        (" c: x - 0.1 >= 0.2", {"x": 1}, ">=", 0.3, "moved"),  # in floating point 0.2 + 0.1 is not 0.3
        (" x >= y", {"x": 1, "y": -1}, ">=", 0, "moved to the left"),
        (" c: 5 >= x + y", {"x": 1, "y": 1}, "<=", 5, ""),
        (" c: 2 x + y + 3 x <= 9", {"x": 5, "y": 1}, "<=", 9, "added"),
        (" c: x + y =< 9", {"x": 1, "y": 1}, "<=", 9, ""),
        (" c: x + - y > 9", {"x": 1, "y": -1}, ">=", 9, ""),
        (" c: x\n + y\n >=\n 9", {"x": 1, "y": 1}, ">=", 9, ""),
        (" c: 3x + 2y >= 4 + 5", {"x": 3, "y": 2}, ">=", 9, "added"),
        (" c: 0 x >= 1", {}, ">=", 1, ""),
        (" c: x + 2 y - x >= 1", {"y": 2}, ">=", 1, "added"),
        (" c: x + y >= --9", {"x": 1, "y": 1}, ">=", 9, "row c: two minus signs in succession were read as plus"),
        (" c: x - -2 y >= 9", {"x": 1, "y": 2}, ">=", 9, "row c: two minus signs in succession were read as plus"),
        (" c: x + y >= four", {"x": 1, "y": 1, "four": -1}, ">=", 0, "four occurs nowhere else"),
        (" c: x + X >= 2", {"x": 1, "X": 1}, ">=", 2, "in capitals alone are different variables: x and X"),
    ],
)
def test_4_a_row_is_what_it_says(rows: str, terms: dict[str, float], sense: str, rhs: float, note: str) -> None:
    file = lp(rows)
    (row,) = file.program.constraints
    assert (dict(row.terms), row.sense.value, row.rhs) == (terms, sense, rhs)
    assert note in notes_of(file)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (" c: prod A >= 3", "expected a sign between 'prod' and 'A'"),
        (" my row: x >= 3", "got 'row'; complete the row, or join the words of a name"),
        (" c: 2 * x >= 3", "got '\\*'"),
        (" c: x^2 >= 3", "quadratic"),
        (" c: [ x * y ] >= 3", "quadratic"),
        (" c: x >= 3 <= 4", "one sense in a row"),
        (" c: 1 <= x >= 3", "one sense in a row"),
        (" c: b = 1 -> x <= 5", "indicator"),
        (" c: x >= y\n + z <= 4", "expected a row with variables on its right side to end on its line"),
        (" c: 3 <= x\n + z", "expected a row with variables on its right side to end on its line"),
        (" c: x >=", "complete the row"),
        (" c: x + >= 3", "a number or a variable behind a sign"),
        (" c: x + y", "expected <=, >= or ="),
        (" c: 2 (x + y) <= 4", "got '\\(x"),
        (" c: 2e x <= 4", "numbers"),
        (" c: x; <= 4", "characters"),
        (" c: int + x <= 4", "no keyword"),
        (" c: x[1, 2] <= 4", "white space out of names"),
        (" c: free + x <= 4", "a word of the format"),
        (" c: x <= inf", "got 'inf', a word of the format; leave out a row or a side without a limit"),
        (" c: nan x <= 4", "got 'nan', a word of the format"),
        (" c: 2e1 + x >= 2\n d: e1 <= 3", "does not end like the variable e1, got '2e1'; write 20, or a blank"),
    ],
)
def test_4_what_could_be_read_in_two_ways_is_refused(rows: str, message: str) -> None:
    with pytest.raises(ProgramError, match=message) as error:
        lp(rows)
    assert re.match(r"model\.lp:\d+: ", str(error.value))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("unit", [" kg", "%", " %", "'000", "d3", "D+02", " apples"])
@pytest.mark.parametrize("number", ["50", "1.5", "- 2"])
@pytest.mark.parametrize("behind", ["", "\n d: x <= 9", "\n x <= 9"])
def test_4_a_unit_behind_a_number_makes_no_variable(unit: str, number: str, behind: str) -> None:
    with pytest.raises(ProgramError, match=r"^model\.lp:4: .*in digits, without a unit"):
        lp(f" c: x + y >= {number}{unit}{behind}")
    known = unit.strip().partition("+")[0]
    file = lp(f" c: x + y >= {number} {known}\n d: {known} <= 3")
    assert file.program.constraint("c").terms[-1][0] == known


@pytest.mark.parametrize(
    "beginning", ["Maximise\n obj: x\n", "max: 3x;\n", "\\ only\nobj: x\n", "problem\nMinimize\n x\n"]
)
def test_4_nothing_before_the_objective_is_skipped(beginning: str) -> None:
    with pytest.raises(ProgramError, match=r"objective|beginning"):
        read_program_text(f"{beginning}Subject To\n c: x >= 1\nEnd\n", ".lp", "model.lp")


@pytest.mark.parametrize(
    ("rest", "message"),
    [
        ("SOS\n s1: S1 :: x:1 y:2\n", "SOS"),
        ("Semi-continuous\n x\n", "semi-continuous"),
        ("Lazy Constraints\n l: x >= 0\n", "lazy"),
        ("General Constraints\n g: y = abs(x)\n", "general constraints"),
        ("Bounds\n z <= 3\n", "expected the name of a variable"),
        ("Bounds\n 2 x <= 3\n", "expected <=, >= or ="),
        ("Bounds\n x >= inf\n", "some value satisfies"),
        ("Bounds\n x <= 3 y <= 4\n", "one bound a line"),
        ("General\n x, y\n", "expected the name of a variable"),
    ],
)
def test_4_sections_that_cannot_be_read_are_named(rest: str, message: str) -> None:
    with pytest.raises(ProgramError, match=message):
        lp(" c: x + y >= 1", rest=rest)


def test_4_bounds_and_types_of_an_lp_file() -> None:
    rest = "Bounds\n -5 <= a <= 5\n b free\n c = 3\n d >= -inf\n e <= -2\n f <= 1e30\nGeneral\n a\nBinary\n g\n"
    file = lp(" c: a + b + c + d + e + f + g >= 1", "a + b + c + d + e + f + g", rest)
    inf = float("inf")
    assert file.program.variables == (
        Variable("a", -5, 5, VariableType.INTEGER),
        Variable("b", -inf, inf),
        Variable("c", 3, 3),
        Variable("d", -inf, inf),
        Variable("e", 0, -2),
        Variable("f", 0, inf),
        Variable("g", 0, 1, VariableType.BINARY),
    )
    assert "negative upper bound of e" in notes_of(file)


MPS = """NAME t
ROWS
 N  COST
 G  NEED
 L  CAP
COLUMNS
    X  COST  1.0  NEED  1.0
    X  CAP   1.0
    Y  COST  2.0  NEED  1.0
RHS
    RHS  NEED  3.0  CAP  9.0
ENDATA
"""


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("NEED  3.0", "NEDE  3.0", "RHS: expected the name of a row, got 'NEDE', did you mean 'NEED'"),
        ("    X  CAP   1.0", "    X  CAPP   1.0", "COLUMNS: expected the name of a row"),
        ("    X  CAP   1.0", "    X  NEED   1.0", "one entry for a column and a row"),
        ("    Y  COST", "    X  CAP  2\n    Y  COST", "one entry for a column and a row"),
        ("ENDATA", "    X  NEED  1.0\nENDATA", "RHS: expected one vector"),
        ("ENDATA", "BOUNDS\n UP BND Z 4\nENDATA", "BOUNDS: expected the name of a column"),
        ("ENDATA", "BOUNDS\n UP BND X\nENDATA", "complete the line|name of a column"),
        ("ENDATA", "BOUNDS\n SC BND X 4\nENDATA", "semi-continuous"),
        ("ENDATA", "RANGES\n R NED 4\nENDATA", "RANGES: expected the name of a row"),
        ("ENDATA", "RHS\n RHS CAP 1\nENDATA", "each section once"),
        ("ENDATA", "QUADOBJ\n X X 1\nENDATA", "quadratic objective"),
        ("ENDATA", "LAZYCONS\n L R\nENDATA", "lazy"),
        ("ENDATA", "SOS1\n S1 s\nENDATA", "special ordered sets"),
        (" L  CAP\n", " L  CAP\n L  CAP\n", "each row name once, got 'CAP' twice"),
        (" L  CAP\n", " X  CAP\n", "a type of N, L, G or E"),
        ("    RHS  NEED  3.0  CAP  9.0", "    RHS  NEED  3.0  CAP", "complete|number"),
        ("ROWS", "OBJNAME\n COSTS\nROWS", "OBJNAME: expected the name of a row of type N"),
        ("ROWS", "OBJSENSE\n    LARGEST\nROWS", "OBJSENSE: expected MAX or MIN"),
        ("ROWS", "OBJSENSE\n    MAX\n    MIN\nROWS", "OBJSENSE: expected one direction, got another, 'MIN'"),
        ("ROWS", "OBJNAME\n    COST\n    SECOND\nROWS", "OBJNAME: expected one name, got another, 'SECOND'"),
        (" N  COST\n", "", "COLUMNS: expected the name of a row, got 'COST'"),
        ("ENDATA\n", "", "expected a section ENDATA"),
        ("NEED  3.0  CAP", "NEED  3.0  NEED", "one number for a row"),
        ("NEED  3.0", "NEED  1e400", "RHS: expected a number that double precision holds, got '1e400'"),
        ("NEED  3.0", "NEED  1.0D+02", "RHS: expected a number with a decimal point"),
        ("COLUMNS", " COLUMNS", "ROWS: expected a section's name in column 1, got ' COLUMNS'"),
        ("ROWS", " ROWS", "NAME: expected a section's name in column 1"),
    ],
)
def test_4_an_mps_file_is_checked_in_every_section(old: str, new: str, message: str) -> None:
    assert old in MPS
    with pytest.raises(ProgramError, match=message) as error:
        read_program_text(MPS.replace(old, new, 1), ".mps", "model.mps")
    assert re.match(r"model\.mps:\d+: ", str(error.value))


def test_4_objname_behind_the_rows_is_refused_and_never_left_out() -> None:
    text = MPS.replace(" N  COST\n", " N  COST\n N  SECOND\n").replace("ENDATA", "OBJNAME\n SECOND\nENDATA")
    with pytest.raises(ProgramError, match=r"got 'SECOND'; move OBJNAME before ROWS$"):
        read_program_text(text, ".mps", "model.mps")


@pytest.mark.parametrize(("text", "suffix"), [(MPS, ".mps"), ("Minimize\n x\nSubject To\n c: x >= 1\nEnd\n", ".lp")])
def test_4_lines_end_with_a_line_feed_or_with_both(text: str, suffix: str) -> None:
    usual = read_program_text(text, suffix, "model").program
    assert read_program_text(text.replace("\n", "\r\n"), suffix, "model").program == usual
    with pytest.raises(ProgramError, match=r"^model:1: lines: expected lines that end with a line feed"):
        read_program_text(text.replace("\n", "\r"), suffix, "model")


def test_4_objname_chooses_the_objective_and_the_other_free_row_is_noted() -> None:
    text = MPS.replace("ROWS\n N  COST\n", "OBJNAME\n SECOND\nROWS\n N  COST\n N  SECOND\n").replace(
        "    X  CAP   1.0", "    X  CAP   1.0  SECOND  7"
    )
    file = read_program_text(text, ".mps", "model.mps")
    assert file.program.objective == (("X", 7.0),)
    assert "COST" in notes_of(file)


FIXED = """NAME          BLANKS
ROWS
 N  COST
 L  CAP ONE
COLUMNS
    X 1       COST               1.0   CAP ONE            2.0
RHS
    RHS       CAP ONE            4.0
ENDATA
"""


def test_4_names_with_blanks_are_read_by_columns_and_fields_off_by_one_are_refused() -> None:
    file = read_program_text(FIXED, ".mps", "model.mps")
    assert file.report.format == "fixed MPS"
    assert file.program.constraints == (Constraint("CAP_ONE", (("X_1", 2.0),), Sense.LESS_EQUAL, 4.0),)
    assert set(file.report.renamed) == {("X 1", "X_1"), ("CAP ONE", "CAP_ONE")}
    with pytest.raises(ProgramError, match="in columns 2-3, 5-12"):
        read_program_text(FIXED.replace("    X 1       COST ", "   X 1        COST "), ".mps", "model.mps")


# --- 5. places -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_5_places_are_those_of_the_files_own_text_behind_a_byte_order_mark(mark: str) -> None:
    text = "Minimize\n obj: x\nSubject To\n c: - 2 x + y >= 4.5 \\ remark\nBounds\n x <= 7\nEnd\n"
    file = read_program_text(mark + text, ".lp", "model.lp")
    (row,), x = file.draft.rows, file.draft.variables["x"]
    assert row.rhs_span is not None
    assert text[row.rhs_span.start : row.rhs_span.end] == "4.5"
    assert text[row.coefficient_spans["x"].start : row.coefficient_spans["x"].end] == "- 2"
    assert text[row.span.start : row.span.end] == "c: - 2 x + y >= 4.5"
    assert x.upper_span is not None
    assert text[x.upper_span.start : x.upper_span.end] == "7"


def test_5_the_report_says_what_was_read() -> None:
    file = lp(" c: x + y >= 1\n 1 <= x + 2 y <= 4", rest="General\n y\n")
    assert file.report.lines() == [
        "model.lp (LP): minimize, 3 rows, 2 columns, 6 non-zeros, 1 integer",
        "  note: line 5: 1 rows without a name are called r1, r2, ... by their position",
        "  two limits: r2 -> r2_lower, r2_upper",
    ]


# --- 6. files --------------------------------------------------------------------------------------------------------


def test_6_compressed_files_are_read_and_damaged_ones_named(tmp_path: Path) -> None:
    for name in ("model.mps.gz", "model.lp.gz"):
        path = tmp_path / name
        text = MPS if ".mps" in name else "Minimize\n x\nSubject To\n c: x >= 1\nEnd\n"
        path.write_bytes(gzip.compress(text.encode()))
        assert read_program(path) == read_program_text(text, f".{name.split('.')[1]}", name).program
        path.write_bytes(path.read_bytes()[:-9])
        with pytest.raises(ProgramError, match=f"{name}: expected a file that can be read"):
            read_program(path)


@pytest.mark.parametrize(
    ("content", "message"), [(b"Minimize\n x\xff\n", "lp:2: expected text in UTF-8"), (b"M\0", "NUL")]
)
def test_6_a_file_that_is_no_text_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "model.lp"
    path.write_bytes(content)
    with pytest.raises(ProgramError, match=message):
        read_program(path)


def test_6_nothing_is_printed(capfd: pytest.CaptureFixture[str]) -> None:
    for name in EXPECTED:
        try:
            read_program(CASES / name)
        except ProgramError:
            continue
    assert capfd.readouterr() == ("", "")
