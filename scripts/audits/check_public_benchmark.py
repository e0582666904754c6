"""Check a folder in the layout of OR-Debug-Bench: ``python scripts/audits/check_public_benchmark.py FOLDER``.

Counts per kind of fault how many models load, are infeasible, have a canonical conflict that an independent check finds
irreducible, and go back to the published objective when the fault is undone. Exits with 1 unless all of them do.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections import Counter

from lit_grpo.data.public_benchmark import PublicProblem, read_public_benchmark
from lit_grpo.environment.solver.highs import HighsSolver
from lit_grpo.environment.solver.irreducible import is_irreducible
from lit_grpo.environment.solver.solver import SolverStatus

CHECKS = ("loaded", "infeasible", "minimal", "reconstructed")


def passed_checks(problem: PublicProblem, solver: HighsSolver) -> set[str]:
    """The names of the checks that the problem passes."""
    passed, truth = {"loaded"}, problem.fault
    if solver.solve(truth.faulty).status is SolverStatus.INFEASIBLE:
        passed.add("infeasible")
        conflict = solver.conflict(truth.faulty)
        if conflict is not None and is_irreducible(truth.faulty, conflict, solver):
            passed.add("minimal")
    objective = solver.solve(truth.original).objective
    if objective is not None and math.isclose(objective, truth.original_objective, rel_tol=1e-3, abs_tol=1e-3):
        passed.add("reconstructed")
    return passed


def main() -> int:
    """Print the table; the exit code says whether every problem passed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", help="holds dataset.json and models/")
    solver = HighsSolver()
    counts: Counter[tuple[str, str]] = Counter()
    for problem in read_public_benchmark(parser.parse_args().folder):
        counts.update(
            (kind, check) for kind in (problem.fault.kind.value, "all") for check in passed_checks(problem, solver)
        )
    kinds = sorted({kind for kind, _ in counts} - {"all"})
    print(f"{'kind':<6}" + "".join(f"{check:>15}" for check in CHECKS))
    for kind in [*kinds, "all"]:
        print(f"{kind:<6}" + "".join(f"{counts[kind, check]:>15}" for check in CHECKS))
    return int(len({counts["all", check] for check in CHECKS}) != 1)


if __name__ == "__main__":
    sys.exit(main())
