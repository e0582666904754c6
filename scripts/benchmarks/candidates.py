"""Where the true repair stands among the candidates: ``python scripts/benchmarks/candidates.py SUITE [--per-cell 20]``.

For each task the rank of the edit that makes the program the original again (the verdict's word), with the text and
without it: the share that is first, among the first 3, among the first 10, by kind of fault. Faults of several edits
have no single true repair; for these the first edit counts that makes some faulty element what it was.

With ``--ranks FILE`` each rank is a line of that file as soon as it is known, and what stands there is not found again.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
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


@dataclass(frozen=True, slots=True)
class Ranked:
    """One task, and where its repair stands."""

    task: str
    reads_text: bool
    rank: int | None
    """From 1; None if it is not among the first ten."""
    seconds: float
    """Of CPU."""


class Ranks:
    """The ranks found so far, in memory and, if there is one, in a file of JSON lines."""

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self._found: dict[tuple[str, bool], Ranked] = {}
        if file is not None and file.is_file():
            whole_lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
            whole_lines = [line for line in whole_lines if line.endswith("\n")]  # the last may have been cut off
            file.write_text("".join(whole_lines), encoding="utf-8")
            for line in whole_lines:
                self._keep(Ranked(**json.loads(line)))

    def of(self, task: GradedProblem, solver: HighsSolver, reads_text: bool) -> Ranked:
        """As it was found before, or found now."""
        if (task.id, reads_text) not in self._found:
            start = time.process_time()
            rank = rank_of_truth(task, solver, reads_text)
            ranked = Ranked(task.id, reads_text, rank, time.process_time() - start)
            self._keep(ranked)
            if self._file is not None:
                with self._file.open("a", encoding="utf-8") as lines:
                    lines.write(json.dumps(asdict(ranked)) + "\n")
        return self._found[task.id, reads_text]

    def _keep(self, ranked: Ranked) -> None:
        self._found[ranked.task, ranked.reads_text] = ranked


def main() -> None:
    """Measure and print two tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("suite", type=Path)
    parser.add_argument("--per-cell", type=int, help="tasks of each kind and difficulty, the first ones (default: all)")
    parser.add_argument("--ranks", type=Path, help="file of what is found, to go on from when interrupted")
    options = parser.parse_args()
    tasks, ranks = stratified(list(read_suite(options.suite)), options.per_cell), Ranks(options.ranks)
    for reads_text in (True, False):
        solver = HighsSolver()
        found = [ranks.of(task, solver, reads_text) for task in tasks]
        seconds = sum(ranked.seconds for ranked in found) / len(tasks)
        print(f"\n{'with' if reads_text else 'without'} the text, {len(tasks)} tasks, {seconds:.2f} s of CPU a task\n")
        print_table(tasks, found)


def print_table(tasks: Sequence[GradedProblem], found: Sequence[Ranked]) -> None:
    """A row for each kind, and one for all."""
    groups: dict[str, list[int | None]] = defaultdict(list)
    for task, ranked in zip(tasks, found, strict=True):
        for group in (task.fault.kind.value, "all"):
            groups[group].append(ranked.rank)
    print("| kind | tasks | first | first 3 | first 10 |\n|:---|---:|---:|---:|---:|")
    for group, ranks in sorted(groups.items()):
        shares = [100 * sum(rank is not None and rank <= depth for rank in ranks) / len(ranks) for depth in DEPTHS]
        print(f"| {group} | {len(ranks)} |", " | ".join(f"{share:.1f}" for share in shares), "|", flush=True)


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
