"""Reads a folder of the user's own programs: ``NAME.lp`` or ``NAME.mps``, perhaps with ``.gz``, beside ``NAME.txt``.

Called by pool.py. What cannot be used is collected, a line for each file, so that all of it can be mended at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lit_grpo.data.programs.folder_error import ProgramFolderError
from lit_grpo.data.programs.kept import read_kept
from lit_grpo.data.splits import program_digest
from lit_grpo.environment.programs.program import LinearProgram, ProgramError
from lit_grpo.environment.programs.reading.program_file import SUFFIXES, format_suffix
from lit_grpo.environment.programs.specification import Specification
from lit_grpo.environment.programs.specification_file import read_specification

ENDINGS = tuple(f"{suffix}{packed}" for suffix in SUFFIXES for packed in ("", ".gz"))
"""How the names of programs end; whatever else lies in the folder is left alone."""


@dataclass(frozen=True, slots=True)
class OwnProgram:
    """A program of the user's own, as it was read."""

    file: Path
    program: LinearProgram
    specification: Specification
    digest: str
    """Blind to names and to the order of rows: two files with one digest hold one program."""


def program_files(folder: Path) -> list[Path]:
    """The files of programs in a folder, by name; folders in it are not looked into.

    Raises:
        ProgramFolderError: There is no such folder, or no program in it.
    """
    if not folder.is_dir():
        raise ProgramFolderError(f"data.tasks.programs: expected a folder of programs, got {folder}; check the path")
    files = sorted(path for path in folder.iterdir() if path.name.lower().endswith(ENDINGS) and path.is_file())
    if not files:
        raise ProgramFolderError(
            f"data.tasks.programs: expected files named {', '.join(ENDINGS)} in {folder}, got none; name another folder"
        )
    return files


def text_file(file: Path) -> Path:
    """The file of a program's text: ``NAME.txt`` for ``NAME.lp`` and for ``NAME.lp.gz``."""
    return file.with_name(file.name[: file.name.lower().rindex(format_suffix(file))] + ".txt")


def read_own_program(file: Path) -> OwnProgram:
    """A program and its text.

    Raises:
        ProgramError: One of them is not there, is empty, or cannot be read; says which, and what to change.
    """
    program = read_kept(file)
    specification = read_specification(text_file(file), program)
    return OwnProgram(file, program, specification, program_digest(program))


def read_folder(folder: Path) -> Iterator[OwnProgram | ProgramError]:
    """Every program of a folder in the order of names, or in its place why it cannot be used; raises like
    `program_files`.
    """
    for file in program_files(folder):
        try:
            yield read_own_program(file)
        except ProgramError as error:
            yield error
