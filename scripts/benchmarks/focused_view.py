"""What a focused view saves in tokens, and what it costs: what is no longer shown, and how a small policy takes it.

Run by hand: `python scripts/benchmarks/focused_view.py` (about 4 minutes of one core; with ``--train`` 8 more). Tokens
are those of checkpoints/tiny-base, unless another folder is named. Tasks are generated at each difficulty's own size.
An episode here asks and errs for as long as it may: `inspect` of the first element of the conflict, `get_conflict`, an
edit that helps nothing, `restore`, and a last turn; its tokens are those of all texts and turns.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from specification_levels import run_command, written

from lit_grpo.data.conversation import read_conversation
from lit_grpo.data.splits import Split
from lit_grpo.data.task import Task, TaskSettings, generate_task
from lit_grpo.environment.episodes.actions import Action, GetConflict, Inspect, Move, Restore, Submit, render
from lit_grpo.environment.episodes.episode import RepairEpisode
from lit_grpo.environment.episodes.focused_view import FocusedView
from lit_grpo.environment.episodes.levels import SpecificationLevel
from lit_grpo.environment.episodes.observation import ObservationStyle
from lit_grpo.environment.episodes.record import EpisodeSettings
from lit_grpo.environment.episodes.room import Room, TokenCount
from lit_grpo.environment.faults.difficulty import Difficulty
from lit_grpo.environment.faults.fault_kinds import FaultKind
from lit_grpo.environment.programs.edits import SetRhs, apply
from lit_grpo.environment.programs.program import Element
from lit_grpo.environment.solver.highs import HighsSolver
from lit_grpo.environment.solver.remembering import RememberingSolver
from lit_grpo.metrics.bootstrap import BootstrapSettings
from lit_grpo.metrics.functional import Quantity
from lit_grpo.metrics.results import RESULTS_FILE, summarise
from lit_grpo.reports.runs import read_table

BUDGETS = (500, 1000, 2000, 4000)
SOLVER = RememberingSolver(HighsSolver())
STYLE, LEVEL = ObservationStyle.COMPACT, SpecificationLevel.BESIDE
READERS = ((None, None), (100, 100), (None, 100))
"""``view_tokens`` that a small policy has learned with, and is tested with; the median program has 154."""


def tasks_of(difficulty: Difficulty, kind: FaultKind, number: int) -> list[Task]:
    """The first tasks of a cell."""
    settings = TaskSettings(difficulties={difficulty: 1.0}, kinds={kind: 1.0})
    return [generate_task(settings, Split.TEST, 0, index, SOLVER) for index in range(number)]


def tokens_of(task: Task, budget: int | None, count: TokenCount) -> tuple[int, int]:
    """Tokens of the first observation, and of the whole episode."""
    episode = RepairEpisode(task.problem, SOLVER, EpisodeSettings(style=STYLE, view_tokens=budget), count)
    assert episode.first_conflict is not None
    first = total = count(episode.observation)
    for action in _turns(task, episode.first_conflict.elements[0]):
        said = render(Move(action))
        total += count(said) + count(episode.step(said).observation) * (episode.stop_reason is None)
    return first, total


def _turns(task: Task, element: Element) -> Iterator[Action]:
    row = task.fault.faulty.constraints[0]
    yield Inspect(element.partition(":")[2])
    yield GetConflict()
    yield SetRhs(row.name, row.rhs)
    yield Restore()
    yield Submit()


@dataclass(frozen=True, slots=True)
class Reach:
    """Which elements that are to be repaired can be seen without `inspect`."""

    at_first: bool
    """All of them in the first observation."""
    in_time: bool
    """Each in the first observation, or in the conflict after the repairs before it."""


def reach_of(task: Task, budget: int, count: TokenCount) -> Reach:
    """Look for the faulty elements in what is shown, along the oracle's repairs."""
    program = task.fault.faulty
    shown = FocusedView(task.problem, SOLVER.conflict(program), STYLE, LEVEL, Room(budget, count)).shown
    missing = [element for element in task.fault.faulty_elements if element not in shown]
    in_time = True
    for edit, element in zip(task.fault.inverse, task.fault.faulty_elements, strict=True):
        conflict = SOLVER.conflict(program)
        in_time &= element not in missing or (conflict is not None and element in conflict.elements)
        program = apply(program, edit)
    return Reach(not missing, in_time)


def print_tokens(cells: dict[tuple[Difficulty, FaultKind], list[Task]], count: TokenCount) -> None:
    """Tokens of first observations and of whole episodes: medians and the most."""
    print("\n| tasks | | view_tokens | first: median | most | episode: median | most |")
    print("|---|---:|---|---:|---:|---:|---:|")
    for difficulty in Difficulty:
        tasks = [task for (other, _), found in cells.items() if other is difficulty for task in found]
        for budget in (None, *BUDGETS):
            firsts, totals = zip(*(tokens_of(task, budget, count) for task in tasks), strict=True)
            numbers = [median(firsts), max(firsts), median(totals), max(totals)]
            written_numbers = " | ".join(f"{number:.0f}" for number in numbers)
            print(f"| {difficulty.value} | {len(tasks)} | {budget or 'null'} | {written_numbers} |", flush=True)


def print_reach(cells: dict[tuple[Difficulty, FaultKind], list[Task]], count: TokenCount) -> None:
    """Shares of tasks whose faulty elements are shown at first, and in time."""
    print(f"\n| tasks | kind | {' | '.join(map(str, BUDGETS))} |\n|---|---|{'---|' * len(BUDGETS)}")
    for (difficulty, kind), tasks in cells.items():
        shares: list[str] = []
        for budget in BUDGETS:
            found = [reach_of(task, budget, count) for task in tasks]
            at_first, in_time = (
                sum(flags) / len(tasks) for flags in zip(*((r.at_first, r.in_time) for r in found), strict=True)
            )
            shares.append(f"{at_first:.2f}" if at_first == in_time else f"{at_first:.2f} ({in_time:.2f})")
        print(f"| {difficulty.value} | {kind.value} | {' | '.join(shares)} |", flush=True)


def print_policies(output: Path, num_batches: int, num_tasks: int) -> None:
    """Train a small policy with either view, and test both."""
    print("\n| learned with | tested with | FR@1 | FR@5 |\n|---|---|---|---|")
    for learned, tested in READERS:
        policy = output / f"learned_{learned}"
        if not (policy / "policy").is_dir():
            words = [f"--data.batches_per_epoch={num_batches}", f"--trainer.val_check_interval={num_batches}"]
            words += ["--data.num_demonstrations=400", "--trainer.num_sanity_val_steps=0"]
            words += ["--data.held_out.num_validation_tasks=16"]
            run_command("fit", policy, [*words, *_view(learned)])
        folder = output / f"learned_{learned}_tested_{tested}"
        if not (folder / RESULTS_FILE).is_file():
            words = [f"--model.policy.checkpoint={policy / 'policy'}", f"--data.held_out.num_test_tasks={num_tasks}"]
            run_command("test", folder, [*words, "--trainer.logger=false", *_view(tested)])
        found = summarise(read_table(folder), BootstrapSettings()).overall.estimates
        print(
            f"| {learned} | {tested} | {written(found[Quantity.FR_1])} | {written(found[Quantity.FR_5])} |", flush=True
        )


def _view(tokens: int | None) -> list[str]:
    return [f"--episode.view_tokens={'null' if tokens is None else tokens}"]


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--tokenizer", type=Path, default=Path("checkpoints/tiny-base"), help="(%(default)s)")
    parser.add_argument("--tasks", type=int, default=10, help="of each kind and difficulty (%(default)s)")
    parser.add_argument("--train", type=Path, metavar="FOLDER", help="train and test small policies there, no tokens")
    parser.add_argument("--batches", type=int, default=100, help="of 16 demonstrations (%(default)s)")
    parser.add_argument("--test-tasks", type=int, default=256, help="held out, for each test (%(default)s)")
    options = parser.parse_args()
    if options.train is not None:
        print_policies(options.train, options.batches, options.test_tasks)
        return
    count = read_conversation(options.tokenizer).num_tokens
    cells = {(d, k): tasks_of(d, k, options.tasks) for d in Difficulty for k in FaultKind}
    tables: Sequence[Callable[[dict[tuple[Difficulty, FaultKind], list[Task]], TokenCount], None]]
    tables = (print_tokens, print_reach)
    for table in tables:
        table(cells, count)


if __name__ == "__main__":
    main()
