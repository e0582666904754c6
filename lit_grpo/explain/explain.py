"""Explains a program: its status, its conflicts, the least changes and the likeliest slips.

Called by reading.py, and by whoever wants to say something about a program before a model does.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace

from lit_grpo.environment.programs.edits import SetType, apply_all
from lit_grpo.environment.programs.program import Direction, LinearProgram, Variable, VariableType
from lit_grpo.environment.programs.reading.program_file import ProgramFile
from lit_grpo.environment.programs.specification import Specification
from lit_grpo.environment.repairs.candidates import Candidate, Effort, find_candidates
from lit_grpo.environment.repairs.proposals import TYPE
from lit_grpo.environment.repairs.relaxations import Aim, Relaxation, Relaxer, relaxations_of
from lit_grpo.environment.repairs.steps import joined_candidates
from lit_grpo.environment.solver.conflict_search import requirements_of
from lit_grpo.environment.solver.highs import HighsSolver
from lit_grpo.environment.solver.narrowing import narrowed
from lit_grpo.environment.solver.solver import Conflict, ConflictMember, ConflictPart, Solution, Solver, SolverStatus
from lit_grpo.explain.explanation import ExplainSettings, Explanation
from lit_grpo.explain.signs import questionable_elements, unwritten_signs

TIME_LIMIT_S = 20.0
"""For one run of HiGHS."""

RELAXATION_LIMIT_S, ROWS_PER_SECOND = 1.0, 3000
"""For one relaxation, and a second more for so many rows and columns."""

CONFLICT_NODES = 1000
"""Nodes in the search for a conflict: a second or so."""

WORK = 150_000
"""Non-zeros, rows and columns that are put to the solver in all edits together: a second or so."""

MOST_SOLVES, FEWEST_SOLVES = 300, 10

SOLVES_PER_ELEMENT, FEWEST_ELEMENTS = 6, 4
"""Elements of a conflict at which slips are looked for, by the edits that are tried; the first ones."""

SINGLES, SINGLES_OF_LARGE = 10, 3
"""Elements that are relaxed one at a time."""

LARGE_PROGRAM = 2000
"""Rows and columns above which only elements of a conflict give way: all of them would take long."""

NEGLIGIBLE_STEP = 1e-9


def make_solver() -> HighsSolver:
    """The solver that answers a person: it gives up in time."""
    return HighsSolver(conflict_nodes=CONFLICT_NODES, time_limit_s=TIME_LIMIT_S)


def explain(
    file: ProgramFile, specification: Specification | None, settings: ExplainSettings, solver: Solver | None = None
) -> Explanation:
    """Everything there is to say about a program that was read."""
    solver = solver or make_solver()
    program = file.program
    solution = solver.solve(program)
    if solution.status is SolverStatus.INCONCLUSIVE:
        solution = _settled(program, solver)
    found = Explanation(file, specification, solution, protections=settings.protections)
    if solution.status is SolverStatus.UNBOUNDED:
        return replace(found, ray=ray_of(program, solver))
    if solution.status is not SolverStatus.INFEASIBLE:
        return found
    conflicts = independent_conflicts(program, solver, settings.max_conflicts)
    if not conflicts:
        return replace(found, remarks=("no conflict was found within the limits of the search",))
    remarks: list[str] = []
    relaxations = _relaxations(file, conflicts, solver, settings)
    if not relaxations:
        remarks.append("no change of right-hand sides and bounds alone was found that is allowed and enough")
    candidates = _candidates(file, conflicts[0], solver, specification, settings)
    if not candidates:
        remarks.append(f"no likely slip was found whose correction is allowed and enough, up to {settings.max_changes}")
    return replace(found, conflicts=conflicts, relaxations=relaxations, candidates=candidates, remarks=tuple(remarks))


def independent_conflicts(program: LinearProgram, solver: Solver, most: int) -> tuple[Conflict, ...]:
    """Conflicts of which no two share a member: each has to be resolved on its own."""
    found: list[Conflict] = []
    left = program
    while len(found) < most:
        conflict = solver.conflict(left)
        if conflict is None:
            break
        found.append(conflict)
        if not conflict.is_irreducible or len(found) == most:
            break
        left = _without(left, conflict.members)
        if not left.variables or solver.solve(left).status is not SolverStatus.INFEASIBLE:
            break
    return tuple(found)


def ray_of(program: LinearProgram, solver: Solver) -> tuple[tuple[str, float], ...]:
    """A direction in which the program goes on for ever and its objective improves, every step at most 1."""
    variables = tuple(
        Variable(v.name, 0.0 if math.isfinite(v.effective_bounds[0]) else -1.0, _upper_step(v))
        for v in program.variables
    )
    rows = tuple(replace(row, rhs=0.0) for row in program.constraints)
    direction = LinearProgram(program.direction, program.objective, variables, rows)
    values = solver.solve(direction).values or ()
    steps = zip((v.name for v in variables), values, strict=False)
    return tuple((name, step) for name, step in steps if abs(step) > NEGLIGIBLE_STEP)


def _upper_step(variable: Variable) -> float:
    return 0.0 if math.isfinite(variable.effective_bounds[1]) else 1.0


def _settled(program: LinearProgram, solver: Solver) -> Solution:
    """Whether a program is feasible whose optimum was not found within the limits."""
    feasibility = solver.solve(LinearProgram(Direction.MINIMIZE, (), program.variables, program.constraints))
    if feasibility.status is SolverStatus.INFEASIBLE:
        return feasibility
    return Solution(SolverStatus.INCONCLUSIVE, values=feasibility.values)


def _without(program: LinearProgram, members: Iterable[ConflictMember]) -> LinearProgram:
    """The program that does not require any of the members."""
    gone = set(members)
    return narrowed(program, [m for m in requirements_of(program) if m not in gone])


def _size(program: LinearProgram) -> int:
    return len(program.constraints) + len(program.variables)


def _relaxations(
    file: ProgramFile, conflicts: tuple[Conflict, ...], solver: Solver, settings: ExplainSettings
) -> tuple[Relaxation, ...]:
    questionable = [e for conflict in conflicts for e in questionable_elements(file, conflict)]
    among = set(questionable) if _size(file.program) > LARGE_PROGRAM else None
    signs = unwritten_signs(file) - set(questionable)
    limit_s = RELAXATION_LIMIT_S + _size(file.program) / ROWS_PER_SECOND
    relaxer = Relaxer(file.program, solver, settings.protections, among, signs, limit_s)
    aims = tuple(Aim) if among is None else (Aim.SUM,)
    singles = questionable[: SINGLES if among is None else SINGLES_OF_LARGE]
    return relaxations_of(relaxer, singles, settings.max_changes, settings.max_relaxations, aims)


def _effort(program: LinearProgram, settings: ExplainSettings) -> Effort:
    size = _size(program) + sum(len(row.terms) for row in program.constraints)
    return Effort(
        max_solves=max(FEWEST_SOLVES, min(MOST_SOLVES, WORK // max(1, size))),
        max_candidates=3 * settings.max_candidates,
    )


def _candidates(
    file: ProgramFile,
    conflict: Conflict,
    solver: Solver,
    specification: Specification | None,
    settings: ExplainSettings,
) -> tuple[Candidate, ...]:
    """Single edits; where none is enough, one for this conflict and more for what is left."""
    program, effort = file.program, _effort(file.program, settings)
    questionable = set(questionable_elements(file, conflict))
    members = [member for member in conflict.members if member.element in questionable]
    members = members[: max(FEWEST_ELEMENTS, effort.max_solves // SOLVES_PER_ELEMENT)]
    first = Conflict(tuple(members), is_irreducible=False)
    found = find_candidates(program, first, solver, specification, settings.protections, effort)
    if not found and settings.max_changes > 1:
        whole = replace(conflict, members=conflict.members[: effort.max_solves])
        found = joined_candidates(
            program, whole, solver, specification, settings.protections, effort, settings.max_changes
        )
    found += types_together(program, conflict, solver, settings)
    return tuple(sorted(found, key=lambda candidate: -candidate.score)[: settings.max_candidates])


def types_together(
    program: LinearProgram, conflict: Conflict, solver: Solver, settings: ExplainSettings
) -> list[Candidate]:
    """One slip that changes several variables: a list of whole numbers that should not be there."""
    names = [m.name for m in conflict.members if m.part is ConflictPart.INTEGRALITY]
    edits = tuple(SetType(name, VariableType.CONTINUOUS) for name in names)
    if len(edits) < 2 or len(edits) > settings.max_changes or not settings.protections.allow(edits):
        return []
    edited = apply_all(program, edits)
    solution = solver.solve(edited)
    if solution.status is not SolverStatus.OPTIMAL or not settings.protections.hold_of(edited, solver):
        return []
    why = ("the type",) * len(edits)
    return [Candidate(edits, why, math.log(TYPE), solution.status, solution.objective)]
