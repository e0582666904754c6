"""The benchmark suite as files: a folder with one ``KIND_DIFFICULTY.jsonl`` per cell, and what is known of each.

Called by suite_maker.py, which fills the folder, and by held_out.py, which reads it.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from lit_grpo.data.benchmark import BenchmarkError, read_benchmark
from lit_grpo.data.public_benchmark import is_public_benchmark, read_public_benchmark
from lit_grpo.data.task import GENERATOR_VERSION
from lit_grpo.environment.domains.base import ProgramSize
from lit_grpo.environment.faults.difficulty import Difficulty
from lit_grpo.environment.faults.ground_truth import GradedProblem
from lit_grpo.environment.faults.injection import FaultKind, kinds_of

STUDY_KINDS = (FaultKind.SENSE, FaultKind.BOUND_OR_TYPE, FaultKind.COEFFICIENT, FaultKind.RIGHT_HAND_SIDE)
"""The subset named *study*: with the three difficulties, the twelve cells that the literature's study reports."""

MANIFEST_FILE = "suite.json"
"""In a suite's folder: what it was made with, and the hash of each cell that is finished."""


@dataclass(frozen=True, slots=True)
class Cell:
    """A kind and a difficulty."""

    kind: FaultKind
    difficulty: Difficulty

    @property
    def file_name(self) -> str:
        """``A_easy.jsonl``."""
        return f"{self.kind.value}_{self.difficulty.value}.jsonl"


@dataclass(frozen=True, slots=True)
class SuiteSettings:
    """What a suite holds."""

    kinds: tuple[FaultKind, ...] = field(default_factory=lambda: kinds_of(None))
    difficulties: tuple[Difficulty, ...] = tuple(Difficulty)
    num_tasks: int = 200
    """Of each cell."""
    seed: int = 0
    size: ProgramSize | None = None
    """Of the base programs; None: what the difficulty says (difficulty.py)."""

    def __post_init__(self) -> None:
        impossible = [kind.value for kind in self.kinds if kind not in kinds_of(self.size)]
        if impossible:
            raise ValueError(
                f"expected kinds of {', '.join(kinds_of(self.size))} in programs of size {self.size}, got "
                f"{', '.join(impossible)}; leave them out or leave the size to the difficulty"
            )
        if not self.cells or self.num_tasks < 1:
            raise ValueError(
                f"expected a kind, a difficulty and at least one task for each cell, got kinds "
                f"{', '.join(self.kinds) or 'none'}, difficulties {', '.join(self.difficulties) or 'none'} and "
                f"{self.num_tasks} tasks"
            )

    @property
    def cells(self) -> tuple[Cell, ...]:
        """In the order in which they are settled, whatever the order they were asked for in."""
        return tuple(Cell(k, d) for k in FaultKind if k in self.kinds for d in Difficulty if d in self.difficulties)


@dataclass(slots=True)
class Manifest:
    """What `MANIFEST_FILE` says; a cell is finished only when it stands there with the hash of its file."""

    folder: Path
    made_with: dict[str, int | str]
    cells: dict[str, str]
    """File name to SHA-256."""

    @classmethod
    def open(cls, folder: Path, settings: SuiteSettings) -> Manifest:
        """Of a suite that was begun in the folder, or of a new one.

        Raises:
            ValueError: The suite in the folder is of another seed, number of tasks, size or version.
        """
        wanted: dict[str, int | str] = {
            "seed": settings.seed,
            "tasks_per_cell": settings.num_tasks,
            "generator_version": GENERATOR_VERSION,
        }
        if settings.size is not None:
            wanted["size"] = settings.size.value
        path = folder / MANIFEST_FILE
        if not path.is_file():
            return cls(folder, wanted, {})
        document = json.loads(path.read_text(encoding="utf-8"))
        cells = document.pop("cells")
        if document != wanted:
            raise ValueError(f"{folder}: expected a suite of {wanted}, got one of {document}; name another folder")
        return cls(folder, wanted, cells)

    def has(self, cell: Cell) -> bool:
        """Whether the cell's file is finished and as it was written."""
        path = self.folder / cell.file_name
        return path.is_file() and self.cells.get(path.name) == hashlib.sha256(path.read_bytes()).hexdigest()

    def write(self, cell: Cell, lines: Iterable[str]) -> None:
        """Write a cell's file, then note it as finished; an interruption leaves neither."""
        content = "".join(f"{line}\n" for line in lines).encode()
        _replace(self.folder / cell.file_name, content)
        self.cells[cell.file_name] = hashlib.sha256(content).hexdigest()
        document = self.made_with | {"cells": dict(sorted(self.cells.items()))}
        _replace(self.folder / MANIFEST_FILE, (json.dumps(document, indent=2) + "\n").encode())


def read_suite(path: Path) -> tuple[GradedProblem, ...]:
    """The tasks of a benchmark file, or of all the ``.jsonl`` files in a folder, in the order of their names; or the
    problems of a folder in the published layout of OR-Debug-Bench.

    Raises:
        BenchmarkError: Nothing there, no file in the folder, a line that holds no task, or a task that occurs twice.
        ProgramError: A problem in the published layout that cannot be read.
    """
    if not path.exists():
        raise BenchmarkError(f"expected a file or a folder of tasks, got {path}, which does not exist")
    if is_public_benchmark(path):
        return _read_public(path)
    if not path.is_dir():
        return read_benchmark(path)
    files = sorted(path.glob("*.jsonl"))
    if not files:
        raise BenchmarkError(f"{path}: expected .jsonl files of tasks, got none; make some with `lit-grpo suite make`")
    place: dict[str, Path] = {}
    tasks: list[GradedProblem] = []
    for file in files:
        for task in read_benchmark(file):
            if task.id in place:
                raise BenchmarkError(f"{file}: expected each task once, got {task.id}, which {place[task.id]} has too")
            place[task.id] = file
            tasks.append(task)
    return tuple(tasks)


def _read_public(folder: Path) -> tuple[GradedProblem, ...]:
    problems = tuple(read_public_benchmark(folder))
    num_ids = len({problem.id for problem in problems})
    if not problems or num_ids < len(problems):
        raise BenchmarkError(
            f"{folder}: expected problems, each once, got {len(problems)} with {num_ids} different ids"
        )
    return problems


def _replace(path: Path, content: bytes) -> None:
    aside = path.with_name(f"{path.name}.partial")
    aside.write_bytes(content)
    os.replace(aside, path)
