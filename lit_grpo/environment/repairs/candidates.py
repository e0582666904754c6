"""Ranked candidates: edits at elements of a conflict that make the program feasible, the likeliest slip first.

Called by the policy of that name and by `lit-grpo explain`. The strongest policy without a model: it knows what slips
look like, matches numbers with the text where there is one, and asks the solver whether an edit helps.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from lit_grpo.environment.programs.edits import (
    AgentEdit,
    DropRow,
    SetBounds,
    SetRhs,
    apply,
    apply_all,
    edited_element,
)
from lit_grpo.environment.programs.program import (
    Element,
    LinearProgram,
    ProgramError,
    Sense,
    Variable,
    VariableType,
)
from lit_grpo.environment.programs.specification import Specification
from lit_grpo.environment.repairs.evidence import Evidence, evidence_of
from lit_grpo.environment.repairs.proposals import Proposal, row_proposals, variable_proposals
from lit_grpo.environment.repairs.protections import NO_PROTECTIONS, Protections
from lit_grpo.environment.solver.relaxation import largest_value, linear_relaxation, smallest_value
from lit_grpo.environment.solver.solver import Conflict, Solver, SolverStatus

MARGIN = 1e-7
"""By which a number may miss a range and still be tried."""

UNBOUNDED_WEIGHT = -3.0
"""For an edit that leaves the program without an optimum."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """Edits that make the program feasible."""

    edits: tuple[AgentEdit, ...]
    why: tuple[str, ...]
    """The slip that each undoes."""
    score: float
    """Logarithmic: how likely the slips are, and how well the text agrees; the higher the better."""
    status: SolverStatus
    """OPTIMAL, or UNBOUNDED where feasible without an optimum."""
    objective: float | None
    """Optimum of the repaired program."""

    @property
    def elements(self) -> tuple[Element, ...]:
        """The elements that the edits change."""
        return tuple(dict.fromkeys(edited_element(edit) for edit in self.edits))


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is tried."""

    max_solves: int = 300
    """Edits that are put to the solver, the likeliest first."""
    max_candidates: int = 30
    """Candidates after which no more are looked for."""


def find_candidates(
    program: LinearProgram,
    conflict: Conflict,
    solver: Solver,
    specification: Specification | None = None,
    protections: Protections = NO_PROTECTIONS,
    effort: Effort | None = None,
    admits: Callable[[AgentEdit], bool] = lambda _: True,
) -> list[Candidate]:
    """Edits at elements of the conflict that undo one slip and make the program feasible, the likeliest first.

    Args:
        program: The infeasible program.
        conflict: Its conflict.
        solver: Says which edits help.
        specification: What the program should say; None if there is no text.
        protections: What must stay, and what must hold of the repaired program.
        effort: How much is tried; None: the defaults.
        admits: Which edits are allowed beside that.
    """
    effort = effort or Effort()
    ranked = ranked_proposals(program, conflict, solver, specification, protections)
    ranked = [(proposal, score) for proposal, score in ranked if admits(proposal.edit)]
    found: list[Candidate] = []
    for proposal, score in ranked[: effort.max_solves]:
        candidate = tried(program, proposal.edit, proposal.why, score, solver, protections)
        if candidate is not None:
            found.append(candidate)
            if len(found) == effort.max_candidates:
                break
    return sorted(found, key=lambda candidate: -candidate.score)


def ranked_proposals(
    program: LinearProgram,
    conflict: Conflict,
    solver: Solver,
    specification: Specification | None,
    protections: Protections = NO_PROTECTIONS,
) -> list[tuple[Proposal, float]]:
    """The edits worth trying with their scores, the likeliest first; numbers that cannot help are left out."""
    evidence = evidence_of(program, specification)
    relaxed = linear_relaxation(program)
    scored: dict[AgentEdit, tuple[Proposal, float]] = {}
    for element in conflict.elements:
        if protections.keeps(element):
            continue
        for proposal in _helpful(program, relaxed, element, solver, evidence):
            score = proposal.log_probability + _support(program, proposal, evidence)
            known = scored.get(proposal.edit)
            if known is None or known[1] < score:
                scored[proposal.edit] = (proposal, score)
    return sorted(scored.values(), key=lambda pair: -pair[1])


def tried(
    program: LinearProgram, edit: AgentEdit, why: str, score: float, solver: Solver, protections: Protections
) -> Candidate | None:
    """The candidate that an edit is; None if it does not make the program feasible or breaks what must hold."""
    edited = apply(program, edit)
    try:
        solution = solver.solve(edited)
    except ProgramError:
        return None  # a number beyond what the solver takes is nobody's intention
    if solution.status not in (SolverStatus.OPTIMAL, SolverStatus.UNBOUNDED):
        return None
    if not protections.hold_of(edited, solver):
        return None
    weight = UNBOUNDED_WEIGHT if solution.status is SolverStatus.UNBOUNDED else 0.0
    return Candidate((edit,), (why,), score + weight, solution.status, solution.objective)


def joined(first: Candidate, second: Candidate) -> Candidate:
    """Two candidates after each other."""
    return Candidate(
        (*first.edits, *second.edits),
        (*first.why, *second.why),
        first.score + second.score,
        second.status,
        second.objective,
    )


def repaired(program: LinearProgram, candidate: Candidate) -> LinearProgram:
    """The program after a candidate."""
    return apply_all(program, candidate.edits)


def _support(program: LinearProgram, proposal: Proposal, evidence: Evidence | None) -> float:
    """By how much better the text agrees with the element after the edit than before."""
    if evidence is None:
        return 0.0
    kind, _, name = proposal.element.partition(":")
    edited = apply(program, proposal.edit)
    if kind == "var":
        return evidence.of_variable(edited.variable(name)) - evidence.of_variable(program.variable(name))
    after = None if isinstance(proposal.edit, DropRow) else edited.constraint(name)
    if after is None:
        return evidence.of_row(None, proposal.element)
    return evidence.of_row(after, proposal.element) - evidence.of_row(program.constraint(name), proposal.element)


def _helpful(
    program: LinearProgram, relaxed: LinearProgram, element: Element, solver: Solver, evidence: Evidence | None
) -> Iterator[Proposal]:
    """The proposals for an element that the rest of the program leaves room for."""
    kind, _, name = element.partition(":")
    if kind == "row":
        row = program.constraint(name)
        rest = apply(relaxed, DropRow(name))
        if solver.solve(rest).status in (SolverStatus.INFEASIBLE, SolverStatus.INCONCLUSIVE):
            return  # something else is wrong as well, and no edit of this row alone can help
        low, high = smallest_value(solver, rest, row.terms), largest_value(solver, rest, row.terms)
        for proposal in row_proposals(program, row, evidence):
            if not isinstance(proposal.edit, SetRhs) or _meets(row.sense, proposal.edit.value, low, high):
                yield proposal
        return
    variable = program.variable(name)
    free = _freed(relaxed, variable)
    if solver.solve(free).status in (SolverStatus.INFEASIBLE, SolverStatus.INCONCLUSIVE):
        return
    terms = ((name, 1.0),)
    low, high = smallest_value(solver, free, terms), largest_value(solver, free, terms)
    for proposal in variable_proposals(variable, evidence):
        edit = proposal.edit
        if not isinstance(edit, SetBounds) or _overlaps(edit, variable, low, high):
            yield proposal


def _meets(sense: Sense, rhs: float, low: float, high: float) -> bool:
    """Whether an activity between low and high can meet the right-hand side."""
    slack = MARGIN * max(1.0, abs(rhs))
    return (sense is Sense.GREATER_EQUAL or rhs >= low - slack) and (sense is Sense.LESS_EQUAL or rhs <= high + slack)


def _overlaps(edit: SetBounds, variable: Variable, low: float, high: float) -> bool:
    lower, upper = Variable(variable.name, edit.lower, edit.upper, variable.type).effective_bounds
    slack = MARGIN * max(1.0, abs(lower) if math.isfinite(lower) else 1.0)
    return lower <= upper and lower <= high + slack and upper >= low - slack


def _freed(relaxed: LinearProgram, variable: Variable) -> LinearProgram:
    """The LP relaxation with the variable without bounds."""
    at = relaxed.variable_position(variable.name)
    free = Variable(variable.name, -math.inf, math.inf, VariableType.CONTINUOUS)
    return replace(relaxed, variables=(*relaxed.variables[:at], free, *relaxed.variables[at + 1 :]))
