"""Repairs of several edits: one conflict after another, each resolved by its likeliest slip.

Called by `lit-grpo explain` and by the policy of ranked candidates, where no single edit is enough.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from lit_grpo.environment.programs.edits import AgentEdit
from lit_grpo.environment.programs.program import LinearProgram
from lit_grpo.environment.programs.specification import Specification
from lit_grpo.environment.repairs.candidates import Candidate, Effort, find_candidates, joined, repaired
from lit_grpo.environment.repairs.protections import NO_PROTECTIONS, Protections
from lit_grpo.environment.solver.narrowing import narrowed
from lit_grpo.environment.solver.solver import Conflict, Solver, SolverStatus

STEP_WEIGHT = -3.0
"""For an edit after which the program is infeasible still."""

FIRST_CANDIDATES = 5
"""Candidates for one conflict that are joined with those for the next."""


def steps_of(
    program: LinearProgram,
    conflict: Conflict,
    solver: Solver,
    specification: Specification | None,
    protections: Protections = NO_PROTECTIONS,
    effort: Effort | None = None,
    admits: Callable[[AgentEdit], bool] = lambda _: True,
) -> list[Candidate]:
    """Single edits that resolve this conflict taken alone, the likeliest first; the program may have others."""
    alone = narrowed(program, conflict.members)
    known = {variable.name: variable for variable in program.variables}
    # With all of their bounds and types, so that an edit means what it means in the program.
    alone = replace(alone, variables=tuple(known[variable.name] for variable in alone.variables))
    if not alone.variables or solver.solve(alone).status is not SolverStatus.INFEASIBLE:
        return []
    # Rows and points that must hold are asked of the whole program, once it is repaired.
    kept = Protections(keep=protections.keep)
    effort = effort or Effort(max_candidates=2 * FIRST_CANDIDATES)
    return find_candidates(alone, conflict, solver, specification, kept, effort, admits)


def next_edits(
    program: LinearProgram,
    conflict: Conflict,
    solver: Solver,
    specification: Specification | None,
    effort: Effort,
    admits: Callable[[AgentEdit], bool] = lambda _: True,
) -> list[Candidate]:
    """What to do next, the best first: edits that make the program feasible, and those that resolve this conflict.

    An edit that leaves another conflict counts less, but a text may speak for it: one of several slips is not the less
    of a slip for being one of several.
    """
    whole = find_candidates(program, conflict, solver, specification, effort=effort, admits=admits)
    known = {candidate.edits for candidate in whole}
    steps = steps_of(program, conflict, solver, specification, effort=effort, admits=admits)
    partial = [replace(step, score=step.score + STEP_WEIGHT) for step in steps if step.edits not in known]
    return sorted([*whole, *partial], key=lambda candidate: -candidate.score)


def joined_candidates(
    program: LinearProgram,
    conflict: Conflict,
    solver: Solver,
    specification: Specification | None,
    protections: Protections,
    effort: Effort,
    max_changes: int,
) -> list[Candidate]:
    """Candidates of up to ``max_changes`` edits, where one is not enough; the likeliest first."""
    found: list[Candidate] = []
    for step in steps_of(program, conflict, solver, specification, protections, effort)[:FIRST_CANDIDATES]:
        edited = repaired(program, step)
        if solver.solve(edited).status is not SolverStatus.INFEASIBLE:
            continue
        after = solver.conflict(edited)
        if after is None:
            continue
        more = find_candidates(edited, after, solver, specification, protections, effort)
        if not more and max_changes > 2:
            more = joined_candidates(edited, after, solver, specification, protections, effort, max_changes - 1)
        found += [joined(step, candidate) for candidate in more[:FIRST_CANDIDATES]]
    different = {frozenset(candidate.edits): candidate for candidate in reversed(found)}
    return sorted(different.values(), key=lambda candidate: -candidate.score)
