"""Benchmarks: tasks as JSON lines, one self-contained record a line, and back without loss.

Called by the scripts that write a benchmark and by the data module that reads one.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from lit_grpo.data.certificate_records import certificate_from_record, certificate_to_record
from lit_grpo.data.json_values import element_of, list_of, number_of, strict_object, text_of, value_of, whole_number_of
from lit_grpo.data.splits import GENERATOR_VERSION, Split
from lit_grpo.data.task import Task, make_task
from lit_grpo.environment.domains.base import Domain
from lit_grpo.environment.episodes.actions import Move, parse, render
from lit_grpo.environment.faults.difficulty import Difficulty
from lit_grpo.environment.faults.fault_kinds import FaultKind
from lit_grpo.environment.faults.injection import FaultyProgram
from lit_grpo.environment.programs.edits import AgentEdit, SetBounds, SetType, apply_all
from lit_grpo.environment.programs.files import program_from_mps_text, program_to_mps_text
from lit_grpo.environment.programs.program import LinearProgram, ProgramError, VariableType
from lit_grpo.environment.programs.specification import Sentence, Specification

Record = Mapping[str, object]
"""A task as JSON: the keys of `task_to_record`, all required."""


KEYS = frozenset(
    {
        "id",
        "domain",
        "kind",
        "difficulty",
        "split",
        "specification",
        "original_mps",
        "original_declarations",
        "faulty_mps",
        "faulty_declarations",
        "inverse_actions",
        "faulty_elements",
        "original_objective",
        "certificate",
        "generator_version",
    }
)
"""The keys of a record."""


class BenchmarkError(ValueError):
    """A benchmark file that cannot be used: says the line, what was expected, and what was got."""


def write_benchmark(path: Path, tasks: Iterable[Task]) -> None:
    """Write the tasks, one record a line; a file that is there already is replaced only when all are written."""
    aside = path.with_name(f"{path.name}.partial")
    with aside.open("w", encoding="utf-8") as file:
        for task in tasks:
            file.write(json.dumps(task_to_record(task), ensure_ascii=False) + "\n")
    os.replace(aside, path)


def read_benchmark(path: Path) -> tuple[Task, ...]:
    """The tasks of a file in their order; BenchmarkError names the first line that holds none."""
    with path.open(encoding="utf-8") as file:
        tasks = tuple(_read_lines(path, file))
    if not tasks:
        raise BenchmarkError(f"{path}: expected one task a line, got an empty file")
    return tasks


def task_to_record(task: Task) -> dict[str, object]:
    """The task as plain JSON values."""
    fault = task.fault
    return {
        "id": task.id,
        "domain": task.domain.value,
        "kind": fault.kind.value,
        "difficulty": fault.difficulty.value,
        "split": task.split.value,
        "specification": [{"text": s.text, "about": s.about} for s in task.specification.sentences],
        "original_mps": program_to_mps_text(fault.original),
        "original_declarations": _written(_declarations(fault.original)),
        "faulty_mps": program_to_mps_text(fault.faulty),
        "faulty_declarations": _written(_declarations(fault.faulty)),
        "inverse_actions": _written(fault.inverse),
        "faulty_elements": list(fault.faulty_elements),
        "original_objective": fault.original_objective,
        "certificate": certificate_to_record(fault.certificate),
        "generator_version": GENERATOR_VERSION,
    }


def task_from_record(record: Record) -> Task:
    """The task of a record; ValueError or ProgramError if a key is unknown or a value is not what it should be."""
    unknown = sorted(record.keys() - KEYS)
    if unknown:
        raise ValueError(f"expected the keys of a task, got {', '.join(unknown)} beside them")
    if whole_number_of(record, "generator_version") != GENERATOR_VERSION:
        raise ValueError(
            f"expected generator_version {GENERATOR_VERSION}, got {record['generator_version']}; make the tasks again "
            "(lit-grpo suite make), or use the release that made them"
        )
    kind = FaultKind(text_of(record, "kind"))
    fault = FaultyProgram(
        kind=kind,
        difficulty=Difficulty(text_of(record, "difficulty")),
        original=_read_program(record, "original"),
        faulty=_read_program(record, "faulty"),
        inverse=_read_edits(record, "inverse_actions"),
        faulty_elements=tuple(element_of(text) for text in list_of(record, "faulty_elements")),
        original_objective=number_of(record, "original_objective"),
        certificate=certificate_from_record(kind, value_of(record, "certificate")),
    )
    if apply_all(fault.faulty, fault.inverse) != fault.original:
        raise ValueError("expected inverse_actions to turn faulty_mps into original_mps, got another program")
    sentences = tuple(_read_sentence(entry) for entry in list_of(record, "specification"))
    domain = Domain(text_of(record, "domain"))
    # Which split a user's program is of, depends on the others of its folder as well.
    split = Split(text_of(record, "split")) if domain is Domain.PROGRAMS else None
    task = make_task(domain, Specification(sentences), fault, split)
    for key, value in (("id", task.id), ("split", task.split.value)):
        if text_of(record, key) != value:
            raise ValueError(f"expected {key} {value} from the content, got {record[key]}: was the record edited?")
    return task


def _declarations(program: LinearProgram) -> tuple[AgentEdit, ...]:
    """What MPS cannot say: a binary with bounds other than [0, 1], and an integer with just these."""
    unsaid = [
        v
        for v in program.variables
        if v.type is not VariableType.CONTINUOUS and (v.type is VariableType.BINARY) != ((v.lower, v.upper) == (0, 1))
    ]
    types = (SetType(v.name, v.type) for v in unsaid)
    return (*types, *(SetBounds(v.name, v.lower, v.upper) for v in unsaid))


def _written(edits: Iterable[AgentEdit]) -> list[str]:
    return [render(Move(edit)) for edit in edits]


def _read_program(record: Record, which: str) -> LinearProgram:
    program = program_from_mps_text(text_of(record, f"{which}_mps"))
    return apply_all(program, _read_edits(record, f"{which}_declarations"))


def _read_lines(path: Path, lines: Iterable[str]) -> Iterator[Task]:
    for number, line in enumerate(lines, start=1):
        try:
            yield task_from_record(strict_object(line, "a line"))
        except (ProgramError, ValueError) as error:
            raise BenchmarkError(f"{path}, line {number}: {error}") from error


def _read_sentence(value: object) -> Sentence:
    if not isinstance(value, dict) or set(value) != {"text", "about"}:
        raise ValueError(f"expected a sentence with text and about, got {value!r}")
    about = None if value["about"] is None else element_of(value["about"])
    return Sentence(text_of(value, "text"), about)


def _read_edits(record: Record, key: str) -> tuple[AgentEdit, ...]:
    moves = [parse(value) if isinstance(value, str) else None for value in list_of(record, key)]
    edits = tuple(move.action for move in moves if isinstance(move, Move) and isinstance(move.action, AgentEdit))
    if len(edits) < len(moves):
        raise ValueError(f"expected {key} to be edits in the action grammar, got {record[key]!r}")
    return edits
