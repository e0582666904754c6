"""Repairs from both sources, each once, in the order of the policy's likelihood.

Called by prediction.py. Explain's candidates are there whatever the policy does; what the policy found by playing is
taken if the solver calls it feasible and it keeps what has to be kept.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from lit_grpo.environment.programs.edits import AgentEdit, apply_all, edited_element
from lit_grpo.environment.programs.program import Constraint, Element, LinearProgram, VariableType
from lit_grpo.environment.repairs.candidates import Candidate
from lit_grpo.environment.repairs.protections import Protections
from lit_grpo.environment.solver.solver import Solver, SolverStatus
from lit_grpo.repair.confidence import confidences

Change = frozenset[tuple[Element, Constraint | tuple[tuple[float, float], bool] | None]]
"""What the changed elements of a program are: its rows (None: left out), the ranges of its variables and whether they
are whole. Two repairs of one program with the same are the same repair."""


@dataclass(frozen=True, slots=True)
class Repair:
    """Edits that make the user's program feasible, and who speaks for them."""

    edits: tuple[AgentEdit, ...]
    program: LinearProgram
    """After the edits."""
    status: SolverStatus
    """OPTIMAL, or UNBOUNDED where feasible without an optimum."""
    objective: float | None
    """Optimum after the edits."""
    why: tuple[str, ...] = ()
    """The slip that each edit undoes, for a candidate; empty for what the policy alone found."""
    position: int | None = None
    """Among explain's candidates, from 1; None if it is none of them."""
    num_found: int = 0
    """Attempts of the policy that ended with it."""
    logprob: float | None = None
    """The policy's log-likelihood of its moves, in nats (likelihood.py); None where it was not asked, or cannot say
    them."""
    score: float | None = None
    """Of explain's list; None if it is not in it."""
    confidence: float | None = None
    """How sure it is, in [0, 1] (confidence.py); None without a likelihood."""

    @property
    def elements(self) -> tuple[Element, ...]:
        """What it changes."""
        return tuple(dict.fromkeys(edited_element(edit) for edit in self.edits))


@dataclass(frozen=True, slots=True)
class Gathered:
    """The repairs from both sources."""

    repairs: tuple[Repair, ...]
    """Each once, as `listed`."""
    num_refused: int
    """Feasible attempts of the policy whose repair touches what must be kept, or breaks what must hold."""


def gather(
    program: LinearProgram,
    candidates: Sequence[Candidate],
    found: Sequence[tuple[AgentEdit, ...]],
    protections: Protections,
    solver: Solver,
) -> Gathered:
    """Join both sources.

    Args:
        program: The user's program.
        candidates: Explain's, which keep what must be kept.
        found: The edits of each attempt that ended feasible.
        protections: What the policy's repairs are held to as well.
        solver: Verifies them.
    """
    by_change: dict[Change, Repair] = {}
    for position, candidate in enumerate(candidates, start=1):
        repaired = apply_all(program, candidate.edits)
        repair = Repair(
            candidate.edits,
            repaired,
            candidate.status,
            candidate.objective,
            candidate.why,
            position=position,
            score=candidate.score,
        )
        by_change.setdefault(change_of(repair), repair)
    num_refused = 0
    refused: set[Change] = set()
    for edits in found:
        repair = Repair(edits, apply_all(program, edits), SolverStatus.OPTIMAL, None)
        change = change_of(repair)
        if change not in by_change and change not in refused:
            verified = _verified(repair, protections, solver)
            if verified is None:
                refused.add(change)
            else:
                by_change[change] = verified
        if change in refused:
            num_refused += 1
        else:
            by_change[change] = replace(by_change[change], num_found=by_change[change].num_found + 1)
    return Gathered(listed(by_change.values()), num_refused)


def listed(repairs: Iterable[Repair]) -> tuple[Repair, ...]:
    """The candidates in their order, then what the policy alone found, the most frequent first."""
    return tuple(sorted(repairs, key=lambda r: (r.position is None, r.position or -r.num_found)))


def ranked(repairs: Sequence[Repair], logprobs: Sequence[float | None]) -> tuple[Repair, ...]:
    """The repairs with their likelihoods and how sure each is, the likeliest first; those without a likelihood keep
    their order behind the others.
    """
    sure = confidences(logprobs, [repair.score for repair in repairs])
    known = [
        replace(repair, logprob=logprob, confidence=confidence)
        for repair, logprob, confidence in zip(repairs, logprobs, sure, strict=True)
    ]
    return tuple(sorted(known, key=lambda repair: math.inf if repair.logprob is None else -repair.logprob))


def change_of(repair: Repair) -> Change:
    """What the repair makes of the elements that it changes."""
    rows = {row.name: row for row in repair.program.constraints}
    state: set[tuple[Element, Constraint | tuple[tuple[float, float], bool] | None]] = set()
    for element in repair.elements:
        kind, _, name = element.partition(":")
        if kind == "row":
            state.add((element, rows.get(name)))
        else:
            variable = repair.program.variable(name)
            state.add((element, (variable.effective_bounds, variable.type is not VariableType.CONTINUOUS)))
    return frozenset(state)


def _verified(repair: Repair, protections: Protections, solver: Solver) -> Repair | None:
    """The repair with its optimum; None if it is not feasible, or not allowed."""
    if not protections.allow(repair.edits):
        return None
    solution = solver.solve(repair.program)
    if solution.status is not SolverStatus.OPTIMAL or not protections.hold_of(repair.program, solver):
        return None
    return replace(repair, objective=solution.objective)
