"""The benchmark suite as files: a folder with one ``KIND_DIFFICULTY.jsonl`` per cell and a manifest, read and verified.

Called by held_out.py and by whatever plays a suite; made by suite_maker.py.
"""

from __future__ import annotations

from pathlib import Path

from lit_grpo.data.benchmark import BenchmarkError, read_benchmark
from lit_grpo.data.manifest import MANIFEST_FILE, Manifest, SuitePrograms, SuiteSettings
from lit_grpo.data.public_benchmark import is_public_benchmark, read_public_benchmark
from lit_grpo.data.splits import Cell
from lit_grpo.data.task import Task
from lit_grpo.environment.faults.ground_truth import GradedProblem
from lit_grpo.environment.faults.injection import FaultKind

__all__ = ["MANIFEST_FILE", "STUDY_KINDS", "SuitePrograms", "SuiteSettings", "read_suite"]

STUDY_KINDS = (FaultKind.SENSE, FaultKind.BOUND_OR_TYPE, FaultKind.COEFFICIENT, FaultKind.RIGHT_HAND_SIDE)
"""The subset named *study*: with the three difficulties, the twelve cells that the literature's study reports."""


def read_suite(path: Path) -> tuple[GradedProblem, ...]:
    """The tasks of a benchmark file; or of a suite's folder, in the order of its files' names, held against its
    manifest before anything is played; or the problems of a folder in the published layout of OR-Debug-Bench.

    A file that is a cell of the suite in its folder is held against that suite's manifest as well.

    Raises:
        BenchmarkError: Nothing there, a folder without a manifest, a cell that is missing, changed or not of the suite,
            a suite made under other versions, a line that holds no task, or a task that occurs twice.
        ProgramError: A problem in the published layout that cannot be read.
    """
    if not path.exists():
        raise BenchmarkError(f"expected a file or a folder of tasks, got {path}, which does not exist")
    if is_public_benchmark(path):
        return _read_public(path)
    return _read_folder(path) if path.is_dir() else _read_file(path)


def _read_folder(folder: Path) -> tuple[GradedProblem, ...]:
    """The tasks of a whole suite, cell by cell."""
    try:
        manifest = Manifest.read(folder)
        manifest.require_complete()
    except ValueError as error:
        raise BenchmarkError(str(error)) from error
    place: dict[str, Path] = {}
    tasks: list[GradedProblem] = []
    for cell in sorted(manifest.settings.cells, key=lambda cell: cell.file_name):
        file = folder / cell.file_name
        for task in _read_cell(file, cell, manifest.settings.num_tasks):
            if task.id in place:
                raise BenchmarkError(f"{file}: expected each task once, got {task.id}, which {place[task.id]} has too")
            place[task.id] = file
            tasks.append(task)
    return tuple(tasks)


def _read_file(file: Path) -> tuple[GradedProblem, ...]:
    """The tasks of one file, which may be a cell of the suite in its folder."""
    if (file.parent / MANIFEST_FILE).is_file():
        try:
            manifest = Manifest.read(file.parent)
            cells = [cell for cell in manifest.settings.cells if cell.file_name == file.name]
            for cell in cells:
                manifest.require_unchanged(cell)
        except ValueError as error:
            raise BenchmarkError(str(error)) from error
        for cell in cells:
            return _read_cell(file, cell, manifest.settings.num_tasks)
    return read_benchmark(file)


def _read_cell(file: Path, cell: Cell, num_tasks: int) -> tuple[Task, ...]:
    tasks = read_benchmark(file)
    if len(tasks) != num_tasks or any((t.fault.kind, t.fault.difficulty) != cell for t in tasks):
        raise BenchmarkError(
            f"{file}: expected {num_tasks} tasks of {cell.kind} {cell.difficulty}, got {len(tasks)} or others among "
            "them; delete it and finish the suite again (lit-grpo suite make)"
        )
    return tasks


def _read_public(folder: Path) -> tuple[GradedProblem, ...]:
    problems = tuple(read_public_benchmark(folder))
    num_ids = len({problem.id for problem in problems})
    if not problems or num_ids < len(problems):
        raise BenchmarkError(
            f"{folder}: expected problems, each once, got {len(problems)} with {num_ids} different ids"
        )
    return problems
