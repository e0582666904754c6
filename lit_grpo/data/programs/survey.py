"""What the solver says of a user's program: its status, and which kinds of fault can be put into it, cell by cell.

Called by pool.py. It takes from milliseconds to minutes a program and is the same for the same program wherever it is
asked, so it is kept on disk (cache.py): a small JSON file for each program, under the hash of its content.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from random import Random

from lit_grpo.data.json_values import object_of, strict_object, text_of
from lit_grpo.data.programs.cache import cache_folder, keep
from lit_grpo.data.splits import GENERATOR_VERSION, Cell, digest_of
from lit_grpo.environment.faults.injection import FaultyProgram, inject
from lit_grpo.environment.programs.program import LinearProgram
from lit_grpo.environment.solver.solver import Solver, SolverStatus

NUM_TRIES = 3
"""Draws after which a cell counts as one that a program has no room for. Each goes through the kind's candidates until
one is certified: the second and third are for those whose numbers, or partners, are drawn."""


class Survey:
    """One program's answers, each found out once."""

    def __init__(self, program: LinearProgram, solver: Solver) -> None:
        self._program, self._solver = program, solver
        self._file = cache_folder() / f"{digest_of(repr((GENERATOR_VERSION, NUM_TRIES, program)))}.json"
        self._status, self._allowed = _read(self._file)

    @property
    def status(self) -> SolverStatus:
        """Optimal for a program that can be trained on."""
        if self._status is None:
            self._status = self._solver.solve(self._program).status
            self._keep()
        return self._status

    def allows(self, cell: Cell, spare_row_names: tuple[str, ...]) -> bool:
        """Whether a fault of that kind and difficulty can be put into the program.

        Args:
            cell: Kind and difficulty.
            spare_row_names: Names for an added row; which ones, decides nothing.
        """
        name = Path(cell.file_name).stem
        if name not in self._allowed:
            draws = (Random(f"survey/{name}/{number}") for number in range(NUM_TRIES))
            self._allowed[name] = any(
                isinstance(inject(self._program, *cell, rng, self._solver, spare_row_names), FaultyProgram)
                for rng in draws
            )
            self._keep()
        return self._allowed[name]

    def _keep(self) -> None:
        document = {"status": None if self._status is None else self._status.value, "allowed": self._allowed}
        keep(self._file, json.dumps(document))


def _read(file: Path) -> tuple[SolverStatus | None, dict[str, bool]]:
    """What is known so far; a file that is no survey, or is none any more, counts as none."""
    if not file.is_file():
        return None, {}
    try:
        document = strict_object(file.read_text(encoding="utf-8"), "a survey")
        status = None if document.get("status") is None else SolverStatus(text_of(document, "status"))
        return status, _flags(object_of(document.get("allowed"), "allowed"))
    except (UnicodeDecodeError, ValueError):
        return None, {}


def _flags(fields: Mapping[str, object]) -> dict[str, bool]:
    return {name: value for name, value in fields.items() if isinstance(value, bool)}
