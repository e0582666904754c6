"""Every record of a suite, checked one by one and against the others, in several processes.

Called by `lit-grpo suite check`.
"""

from __future__ import annotations

import multiprocessing
import re
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

from rich.console import Console
from rich.progress import track
from rich.table import Table

from lit_grpo.suite_checker.certificates import failures
from lit_grpo.suite_checker.manifest import MANIFEST, manifest_failures, size_of
from lit_grpo.suite_checker.own_programs import digests_of, is_own
from lit_grpo.suite_checker.records import Record, program_digest, read_record
from lit_grpo.suite_checker.requirements import Judge
from lit_grpo.suite_checker.strict_json import RecordError

CHUNK = 20
"""Records that a process checks at once."""
CELL_NAME = re.compile(r"([A-Z])_(\w+)\.jsonl")


@dataclass(frozen=True)
class Place:
    """A line of a file, from 1 on; 0 is the file as a whole."""

    file: Path
    number: int

    def __str__(self) -> str:
        """The line that is printed."""
        return f"{self.file}, line {self.number}" if self.number else str(self.file)


@dataclass(frozen=True)
class Checked:
    """What came of one record."""

    place: Place
    failures: tuple[str, ...]
    cell: tuple[str, str] = ("?", "?")
    """Kind and difficulty."""
    keys: tuple[tuple[str, str], ...] = ()
    """What no other record may have: its id, its original program."""
    is_integer: bool = False
    conflict_size: int = 0


def check_line(
    place: Place, line: str, judge: Judge, size: str | None = None, programs: Sequence[str] | None = None
) -> Checked:
    """Check one record by itself."""
    try:
        record = read_record(line)
        found = list(failures(record, judge, size, programs))
    except RecordError as error:
        return Checked(place, (str(error),))
    named = CELL_NAME.fullmatch(place.file.name)
    if named is not None and named.groups() != record.cell:
        found.append(
            f"expected a record of {' '.join(named.groups())} in this file, got one of {' '.join(record.cell)}"
        )
    return Checked(
        place,
        tuple(found),
        record.cell,
        tuple(_keys(record)),
        any(variable.type != "continuous" for variable in record.original.variables.values()),
        record.certificate["conflict_size"],
    )


def _keys(record: Record) -> Iterator[tuple[str, str]]:
    """What no other record may have; of a user's few programs each has many tasks."""
    yield "id", record.fields["id"]
    if not is_own(record):
        yield "original program", program_digest(record.original)


def repeated(checked: Iterable[Checked]) -> Iterator[tuple[Place, str]]:
    """Records that share an id or an original program with an earlier one."""
    first: dict[tuple[str, str], Place] = {}
    for one in checked:
        for key in one.keys:
            if key in first:
                place = first[key]
                yield one.place, f"expected another {key[0]} than that of {place.file.name}, line {place.number}"
            first.setdefault(key, one.place)


def read_lines(file: Path) -> list[str]:
    """The lines of a file.

    Raises:
        RecordError: The file is not UTF-8, begins with a byte order mark, or its last line does not end.
    """
    content = file.read_bytes()
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        raise RecordError(f"expected UTF-8, got {error.reason} at byte {error.start}") from error
    if text.startswith("\ufeff") or "\r" in text or not text.endswith("\n"):
        raise RecordError("expected lines that end in a line feed each, got another beginning or end")
    return text.split("\n")[:-1]


def check(
    files: Sequence[Path], size: str | None, programs: Sequence[str] | None, num_workers: int, console: Console
) -> list[Checked]:
    """Check every line of the files, in their order.

    Args:
        files: With a record a line.
        size: The one of all programs; None if there is no one.
        programs: The digests of the user's programs that the suite is made of; None if there are none.
        num_workers: Processes that check at once.
        console: For the bar.
    """
    unreadable, lines = [], []
    for file in files:
        try:
            lines += [(Place(file, number), line) for number, line in enumerate(read_lines(file), start=1)]
        except RecordError as error:
            unreadable.append(Checked(Place(file, 0), (str(error),)))
    chunks = [lines[start : start + CHUNK] for start in range(0, len(lines), CHUNK)]
    # Fresh processes: forking one that has threads is not safe everywhere.
    with ProcessPoolExecutor(num_workers, mp_context=multiprocessing.get_context("spawn")) as executor:
        results = executor.map(partial(_check_chunk, size, programs), chunks)
        checked = [one for chunk in track(results, "checking", total=len(chunks), console=console) for one in chunk]
    return unreadable + checked


def show(checked: Sequence[Checked], num_failed: dict[Place, int], console: Console) -> None:
    """A table, a row per cell."""
    table = Table("kind", "difficulty", "records", "integer", "mean conflict", "do not hold")
    order = {"easy": 0, "medium": 1, "hard": 2}
    for cell in sorted({one.cell for one in checked}, key=lambda cell: (cell[0], order.get(cell[1], 3))):
        members = [one for one in checked if one.cell == cell]
        mean = sum(one.conflict_size for one in members) / len(members)
        num_integer = sum(one.is_integer for one in members)
        failed = sum(one.place in num_failed for one in members)
        table.add_row(*cell, str(len(members)), str(num_integer), f"{mean:.1f}", str(failed))
    console.print(table)


def check_suite(path: Path, num_workers: int, size: str | None = None) -> bool:
    """Check, print a table and a line for each thing that does not hold.

    Args:
        path: A .jsonl file, or a folder of them with its manifest.
        num_workers: Processes that check at once.
        size: The size of all programs; None: as the manifest says, or as the difficulty of each record says.

    Returns:
        Whether everything holds.

    Raises:
        ValueError: There is no record.
    """
    files = sorted(path.glob("*.jsonl")) if path.is_dir() else [path] if path.is_file() else []
    folder = path if path.is_dir() else path.parent
    size, programs = size or size_of(folder), digests_of(folder, MANIFEST)
    checked = check(files, size, programs, num_workers, Console(stderr=True)) if files else []
    if not checked:
        raise ValueError(f"expected a file or a folder of files with records, got {path}")
    found = [(one.place, text) for one in checked for text in one.failures] + list(repeated(checked))
    if path.is_dir():
        found += [(Place(path / MANIFEST, 0), text) for text in manifest_failures(path)]
    num_failed: dict[Place, int] = {}
    for place, text in found:
        num_failed[place] = num_failed.get(place, 0) + 1
        print(f"{place}: {text}")
    show([one for one in checked if one.place.number], num_failed, Console())
    return not found


def _check_chunk(size: str | None, programs: Sequence[str] | None, lines: Sequence[tuple[Place, str]]) -> list[Checked]:
    """Check some lines in a worker."""
    return [check_line(place, line, _judge(), size, programs) for place, line in lines]


@cache
def _judge() -> Judge:
    """The one of this process."""
    return Judge()
