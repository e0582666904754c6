"""Domains: 1 the text determines the program, distractors nothing; 2 it is optimal; 3 each element has one sentence
with all its numbers; 4 sizes and digits; 5 pure; 6 LP and MILP, both directions, rows that do not bind; 7 tiny texts
are short; 8 rows by hand; 9 which domain comes in which size; 10 names give no sense away; 11 faults find room.
"""

import re
from collections import Counter
from dataclasses import replace
from random import Random

import pytest
from specification_reader import read_program

from lit_grpo.environment.domains import build_base, domains_of
from lit_grpo.environment.domains.base import BaseModel, Domain, ProgramSize, Wording, Wordings
from lit_grpo.environment.domains.pairs import some_pairs
from lit_grpo.environment.domains.rows import largest_activity, smallest_activity, total_row
from lit_grpo.environment.faults.difficulty import PROFILES, Difficulty
from lit_grpo.environment.faults.injection import FaultyProgram, inject, kinds_of
from lit_grpo.environment.programs.program import (
    Constraint,
    Direction,
    LinearProgram,
    Sense,
    Variable,
    row_element,
    validate,
    variable_element,
)
from lit_grpo.environment.solver.highs import HighsSolver
from lit_grpo.environment.solver.relaxation import largest_value, linear_relaxation, smallest_value, without_row
from lit_grpo.environment.solver.solver import SolverStatus

CELLS = [(domain, size) for size in ProgramSize for domain in domains_of(size)]
LINKED = (Domain.ASSIGNMENT, Domain.NETWORK_FLOW, Domain.FACILITY_LOCATION, Domain.SET_COVERING)
"""Domains whose rows link many variables, so that conflicts are long."""
NUMBER = re.compile(r"(?<![\w-])-?\d+(?!\w)")
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
    wordings = [Wording(), *(replace(HARD, wordings=choice) for choice in Wordings)]
    for model in [*_models(domain, size, 25), *(m for wording in wordings for m in _models(domain, size, 5, wording))]:
        assert read_program(model.specification.text) == _sorted(model.program)


@pytest.mark.parametrize(("domain", "size"), CELLS)
def test_1a_every_number_counts_but_a_distractors(domain: Domain, size: ProgramSize) -> None:
    """One more than it is, each number of a sentence changes the program; "yes or no (1 or 0)" has none."""
    model = _models(domain, size, 1)[0]
    sentences = [s for s in model.specification.sentences if "yes or no" not in s.text]
    text = model.specification.text
    program = read_program(text)
    for sentence in sentences:
        determines = sentence.about is not None or " per " in sentence.text
        for found in NUMBER.finditer(sentence.text):
            number = str(int(found[0]) + 1)
            changed = sentence.text[: found.start()] + number + sentence.text[found.end() :]
            assert (read_program(text.replace(sentence.text, changed)) != program) is determines


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
            said = {abs(float(n)) for n in NUMBER.findall(by_element[row_element(row.name)])}
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
    """Of 10 domains, 3 are LPs, 7 have integers; both sorts maximise and minimise; some rows bind, some do not."""
    solver = HighsSolver()
    models = [model for domain, size in CELLS for model in _models(domain, size, 1)]
    integer = sum(m.program.is_integer for m in models) / len(models)
    assert 0.5 <= integer <= 0.8
    sorts = {(m.program.is_integer, m.program.direction) for m in models if len(m.program.variables) > 2}
    assert sorts == {(is_integer, direction) for is_integer in (False, True) for direction in Direction}
    for model in models:
        program = linear_relaxation(model.program)
        margins = [_margin(solver, program, i) for i in range(len(program.constraints))]
        assert any(margin >= 1 for margin in margins), "a row that the others imply strictly"
        assert any(margin < 1e-4 for margin in margins)


def test_7_a_tiny_text_fits_a_short_context() -> None:
    """With a word, a name, a digit, a mark as one token each: at most 100 tokens, from a vocabulary of 100."""
    models = [model for domain in domains_of(ProgramSize.TINY) for model in _models(domain, ProgramSize.TINY, 100)]
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


def test_8a_a_row_with_a_negative_coefficient_limits_nothing() -> None:
    """x-y<=1 alone would cap x at 1 were y taken to be 0; with y up to 4 it is the bound, 4, that does."""
    variables = (Variable("x", 0.0, 4.0), Variable("y", 0.0, 4.0))
    ahead = Constraint("ahead", (("x", 1.0), ("y", -1.0)), Sense.LESS_EQUAL, 1.0)
    behind = replace(ahead, sense=Sense.GREATER_EQUAL)
    assert largest_activity({"x": 1}, variables, [ahead]) == 4.0
    assert smallest_activity({"x": 1}, variables, [behind]) == 0.0


def test_8b_a_total_by_hand() -> None:
    """x+y>=8 and z-y=4 sum to x+z>=12: the total asks for 9, 10 or 11 (a quarter of 12 to spare, at least 1)."""
    variables = tuple(Variable(name, 0.0, 9.0) for name in "xyz")
    rows = [
        Constraint("least", (("x", 1.0), ("y", 1.0)), Sense.GREATER_EQUAL, 8.0),
        Constraint("balance", (("y", -1.0), ("z", 1.0)), Sense.EQUAL, 4.0),
    ]
    totals = [total_row(Random(seed), variables, "total", Sense.GREATER_EQUAL, rows) for seed in range(30)]
    assert {row.terms for row in totals} == {(("x", 1.0), ("z", 1.0))}
    assert {row.rhs for row in totals} == {9.0, 10.0, 11.0}


def test_8c_pairs_that_are_kept_and_last_ones_stay() -> None:
    for seed in range(50):
        pairs = some_pairs(Random(seed), "ab", "xyz", {("a", "x"), ("a", "y")}, most_missing=4)
        assert {("a", "x"), ("a", "y")} <= set(pairs)
        assert {a for a, _ in pairs} == set("ab")
        assert {b for _, b in pairs} == set("xyz")
        assert 2 <= len(pairs) <= 6


def test_9_ten_domains_of_which_six_come_tiny() -> None:
    assert [d.value for d in domains_of(ProgramSize.TINY)] == [
        "production", "blending", "transportation", "lot_sizing", "capital_budgeting", "staffing"
    ]  # fmt: skip
    every = tuple(domain for domain in Domain if domain is not Domain.PROGRAMS)
    assert all(domains_of(size) == every for size in (None, *ProgramSize) if size is not ProgramSize.TINY)
    assert len(every) == 10
    with pytest.raises(ValueError, match=r"expected a domain of size tiny, of production, .*, got assignment; change"):
        build_base(Domain.ASSIGNMENT, ProgramSize.TINY, Wording(), Random(0))


@pytest.mark.parametrize("domain", domains_of(None))
def test_10_a_rows_name_says_nothing_about_its_sense(domain: Domain) -> None:
    """In 400 programs each name occurs with each sense, and as one to spare."""
    models = _models(domain, ProgramSize.MEDIUM, 400)
    senses = {row.sense for model in models for row in model.program.constraints}
    used = {sense: {c.name for m in models for c in m.program.constraints if c.sense is sense} for sense in senses}
    spare = {name for model in models for name in model.spare_row_names}
    assert all(names == spare for names in used.values())


@pytest.mark.parametrize("domain", domains_of(None))
def test_11_faults_find_room(domain: Domain) -> None:
    """A handful of base programs at most for a fault (4 on average); where rows are linked, conflicts are long."""
    solver = HighsSolver()
    cells = [(kind, difficulty) for kind in kinds_of(ProgramSize.TINY) for difficulty in Difficulty]
    num_tried, faults = 0, list[FaultyProgram]()
    for kind, difficulty in cells:
        rng, num_found = Random(7), len(faults)
        while len(faults) < num_found + 2:
            num_tried += 1
            base = build_base(domain, PROFILES[difficulty].size, PROFILES[difficulty].wording, rng)
            fault = inject(base.program, kind, difficulty, rng, solver, base.spare_row_names)
            faults += [fault] if isinstance(fault, FaultyProgram) else []
    assert num_tried <= 4 * len(faults)
    conflicts = [conflict.elements for fault in faults if (conflict := solver.conflict(fault.faulty))]
    long = [c for c in conflicts if len(c) >= 5 and sum(element.startswith("row:") for element in c) >= 3]
    assert domain not in LINKED or len(long) >= 4


def _margin(solver: HighsSolver, program: LinearProgram, position: int) -> float:
    row = program.constraints[position]
    rest = without_row(program, position)
    if row.sense is Sense.LESS_EQUAL:
        return row.rhs - largest_value(solver, rest, row.terms)
    if row.sense is Sense.GREATER_EQUAL:
        return smallest_value(solver, rest, row.terms) - row.rhs
    return 0.0
