"""Every record of a suite, checked one by one and against the others, in several processes.

Called by `lit-grpo suite check`.
"""

from __future__ import annotations

import multiprocessing
import re
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from rich.console import Console
from rich.progress import track
from rich.table import Table

from lit_grpo.suite_checker.certificates import failures
from lit_grpo.suite_checker.programs import RecordError
from lit_grpo.suite_checker.records import program_digest, read_record
from lit_grpo.suite_checker.requirements import Judge

CHUNK = 20
"""Records that a process checks at once."""
CELL_NAME = re.compile(r"([A-Z])_(\w+)\.jsonl")


@dataclass(frozen=True)
class Place:
    """A line of a file, from 1 on."""

    file: Path
    number: int


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


def check_line(place: Place, line: str, judge: Judge) -> Checked:
    """Check one record by itself."""
    try:
        record = read_record(line)
        found = list(failures(record, judge))
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
        (("id", record.fields["id"]), ("original program", program_digest(record.original))),
        any(variable.type != "continuous" for variable in record.original.variables.values()),
        record.certificate["conflict_size"],
    )


def repeated(checked: Iterable[Checked]) -> Iterator[tuple[Place, str]]:
    """Records that share an id or an original program with an earlier one."""
    first: dict[tuple[str, str], Place] = {}
    for one in checked:
        for key in one.keys:
            if key in first:
                place = first[key]
                yield one.place, f"expected another {key[0]} than that of {place.file.name}, line {place.number}"
            first.setdefault(key, one.place)


def check(files: Sequence[Path], num_workers: int, console: Console) -> list[Checked]:
    """Check every line of the files, in their order."""
    lines = [
        (Place(file, number), line)
        for file in files
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1)
    ]
    chunks = [lines[start : start + CHUNK] for start in range(0, len(lines), CHUNK)]
    # Fresh processes: forking one that has threads is not safe everywhere.
    with ProcessPoolExecutor(num_workers, mp_context=multiprocessing.get_context("spawn")) as executor:
        results = executor.map(_check_chunk, chunks)
        return [one for chunk in track(results, "checking", total=len(chunks), console=console) for one in chunk]


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


def check_suite(path: Path, num_workers: int) -> bool:
    """Check, print a table and a line for each thing that does not hold.

    Args:
        path: A .jsonl file, or a folder of them.
        num_workers: Processes that check at once.

    Returns:
        Whether everything holds.

    Raises:
        ValueError: There is no record.
    """
    files = sorted(path.glob("*.jsonl")) if path.is_dir() else [path] if path.is_file() else []
    checked = check(files, num_workers, Console(stderr=True)) if files else []
    if not checked:
        raise ValueError(f"expected a file or a folder of files with records, got {path}")
    found = [(one.place, text) for one in checked for text in one.failures] + list(repeated(checked))
    num_failed: dict[Place, int] = {}
    for place, text in found:
        num_failed[place] = num_failed.get(place, 0) + 1
        print(f"{place.file}, line {place.number}: {text}")
    show(checked, num_failed, Console())
    return not found


def _check_chunk(lines: Sequence[tuple[Place, str]]) -> list[Checked]:
    """In a worker."""
    return [check_line(place, line, _judge()) for place, line in lines]


@cache
def _judge() -> Judge:
    """The one of this process."""
    return Judge()
