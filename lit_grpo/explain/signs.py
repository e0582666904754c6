"""Which members of a conflict nobody wrote: lower bounds of 0 that a file leaves to the default.

Called by as_text.py, as_json.py and as_html.py. A conflict needs them, but they are seldom what is wrong, and in a
network there are dozens: they are told apart, unless without them nothing is left that could contradict.
"""

from __future__ import annotations

from lit_grpo.environment.programs.program import Element, variable_element
from lit_grpo.environment.programs.reading.program_file import ProgramFile
from lit_grpo.environment.solver.solver import Conflict, ConflictPart


def unwritten_signs(file: ProgramFile) -> set[Element]:
    """The variables whose lower bound of 0 is nowhere in the file."""
    written = {variable.name for variable in file.draft.variables.values() if variable.lower_span is not None}
    names = dict(file.report.renamed)
    written |= {names[name] for name in written if name in names}
    return {variable_element(v.name) for v in file.program.variables if v.lower == 0.0 and v.name not in written}


def default_signs(file: ProgramFile, conflict: Conflict) -> tuple[Element, ...]:
    """The variables that are in the conflict by their default lower bound of 0 and by nothing else."""
    unwritten = unwritten_signs(file)
    by_element: dict[Element, set[ConflictPart]] = {}
    for member in conflict.members:
        by_element.setdefault(member.element, set()).add(member.part)
    return tuple(e for e, parts in by_element.items() if parts == {ConflictPart.LOWER} and e in unwritten)


def questionable_elements(file: ProgramFile, conflict: Conflict) -> tuple[Element, ...]:
    """The elements of the conflict without the default signs, if two or more are left; else all of them."""
    signs = set(default_signs(file, conflict))
    others = tuple(element for element in conflict.elements if element not in signs)
    return others if len(others) > 1 else conflict.elements
