"""Where the true repair stands among the candidates: ``python scripts/benchmarks/candidates.py SUITE [--per-cell 20]``.

For each task the rank of the edit that makes the program the original again (the verdict's word), with the text and
without it: the share that is first, among the first 3, among the first 10, by kind of fault. Faults of several edits
have no single true repair; for these the first edit counts that makes some faulty element what it was.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from pathlib import Path

from lit_grpo.data.suite import read_suite
from lit_grpo.environment.episodes.faithful import is_faithful
from lit_grpo.environment.faults.ground_truth import GradedProblem
from lit_grpo.environment.programs.comparison import differing_elements
from lit_grpo.environment.programs.edits import apply_all
from lit_grpo.environment.repairs.candidates import Candidate, Effort, find_candidates
from lit_grpo.environment.repairs.steps import next_edits
from lit_grpo.environment.solver.highs import HighsSolver

DEPTHS = (1, 3, 10)
EFFORT = Effort(max_candidates=10)


def main() -> None:
    """Measure and print two tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("suite", type=Path)
    parser.add_argument("--per-cell", type=int, help="tasks of each kind and difficulty, the first ones (default: all)")
    options = parser.parse_args()
    tasks = stratified(list(read_suite(options.suite)), options.per_cell)
    for reads_text in (True, False):
        start, solver = time.process_time(), HighsSolver()
        ranks: dict[str, list[int | None]] = defaultdict(list)
        for task in tasks:
            rank = rank_of_truth(task, solver, reads_text)
            for group in (task.fault.kind.value, "all"):
                ranks[group].append(rank)
        seconds = (time.process_time() - start) / len(tasks)
        print(f"\n{'with' if reads_text else 'without'} the text, {len(tasks)} tasks, {seconds:.2f} s of CPU a task\n")
        print("| kind | tasks | first | first 3 | first 10 |\n|:---|---:|---:|---:|---:|")
        for group in sorted(ranks):
            found = ranks[group]
            shares = [100 * sum(rank is not None and rank <= depth for rank in found) / len(found) for depth in DEPTHS]
            print(f"| {group} | {len(found)} |", " | ".join(f"{share:.1f}" for share in shares), "|", flush=True)


def rank_of_truth(task: GradedProblem, solver: HighsSolver, reads_text: bool) -> int | None:
    """From 1; None if it is not among the first ten."""
    program, conflict = task.problem.program, solver.conflict(task.problem.program)
    assert conflict is not None
    text = task.problem.specification if reads_text else None
    found = find_candidates(program, conflict, solver, text, effort=EFFORT)
    if len(task.fault.inverse) > 1:
        found = next_edits(program, conflict, solver, text, EFFORT)[:10]
        wrong = len(differing_elements(program, task.fault.original))
        return next((k for k, c in enumerate(found, 1) if mends_one(task, c, wrong)), None)
    return next(
        (k for k, c in enumerate(found, 1) if is_faithful(apply_all(program, c.edits), task.fault.original, solver)),
        None,
    )


def mends_one(task: GradedProblem, candidate: Candidate, num_wrong: int) -> bool:
    """Whether fewer elements differ from the original after it."""
    return len(differing_elements(apply_all(task.problem.program, candidate.edits), task.fault.original)) < num_wrong


def stratified(tasks: list[GradedProblem], per_cell: int | None) -> list[GradedProblem]:
    """The first tasks of each cell."""
    cells: dict[tuple[str, str], list[GradedProblem]] = defaultdict(list)
    for task in tasks:
        cells[task.fault.kind, task.fault.difficulty].append(task)
    return [task for cell in cells.values() for task in cell[:per_cell]]


if __name__ == "__main__":
    main()
