"""Which members of a conflict nobody wrote: lower bounds of 0 that a file leaves to the default.

Called by as_text.py, as_json.py and as_html.py. A conflict needs them, but they are seldom what is wrong, and in a
network there are dozens: they are told apart, unless without them nothing is left that could contradict.
"""

from __future__ import annotations

from lit_grpo.environment.programs.program import Element
from lit_grpo.environment.programs.reading.program_file import ProgramFile
from lit_grpo.environment.solver.solver import Conflict, ConflictPart


def default_signs(file: ProgramFile, conflict: Conflict) -> tuple[Element, ...]:
    """The variables that are in the conflict by their default lower bound of 0 and by nothing else."""
    written = {variable.name for variable in file.draft.variables.values() if variable.lower_span is not None}
    names = dict(file.report.renamed)
    written |= {names[name] for name in written if name in names}
    by_element: dict[Element, set[ConflictPart]] = {}
    for member in conflict.members:
        by_element.setdefault(member.element, set()).add(member.part)
    return tuple(
        element
        for element, parts in by_element.items()
        if parts == {ConflictPart.LOWER}
        and element.partition(":")[2] not in written
        and file.program.variable(element.partition(":")[2]).lower == 0.0
    )


def questionable_elements(file: ProgramFile, conflict: Conflict) -> tuple[Element, ...]:
    """The elements of the conflict without the default signs, if two or more are left; else all of them."""
    signs = set(default_signs(file, conflict))
    others = tuple(element for element in conflict.elements if element not in signs)
    return others if len(others) > 1 else conflict.elements
