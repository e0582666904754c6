"""Programs: edits change one thing, their inverses undo it exactly, and malformed programs are refused in one line."""

from __future__ import annotations

import math
from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from random_programs import random_edit, random_program

from lit_grpo.environment.programs.edits import (
    AddRow,
    DropRow,
    Edit,
    SetBounds,
    SetCoefficient,
    SetRhs,
    SetSense,
    SetType,
    apply,
    apply_all,
    edited_element,
    inverse,
)
from lit_grpo.environment.programs.program import (
    Constraint,
    Direction,
    LinearProgram,
    ProgramError,
    Sense,
    Variable,
    VariableType,
    validate,
)

X, Y = Variable("x", 0.0, 40.0), Variable("y", 0.0, 30.0, VariableType.INTEGER)
RA = Constraint("ra", (("x", 3.0), ("y", 2.0)), Sense.LESS_EQUAL, 19.0)
RB = Constraint("rb", (("y", 1.0),), Sense.GREATER_EQUAL, 2.0)
PROGRAM = LinearProgram(Direction.MAXIMIZE, (("x", 1.0), ("y", 4.0)), (X, Y), (RA, RB))


@given(seed=st.integers(0, 10**9), num_edits=st.integers(1, 6))
def test_1_inverses_in_reverse_order_give_the_program_back_exactly(seed: int, num_edits: int) -> None:
    rng = Random(seed)
    original = program = random_program(rng, rng.randint(1, 6), rng.randint(2, 6), 0.5)
    undo: list[Edit] = []
    for _ in range(num_edits):
        if len(program.constraints) < 2 or any(row.name == "new" for row in program.constraints):
            break
        edit = random_edit(rng, program)
        undo.append(inverse(program, edit))
        program = apply(program, edit)
    assert apply_all(program, reversed(undo)) == original


@given(seed=st.integers(0, 10**9))
def test_2_an_edit_leaves_a_valid_program_valid_and_the_original_untouched(seed: int) -> None:
    rng = Random(seed)
    program = random_program(rng, rng.randint(1, 6), rng.randint(1, 6), 0.5)
    before = repr(program)
    validate(apply(program, random_edit(rng, program)))
    assert repr(program) == before


@pytest.mark.parametrize(
    ("edit", "rows", "variables"),
    [
        (DropRow("ra"), (RB,), (X, Y)),
        (AddRow(replace(RB, name="rc"), 1), (RA, replace(RB, name="rc"), RB), (X, Y)),
        (SetRhs("ra", 21.5), (replace(RA, rhs=21.5), RB), (X, Y)),
        (SetSense("rb", Sense.EQUAL), (RA, replace(RB, sense=Sense.EQUAL)), (X, Y)),
        (SetCoefficient("ra", "y", 5.0), (replace(RA, terms=(("x", 3.0), ("y", 5.0))), RB), (X, Y)),
        (SetCoefficient("ra", "y", 0.0), (replace(RA, terms=(("x", 3.0),)), RB), (X, Y)),
        (SetCoefficient("rb", "x", 7.0), (RA, replace(RB, terms=(("x", 7.0), ("y", 1.0)))), (X, Y)),
        (SetBounds("x", -math.inf, 3.0), (RA, RB), (replace(X, lower=-math.inf, upper=3.0), Y)),
        (SetType("y", VariableType.BINARY), (RA, RB), (X, replace(Y, type=VariableType.BINARY))),
    ],
)
def test_3_each_edit_changes_what_it_says_and_nothing_else(
    edit: Edit, rows: tuple[Constraint, ...], variables: tuple[Variable, ...]
) -> None:
    assert apply(PROGRAM, edit) == LinearProgram(Direction.MAXIMIZE, PROGRAM.objective, variables, rows)


@pytest.mark.parametrize(
    "edit", [DropRow("rz"), SetRhs("x", 1.0), SetBounds("ra", 0.0, 1.0), SetCoefficient("ra", "z", 1.0), AddRow(RA, 0)]
)
def test_4_unknown_and_taken_names_are_refused_with_the_name(edit: Edit) -> None:
    name = edited_element(edit).split(":")[1] if not isinstance(edit, SetCoefficient) else "z"
    with pytest.raises(ProgramError, match=f"expected .* got '{name}'"):
        apply(PROGRAM, edit)


@pytest.mark.parametrize(
    ("program", "message"),
    [
        (replace(PROGRAM, variables=()), "at least one variable"),
        (replace(PROGRAM, variables=(X, X)), "got 'x' twice"),
        (replace(PROGRAM, constraints=(RA, RA)), "got 'ra' twice"),
        (replace(PROGRAM, constraints=(replace(RA, name="r a"),)), "without white space"),
        (replace(PROGRAM, constraints=(replace(RA, rhs=math.nan),)), "finite right-hand side, got nan"),
        (replace(PROGRAM, constraints=(replace(RA, terms=(("x", math.inf),)),)), "finite non-zero coefficient"),
        (replace(PROGRAM, constraints=(replace(RA, terms=(("y", 1.0), ("x", 1.0))),)), "order of the variables"),
        (replace(PROGRAM, constraints=(replace(RA, terms=(("z", 1.0),)),)), "name of a variable, got 'z'"),
        (replace(PROGRAM, variables=(replace(X, lower=math.nan), Y)), "bounds that are numbers"),
        (replace(PROGRAM, objective_offset=math.inf), "finite objective offset"),
    ],
)
def test_5_a_malformed_program_is_refused_in_one_line(program: LinearProgram, message: str) -> None:
    with pytest.raises(ProgramError, match=message) as error:
        validate(program)
    assert "\n" not in str(error.value)


def test_6_a_binary_variable_is_within_zero_and_one_whatever_its_bounds() -> None:
    assert Variable("b", -3.0, 40.0, VariableType.BINARY).effective_bounds == (0.0, 1.0)
    assert Variable("b", 1.0, 40.0, VariableType.BINARY).effective_bounds == (1.0, 1.0)
    assert Variable("b", -3.0, 40.0, VariableType.INTEGER).effective_bounds == (-3.0, 40.0)
