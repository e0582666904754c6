"""Conflicts of large programs: ``python scripts/benchmarks/conflicts.py [--rows 1000 15000] [--files F ...]``.

For each program: members of the conflict, whether each is needed by a solve without it, CPU seconds; beside it HiGHS's
own getIis, once from its first proof (strategy 2) and, up to --full-rows rows, by its deletion filter (strategy 4).
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from random import Random

import highspy
from large_programs import FAMILIES

from lit_grpo.environment.programs.files import read_program
from lit_grpo.environment.programs.program import LinearProgram
from lit_grpo.environment.solver.highs import HighsSolver
from lit_grpo.environment.solver.highs_model import pass_arrays
from lit_grpo.environment.solver.irreducible import is_irreducible
from lit_grpo.environment.solver.model_arrays import model_arrays
from lit_grpo.environment.solver.narrowing import narrowed
from lit_grpo.environment.solver.solver import Conflict, ConflictMember, ConflictPart, SolverStatus

MOST_CHECKED = 200
"""Members up to which each is checked by a solve of its own."""

FROM_PROOF, BY_DELETION = 2, 4
LOWER, UPPER, BOTH = 2, 3, 4


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[1000, 15_000])
    parser.add_argument("--full-rows", type=int, default=1000, help="rows up to which getIis may delete")
    parser.add_argument("--families", nargs="+", default=list(FAMILIES))
    parser.add_argument("--files", type=Path, nargs="*", default=[])
    options = parser.parse_args()
    print("| program | rows | members | irreducible | s | getIis: members | s | getIis, deletion: members | s |")
    print("|:---|---:|---:|:---|---:|---:|---:|---:|---:|")
    for path in options.files:
        measure(path.name, read_program(path), options.full_rows)
    for num_rows in options.rows:
        for family in options.families:
            measure(family, FAMILIES[family](num_rows, Random(1)), options.full_rows)


def measure(name: str, program: LinearProgram, full_rows: int) -> None:
    """Print one line of the table."""
    solver = HighsSolver()
    start = time.process_time()
    conflict = solver.conflict(program)
    seconds = time.process_time() - start
    ours = ["none", "", f"{seconds:.2f}"]
    if conflict is not None:
        ours = [str(len(conflict.members)), verified(program, conflict, solver), f"{seconds:.2f}"]
    theirs = highs_iis(program, FROM_PROOF)
    theirs += highs_iis(program, BY_DELETION) if len(program.constraints) <= full_rows else ["", ""]
    print("|", " | ".join([name, str(len(program.constraints)), *ours, *theirs]), "|", flush=True)


def verified(program: LinearProgram, conflict: Conflict, solver: HighsSolver) -> str:
    """What a solve with all members, and one without each of them, says."""
    if not conflict.is_irreducible:
        return "not proven"
    small = narrowed(program, conflict.members)
    if len(conflict.members) <= MOST_CHECKED:
        return "yes" if is_irreducible(small, conflict, solver) else "NO"
    is_infeasible = solver.solve(small).status is SolverStatus.INFEASIBLE
    some = conflict.members[:: len(conflict.members) // 50]
    rests = (narrowed(program, [m for m in conflict.members if m != left_out]) for left_out in some)
    are_needed = all(solver.solve(rest).status is SolverStatus.OPTIMAL for rest in rests)
    return f"yes (of {len(some)})" if is_infeasible and are_needed else "NO"


def highs_iis(program: LinearProgram, strategy: int) -> list[str]:
    """Members of HiGHS's own conflict of the LP relaxation, marked where it is none, and CPU seconds."""
    arrays = model_arrays(program).without_costs().relaxed()
    highs = highspy.Highs()
    for option, value in {"output_flag": False, "iis_strategy": strategy, "threads": 1, "time_limit": 60.0}.items():
        highs.setOptionValue(option, value)
    pass_arrays(highs, arrays)
    start = time.process_time()
    _, found = highs.getIis()
    seconds = time.process_time() - start
    if not found.valid_ or not found.row_index_:
        return ["none", f"{seconds:.2f}"]
    members = [ConflictMember(ConflictPart.ROW, program.constraints[i].name) for i in found.row_index_]
    for j, side in zip(found.col_index_, found.col_bound_, strict=True):
        name = program.variables[j].name
        members += [ConflictMember(ConflictPart.LOWER, name)] if int(side) in (LOWER, BOTH) else []
        members += [ConflictMember(ConflictPart.UPPER, name)] if int(side) in (UPPER, BOTH) else []
    small, solver = narrowed(program, members), HighsSolver()
    if solver.solve(small).status is not SolverStatus.INFEASIBLE:
        return [f"{len(members)} (feasible)", f"{seconds:.2f}"]
    if len(members) <= MOST_CHECKED and not is_irreducible(small, Conflict(tuple(members)), solver):
        return [f"{len(members)} (reducible)", f"{seconds:.2f}"]
    return [str(len(members)), f"{seconds:.2f}"]


if __name__ == "__main__":
    main()
