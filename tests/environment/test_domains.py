"""Domains: 1 the text determines the program; 2 it is optimal; 3 each element has one sentence with all its numbers;
4 sizes and digits; 5 pure; 6 LP and MILP, both directions, rows that do not bind; 7 tiny texts are short.
"""

import re
from collections import Counter
from dataclasses import replace
from random import Random

import pytest
from specification_reader import read_program

from lit_grpo.environment.domains import build_base
from lit_grpo.environment.domains.base import BaseModel, Domain, ProgramSize, Wording
from lit_grpo.environment.domains.rows import largest_activity, smallest_activity
from lit_grpo.environment.highs import HighsSolver
from lit_grpo.environment.program import (
    Constraint,
    LinearProgram,
    Sense,
    Variable,
    row_element,
    validate,
    variable_element,
)
from lit_grpo.environment.relaxation import largest_value, linear_relaxation, smallest_value, without_row
from lit_grpo.environment.solver import SolverStatus

CELLS = [(domain, size) for domain in Domain for size in ProgramSize]
HARD = Wording(shuffled=True, num_distractors=3)


def _models(domain: Domain, size: ProgramSize, number: int, wording: Wording = HARD) -> list[BaseModel]:
    return [build_base(domain, size, wording, Random(seed)) for seed in range(number)]


def _sorted(program: LinearProgram) -> LinearProgram:
    """The program with variables, terms and rows in the order of their names: what a text can say."""
    rows = (replace(c, terms=tuple(sorted(c.terms))) for c in program.constraints)
    return replace(
        program,
        objective=tuple(sorted(program.objective)),
        variables=tuple(sorted(program.variables, key=lambda v: v.name)),
        constraints=tuple(sorted(rows, key=lambda c: c.name)),
    )


@pytest.mark.parametrize(("domain", "size"), CELLS)
def test_1_the_text_alone_gives_the_program_back(domain: Domain, size: ProgramSize) -> None:
    for model in _models(domain, size, 25) + _models(domain, size, 5, Wording()):
        assert read_program(model.specification.text) == _sorted(model.program)


@pytest.mark.parametrize(("domain", "size"), CELLS)
def test_2_and_3_optimal_and_every_element_has_one_sentence(domain: Domain, size: ProgramSize) -> None:
    solver = HighsSolver()
    for model in _models(domain, size, 2 if size is ProgramSize.LARGE else 6):
        assert solver.solve(validate(model.program)).status is SolverStatus.OPTIMAL
        about = Counter(s.about for s in model.specification.sentences if s.about is not None)
        elements = [row_element(c.name) for c in model.program.constraints]
        elements += [variable_element(v.name) for v in model.program.variables]
        assert about == Counter(elements)
        by_element = {s.about: s.text for s in model.specification.sentences}
        for row in model.program.constraints:
            said = {abs(float(n)) for n in re.findall(r"(?<![\w-])-?\d+(?!\w)", by_element[row_element(row.name)])}
            assert {abs(row.rhs), *(abs(value) for _, value in row.terms)} <= said


@pytest.mark.parametrize(("domain", "size"), CELLS)
def test_4_sizes_digits_and_names(domain: Domain, size: ProgramSize) -> None:
    least, most = {"tiny": (2, 2), "small": (4, 6), "medium": (8, 12), "large": (15, 25)}[size.value]
    for model in _models(domain, size, 20):
        program = model.program
        assert least <= len(program.variables) <= most
        assert (3 if size is not ProgramSize.LARGE else 10) <= len(program.constraints) <= 25
        numbers = [n for c in program.constraints for n in (c.rhs, *(v for _, v in c.terms))]
        assert all(n == int(n) and abs(n) < (1000 if size is ProgramSize.TINY else 1e6) for n in numbers)
        assert model.spare_row_names
        assert not set(model.spare_row_names) & {c.name for c in program.constraints}
        if size is ProgramSize.TINY:
            assert len(program.constraints) == 3


def test_5_the_generators_state_is_all_that_counts() -> None:
    for domain, size in CELLS:
        assert _models(domain, size, 3) == _models(domain, size, 3)


def test_6_lp_and_milp_both_directions_and_slack_rows() -> None:
    """Of 6 domains, 2 are LPs and 4 have integers; about half maximise; a third of the inequalities and more bind."""
    solver = HighsSolver()
    models = [model for domain, size in CELLS for model in _models(domain, size, 1)]
    integer = sum(m.program.is_integer for m in models) / len(models)
    assert 0.5 <= integer <= 0.8
    assert {m.program.direction.value for m in models} == {"maximize", "minimize"}
    for model in models:
        program = linear_relaxation(model.program)
        margins = [_margin(solver, program, i) for i in range(len(program.constraints))]
        assert any(margin >= 1 for margin in margins), "a row that the others imply strictly"
        assert any(margin < 1e-4 for margin in margins)


def test_7_a_tiny_text_fits_a_short_context() -> None:
    """With a word, a name, a digit, a mark as one token each: at most 100 tokens, from a vocabulary of 100."""
    models = [model for domain in Domain for model in _models(domain, ProgramSize.TINY, 100)]
    tokens = [re.findall(r"[a-z]+|\d|[^\s\w]", m.specification.text) for m in models]
    assert max(map(len, tokens)) <= 100
    assert len({t for text in tokens for t in text}) <= 100


def test_8_activity_bounds_by_hand() -> None:
    """max 3x+2y over x+y<=5, 0<=x<=4, 0<=y<=4: x=4, y=1 gives 14. min 3x+2y over x+y>=5: y=4, x=1 gives 11."""
    variables = (Variable("x", 0.0, 4.0), Variable("y", 0.0, 4.0))
    total = (("x", 1.0), ("y", 1.0))
    most = Constraint("most", total, Sense.LESS_EQUAL, 5.0)
    least = Constraint("least", total, Sense.GREATER_EQUAL, 5.0)
    assert largest_activity({"x": 3, "y": 2}, variables, [most]) == 14.0
    assert smallest_activity({"x": 3, "y": 2}, variables, [least]) == 11.0
    assert largest_activity({"x": 3, "y": 2}, variables, [least]) == 20.0
    assert smallest_activity({"x": 3, "y": 2}, variables, [most]) == 0.0


def _margin(solver: HighsSolver, program: LinearProgram, position: int) -> float:
    row = program.constraints[position]
    rest = without_row(program, position)
    if row.sense is Sense.LESS_EQUAL:
        return row.rhs - largest_value(solver, rest, row.terms)
    if row.sense is Sense.GREATER_EQUAL:
        return smallest_value(solver, rest, row.terms) - row.rhs
    return 0.0
