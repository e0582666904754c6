"""Making a benchmark suite: test tasks per kind and difficulty, a function of the seed and the tasks per cell.

Called by `lit-grpo suite make`. Cells are drawn by several processes and settled one after the other in a fixed
order, so the number of processes leaves no trace. No two tasks of a suite share an id or an original program; of two
that do, the one of the earlier cell stays. So a cell does not depend on those after it. Of a user's few programs each
may have many tasks.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from itertools import count
from pathlib import Path

from lit_grpo.data.benchmark import read_benchmark, task_to_record
from lit_grpo.data.held_out_tasks import MAX_REPEATS
from lit_grpo.data.manifest import Manifest, SuiteSettings
from lit_grpo.data.splits import Cell, Split, program_digest
from lit_grpo.data.task import Task, TaskSettings, generate_task
from lit_grpo.environment.domains.base import Domain
from lit_grpo.environment.solver.highs import HighsSolver

CHUNK = 20
"""Tasks that a process makes at once."""

Report = Callable[[Cell, int], None]
"""Told, as they are settled, how many more tasks a cell has."""


def make_suite(folder: Path, settings: SuiteSettings, num_workers: int, report: Report) -> None:
    """Write the cells that the folder does not hold yet.

    Args:
        folder: Made if missing. Cells that an earlier call has finished with the same settings are kept.
        settings: What to make.
        num_workers: Processes; no effect on the files.
        report: Told of the progress.

    Raises:
        ValueError: The folder holds a suite of another seed, number of tasks, size or version.
            A user's programs have no room for a cell, or not for so many different tasks of it.
        UnfilledCellError: A cell cannot be filled: says what came of the attempts. The cells before it are kept.
    """
    for cell in settings.cells:
        settings.tasks_of(cell).require_programs()
    folder.mkdir(parents=True, exist_ok=True)
    manifest = Manifest.open(folder, settings)
    finished = [cell for cell in settings.cells if manifest.has(cell)]
    taken = _Taken()
    for cell in finished:
        taken.take(map(_keys, read_benchmark(folder / cell.file_name)))
        report(cell, settings.num_tasks)
    to_make = [cell for cell in settings.cells if cell not in finished]
    # Fresh processes: forking one that has threads is not safe everywhere.
    with ProcessPoolExecutor(num_workers, mp_context=multiprocessing.get_context("spawn")) as executor:
        streams = {cell: _CellStream(cell, settings, executor) for cell in to_make}
        try:
            for cell, stream in streams.items():
                manifest.write(cell, _first_new(stream, settings.num_tasks, taken, report))
        finally:
            executor.shutdown(cancel_futures=True)


@dataclass(frozen=True, slots=True)
class _Keys:
    """What must not occur twice in a suite."""

    id: str
    program: str | None
    """None of a user's program."""


def _keys(task: Task) -> _Keys:
    is_own = task.domain is Domain.PROGRAMS
    return _Keys(task.id, None if is_own else program_digest(task.fault.original))


class _Taken:
    """Ids and original programs that the suite has already."""

    def __init__(self) -> None:
        self._ids: set[str] = set()
        self._programs: set[str] = set()

    def __contains__(self, keys: _Keys) -> bool:
        return keys.id in self._ids or keys.program in self._programs

    def take(self, several: Iterable[_Keys]) -> None:
        """Count them as there from now on."""
        for keys in several:
            self._ids.add(keys.id)
            if keys.program is not None:
                self._programs.add(keys.program)


class _CellStream:
    """The endless stream of a cell's tasks; as many as a cell has are asked for at once, more where some are alike."""

    def __init__(self, cell: Cell, settings: SuiteSettings, executor: ProcessPoolExecutor) -> None:
        self.cell = cell
        self._seed, self._tasks, self._executor = _cell_seed(settings.seed, cell), settings.tasks_of(cell), executor
        starts = range(0, settings.num_tasks, CHUNK)
        self._ahead = [self._draw(start, min(start + CHUNK, settings.num_tasks)) for start in starts]
        self._num_ahead = settings.num_tasks

    def __iter__(self) -> Iterator[tuple[str, _Keys]]:
        for future in self._ahead:
            yield from future.result()
        for index in count(self._num_ahead):
            yield from self._draw(index, index + 1).result()

    def _draw(self, start: int, stop: int) -> Future[list[tuple[str, _Keys]]]:
        return self._executor.submit(_draw, self._tasks, self._seed, start, stop)


def _first_new(stream: _CellStream, num_tasks: int, taken: _Taken, report: Report) -> Iterator[str]:
    """The lines of the first tasks of the stream that the suite does not have.

    Raises:
        ValueError: There are fewer, as of a user's few programs.
    """
    num_new = num_repeats = 0
    for line, keys in stream:
        if keys in taken:
            num_repeats += 1
            if num_repeats > MAX_REPEATS:
                raise ValueError(
                    f"cell {stream.cell.kind} {stream.cell.difficulty}: expected {num_tasks} different tasks, got "
                    f"{num_new}, and then none in {num_repeats} draws; lower --num-tasks, or add programs"
                )
            continue
        num_repeats = 0
        taken.take([keys])
        report(stream.cell, 1)
        yield line
        num_new += 1
        if num_new == num_tasks:
            return


def _cell_seed(seed: int, cell: Cell) -> int:
    """A seed of its own for each cell: with one seed for all, the kinds of a difficulty would share their programs."""
    digest = hashlib.sha256(f"suite/{seed}/{cell.kind.value}/{cell.difficulty.value}".encode()).digest()
    return int.from_bytes(digest[:8], "big")


def _draw(settings: TaskSettings, seed: int, start: int, stop: int) -> list[tuple[str, _Keys]]:
    """Tasks ``start`` to ``stop - 1`` of a cell's stream, as they are written; called in a worker."""
    tasks = [generate_task(settings, Split.TEST, seed, index, _solver()) for index in range(start, stop)]
    return [(json.dumps(task_to_record(task), ensure_ascii=False), _keys(task)) for task in tasks]


@cache
def _solver() -> HighsSolver:
    """The one of this process."""
    return HighsSolver()
