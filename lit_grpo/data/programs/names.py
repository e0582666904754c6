"""Names for a row that a fault adds to a user's program: such as its true rows could have.

Called by pool.py. Names that other programs of the same split give to their rows come first; where all have the same
names, the program's own are numbered on.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import count

from lit_grpo.environment.programs.program import LinearProgram

_NUMBERED = re.compile(r"(.*?)(\d+)")


def spare_row_names(program: LinearProgram, others: Iterable[LinearProgram]) -> tuple[str, ...]:
    """Names that the program does not use, at least one.

    Args:
        program: To which a row may be added.
        others: Programs of its split, itself among them or not.
    """
    taken = {row.name for row in program.constraints}
    native = {row.name for other in others for row in other.constraints} - taken
    return tuple(sorted(native)) or tuple(dict.fromkeys(_numbered_on(program, taken)))


def _numbered_on(program: LinearProgram, taken: set[str]) -> Iterator[str]:
    """``cut_4`` after ``cut_3``, ``oven_2`` after ``oven``; ``row_1`` in a program without rows."""
    for row in program.constraints or ():
        match = _NUMBERED.fullmatch(row.name)
        stem, first = (f"{row.name}_", 2) if match is None else (match[1], int(match[2]) + 1)
        yield next(name for number in count(first) if (name := f"{stem}{number}") not in taken)
    if not program.constraints:
        yield "row_1"
