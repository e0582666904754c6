"""Policies that read the specification.

1. Who reads everything right repairs in the fewest steps, who misreads everything never does.
2. Sentences are misread as often as said, and as something that would make sense.
3. A false alarm costs the believer half of the episodes, and a searcher only where it makes the program optimal too.
4. Budgets are kept to.
5. The short play gives what whole episodes give, and the truth that is not written plays no part.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

import pytest
from audit_policies.noisy_reader import NoisyReader
from audit_policies.reference_policies import (
    FiveStepSearcher,
    NoisyOracle,
    OneStepSearcher,
    ReferencePolicy,
    reference_policies,
    repairs,
)
from desk_problem import FAULT, FAULTY, HOURS, ORDERS, ORIGINAL, DeskTask, ScriptedSolver
from typing_extensions import override

from lit_grpo.data.splits import Split
from lit_grpo.data.task import TaskSettings, generate_task
from lit_grpo.environment.domains.base import ProgramSize
from lit_grpo.environment.episodes.actions import Move, Submit
from lit_grpo.environment.episodes.record import EpisodeSettings
from lit_grpo.environment.faults.fault_kinds import FaultKind
from lit_grpo.environment.faults.ground_truth import GroundTruth
from lit_grpo.environment.faults.injection import FaultyProgram
from lit_grpo.environment.policies.baselines import BaselineView, run_baseline
from lit_grpo.environment.programs.comparison import differing_elements
from lit_grpo.environment.programs.difference import elements_of
from lit_grpo.environment.programs.edits import AddRow, AgentEdit, SetBounds, SetRhs, apply, apply_all
from lit_grpo.environment.programs.program import Constraint, LinearProgram, Sense, row_element
from lit_grpo.environment.solver.highs import HighsSolver

SOLVER = HighsSolver()


@dataclass(frozen=True)
class Understanding(NoisyReader):
    """Understands one given thing, whatever is written."""

    as_read: LinearProgram = ORIGINAL

    @override
    def read(self, fault: GroundTruth) -> LinearProgram:
        return self.as_read


def _all_with(reader: NoisyReader) -> tuple[ReferencePolicy, ...]:
    return NoisyOracle(reader), OneStepSearcher(reader), FiveStepSearcher(reader)


def _share_repaired(policy: ReferencePolicy, num: int = 100) -> float:
    return sum(repairs(policy, FAULT, SOLVER, random.Random(i)) for i in range(num)) / num


def _view() -> BaselineView:
    return BaselineView(FAULTY, SOLVER.conflict(FAULTY), 0, FAULT, ScriptedSolver())


def test_1_who_reads_right_is_the_oracle() -> None:
    reader = NoisyReader(accuracy=1.0)
    assert reader.read(FAULT) == ORIGINAL
    for policy in _all_with(reader):
        ((_, record, score),) = run_baseline(policy, [DeskTask()], SOLVER, EpisodeSettings(), 0)
        assert record.turns[0].move == Move(SetRhs("orders", 30.0), (ORDERS,))
        assert (score.faithful, score.turns, score.diagnosis.exact) == (True, 1, True)


def test_1b_several_faults_take_as_many_steps() -> None:
    settings = TaskSettings(size=ProgramSize.SMALL, kinds={FaultKind.MULTIPLE: 1.0, FaultKind.CASCADE: 1.0})
    tasks = [generate_task(settings, Split.TRAIN, 5, i, SOLVER) for i in range(6)]
    for policy in _all_with(NoisyReader(accuracy=1.0)):
        for episode in run_baseline(policy, tasks, SOLVER, EpisodeSettings(), 0):
            assert episode.score.faithful
            assert episode.score.turns == episode.score.min_turns >= 2


def test_1c_who_misreads_everything_never_repairs() -> None:
    for reading in range(60):
        for policy in _all_with(NoisyReader(accuracy=0.0, reading=reading)):
            assert not repairs(policy, FAULT, SOLVER, random.Random(reading))


def test_2_sentences_are_misread_as_often_as_said() -> None:
    """Five elements, 400 readings at 0.8: 2000 draws, 400 misread, with a standard deviation of 18."""
    num_wrong = 0
    for reading in range(400):
        as_read = NoisyReader(0.8, reading).read(FAULT)
        num_wrong += len(differing_elements(as_read, ORIGINAL))
        assert all(variable.lower <= variable.upper for variable in as_read.variables)
        assert [row.name for row in as_read.constraints] == ["wood", "hours", "orders"]
    assert abs(num_wrong - 400) < 4 * 18


def test_2b_a_misreading_keeps_an_eye_on_the_model() -> None:
    """It is another wrong orders row, one thing off from x + y >= 95, and never the true x + y >= 30."""
    for reading in range(60):
        read = NoisyReader(0.0, reading).read(FAULT).constraint("orders")
        assert read != ORIGINAL.constraint("orders")
        stands = FAULTY.constraint("orders")
        terms_off = sum(a != b for a, b in zip(read.terms, stands.terms, strict=True))
        assert (read.sense is not stands.sense) + (read.rhs != stands.rhs) + terms_off == 1


def test_2c_an_added_row_is_noticed_or_taken_for_asked_for() -> None:
    added = AddRow(Constraint("glue", (("x", 1.0),), Sense.GREATER_EQUAL, 50.0), 0)
    fault = FaultyProgram(
        FAULT.kind,
        FAULT.difficulty,
        ORIGINAL,
        apply(ORIGINAL, added),
        FAULT.inverse,
        (row_element("glue"),),
        428.0,
        FAULT.certificate,
    )
    assert NoisyReader(1.0).read(fault) == ORIGINAL
    assert "glue" in {row.name for row in NoisyReader(0.0).read(fault).constraints}


def test_2d_a_share_is_a_share() -> None:
    with pytest.raises(ValueError, match=r"expected accuracy in \[0, 1\], got 80"):
        NoisyReader(accuracy=80)


@pytest.mark.parametrize(("hours", "searcher"), [(92.0, 1.0), (100.0, 0.5)])
def test_3_a_false_alarm(hours: float, searcher: float) -> None:
    """Orders are read right (30), hours wrong. At most 92 still contradicts at least 95; at most 100 does not, and is
    then as good an end as the truth: whichever of the two comes first is made."""
    reader = Understanding(as_read=apply(ORIGINAL, SetRhs("hours", hours)))
    assert _share_repaired(NoisyOracle(reader)) == pytest.approx(0.5, abs=0.15)
    assert _share_repaired(OneStepSearcher(reader)) == pytest.approx(searcher, abs=0.15 * (searcher < 1))


def test_3a_the_shortest_series_is_played() -> None:
    """Hours at most 92, then orders, are two corrections; orders alone is one, and is found in one of the orders."""
    reader = Understanding(as_read=apply(ORIGINAL, SetRhs("hours", 92.0)))
    assert FiveStepSearcher(reader).act(_view(), random.Random(0)).action == SetRhs("orders", 30.0)


def test_3b_the_believer_looks_at_the_conflict_first() -> None:
    """Wood is misread and in no conflict; orders are in it."""
    reader = Understanding(as_read=apply(ORIGINAL, SetRhs("wood", 195.0)))
    assert _share_repaired(NoisyOracle(reader)) == 1.0


def test_4_budgets_are_kept_to() -> None:
    """Five corrections that leave hours (at most 91) and orders (at least 94) in conflict."""
    useless = (
        SetRhs("wood", 190.0),
        SetRhs("hours", 91.0),
        SetRhs("orders", 94.0),
        SetBounds("x", 0.0, 39.0),
        SetBounds("y", 1.0, 300.0),
    )
    reader = Understanding(as_read=apply_all(ORIGINAL, useless))
    for policy, num_solved in ((OneStepSearcher(reader), 4), (FiveStepSearcher(reader), 15)):
        view = _view()
        assert isinstance(view.solver, ScriptedSolver)
        action = policy.act(view, random.Random(0)).action
        assert view.solver.num_solves == num_solved
        assert isinstance(action, AgentEdit if isinstance(policy, OneStepSearcher) else Submit)


def test_4b_of_corrections_that_do_not_end_it_the_best_is_made() -> None:
    """Hours at most 94 leave 1 to violate, orders at least 94 leave 4."""
    reader = Understanding(as_read=apply_all(ORIGINAL, (SetRhs("hours", 94.0), SetRhs("orders", 94.0))))
    assert OneStepSearcher(reader).act(_view(), random.Random(0)).action == SetRhs("hours", 94.0)


def test_4c_who_finds_nothing_different_submits() -> None:
    for policy in _all_with(Understanding(as_read=FAULTY)):
        assert policy.act(_view(), random.Random(0)) == Move(Submit())


def test_5_the_short_play_gives_what_episodes_give() -> None:
    settings = TaskSettings(size=ProgramSize.SMALL)
    tasks = [generate_task(settings, Split.TRAIN, 8, i, SOLVER) for i in range(12)]
    outcomes: set[bool] = set()
    for reading in range(2):
        for policy in reference_policies(reading):
            for episode in run_baseline(policy, tasks, SOLVER, EpisodeSettings(), reading):
                task = episode.task
                faithful = repairs(policy, task.fault, SOLVER, random.Random(f"{reading}:{task.id}"))
                assert faithful == episode.score.faithful
                outcomes.add(faithful)
    assert outcomes == {True, False}


def test_5b_no_policy_knows_which_element_is_faulty() -> None:
    """With the faulty elements and the inverse of another fault every choice is the same."""
    other = FaultyProgram(
        FAULT.kind, FAULT.difficulty, ORIGINAL, FAULTY, (SetRhs("wood", 1.0),), (HOURS,), 1.0, FAULT.certificate
    )
    assert len(elements_of(FAULTY)) == 5
    for reading in range(20):
        for policy in reference_policies(reading):
            views = (BaselineView(FAULTY, SOLVER.conflict(FAULTY), 0, fault, SOLVER) for fault in (FAULT, other))
            first, second = (policy.act(view, random.Random(reading)) for view in views)
            assert first == second
