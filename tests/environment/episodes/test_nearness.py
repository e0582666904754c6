"""What is nearest to a conflict: worked by hand on a small program, and a function of structure and conflict alone."""

from __future__ import annotations

from dataclasses import replace

from lit_grpo.environment.episodes.nearness import nearest_first
from lit_grpo.environment.programs.program import Constraint, Direction, LinearProgram, Sense, Variable
from lit_grpo.environment.solver.solver import Conflict, ConflictMember, ConflictPart


def row(name: str, *variables: str) -> Constraint:
    return Constraint(name, tuple((variable, 1.0) for variable in variables), Sense.LESS_EQUAL, 5.0)


PROGRAM = LinearProgram(
    Direction.MINIMIZE,
    (("e", 1.0),),
    tuple(Variable(name) for name in "abcdefg"),
    (
        row("far", "d", "e"),
        row("lone", "g"),
        row("one", "b", "d"),
        row("core", "a", "b", "c"),
        row("two", "b", "c", "f"),
        row("bound", "e", "f"),
    ),
)


def test_rings_around_a_row() -> None:
    conflict = Conflict((ConflictMember(ConflictPart.ROW, "core"),))
    assert nearest_first(PROGRAM, conflict) == (
        "row:core",
        *("var:a", "var:b", "var:c"),
        *("row:two", "row:one"),  # two shares b and c with the conflict, one b alone
        *("var:d", "var:f"),
        *("row:far", "row:bound"),
        "var:e",
        *("row:lone", "var:g"),  # connected with nothing: in the program's order, rows first
    )


def test_a_bound_in_the_conflict_brings_its_rows_with_it() -> None:
    members = (ConflictMember(ConflictPart.ROW, "core"), ConflictMember(ConflictPart.LOWER, "f"))
    order = nearest_first(PROGRAM, Conflict(members))
    # Next to f lie two and bound, next to core its three variables: one tie each, rows first in the program's order.
    assert order[:7] == ("row:core", "var:f", "row:two", "row:bound", "var:a", "var:b", "var:c")


def test_without_a_conflict_the_program_as_it_stands() -> None:
    rows, variables = ("far", "lone", "one", "core", "two", "bound"), "abcdefg"
    expected = (*(f"row:{name}" for name in rows), *(f"var:{name}" for name in variables))
    assert nearest_first(PROGRAM, None) == nearest_first(PROGRAM, Conflict(())) == expected


def test_numbers_play_no_part() -> None:
    """A fault that changes numbers or senses, and no conflict, changes no order."""
    conflict = Conflict((ConflictMember(ConflictPart.ROW, "core"), ConflictMember(ConflictPart.UPPER, "e")))
    rows = tuple(
        replace(one, terms=tuple((name, 7.5) for name, _ in one.terms), sense=Sense.EQUAL, rhs=-float(number))
        for number, one in enumerate(PROGRAM.constraints)
    )
    variables = tuple(Variable(variable.name, -3.0, 4.0) for variable in PROGRAM.variables)
    other = replace(PROGRAM, constraints=rows, variables=variables, objective=(), direction=Direction.MAXIMIZE)
    assert nearest_first(other, conflict) == nearest_first(PROGRAM, conflict)
