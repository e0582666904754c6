"""An explanation for a terminal: `lit-grpo explain FILE`. Called by commands/explain.py and repair/as_text.py."""

from __future__ import annotations

from collections.abc import Iterator

from lit_grpo.environment.repairs.candidates import Candidate
from lit_grpo.environment.repairs.relaxations import Relaxation
from lit_grpo.environment.solver.solver import Conflict, ConflictPart, SolverStatus
from lit_grpo.explain.algebra import edit_text, member_text, number, shift_text
from lit_grpo.explain.explanation import Explanation
from lit_grpo.explain.signs import default_signs, questionable_elements

MOST_MEMBERS = 25
"""Members of a conflict that are shown; JSON has them all."""


def explanation_text(found: Explanation) -> str:
    """The explanation in lines."""
    return "\n".join([*found.report.lines(), "", *_verdict(found), *_sections(found)]) + "\n"


def verdict_line(found: Explanation) -> str:
    """The status in a sentence."""
    solution = found.solution
    match solution.status:
        case SolverStatus.OPTIMAL:
            assert solution.objective is not None
            return f"Feasible: the optimum is {number(readable(solution.objective))}. There is nothing to repair."
        case SolverStatus.UNBOUNDED:
            return "Feasible, and unbounded: the objective improves without end."
        case SolverStatus.INFEASIBLE:
            return "Infeasible: no values of the variables meet all rows, bounds and types."
        case SolverStatus.INCONCLUSIVE:
            known = "It has a solution, but its optimum" if solution.values is not None else "Whether it has a solution"
            return f"{known} was not found within the limits of the search."


def conflict_heading(found: Explanation, conflict: Conflict, position: int) -> str:
    """What a list of members is."""
    which = "The conflict" if position == 0 else f"Another conflict, independent of {'it' if position == 1 else 'both'}"
    count = f"{len(conflict.members)} requirements" if len(conflict.members) > 1 else "one requirement"
    if not conflict.is_irreducible:
        return f"{which}: {count} that cannot hold together (a limit ended the search: not all may be needed)"
    if len(conflict.members) == 1:
        return f"{which}: {count} that cannot hold"
    return f"{which}: {count} that cannot hold together, while any of them could be spared"


def member_lines(found: Explanation, conflict: Conflict) -> list[tuple[str, str]]:
    """(element, algebra) of each member that is shown; default signs and what is too long are summed up."""
    shown_elements = set(questionable_elements(found.file, conflict))
    shown = [member for member in conflict.members if member.element in shown_elements]
    lines = [(str(member.element), member_text(found.program, member)) for member in shown[:MOST_MEMBERS]]
    if len(shown) > MOST_MEMBERS:
        lines.append(("", f"... and {len(shown) - MOST_MEMBERS} more (--format json has them all)"))
    signs = [e.partition(":")[2] for e in default_signs(found.file, conflict) if e not in shown_elements]
    if signs:
        names = ", ".join(signs[:6]) + (f" and {len(signs) - 6} more" if len(signs) > 6 else "")
        lines.append(("", f"and not negative, as by default: {names}"))
    return lines


def relaxation_line(relaxation: Relaxation) -> str:
    """The shifts of a relaxation with its cost."""
    changes = "; ".join(shift_text(shift) for shift in relaxation.shifts)
    return f"{changes}{cost_text(relaxation.objective)}"


def candidate_line(found: Explanation, candidate: Candidate) -> str:
    """The edits of a candidate with the slip that each undoes, and its cost."""
    changes = "; ".join(
        f"{edit_text(found.program, edit)} ({why})" for edit, why in zip(candidate.edits, candidate.why, strict=True)
    )
    return f"{changes}{cost_text(candidate.objective)}"


def cost_text(objective: float | None) -> str:
    """What a repair comes to, to be put behind its edits."""
    return "; then unbounded" if objective is None else f"; then the optimum is {number(readable(objective))}"


def readable(value: float) -> float:
    """The value without digits that nobody reads."""
    return float(f"{value:.9g}")


def _verdict(found: Explanation) -> Iterator[str]:
    yield verdict_line(found)
    if found.ray:
        yield "It goes on for ever along: " + ", ".join(f"{name} by {number(readable(s))}" for name, s in found.ray)


def _sections(found: Explanation) -> Iterator[str]:
    for position, conflict in enumerate(found.conflicts):
        yield from ("", conflict_heading(found, conflict, position) + ":")
        lines = member_lines(found, conflict)
        width = min(40, max(len(element) for element, _ in lines))
        for element, text in lines:
            yield f"  {element:<{width}}  {text}".rstrip()
    if any(m.part is ConflictPart.INTEGRALITY for conflict in found.conflicts for m in conflict.members):
        yield "  Fractions would do: it is whole numbers that are impossible."
    if found.relaxations:
        yield from ("", "The least changes of right-hand sides and bounds that make it feasible:")
        for relaxation in found.relaxations:
            yield f"  - {relaxation_line(relaxation)}"
    if found.candidates:
        basis = "" if found.specification is None else ", and the text"
        yield from ("", f"What may have happened, the likeliest slip first (by what people mistype{basis}):")
        for position, candidate in enumerate(found.candidates, start=1):
            yield f"  {position}. {candidate_line(found, candidate)}"
    if found.remarks:
        yield ""
        yield from (f"Note: {remark}." for remark in found.remarks)
