"""What is said of a fault is what is true of the two programs, for every kind.

1. The elements in which original and faulty program differ are the record's faulty elements, each once.
2. A fault whose edits undo each other, or touch one element twice, is never kept.
3. Of two crossed bounds the kind is H: without its rows a program of kind B is feasible.
4. A fault whose repair no action may write is not kept, and the next one is tried.
"""

from dataclasses import replace
from random import Random

import pytest
from desk_problem import FAULT, ORIGINAL

from lit_grpo.data.splits import Split
from lit_grpo.data.task import TaskSettings, generate_task
from lit_grpo.environment.domains.base import ProgramSize
from lit_grpo.environment.faults import injection as faults
from lit_grpo.environment.faults.certificates import CertifiedFault, RejectionReason
from lit_grpo.environment.faults.difficulty import Difficulty
from lit_grpo.environment.faults.fault_kinds import PLAIN_KINDS, FaultKind
from lit_grpo.environment.faults.injection import FaultyProgram, Rejection, inject
from lit_grpo.environment.programs.comparison import differing_elements
from lit_grpo.environment.programs.edits import SetRhs
from lit_grpo.environment.programs.program import Constraint, Direction, LinearProgram, Sense, Variable
from lit_grpo.environment.solver.highs import HighsSolver
from lit_grpo.environment.solver.solver import SolverStatus

SOLVER = HighsSolver()


@pytest.mark.parametrize("kind", FaultKind)
def test_1_the_faulty_elements_are_those_that_differ(kind: FaultKind) -> None:
    sizes = (ProgramSize.TINY, None) if kind in PLAIN_KINDS else (None,)
    for size in sizes:
        settings = TaskSettings(size=size, kinds={kind: 1.0})
        for index in range(6):
            fault = generate_task(settings, Split.TRAIN, 9, index, SOLVER).fault
            assert sorted(differing_elements(fault.faulty, fault.original)) == sorted(fault.faulty_elements)


@pytest.mark.parametrize(
    "edits",
    [
        (SetRhs("wood", 194.0), SetRhs("hours", 20.0)),  # the first changes nothing
        (SetRhs("hours", 20.0), SetRhs("hours", 90.0)),  # the second takes the first back
    ],
)
def test_2_a_fault_that_is_not_what_it_says_is_never_kept(
    edits: tuple[SetRhs, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = CertifiedFault(edits, FAULT.certificate)
    monkeypatch.setitem(faults._FINDERS, FaultKind.MULTIPLE, lambda source, difficulty: iter([found]))
    with pytest.raises(AssertionError, match="the programs differ in"):
        inject(ORIGINAL, FaultKind.MULTIPLE, Difficulty.EASY, Random(0), SOLVER, ["spare"])


@pytest.mark.parametrize("size", [ProgramSize.TINY, None])
def test_3_crossed_bounds_are_never_of_kind_b(size: ProgramSize | None) -> None:
    settings = TaskSettings(size=size, kinds={FaultKind.BOUND_OR_TYPE: 1.0})
    for index in range(20):
        fault = generate_task(settings, Split.TRAIN, 4, index, SOLVER).fault
        assert SOLVER.solve(replace(fault.faulty, constraints=(), objective=())).status is SolverStatus.OPTIMAL


def test_3b_and_of_kind_h_where_they_are() -> None:
    settings = TaskSettings(kinds={FaultKind.BOUND_CONFLICT: 1.0}, difficulties={Difficulty.EASY: 1.0})
    faults = [generate_task(settings, Split.TRAIN, 4, index, SOLVER).fault for index in range(20)]
    statuses = {
        (fault.certificate.variant == "crossed_bounds", SOLVER.solve(replace(fault.faulty, constraints=())).status)
        for fault in faults
    }
    assert (True, SolverStatus.INFEASIBLE) in statuses
    assert {crossed for crossed, status in statuses if status is SolverStatus.INFEASIBLE} == {True}


def test_4_a_repair_that_no_action_may_write(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the 900 million the largest number is 5, and 50,000 the largest that may be written."""
    rows = (
        Constraint("cap", (("x", 1.0),), Sense.LESS_EQUAL, 9e8),
        Constraint("need", (("x", 1.0), ("y", 1.0)), Sense.GREATER_EQUAL, 3.0),
    )
    program = LinearProgram(Direction.MINIMIZE, (("x", 1.0),), (Variable("x"), Variable("y", 0.0, 5.0)), rows)
    beyond = CertifiedFault((SetRhs("cap", -1.0),), FAULT.certificate)

    def injected(program: LinearProgram, *found: CertifiedFault | RejectionReason) -> FaultyProgram | Rejection:
        monkeypatch.setitem(faults._FINDERS, FaultKind.SENSE, lambda source, difficulty: iter(found))
        return inject(program, FaultKind.SENSE, Difficulty.EASY, Random(0), SOLVER, ["spare"])

    assert injected(program, beyond) == Rejection(RejectionReason.BEYOND_THE_SCALE)
    assert injected(program, beyond, RejectionReason.FEASIBLE) == Rejection(RejectionReason.FEASIBLE)
    smaller = replace(program, constraints=(replace(rows[0], rhs=40_000.0), rows[1]))
    assert isinstance(injected(smaller, beyond), FaultyProgram)
