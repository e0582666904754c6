"""From a user's files to an explanation: `lit-grpo explain` and `lit-grpo predict` begin with it.

Called by commands/explain.py and repair/.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from lit_grpo.environment.programs.reading.program_file import read_program_file
from lit_grpo.environment.programs.specification_file import read_specification
from lit_grpo.environment.repairs.assertions_file import read_protections
from lit_grpo.environment.solver.solver import Solver
from lit_grpo.explain.explain import explain
from lit_grpo.explain.explanation import ExplainSettings, Explanation


@dataclass(frozen=True, slots=True)
class Question:
    """A file to be explained, and what a user says of it."""

    program: Path
    specification: Path | None = None
    """Text that says what it should mean."""
    keep: Sequence[str] = ()
    """Elements that must not be touched, or patterns."""
    assertions: Path | None = None
    """File of rows and points that must hold of a repair."""


def explained(
    question: Question, settings: ExplainSettings, keep_option: str = "--keep", solver: Solver | None = None
) -> Explanation:
    """Read the files and explain the program.

    Args:
        question: The files.
        settings: How much is looked for; what a repair is held to comes from the question.
        keep_option: What an error calls the option for ``keep``.
        solver: Answers; None: the one that gives up in time.

    Raises:
        ProgramError: A file is refused, says why in one line.
    """
    file = read_program_file(question.program)
    protections = read_protections(question.keep, question.assertions, file.program, keep_option)
    specification = None if question.specification is None else read_specification(question.specification, file.program)
    return explain(file, specification, replace(settings, protections=protections), solver)
