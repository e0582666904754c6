"""What the reading of a file found: the reading report that a user is shown before anything else is said.

Made by draft.py, shown by the command line. Where readers of the world differ, a note says how the file was read here.
"""

from __future__ import annotations

from dataclasses import dataclass

from lit_grpo.environment.programs.program import LinearProgram, VariableType


@dataclass(frozen=True, slots=True)
class Note:
    """Something that a user should know about how a file was read."""

    line: int
    """Number of the line it is about, from 1; 0: about the file as a whole."""
    text: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.text}" if self.line else self.text


@dataclass(frozen=True, slots=True)
class ReadingReport:
    """Size and direction of a program, and everything about its file that is not self-evident."""

    file: str
    format: str
    """``LP``, ``MPS``, or ``fixed MPS`` where names with blanks made the columns count."""
    direction: str
    """``minimize`` or ``maximize``."""
    num_rows: int
    num_columns: int
    num_nonzeros: int
    """Coefficients of the rows that are not zero."""
    num_integers: int
    """Integer variables, binary ones included."""
    notes: tuple[Note, ...]
    renamed: tuple[tuple[str, str], ...]
    """(name in the file, name here) of rows and variables whose names had to change."""
    split: tuple[str, ...]
    """Rows with two limits, of which ``NAME_lower`` and ``NAME_upper`` were made."""

    def lines(self) -> list[str]:
        """The report for a terminal."""
        head = (
            f"{self.file} ({self.format}): {self.direction}, {self.num_rows} rows, {self.num_columns} columns, "
            f"{self.num_nonzeros} non-zeros, {self.num_integers} integer"
        )
        lines = [head, *(f"  note: {note}" for note in self.notes)]
        lines += [f"  renamed: {before} -> {after}" for before, after in self.renamed]
        lines += [f"  two limits: {name} -> {name}_lower, {name}_upper" for name in self.split]
        return lines


def report_of(
    program: LinearProgram,
    file: str,
    format_name: str,
    notes: tuple[Note, ...],
    renamed: tuple[tuple[str, str], ...],
    split: tuple[str, ...],
) -> ReadingReport:
    """The report of a program that was read."""
    return ReadingReport(
        file=file,
        format=format_name,
        direction=program.direction.value,
        num_rows=len(program.constraints),
        num_columns=len(program.variables),
        num_nonzeros=sum(len(row.terms) for row in program.constraints),
        num_integers=sum(v.type is not VariableType.CONTINUOUS for v in program.variables),
        notes=notes,
        renamed=renamed,
        split=split,
    )
