"""Which numbers an edit may write: those of the program's own scale, with room for any slip and its repair.

Called by episodes/episode.py, which refuses other numbers, by faults/, which keep to them, and by the attacks, which go
to the limit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from lit_grpo.environment.programs.program import LinearProgram

ROOM = 1e4
"""A repair may be this much larger than the largest number of the program, or smaller than the smallest: ten times what
a slip of the unit does. Much further out a solver's tolerances outweigh what is written."""


@dataclass(frozen=True, slots=True)
class WritableNumbers:
    """0, and the magnitudes between two limits."""

    smallest: float
    largest: float

    def admit(self, value: float) -> bool:
        """Whether an edit may write it; an infinite bound is no number."""
        return value == 0.0 or self.smallest <= abs(value) <= self.largest


def writable_numbers(program: LinearProgram) -> WritableNumbers:
    """What may be written into a program, from its coefficients, right-hand sides and finite bounds."""
    magnitudes = _magnitudes(program)
    return WritableNumbers(min(magnitudes, default=1.0) / ROOM, max(magnitudes, default=1.0) * ROOM)


def largest_magnitude(program: LinearProgram) -> float:
    """The largest of its numbers, whatever their signs; 0 if it has none."""
    return max(_magnitudes(program), default=0.0)


def _magnitudes(program: LinearProgram) -> list[float]:
    numbers = [value for row in program.constraints for _, value in row.terms]
    numbers += [row.rhs for row in program.constraints]
    numbers += [cost for _, cost in program.objective]
    numbers += [bound for variable in program.variables for bound in (variable.lower, variable.upper)]
    return [abs(number) for number in numbers if number and math.isfinite(number)]
