"""A suite's manifest, ``suite.json``: what the suite was made with and under, and the hash of each of its cells.

Written by suite_maker.py while it fills the folder, and held against the folder by suite.py before a task is played.
The manifest has a hash of its own, so that a line changed by hand is found out; who makes the suite again with the same
settings gets the same bytes.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lit_grpo.data.contract import CURRENT, require_current
from lit_grpo.data.json_values import list_of, object_of, strict_object, text_of, whole_number_of
from lit_grpo.data.programs.pool import open_pool
from lit_grpo.data.splits import Cell
from lit_grpo.data.task import TaskSettings
from lit_grpo.environment.domains.base import ProgramSize
from lit_grpo.environment.faults.difficulty import Difficulty
from lit_grpo.environment.faults.injection import FaultKind, kinds_of

MANIFEST_FILE = "suite.json"
"""The manifest's name in a suite's folder."""
REMEDY = "make the suite again in another folder (lit-grpo suite make), or use the release that made it"


@dataclass(frozen=True, slots=True)
class SuitePrograms:
    """The user's own programs that a suite is made of."""

    digests: tuple[str, ...]
    """Of all programs of their folder, in order: what is a test program, follows from them."""
    folder: Path | None = field(default=None, compare=False)
    """Where they are; None in a suite that is only read."""

    @classmethod
    def of(cls, folder: Path) -> SuitePrograms:
        """The programs of a folder; ProgramFolderError if some cannot be used."""
        return cls(open_pool(folder).digests, folder)


@dataclass(frozen=True, slots=True)
class SuiteSettings:
    """What a suite holds."""

    kinds: tuple[FaultKind, ...] = field(default_factory=lambda: kinds_of(None))
    difficulties: tuple[Difficulty, ...] = tuple(Difficulty)
    num_tasks: int = 200
    """The number of tasks of each cell."""
    seed: int = 0
    size: ProgramSize | None = None
    """The size of the base programs; None: what the difficulty says (difficulty.py)."""
    programs: SuitePrograms | None = None
    """None: the programs of the domains."""

    def __post_init__(self) -> None:
        if self.programs is not None and self.size is not None:
            raise ValueError(f"expected no size with programs of your own, got {self.size}; leave one of them out")
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
        """The cells in the order in which they are settled, whatever the order they were asked for in."""
        return tuple(Cell(k, d) for k in FaultKind if k in self.kinds for d in Difficulty if d in self.difficulties)

    def to_json(self) -> dict[str, Any]:
        """The settings as the manifest has them; kinds and difficulties in the order of the cells."""
        document: dict[str, Any] = {
            "seed": self.seed,
            "tasks_per_cell": self.num_tasks,
            "kinds": [kind.value for kind in FaultKind if kind in self.kinds],
            "difficulties": [difficulty.value for difficulty in Difficulty if difficulty in self.difficulties],
        }
        document |= {} if self.size is None else {"size": self.size.value}
        return document | ({} if self.programs is None else {"programs": list(self.programs.digests)})

    def tasks_of(self, cell: Cell) -> TaskSettings:
        """What the tasks of a cell are drawn from."""
        return TaskSettings(
            size=self.size,
            kinds={cell.kind: 1.0},
            difficulties={cell.difficulty: 1.0},
            programs=None if self.programs is None else self.programs.folder,
        )

    @classmethod
    def from_json(cls, document: dict[str, object]) -> SuiteSettings:
        """The settings in a manifest; ValueError if a field is missing or is not what it should be."""
        kinds, difficulties = list_of(document, "kinds"), list_of(document, "difficulties")
        return cls(
            kinds=tuple(FaultKind(str(kind)) for kind in kinds),
            difficulties=tuple(Difficulty(str(difficulty)) for difficulty in difficulties),
            num_tasks=whole_number_of(document, "tasks_per_cell"),
            seed=whole_number_of(document, "seed"),
            size=ProgramSize(text_of(document, "size")) if "size" in document else None,
            programs=SuitePrograms(tuple(map(str, list_of(document, "programs")))) if "programs" in document else None,
        )


@dataclass(slots=True)
class Manifest:
    """What `MANIFEST_FILE` says; a cell is finished only when it stands there with the hash of its file."""

    folder: Path
    settings: SuiteSettings
    hashes: dict[str, str]
    """File name of each finished cell to SHA-256."""

    @classmethod
    def open(cls, folder: Path, settings: SuiteSettings) -> Manifest:
        """The manifest of a suite that was begun in the folder, or of a new one.

        Raises:
            ValueError: The suite in the folder was made with other settings or under other versions.
        """
        if not (folder / MANIFEST_FILE).is_file():
            return cls(folder, settings, {})
        manifest = cls.read(folder)
        wanted, got = settings.to_json(), manifest.settings.to_json()
        if got != wanted:
            raise ValueError(f"{folder}: expected a suite of {wanted}, got one of {got}; name another folder")
        return manifest

    @classmethod
    def read(cls, folder: Path) -> Manifest:
        """The manifest in a folder.

        Raises:
            ValueError: There is none, it was changed after it was written, or it was made under other versions.
        """
        path = folder / MANIFEST_FILE
        if not path.is_file():
            raise ValueError(
                f"{folder}: expected {MANIFEST_FILE} beside the cells of a suite, got none; name a single .jsonl file, "
                "or make a suite (lit-grpo suite make)"
            )
        try:
            document = strict_object(path.read_text(encoding="utf-8"), MANIFEST_FILE)
            require_current(document.get("versions"), str(path), REMEDY)
            settings = SuiteSettings.from_json(document)
            hashes = object_of(document.get("cells"), "cells")
            manifest = cls(folder, settings, {name: text_of(hashes, name) for name in hashes})
        except UnicodeDecodeError as error:
            raise ValueError(f"{path}: expected UTF-8, got {error.reason}; {REMEDY}") from error
        if document != manifest.to_json():
            raise ValueError(f"{path}: expected the manifest as it was written, got a changed one; {REMEDY}")
        return manifest

    def to_json(self) -> dict[str, Any]:
        """The document, its own hash last."""
        document = self.settings.to_json() | {"versions": CURRENT.to_json(), "cells": dict(sorted(self.hashes.items()))}
        return document | {"sha256": _hash(json.dumps(document, separators=(",", ":")).encode())}

    def has(self, cell: Cell) -> bool:
        """Whether the cell's file is finished and as it was written."""
        path = self.folder / cell.file_name
        return path.is_file() and self.hashes.get(path.name) == _hash(path.read_bytes())

    def write(self, cell: Cell, lines: Iterable[str]) -> None:
        """Write a cell's file, then note it as finished; an interruption leaves neither."""
        content = "".join(f"{line}\n" for line in lines).encode()
        _replace(self.folder / cell.file_name, content)
        self.hashes[cell.file_name] = _hash(content)
        _replace(self.folder / MANIFEST_FILE, (json.dumps(self.to_json(), indent=2) + "\n").encode())

    def require_complete(self) -> None:
        """Hold the folder against the manifest.

        Raises:
            ValueError: A cell is missing, was changed, or is not of the suite.
        """
        expected = {cell.file_name for cell in self.settings.cells}
        there = {path.name for path in self.folder.glob("*.jsonl")}
        if there != expected or set(self.hashes) != expected:
            missing = ", ".join(sorted(expected - (there & set(self.hashes)))) or "none"
            got = f"{missing} missing and {', '.join(sorted(there - expected)) or 'none'} beside them"
            raise ValueError(
                f"{self.folder}: expected the {len(expected)} cells of the suite, got {got}; finish the suite with the "
                "settings it was made with (lit-grpo suite make), and keep other files elsewhere"
            )
        for cell in self.settings.cells:
            self.require_unchanged(cell)

    def require_unchanged(self, cell: Cell) -> None:
        """ValueError if the cell's file is not as it was written."""
        if not self.has(cell):
            raise ValueError(
                f"{self.folder / cell.file_name}: expected the file that {MANIFEST_FILE} has the hash of, got another; "
                "delete it and finish the suite again (lit-grpo suite make)"
            )


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _replace(path: Path, content: bytes) -> None:
    aside = path.with_name(f"{path.name}.partial")
    aside.write_bytes(content)
    os.replace(aside, path)
