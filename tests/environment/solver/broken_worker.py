"""A solver worker that breaks on command: HiGHS, unless a right-hand side of the program says what is to go wrong.

A program, started by `WorkerSolver` in place of the real one: ``python broken_worker.py [MARKER] MEMORY_MB``. With the
path of a marker it breaks once, and makes the file; without, whenever it is told to.
"""

from __future__ import annotations

import os
import signal
import sys
from enum import Enum
from pathlib import Path

from lit_grpo.environment.programs.program import LinearProgram
from lit_grpo.environment.solver.highs import HighsSolver
from lit_grpo.environment.solver.solver import Conflict, Solution, SolverFailure, Violation
from lit_grpo.environment.solver.worker import serve


class Trouble(float, Enum):
    """Right-hand sides that no generated program has."""

    DIES = 66601.0
    STOPS = 6660002.0
    """As SIGSTOP does: the process is there, and nothing comes."""
    HANGS = 6660003.0
    """Works for ever."""
    ALLOCATES = 6660004.0
    EXITS = 6660005.0
    """After printing something."""
    FAILS = 6660006.0
    """Says that the solver failed."""


class BreakingSolver:
    """HiGHS, with accidents."""

    def __init__(self, marker: Path | None) -> None:
        self._highs, self._marker = HighsSolver(), marker

    def solve(self, program: LinearProgram) -> Solution:
        self._break(program)
        return self._highs.solve(program)

    def conflict(self, program: LinearProgram) -> Conflict | None:
        self._break(program)
        return self._highs.conflict(program)

    def minimum_relaxation(self, program: LinearProgram) -> tuple[Violation, ...] | None:
        self._break(program)
        return self._highs.minimum_relaxation(program)

    def _break(self, program: LinearProgram) -> None:
        told = {trouble for trouble in Trouble for row in program.constraints if row.rhs == trouble.value}
        if not told or (self._marker is not None and self._marker.exists()):
            return
        if self._marker is not None:
            self._marker.touch()
        match told.pop():
            case Trouble.DIES:
                os.kill(os.getpid(), signal.SIGKILL)
            case Trouble.STOPS:
                os.kill(os.getpid(), signal.SIGSTOP)
            case Trouble.HANGS:
                while True:
                    pass
            case Trouble.ALLOCATES:
                hoard = []
                while True:
                    hoard.append(bytes(2**20))
            case Trouble.EXITS:
                print("a library says something", flush=True)
                sys.exit(3)
            case Trouble.FAILS:
                raise SolverFailure("license expired")


if __name__ == "__main__":
    serve(BreakingSolver(Path(sys.argv[1]) if len(sys.argv) > 2 else None), memory_mb=int(sys.argv[-1]))
