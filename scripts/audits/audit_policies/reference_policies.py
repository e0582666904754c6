"""Reference policies that use the specification: by how they fare, difficulty is measured.

Called by validate_gradient.py; they play through baselines.run_baseline as well. All three are given the same
noisy reading of the specification (noisy_reader.py), and correct what differs from it, never the same element twice.
One believes what it has read and looks at the conflict. The other two look at no conflict: they ask the solver, who
answers a budget of questions. These numbers are the same for all kinds and difficulties.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from math import inf

from audit_policies.noisy_reader import NoisyReader
from lit_grpo.environment.episodes.actions import Move, Submit
from lit_grpo.environment.episodes.faithful import asks_no_more, is_faithful
from lit_grpo.environment.faults.ground_truth import GroundTruth
from lit_grpo.environment.policies.baselines import BaselineView
from lit_grpo.environment.programs.comparison import differing_elements
from lit_grpo.environment.programs.difference import elements_of, true_edits
from lit_grpo.environment.programs.edits import AgentEdit, apply, edited_element
from lit_grpo.environment.programs.program import Element, LinearProgram
from lit_grpo.environment.solver.relaxation import linear_relaxation
from lit_grpo.environment.solver.solver import Solver, SolverStatus

MOST_STEPS = 5
"""Of an episode."""


@dataclass(frozen=True, slots=True)
class NoisyOracle:
    """Corrects what differs from what it has read, the elements of the present conflict first, until it is optimal."""

    reader: NoisyReader = field(default_factory=NoisyReader)
    name: str = "noisy oracle"

    def act(self, view: BaselineView, rng: random.Random) -> Move:
        """A correction in the conflict, otherwise any; submits when none is left."""
        as_read = self.reader.read(view.fault)
        suspects = () if view.conflict is None else view.conflict.elements
        inside = corrections(view.program, as_read, suspects)
        found = inside or corrections(view.program, as_read, elements_of(view.program))
        return _move(rng.choice(found)) if found else Move(Submit())


@dataclass(frozen=True, slots=True)
class OneStepSearcher:
    """Each turn solves some corrections and makes the first that leaves the program optimal, or else the best."""

    reader: NoisyReader = field(default_factory=NoisyReader)
    budget: int = 4
    """Corrections solved a turn."""
    name: str = "one-step searcher"

    def act(self, view: BaselineView, rng: random.Random) -> Move:
        """The best leaves the smallest violation in the LP relaxation; submits when no correction is left."""
        found = corrections(view.program, self.reader.read(view.fault), elements_of(view.program))
        tried = rng.sample(found, min(self.budget, len(found)))
        for edit in tried:
            if view.solver.solve(apply(view.program, edit)).status is SolverStatus.OPTIMAL:
                return _move(edit)
        if not tried:
            return Move(Submit())
        return _move(min(tried, key=lambda edit: _violation(apply(view.program, edit), view.solver)))


@dataclass(frozen=True, slots=True)
class FiveStepSearcher:
    """Makes corrections in random orders until the program is optimal, in thought, and plays the shortest series."""

    reader: NoisyReader = field(default_factory=NoisyReader)
    budget: int = 15
    """Programs solved in all: three series of five."""
    name: str = "five-step searcher"

    def act(self, view: BaselineView, rng: random.Random) -> Move:
        """The next of the series; submits when it found none."""
        series = self._plan(view)
        return _move(series[view.turn]) if view.turn < len(series) else Move(Submit())

    def _plan(self, view: BaselineView) -> tuple[AgentEdit, ...]:
        """The shortest series found from the faulty program; the same in every turn."""
        as_read = self.reader.read(view.fault)
        found = corrections(view.fault.faulty, as_read, elements_of(view.fault.faulty))
        rng = random.Random(repr(as_read))
        best: tuple[AgentEdit, ...] = ()
        num_left, most = self.budget, min(MOST_STEPS, len(found))
        while num_left > 0 and most > 0:
            program = view.fault.faulty
            series = tuple(rng.sample(found, most))[:num_left]
            for i, edit in enumerate(series):
                num_left -= 1
                program = apply(program, edit)
                if view.solver.solve(program).status is SolverStatus.OPTIMAL:
                    best, most = series[: i + 1], i  # from now on only shorter ones are of interest
                    break
        return best


ReferencePolicy = NoisyOracle | OneStepSearcher | FiveStepSearcher


def reference_policies(reading: int) -> tuple[ReferencePolicy, ...]:
    """All three with their fixed numbers, in the order of the table, and with the same reading."""
    reader = NoisyReader(reading=reading)
    return NoisyOracle(reader), OneStepSearcher(reader), FiveStepSearcher(reader)


def repairs(policy: ReferencePolicy, fault: GroundTruth, solver: Solver, rng: random.Random) -> bool:
    """Whether the policy repairs faithfully within five steps: the FR@5 of one episode, without its texts.

    An element that is corrected wrongly is never touched again, so if it asks for more than is true the answer is
    known; what the episode would go on to solve (programs with several errors, whose conflicts can take long) is left
    out.
    """
    program, conflict = fault.faulty, solver.conflict(fault.faulty)
    for turn in range(MOST_STEPS):
        edit = policy.act(BaselineView(program, conflict, turn, fault, solver), rng).action
        if not isinstance(edit, AgentEdit):
            return False
        program = apply(program, edit)
        status = solver.solve(program).status
        if status is SolverStatus.OPTIMAL:
            return is_faithful(program, fault.original, solver)
        element = edited_element(edit)
        is_wrong = element in differing_elements(program, fault.original)
        if is_wrong and not asks_no_more(element, program, fault.original, solver):
            return False
        conflict = solver.conflict(program) if status is SolverStatus.INFEASIBLE else None
    return False


def corrections(program: LinearProgram, as_read: LinearProgram, elements: tuple[Element, ...]) -> list[AgentEdit]:
    """The edits that would make these elements what was read."""
    return [edit for element in elements for edit in true_edits(element, program, as_read)]


def _violation(program: LinearProgram, solver: Solver) -> float:
    violations = solver.minimum_relaxation(linear_relaxation(program))
    return inf if violations is None else sum(violation.amount for violation in violations)


def _move(edit: AgentEdit) -> Move:
    return Move(edit, (edited_element(edit),))
