"""What a domain's names and orders say: 1 of variables of one sort, no name says which part it plays; 2 nor does its
place. A part that is faulty more often, a stock say, would be given away by a name that says stock.
"""

from random import Random

import pytest

from lit_grpo.environment.domains import build_base
from lit_grpo.environment.domains.base import Domain, ProgramSize, Wording
from lit_grpo.environment.programs.program import LinearProgram, Sense, VariableType


def _programs(domain: Domain, number: int) -> list[LinearProgram]:
    return [build_base(domain, ProgramSize.MEDIUM, Wording(), Random(seed)).program for seed in range(number)]


def test_1_names_of_lot_sizing_say_no_part() -> None:
    """Made, kept and set up: each of the three is at times the cell of the least and of the largest number."""
    least: set[str] = set()
    largest: set[str] = set()
    for program in _programs(Domain.LOT_SIZING, 40):
        names = sorted(v.name for v in program.variables)
        assert all(name.startswith("cell_") for name in names)
        least.add(_part(program, names[0]))
        largest.add(_part(program, names[-1]))
    assert least == largest == {"made", "kept", "set up"}


def _part(program: LinearProgram, name: str) -> str:
    """Set-ups are yes-or-no decisions; what is made stands in the links to them, with 1."""
    if program.variable(name).type is VariableType.BINARY:
        return "set up"
    links = [row for row in program.constraints if row.sense is Sense.LESS_EQUAL and row.rhs == 0]
    return "made" if any(name in dict(row.terms) for row in links) else "kept"


def test_1a_names_of_staffing_say_no_hour() -> None:
    """A shift of one name starts in different hours: it is on duty for different shares of the rows on calls."""
    shares: dict[str, set[int]] = {}
    for program in _programs(Domain.STAFFING, 60):
        for v in program.variables:
            assert not any(letter.isdigit() for letter in v.name)
            calls = [row for row in program.constraints if row.sense is Sense.GREATER_EQUAL]
            shares.setdefault(v.name, set()).add(sum(v.name in dict(row.terms) for row in calls))
    assert all(len(counts) > 1 for counts in shares.values())


@pytest.mark.parametrize("domain", [Domain.TRANSPORTATION, Domain.LOT_SIZING, Domain.FACILITY_LOCATION])
def test_2_variables_stand_in_no_order_of_their_parts(domain: Domain) -> None:
    """The first two variables share a row with at most half of the variables in some programs, and in others not."""
    together: set[bool] = set()
    for program in _programs(domain, 30):
        first, second = (v.name for v in program.variables[:2])
        local = [dict(row.terms) for row in program.constraints if 2 * len(row.terms) <= len(program.variables)]
        together.add(any(first in terms and second in terms for terms in local))
    assert together == {True, False}
