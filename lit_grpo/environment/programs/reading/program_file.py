"""Reads a program from an ``.lp`` or ``.mps`` file, plain or compressed: the one entrance for every file of a user.

Called by programs/files.py. No solver has a say in what a file means: it is read as what its text says, with a
report, or refused in one line with file, line, what was expected and what to change.
"""

from __future__ import annotations

import gzip
import zlib
from dataclasses import dataclass
from pathlib import Path

from lit_grpo.environment.programs.program import LinearProgram, ProgramError
from lit_grpo.environment.programs.reading.draft import ProgramDraft, finish
from lit_grpo.environment.programs.reading.lp import read_lp
from lit_grpo.environment.programs.reading.mps import read_mps
from lit_grpo.environment.programs.reading.report import ReadingReport, report_of
from lit_grpo.environment.programs.reading.source import Source, Span

SUFFIXES = (".mps", ".lp")
BYTE_ORDER_MARK = "\ufeff"
MAX_BYTES = 2**30
"""The largest uncompressed file that is read: a small archive could hold one that fills the memory."""


@dataclass(frozen=True, slots=True)
class ProgramFile:
    """A program, how it was read, and where everything of it stands."""

    program: LinearProgram
    report: ReadingReport
    draft: ProgramDraft
    """What was read with its places in the file's text, for a patch."""


def read_program_file(path: Path | str) -> ProgramFile:
    """Read ``NAME.lp``, ``NAME.mps``, ``NAME.lp.gz`` or ``NAME.mps.gz``.

    Raises:
        ProgramError: There is no such file, its name ends otherwise, it is no text, or it cannot be read exactly.
    """
    path = Path(path)
    suffix = format_suffix(path)
    if not path.is_file():
        raise ProgramError(f"{path}: expected an existing file, got none; check the path")
    return read_program_text(_text_of(path), suffix, str(path))


def read_program_text(text: str, suffix: str, name: str, first_line: int = 1) -> ProgramFile:
    """Read a program's text.

    Args:
        text: The text as the file has it.
        suffix: ``.lp`` or ``.mps``: which format it is.
        name: The name of the file, for messages.
        first_line: The number of its first line, for messages.

    Raises:
        ProgramError: It cannot be read exactly.
    """
    mark = BYTE_ORDER_MARK if text.startswith(BYTE_ORDER_MARK) else ""
    source = Source(name, text.removeprefix(mark), first_line, mark)
    if "\n" not in source.text and "\r" in source.text.strip():
        raise source.refusal(
            Span(0, 0), "lines", "lines that end with a line feed", "carriage returns alone", "save it with LF or CRLF"
        )
    draft, format_name = (read_lp(source), "LP") if suffix == ".lp" else read_mps(source)
    if mark:
        draft.note(None, "the file begins with a byte order mark, which was skipped")
    finished = finish(draft)
    report = report_of(finished.program, name, format_name, tuple(draft.notes), finished.renamed, finished.split)
    return ProgramFile(finished.program, report, draft)


def format_suffix(path: Path) -> str:
    """``.lp`` or ``.mps`` for a file's name, ``.gz`` behind it left out; ProgramError for another one."""
    inner = path.with_suffix("") if path.suffix.lower() == ".gz" else path
    suffix = inner.suffix.lower()
    if suffix not in SUFFIXES:
        raise ProgramError(
            f"{path}: expected a file named .mps or .lp, or one of them with .gz behind it, got "
            f"{path.suffix or 'no suffix'}; rename it"
        )
    return suffix


def _text_of(path: Path) -> str:
    try:
        if path.suffix.lower() == ".gz":
            with gzip.open(path) as file:
                content = file.read(MAX_BYTES + 1)
        else:
            content = path.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise ProgramError(
            f"{path}: expected a file that can be read, got {error}; check or compress it again"
        ) from error
    if len(content) > MAX_BYTES:
        raise ProgramError(f"{path}: expected at most {MAX_BYTES} bytes, got more; split the model")
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ProgramError(
            f"{path}:{line}: expected text in UTF-8, got the byte {content[error.start]:#04x}; save it as UTF-8"
        ) from error
    if "\0" in text:
        raise ProgramError(f"{path}: expected text, got a NUL character; check the export")
    return text
