"""Instances to choose in: made once, kept as JSON lines, and read again whenever the analysis changes.

Called by check_native_style.py. A line holds the faulty program and the names of what to choose among; features are
computed on reading. A file belongs to one kind, size, seed and generator version: `3_A_any_0.jsonl`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from lit_grpo.data.splits import GENERATOR_VERSION, Split, program_digest
from lit_grpo.data.task import Task, TaskSettings, generate_task
from lit_grpo.environment.domains.base import Domain, ProgramSize
from lit_grpo.environment.faults.injection import FaultKind
from lit_grpo.environment.programs.program import (
    Constraint,
    Direction,
    Element,
    LinearProgram,
    Sense,
    Variable,
    VariableType,
)
from lit_grpo.environment.solver.highs import HighsSolver
from native_style.eligible import eligible_elements, slots_by_sort

CHUNK = 20
"""Instances a process makes at a time."""


@dataclass(frozen=True, slots=True)
class Instance:
    """A faulty program, and the choices in it."""

    original: str
    """Digest of the true program: instances of one original are all learned from, or all asked about."""
    domain: Domain
    program: LinearProgram
    """The faulty one."""
    faulty: tuple[Element, ...]
    slots: tuple[tuple[Element, ...], ...]
    """For each sort that holds a faulty element, what to choose among; the faulty ones are part of it."""

    @property
    def is_a_choice(self) -> bool:
        """Whether any slot is sound; the others would only dilute chance."""
        return any(set(slots) - set(self.faulty) for slots in self.slots)


@dataclass(frozen=True, slots=True)
class Stream:
    """Where instances come from."""

    kind: FaultKind
    size: ProgramSize | None
    """None: as the difficulty says; easy, medium and hard alike."""
    seed: int

    @property
    def file_name(self) -> str:
        """Of its cache."""
        return f"{GENERATOR_VERSION}_{self.kind.value}_{self.size or 'any'}_{self.seed}.jsonl"


def instance_of(task: Task, solver: HighsSolver) -> Instance:
    """The choices in a task."""
    fault = task.fault
    slots = slots_by_sort(fault, eligible_elements(task, solver))
    return Instance(
        original=program_digest(fault.original),
        domain=task.domain,
        program=fault.faulty,
        faulty=fault.faulty_elements,
        slots=tuple(tuple(elements) for elements in slots),
    )


def instances(stream: Stream, number: int, folder: Path, pool: ProcessPoolExecutor) -> list[Instance]:
    """The first so many instances of the stream that leave a choice, from the cache as far as that goes."""
    path = folder / stream.file_name
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    found = [instance for instance in map(from_line, lines) if instance.is_a_choice]
    start = len(lines)
    with path.open("a", encoding="utf-8") as file:
        while len(found) < number:
            starts = range(start, start + math.ceil((number - len(found)) / CHUNK) * CHUNK, CHUNK)
            start = starts.stop
            for chunk in pool.map(partial(_make_lines, stream), starts):
                file.writelines(f"{line}\n" for line in chunk)
                file.flush()
                found += [instance for instance in map(from_line, chunk) if instance.is_a_choice]
    return found[:number]


def _make_lines(stream: Stream, start: int) -> list[str]:
    """The lines of `CHUNK` instances from a position of the stream."""
    return [to_line(instance) for instance in _make(stream, start)]


def _make(stream: Stream, start: int) -> Iterator[Instance]:
    solver, settings = HighsSolver(), TaskSettings(size=stream.size, kinds={stream.kind: 1.0})
    for index in range(start, start + CHUNK):
        yield instance_of(generate_task(settings, Split.TRAIN, stream.seed, index, solver), solver)


def to_line(instance: Instance) -> str:
    """The instance as one line of JSON; an infinite bound is written `Infinity`."""
    program = instance.program
    return json.dumps(
        {
            "original": instance.original,
            "domain": instance.domain.value,
            "direction": program.direction.value,
            "objective": program.objective,
            "variables": [(v.name, v.lower, v.upper, v.type.value) for v in program.variables],
            "rows": [(row.name, row.terms, row.sense.value, row.rhs) for row in program.constraints],
            "faulty": instance.faulty,
            "slots": instance.slots,
        }
    )


def from_line(line: str) -> Instance:
    """The instance that `to_line` wrote."""
    record = json.loads(line)
    program = LinearProgram(
        Direction(record["direction"]),
        _terms(record["objective"]),
        tuple(Variable(name, low, high, VariableType(type_)) for name, low, high, type_ in record["variables"]),
        tuple(Constraint(name, _terms(terms), Sense(sense), rhs) for name, terms, sense, rhs in record["rows"]),
    )
    slots = tuple(tuple(Element(slot) for slot in slots) for slots in record["slots"])
    faulty = tuple(Element(element) for element in record["faulty"])
    return Instance(record["original"], Domain(record["domain"]), program, faulty, slots)


def _terms(pairs: list[tuple[str, float]]) -> tuple[tuple[str, float], ...]:
    return tuple((name, value) for name, value in pairs)
