"""Repairing a user's own program: play attempts with a policy, keep the best, and say honestly what was changed.

Called by callbacks/repair_writer.py (`lit-grpo predict`). Without the original program nobody can know whether a
repair is faithful, so the report claims one thing, "feasible again", and says what that costs.
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import unified_diff
from pathlib import Path

from lit_grpo.data.conversation import ConversationFormat
from lit_grpo.engines.engine import RolloutEngine, SamplingSettings
from lit_grpo.environment.episodes.actions import number_text
from lit_grpo.environment.episodes.record import EpisodeRecord, EpisodeSettings
from lit_grpo.environment.episodes.repair_environment import RepairEnvironment
from lit_grpo.environment.programs.comparison import differing_elements
from lit_grpo.environment.programs.files import read_program
from lit_grpo.environment.programs.formats import lp_text
from lit_grpo.environment.programs.program import (
    Element,
    LinearProgram,
    ProgramError,
    Sense,
    VariableType,
    row_element,
    variable_element,
)
from lit_grpo.environment.programs.specification import RepairProblem, Sentence, Specification
from lit_grpo.environment.solver.solver import Solver, SolverStatus
from lit_grpo.rollout.open_attempt import Seeds
from lit_grpo.rollout.play import Players, play

VIOLATION_TOLERANCE = 1e-6
"""The solver's own feasibility tolerance: smaller violations are none."""


@dataclass(frozen=True, slots=True)
class Repair:
    """A program that is feasible again, and what that took."""

    original: LinearProgram
    """The infeasible program as the user wrote it."""
    repaired: LinearProgram
    diagnosis: tuple[Element, ...]
    """The elements that the policy held responsible; empty if it named none."""
    changed: tuple[Element, ...]
    """The elements that differ between the original and the repaired program."""
    objective: float
    """Optimum of the repaired program."""
    violations: tuple[tuple[Element, float], ...]
    """The requirements, as the user wrote them, that the repaired optimum breaks, and by how much."""


@dataclass(frozen=True, slots=True)
class UserProblem:
    """A problem whose original is unknown: it can be played, not scored."""

    problem: RepairProblem
    id: str = "user"
    """The same for all: a run has only one problem."""


def read_problem(program: Path, specification: Path | None, solver: Solver) -> RepairProblem:
    """The user's program, with what it should mean.

    Raises:
        ProgramError: There is no readable program in the file, or it is not infeasible.
        FileNotFoundError: There is no such specification.
    """
    written = read_program(program)
    solution = solver.solve(written)
    if solution.status is not SolverStatus.INFEASIBLE:
        detail = f" with objective {number_text(solution.objective)}" if solution.objective is not None else ""
        raise ProgramError(
            f"{program}: expected an infeasible program, got one that is {solution.status}{detail}; there is no "
            "conflict to repair in it"
        )
    if specification is None:
        return RepairProblem(written)
    if not specification.is_file():
        raise FileNotFoundError(f"{specification}: expected a text that says what the program means, got no such file")
    text = specification.read_text(encoding="utf-8").strip()
    return RepairProblem(written, Specification((Sentence(text),)))


def repair(
    problem: RepairProblem,
    engine: RolloutEngine,
    conversation: ConversationFormat,
    solver: Solver,
    settings: EpisodeSettings,
    max_completion_tokens: int,
    num_attempts: int,
    seed: int,
    stop: tuple[int, ...] = (),
) -> Repair | None:
    """The best of several attempts, played together: the first greedy, the others sampled at temperature 1.

    Turns end at the chat format's own tokens, and at those of ``stop``.

    Returns:
        The attempt with the fewest changed elements, then the smallest violations, among those that ended feasible;
        None if none did.
    """
    environment = RepairEnvironment(settings, solver)
    samplings = [
        SamplingSettings(float(sample > 0), max_completion_tokens, stop=stop) for sample in range(num_attempts)
    ]
    players = Players(environment, engine, conversation, samplings, Seeds(seed, 0))
    (group,) = play([UserProblem(problem)], players)
    records = [attempt.record for attempt in group.attempts]
    repairs = [_repair(problem.program, record, solver) for record in records if _is_feasible(record)]
    return min(repairs, key=lambda found: (len(found.changed), sum(v for _, v in found.violations)), default=None)


def report(found: Repair, has_specification: bool) -> str:
    """A report of what was done, for a person to check."""
    lines = ["Feasible again." + _caveat(has_specification), ""]
    lines += ["Held responsible: " + (", ".join(found.diagnosis) or "nothing was stated"), ""]
    lines += [f"Changed ({len(found.changed)}): " + (", ".join(found.changed) or "nothing"), ""]
    lines += [*_difference(found.original, found.repaired), ""]
    lines.append(f"Objective of the repaired program: {number_text(found.objective)}")
    lines.append("What its optimum breaks of the program as it was written:")
    lines += [f"  {element} by {number_text(amount)}" for element, amount in found.violations] or ["  nothing"]
    return "\n".join(lines) + "\n"


def broken_requirements(program: LinearProgram, values: dict[str, float]) -> tuple[tuple[Element, float], ...]:
    """The rows and bounds of a program that a point breaks, and by how much.

    Args:
        program: The program whose requirements are meant.
        values: The values of its variables by name; a variable that is left out counts as 0.

    Returns:
        (element, amount) where the amount is above 1e-6: rows in units of their right-hand side, variables in their
        own (the distance to the bounds, or to the nearest integer).
    """
    broken: list[tuple[Element, float]] = []
    for row in program.constraints:
        slack = row.rhs - sum(coefficient * values.get(name, 0.0) for name, coefficient in row.terms)
        amount = {Sense.LESS_EQUAL: -slack, Sense.GREATER_EQUAL: slack, Sense.EQUAL: abs(slack)}[row.sense]
        broken.append((row_element(row.name), amount))
    for variable in program.variables:
        value = values.get(variable.name, 0.0)
        lower, upper = variable.effective_bounds
        fraction = 0.0 if variable.type is VariableType.CONTINUOUS else abs(value - round(value))
        broken.append((variable_element(variable.name), max(lower - value, value - upper, fraction)))
    return tuple((element, amount) for element, amount in broken if amount > VIOLATION_TOLERANCE)


def _is_feasible(record: EpisodeRecord) -> bool:
    return record.final_status is SolverStatus.OPTIMAL


def _repair(written: LinearProgram, record: EpisodeRecord, solver: Solver) -> Repair:
    solution = solver.solve(record.final_program)
    assert solution.values is not None
    assert solution.objective is not None
    values = {v.name: value for v, value in zip(record.final_program.variables, solution.values, strict=True)}
    return Repair(
        original=written,
        repaired=record.final_program,
        diagnosis=record.diagnosis,
        changed=differing_elements(record.final_program, written),
        objective=solution.objective,
        violations=broken_requirements(written, values),
    )


def _caveat(has_specification: bool) -> str:
    if has_specification:
        return " Whether it now says what the specification says is for you to check: nothing here proves it."
    return " Whether it is what was meant cannot be known without a specification."


def _difference(original: LinearProgram, repaired: LinearProgram) -> list[str]:
    before, after = lp_text(original).splitlines(), lp_text(repaired).splitlines()
    return list(unified_diff(before, after, "as written", "repaired", n=0, lineterm=""))
