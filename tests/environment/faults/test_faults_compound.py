"""Faults of kinds E to I: 1 an instance of each by hand, with its numbers; 2 what breaks the claim is refused, and
evidence that was tampered with is found out; 3 every claim of generated faults, checked again from its definition;
4 the oracle repairs all of them in the fewest steps; 5 names of added rows are native.
"""

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from random import Random
from typing import TypeVar

import pytest
from fault_claims import SOLVER, broken_claims
from worked_faults import (
    AMBIGUOUS,
    ASKS_20,
    ASKS_95,
    ASKS_150,
    BOUND_CONFLICT,
    BY_HAND,
    CAPS_AND_NEEDS,
    CASCADE,
    CHAIN,
    DELETIONS,
    DISTANT,
    EASY,
    HIGH_NEED,
    HOURS_AND_ORDERS,
    LOW_CAP,
    MULTIPLE,
    RAISED_X,
    RAISED_Y,
    TWICE_CAPPED,
    TWO_CAPS,
    conflict_of,
    make_program,
    make_row,
    make_slip,
)

from lit_grpo.data.splits import Split
from lit_grpo.data.task import Task, TaskSettings, generate_task
from lit_grpo.environment.episodes.record import EpisodeSettings
from lit_grpo.environment.faults.certificates import (
    BoundConflicts,
    Cascade,
    Certificate,
    DistantCause,
    Evidence,
    IndependentConflicts,
    RejectionReason,
    Repair,
    Tie,
)
from lit_grpo.environment.faults.difficulty import Difficulty
from lit_grpo.environment.faults.fault_kinds import PLAIN_KINDS, FaultKind
from lit_grpo.environment.faults.injection import FaultyProgram, Rejection, inject
from lit_grpo.environment.faults.kinds import ambiguous, bound_conflict, cascade, distant, multiple
from lit_grpo.environment.faults.kinds.slips import Slip
from lit_grpo.environment.policies.baselines import Oracle, run_baseline
from lit_grpo.environment.programs.edits import AddRow, SetBounds, SetRhs, apply, apply_all, edited_element
from lit_grpo.environment.programs.program import (
    Constraint,
    Direction,
    Element,
    LinearProgram,
    Sense,
    Variable,
    row_element,
    variable_element,
)
from lit_grpo.environment.solver.relaxation import linear_relaxation

Part = TypeVar("Part", Constraint, Variable)
COMPOUND = tuple(kind for kind in FaultKind if kind not in PLAIN_KINDS)


@pytest.mark.parametrize("fault", BY_HAND, ids=lambda fault: fault.kind.value)
def test_1_worked_by_hand_every_claim_holds(fault: FaultyProgram) -> None:
    assert broken_claims(fault) == []


def test_1b_the_certificates_are_those_worked_by_hand() -> None:
    faults = tuple(multiple.SingleFault.of(slip, EASY, SOLVER) for slip in (RAISED_X, RAISED_Y))
    assert isinstance(faults[0], multiple.SingleFault)
    assert isinstance(faults[1], multiple.SingleFault)
    found = (
        multiple.certified(TWO_CAPS, (faults[0], faults[1]), SOLVER),
        distant.certified(ASKS_150, EASY, 30.0, SOLVER),
        cascade.certified(LOW_CAP, HIGH_NEED, conflict_of("row r", "row u", "row s"), EASY, SOLVER),
        bound_conflict.certified(TWICE_CAPPED, ASKS_20, EASY, SOLVER),
        ambiguous.certified(ASKS_95, EASY, SOLVER),
    )
    for fault, certified in zip(BY_HAND, found, strict=True):
        assert not isinstance(certified, RejectionReason), (fault.kind, certified)
        assert _comparable(certified.certificate.evidence) == _comparable(fault.certificate.evidence)
        numbers = (certified.certificate.violation, certified.certificate.property_margin)
        assert numbers == pytest.approx((fault.certificate.violation, fault.certificate.property_margin), abs=1e-9)
        ours, theirs = (
            replace(c, violation=0.0, property_margin=0.0, evidence=None)
            for c in (certified.certificate, fault.certificate)
        )
        assert ours == theirs


def _comparable(evidence: Evidence | None) -> Evidence | None:
    """Any of the chain's other elements gives way by 5: which of them, the solver may choose."""
    if not isinstance(evidence, DistantCause):
        return evidence
    assert row_element("rf") not in evidence.relaxed
    return replace(evidence, relaxed=())


def test_1c_crossed_bounds_by_hand() -> None:
    """At least 60 and at most 50: one conflict, of one element, 10 apart."""
    crossed = bound_conflict.WrongBound(SetBounds("x", 60.0, 50.0), "crossed_bounds")
    found = bound_conflict.certified(TWICE_CAPPED, crossed, EASY, SOLVER)
    assert not isinstance(found, RejectionReason)
    expected = BoundConflicts((conflict_of("lower x", "upper x"),))
    assert found.certificate == Certificate("crossed_bounds", 50.0, 50.0, 1, 0, expected)


def test_2_several_faults_that_one_action_repairs_are_refused() -> None:
    """x >= 7 and x >= 8 as rows both contradict ra: without it there is no conflict. And x >= 7 against x + y <= 6
    holds y's bound, so a second fault there is not independent."""
    added = [
        make_slip(TWO_CAPS, AddRow(make_row(name, Sense.GREATER_EQUAL, rhs, x=1.0), 0), "added_row")
        for name, rhs in (("rc", 7.0), ("rd", 8.0))
    ]
    assert _multiple(TWO_CAPS, *added) is RejectionReason.ONE_ACTION_REPAIRS
    total = make_program(
        Direction.MAXIMIZE, {"x": 1.0, "y": 1.0}, 9.0, "xyz", make_row("rc", Sense.LESS_EQUAL, 6.0, x=1.0, y=1.0)
    )
    raised = [make_slip(total, SetBounds(name, 7.0, 9.0), "wrong_lower_bound") for name in ("x", "y")]
    assert _multiple(total, *raised) is RejectionReason.NOT_INDEPENDENT


def _multiple(program: LinearProgram, *slips: Slip) -> object:
    faults = (multiple.SingleFault.of(slip, EASY, SOLVER) for slip in slips)
    return multiple.certified(program, tuple(f for f in faults if isinstance(f, multiple.SingleFault)), SOLVER)


def test_2b_causes_that_are_not_distant_are_refused() -> None:
    """A short conflict; a row that gives way by 5 like the others; an objective that does not see r1."""
    short = replace(CHAIN, constraints=(make_row("r1", Sense.LESS_EQUAL, 10.0, c=1.0), CHAIN.constraints[3]))
    plain = replace(CHAIN, constraints=(*CHAIN.constraints[:3], make_row("rf", Sense.GREATER_EQUAL, 5.0, c=1.0)))
    blind = replace(CHAIN, objective=(("d", 4.0),))
    for program, rhs, objective, reason in (
        (short, 150.0, 15.0, RejectionReason.SHORT_CONFLICT),
        (plain, 15.0, 30.0, RejectionReason.SYMPTOM_AT_THE_FAULT),
        (blind, 150.0, 0.0, RejectionReason.OBJECTIVE_KEPT),
    ):
        assert distant.certified(make_slip(program, SetRhs("rf", rhs), "d"), EASY, objective, SOLVER) is reason


def test_2c_cascades_that_show_at_once_are_refused() -> None:
    """With t before u the first conflict is the caps against s, unless s stands early: in the order r, s, t, u it is r
    against t, by its place alone. And if t were the first (at 16, against the true cap), the caps would contradict s
    without it."""
    r, u, s, t = CAPS_AND_NEEDS.constraints
    revealed = conflict_of("row r", "row u", "row s")
    for rows in ((r, t, u, s), (r, s, t, u)):
        program = replace(CAPS_AND_NEEDS, constraints=rows)
        first, second = make_slip(program, SetRhs("r", 3.0), "d"), make_slip(program, SetRhs("s", 18.0), "d")
        assert cascade.certified(first, second, revealed, EASY, SOLVER) is RejectionReason.NOT_REVEALED
    assert SOLVER.conflict(apply(second.faulty, first.candidate.edit)) == conflict_of("row r", "row t")
    high = make_slip(CAPS_AND_NEEDS, SetRhs("t", 16.0), "wrong_rhs")
    assert cascade.certified(high, HIGH_NEED, revealed, EASY, SOLVER) is RejectionReason.NO_OPTIMUM_WITHOUT


def test_2h_faults_that_only_their_places_keep_apart_are_refused() -> None:
    """At least 8 in place of 2 contradicts both caps, 6 and 5. The first of them is tried first and so is not in the
    conflict: there a wrong one (-1, against x >= 0) would be independent, in the other's place it would not."""
    rows = (
        make_row("need", Sense.GREATER_EQUAL, 2.0, x=1.0),
        make_row("rb", Sense.LESS_EQUAL, 6.0, x=1.0),
        make_row("ra", Sense.LESS_EQUAL, 5.0, x=1.0),
    )
    program = make_program(Direction.MAXIMIZE, {"x": 1.0}, 20.0, "x", *rows)
    need, cap = make_slip(program, SetRhs("need", 8.0), "d"), make_slip(program, SetRhs("rb", -1.0), "d")
    assert SOLVER.conflict(need.faulty) == conflict_of("row need", "row ra")
    assert SOLVER.conflict(cap.faulty) == conflict_of("row rb", "lower x")
    assert _multiple(program, need, cap) is RejectionReason.NOT_INDEPENDENT


def test_2d_a_bound_that_one_row_contradicts_is_refused() -> None:
    """11 is beyond ra alone: without it the program is feasible."""
    wrong = bound_conflict.WrongBound(SetBounds("x", 11.0, 50.0), "wrong_lower_bound")
    assert bound_conflict.certified(TWICE_CAPPED, wrong, EASY, SOLVER) is RejectionReason.ONE_CONFLICT


def test_2e_a_fault_without_its_equal_is_refused() -> None:
    """190 for 2 x + 2 y: the row has to give way by 10, the hours by 5."""
    rows = (HOURS_AND_ORDERS.constraints[0], make_row("orders", Sense.GREATER_EQUAL, 60.0, x=2.0, y=2.0))
    program = replace(HOURS_AND_ORDERS, constraints=rows)
    assert ambiguous.certified(make_slip(program, SetRhs("orders", 190.0), "d"), EASY, SOLVER) is RejectionReason.NO_TIE


@pytest.mark.parametrize(
    ("fault", "evidence", "claim"),
    [
        (MULTIPLE, IndependentConflicts((conflict_of("row ra", "lower x"),) * 2), "a conflict of var:y alone"),
        (
            MULTIPLE,
            IndependentConflicts((conflict_of("row rb", "lower x"), conflict_of("row rb", "lower y"))),
            "the conflict of var:x is one",
        ),
        (DISTANT, DistantCause(DELETIONS[:2], (row_element("r1"),), 50.0), "the rows deleted"),
        (DISTANT, DistantCause(DELETIONS, (row_element("rf"),), 50.0), "the symptom is elsewhere"),
        (DISTANT, DistantCause(DELETIONS, (row_element("r1"),), 49.0), "what the faulty element alone"),
        (CASCADE, Cascade(conflict_of("row r", "row t"), 20.0), "the revealed conflict holds both"),
        (CASCADE, Cascade(conflict_of("row r", "row s"), 19.0), "optimal without the first element"),
        (BOUND_CONFLICT, BoundConflicts((conflict_of("row rb", "lower x"),) * 2), "bounds and nothing else"),
        (BOUND_CONFLICT, BoundConflicts((conflict_of("row rb", "lower x"),)), "crossed, or two conflicts"),
        (AMBIGUOUS, Tie((Repair(row_element("orders"), 5.0),)), "a tie of two or more"),
        (
            AMBIGUOUS,
            Tie((Repair(row_element("hours"), 4.0), Repair(row_element("orders"), 5.0))),
            "row:hours must give way by 4",
        ),
    ],
)
def test_2f_tampered_evidence_is_found_out(fault: FaultyProgram, evidence: Evidence, claim: str) -> None:
    tampered = replace(fault, certificate=replace(fault.certificate, evidence=evidence))
    assert any(broken.startswith(claim) for broken in broken_claims(tampered))


def test_2g_half_a_repair_counts_as_broken() -> None:
    """Of two faults only one injected: repairing nothing is infeasible, repairing it leaves nothing to do."""
    half = replace(MULTIPLE, faulty=RAISED_X.faulty)
    broken = broken_claims(half)
    assert "infeasible without row:ra" in broken
    assert "infeasible with 1 faults repaired" in broken


@cache
def _tasks(kind: FaultKind) -> list[Task]:
    settings = [TaskSettings(kinds={kind: 1.0}, difficulties={d: 1.0}) for d in Difficulty]
    return [generate_task(s, Split.TRAIN, 4, i, SOLVER) for s in settings for i in range(4)]


@pytest.mark.parametrize("kind", COMPOUND)
def test_3_every_claim_of_generated_faults_holds(kind: FaultKind) -> None:
    for task in _tasks(kind):
        assert broken_claims(task.fault) == [], task.id
        hard = task.fault.difficulty is Difficulty.HARD
        expected = {FaultKind.MULTIPLE: 3 if hard else 2, FaultKind.CASCADE: 2}.get(kind, 1)
        assert len(task.fault.inverse) == len(task.fault.faulty_elements) == expected
        assert task.fault.faulty_elements == tuple(edited_element(edit) for edit in task.fault.inverse)
        assert task.fault.certificate.variant != "crossed_bounds" or task.fault.difficulty is EASY


def test_3b_the_first_conflict_of_a_cascade_is_the_same_wherever_the_second_fault_stands() -> None:
    for fault in (task.fault for task in _tasks(FaultKind.CASCADE)):
        conflict = SOLVER.conflict(fault.faulty)
        for program in _with_moved(fault.faulty, fault.faulty_elements[1]):
            assert SOLVER.conflict(program) == conflict


def test_3c_the_conflict_of_each_of_several_faults_is_the_same_wherever_another_stands() -> None:
    for fault in (task.fault for task in _tasks(FaultKind.MULTIPLE)):
        evidence = fault.certificate.evidence
        assert isinstance(evidence, IndependentConflicts)
        for at, conflict in enumerate(evidence.conflicts):
            others = [edit for i, edit in enumerate(fault.inverse) if i != at]
            alone = apply_all(fault.faulty, others)
            for edit in others:
                for program in _with_moved(alone, edited_element(edit)):
                    found = SOLVER.conflict(program)
                    assert found is not None
                    assert set(found.members) == set(conflict.members)


def _with_moved(program: LinearProgram, element: Element) -> Iterator[LinearProgram]:
    """The relaxation with the row or the variable in every place in turn; as it is if it is not there."""
    relaxed = linear_relaxation(program)
    rows, variables = relaxed.constraints, relaxed.variables
    for place in range(max(len(rows), len(variables))):
        moved_rows = _moved(rows, [row for row in rows if row_element(row.name) == element], place)
        moved_variables = _moved(variables, [v for v in variables if variable_element(v.name) == element], place)
        yield replace(relaxed, constraints=moved_rows, variables=moved_variables)


def _moved(parts: tuple[Part, ...], chosen: list[Part], place: int) -> tuple[Part, ...]:
    rest = [part for part in parts if part not in chosen]
    return (*rest[:place], *chosen, *rest[place:])


@pytest.mark.parametrize("kind", COMPOUND)
def test_4_the_oracle_repairs_all_in_the_fewest_steps(kind: FaultKind) -> None:
    for episode in run_baseline(Oracle(), _tasks(kind), SOLVER, EpisodeSettings(), seed=0):
        assert episode.score.faithful
        assert episode.score.turns == episode.score.min_turns == len(episode.task.fault.inverse)
        assert episode.score.diagnosis.exact


def test_5_added_rows_take_native_names_and_refusals_say_why() -> None:
    """Every added row has one of the spare names; a program without rows has no candidate of kind G."""
    rows_before = {row.name for row in HOURS_AND_ORDERS.constraints}
    found: list[FaultyProgram] = []
    for i in range(12):
        fault = inject(HOURS_AND_ORDERS, FaultKind.AMBIGUOUS, EASY, Random(i), SOLVER, ["paint", "steel"])
        found += [fault] if isinstance(fault, FaultyProgram) else []
    added = {row.name for fault in found for row in fault.faulty.constraints} - rows_before
    assert found
    assert added <= {"paint", "steel"}
    bare = replace(TWO_CAPS, constraints=())
    refused = inject(bare, FaultKind.CASCADE, EASY, Random(0), SOLVER, ["paint"])
    assert refused == Rejection(RejectionReason.NO_CANDIDATE)
