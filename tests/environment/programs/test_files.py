"""Files: what is written is read back exactly, foreign files get speakable names, bad files one line that says why."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from random import Random

import highspy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_programs import random_edit, random_program

from lit_grpo.environment.programs.edits import apply
from lit_grpo.environment.programs.files import (
    program_from_mps_text,
    program_to_mps_text,
    read_program,
    write_program,
)
from lit_grpo.environment.programs.program import (
    Constraint,
    Direction,
    LinearProgram,
    ProgramError,
    Sense,
    Variable,
    VariableType,
)
from lit_grpo.environment.programs.reading.draft import unique_names

SUFFIXES = (".mps", ".lp")
ALL_BOUNDS = LinearProgram(
    Direction.MAXIMIZE,
    (("a", 0.123456789), ("d", -2.0)),
    (
        Variable("a", -math.inf, math.inf),
        Variable("b", -math.inf, -3.0),
        Variable("c", 0.0, -3.0),
        Variable("d", 2.5, math.inf),
        Variable("e", 4.0, 4.0),
        Variable("f", 0.0, math.inf, VariableType.INTEGER),
        Variable("g", 50.0, 3.0, VariableType.INTEGER),
        Variable("h", 0.0, 1.0, VariableType.BINARY),
    ),
    (
        Constraint("empty", (), Sense.GREATER_EQUAL, 5.0),
        Constraint("r", (("a", 1.0), ("h", -987654321.0)), Sense.EQUAL, 1e-9),
        Constraint("OBJECTIVE", (("b", 0.1),), Sense.LESS_EQUAL, 0.0),
    ),
    objective_offset=-1.0 / 3.0,
)


def written(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_1_every_kind_of_bound_row_and_number_comes_back(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"model{suffix}"
    write_program(ALL_BOUNDS, path)
    assert read_program(path) == ALL_BOUNDS


@pytest.mark.parametrize("suffix", SUFFIXES)
@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 10**9))
def test_2_random_programs_come_back(tmp_path_factory: pytest.TempPathFactory, suffix: str, seed: int) -> None:
    rng = Random(seed)
    program = random_program(rng, rng.randint(1, 7), rng.randint(1, 7), 0.5)
    edited = apply(program, random_edit(rng, program))
    variables = tuple(_as_it_holds(v) for v in edited.variables)
    edited = LinearProgram(edited.direction, edited.objective, variables, edited.constraints, edited.objective_offset)
    path = tmp_path_factory.mktemp("io") / f"model{suffix}"
    write_program(edited, path)
    assert read_program(path) == edited


def _as_it_holds(variable: Variable) -> Variable:
    """Files say neither that a variable in {0, 1} is binary nor what a binary one's bounds would be otherwise."""
    bounds = variable.effective_bounds
    if variable.type is not VariableType.CONTINUOUS:
        type_ = VariableType.BINARY if bounds == (0.0, 1.0) else VariableType.INTEGER
        return Variable(variable.name, *bounds, type_)
    return variable


def test_3_records_hold_programs_as_text() -> None:
    assert program_from_mps_text(program_to_mps_text(ALL_BOUNDS)) == ALL_BOUNDS


def test_4_highs_itself_reads_what_is_written(tmp_path: Path) -> None:
    program = LinearProgram(
        Direction.MINIMIZE, (("x", 3.0),), (Variable("x"),), (Constraint("r", (("x", 2.0),), Sense.GREATER_EQUAL, 5.0),)
    )
    for suffix in SUFFIXES:
        path = tmp_path / f"model{suffix}"
        write_program(program, path)
        highs = highspy.Highs()
        highs.setOptionValue("output_flag", False)
        assert highs.readModel(str(path)) == highspy.HighsStatus.kOk
        highs.run()
        assert highs.getObjectiveValue() == pytest.approx(7.5)  # x = 5 / 2


FOREIGN = """NAME foreign
ROWS
 N  COST
 L  CAP
 G  NEED
 N  FREE
 E  FLOW
COLUMNS
    X  COST  1.0  CAP  2.0
    X  NEED  1.0  FREE  4.0
    Y  CAP  3.0  FLOW  1.0
RHS
    RHS  CAP  12.0  NEED  1.0
    RHS  FLOW  2.0
RANGES
    RNG  CAP  4.0
BOUNDS
 UP BND  X  8.0
ENDATA
"""


def test_5_a_foreign_range_row_becomes_two_and_a_free_row_none(tmp_path: Path) -> None:
    program = read_program(written(tmp_path, "foreign.mps", FOREIGN))
    cap = (("X", 2.0), ("Y", 3.0))
    assert program.constraints == (
        Constraint("CAP_lower", cap, Sense.GREATER_EQUAL, 8.0),  # 12 - 4
        Constraint("CAP_upper", cap, Sense.LESS_EQUAL, 12.0),
        Constraint("NEED", (("X", 1.0),), Sense.GREATER_EQUAL, 1.0),
        Constraint("FLOW", (("Y", 1.0),), Sense.EQUAL, 2.0),
    )
    assert program.variables == (Variable("X", 0.0, 8.0), Variable("Y"))


def test_6_foreign_names_lose_white_space_and_stay_apart() -> None:
    assert unique_names(["a b", "a_b", "", "a\tb", "a_b_2"], "row") == ["a_b", "a_b_3", "row", "a_b_4", "a_b_2"]


QUADRATIC = "Minimize\n obj: x + [ x^2 ] / 2\nSubject To\n c: x + y >= 1\nEnd\n"
SEMICONTINUOUS = "Minimize\n obj: x + y\nSubject To\n c: x + y >= 1\nBounds\n 1 <= x <= 4\nSemi-continuous\n x\nEnd\n"


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("model.mps", "This is a letter, not a model.\n", r"mps:1: sections: expected one of NAME, .* got 'This'"),
        (
            "model.lp",
            "This is a letter, not a model.\n",
            "lp:1: beginning: expected Minimize or Maximize, got",
        ),
        ("model.mps", FOREIGN[:120], "COLUMNS: expected a column and one or two pairs"),
        ("model.mps", FOREIGN.replace("ENDATA", ""), "expected a section ENDATA, got none; was the file cut off"),
        ("model.mps", "", "expected a section ROWS, got none"),
        ("model.mps", FOREIGN.replace("3.0", "1e30"), "expected a magnitude below .* got 1e.30"),
        ("model.mps", FOREIGN.replace("3.0", "nan"), "mps:11: COLUMNS: expected a number .* got 'nan'"),
        ("model.lp", QUADRATIC.replace("[ x^2 ] / 2", "y").replace("y >=", "nan y >="), "got 'nan'"),
        ("model.lp", QUADRATIC, r"lp:2: expression: expected linear terms, got a quadratic term"),
        ("model.lp", SEMICONTINUOUS, "lp:7: Semi-continuous: .* got a semi-continuous section"),
        ("model.txt", FOREIGN, "expected a file named .mps or .lp, .* got .txt"),
    ],
)
def test_7_a_file_that_cannot_be_read_is_refused_in_one_line(
    tmp_path: Path, name: str, text: str, message: str
) -> None:
    path = written(tmp_path, name, text)
    with pytest.raises(ProgramError, match=message) as error:
        read_program(path)
    assert str(error.value).startswith(str(path))
    assert "\n" not in str(error.value)


def test_8_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ProgramError, match=r"none\.mps: expected an existing file, got none"):
        read_program(tmp_path / "none.mps")


@pytest.mark.parametrize(
    ("suffix", "name"),
    [(".lp", "free"), (".lp", "1x"), (".lp", "x+y"), (".lp", "nan"), (".lp", "inf")],
)
def test_9_a_name_that_the_format_misreads_is_refused_and_nothing_is_written(
    tmp_path: Path, suffix: str, name: str
) -> None:
    path = tmp_path / f"model{suffix}"
    program = LinearProgram(
        Direction.MINIMIZE, ((name, 1.0),), (Variable(name),), (Constraint("r", ((name, 1.0),), Sense.EQUAL, 2.0),)
    )
    with pytest.raises(ProgramError, match="expected names and numbers"):
        write_program(program, path)
    assert not path.exists()


def test_10_a_bound_beyond_1e20_is_none(tmp_path: Path) -> None:
    path = written(tmp_path, "foreign.mps", FOREIGN.replace(" 8.0\nENDATA", " 1e30\nENDATA"))
    assert read_program(path).variable("X") == replace(Variable("X"), upper=math.inf)
