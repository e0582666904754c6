"""Problems in the published layout of OR-Debug-Bench (arXiv 2601.21008): a ``dataset.json`` and MPS files.

Called by data/suite.py and scripts/audits/check_public_benchmark.py. Rows and variables are renamed by position,
because the published names give the fault away (``_saboteur_...``, ``_force_...``). The model before the fault is not
published: it is made here from the sentence that says how to repair. The published conflict is not read: it is one
of several, so it is found anew. Kind and difficulty are as published; nothing certifies them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lit_grpo.environment.faults.difficulty import Difficulty
from lit_grpo.environment.faults.fault_kinds import FaultKind
from lit_grpo.environment.faults.ground_truth import GroundTruth
from lit_grpo.environment.programs.edits import (
    AgentEdit,
    DropRow,
    SetBounds,
    SetCoefficient,
    SetRhs,
    SetSense,
    SetType,
    apply_all,
    edited_element,
)
from lit_grpo.environment.programs.files import read_program
from lit_grpo.environment.programs.program import Constraint, LinearProgram, ProgramError, Variable, VariableType
from lit_grpo.environment.programs.specification import RepairProblem

INDEX_FILE = "dataset.json"
PUBLIC_DOMAIN = "published"
_NUMBER = r"(-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)"


@dataclass(frozen=True, slots=True)
class PublicProblem:
    """One published problem, with neutral names and its implied ground truth: a `GradedProblem`."""

    id: str
    """The name that it was published under."""
    fault: GroundTruth
    """Rows ``c1, c2, ...`` and variables ``x1, x2, ...`` in the file's order; ``original_objective`` is as published,
    and the original's optimum agrees to 1e-3 relative (integer ones were published with a gap)."""

    @property
    def domain(self) -> str:
        """One for all: the programs are drawn at random and mean nothing."""
        return PUBLIC_DOMAIN

    @property
    def problem(self) -> RepairProblem:
        """Without a specification, since none is published."""
        return RepairProblem(self.fault.faulty)


def is_public_benchmark(path: Path) -> bool:
    """Whether a folder has the published layout."""
    return (path / INDEX_FILE).is_file()


def read_public_benchmark(folder: Path | str) -> Iterator[PublicProblem]:
    """The problems of a folder in the published layout, in their order, each read when it is asked for.

    Raises:
        ProgramError: No ``dataset.json``, a file that cannot be read, or a problem that says its repair otherwise.
    """
    folder = Path(folder)
    index = folder / INDEX_FILE
    if not index.is_file():
        raise ProgramError(f"{folder}: expected a folder that holds dataset.json and models, got none; check the path")
    try:
        records = json.loads(index.read_text(encoding="utf-8"))["problems"]
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise ProgramError(f"{index}: expected JSON with a list 'problems', got {error!r}; export it again") from error
    for record in records:
        yield _problem(folder, _record(record))


@dataclass(frozen=True, slots=True)
class _Record:
    """The fields of one published record that are read."""

    problem_id: str
    model_file: str
    kind: str
    difficulty: str
    target_name: str
    ground_truth_fix: str
    original_objective: float


def _record(fields: dict[str, Any]) -> _Record:
    try:
        return _Record(
            problem_id=str(fields["problem_id"]),
            model_file=str(fields["model_file"]),
            kind=str(fields["error_type"]),
            difficulty=str(fields["difficulty"]),
            target_name=str(fields["target_name"]),
            ground_truth_fix=str(fields["ground_truth_fix"]),
            original_objective=float(fields["original_objective"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ProgramError(
            f"problem: expected the published fields, got {error!r}; export the data set again"
        ) from error


def _problem(folder: Path, record: _Record) -> PublicProblem:
    published = read_program(_model_path(folder, record.model_file))
    names = _NeutralNames(record.problem_id, published)
    faulty, inverse = names.renamed(published), _inverse(names, published, record)
    truth = GroundTruth(
        kind=FaultKind(record.kind),
        difficulty=_difficulty(record),
        original=apply_all(faulty, inverse),
        faulty=faulty,
        inverse=inverse,
        faulty_elements=tuple(dict.fromkeys(edited_element(edit) for edit in inverse)),
        original_objective=record.original_objective,
    )
    return PublicProblem(record.problem_id, truth)


def _difficulty(record: _Record) -> Difficulty:
    if record.difficulty not in set(Difficulty):
        raise ProgramError(
            f"{record.problem_id}: expected a difficulty of {', '.join(Difficulty)}, got {record.difficulty!r}; "
            "leave the problem out"
        )
    return Difficulty(record.difficulty)


def _model_path(folder: Path, model_file: str) -> Path:
    path = folder / model_file
    if not path.resolve().is_relative_to(folder.resolve()):
        raise ProgramError(f"{model_file}: expected a model file inside the benchmark's folder, got one outside")
    return path


class _NeutralNames:
    """Published names to neutral ones; ProgramError for a name that the model does not have."""

    def __init__(self, problem_id: str, published: LinearProgram) -> None:
        self._problem_id = problem_id
        self._rows = {row.name: f"c{i}" for i, row in enumerate(published.constraints, start=1)}
        self._variables = {variable.name: f"x{j}" for j, variable in enumerate(published.variables, start=1)}

    def row(self, published: str) -> str:
        """The neutral name of a row."""
        return self._find(self._rows, published, "row")

    def variable(self, published: str) -> str:
        """The neutral name of a variable."""
        return self._find(self._variables, published, "variable")

    def renamed(self, published: LinearProgram) -> LinearProgram:
        """The same program under neutral names."""
        return LinearProgram(
            published.direction,
            self._terms(published.objective),
            tuple(Variable(self._variables[v.name], v.lower, v.upper, v.type) for v in published.variables),
            tuple(
                Constraint(self._rows[row.name], self._terms(row.terms), row.sense, row.rhs)
                for row in published.constraints
            ),
            published.objective_offset,
        )

    def _terms(self, terms: tuple[tuple[str, float], ...]) -> tuple[tuple[str, float], ...]:
        return tuple((self._variables[name], coefficient) for name, coefficient in terms)

    def _find(self, names: dict[str, str], published: str, what: str) -> str:
        if published not in names:
            raise ProgramError(f"{self._problem_id}: expected the name of a {what}, got {published!r}; export it again")
        return names[published]


def _inverse(names: _NeutralNames, published: LinearProgram, record: _Record) -> tuple[AgentEdit, ...]:
    """The edits that the published repair amounts to, per kind of fault."""
    target, fix = record.target_name, record.ground_truth_fix
    match record.kind:
        case "A":
            return (SetSense(names.row(target), published.constraint(target).sense.reversed),)
        case "B":
            return _restored_variable(names, record)
        case "C":
            row, variable = target.rsplit(":", 1)
            return (SetCoefficient(names.row(row), names.variable(variable), _number(rf"back to {_NUMBER}", record)),)
        case "D":
            rows = fix.rsplit(":", 1)[1].split(",") if ":" in fix else [target]
            return tuple(DropRow(names.row(row.strip())) for row in rows)
        case "E" | "F" | "G":
            return tuple(DropRow(names.row(row.strip())) for row in target.split(","))
        case "H":
            lower = _number(rf"changed from {_NUMBER} to", record)
            return (SetBounds(names.variable(target), lower, published.variable(target).upper),)
        case "I":
            return (
                SetRhs(names.row(target), _number(rf"CORRECT: RELAX {re.escape(target)} to RHS = {_NUMBER}", record)),
            )
        case _:
            raise ProgramError(f"{record.problem_id}: expected a fault kind A to I, got {record.kind!r}; leave it out")


def _restored_variable(names: _NeutralNames, record: _Record) -> tuple[AgentEdit, ...]:
    """The published sentence always says INTEGER; the models before the fault were continuous unless mixed-integer."""
    is_integer = record.problem_id.startswith("mip_")
    variable = names.variable(record.target_name)
    return (
        DropRow(names.row(f"_force_{record.target_name}")),
        SetBounds(variable, 0.0, _number(rf"UB={_NUMBER}", record)),
        SetType(variable, VariableType.INTEGER if is_integer else VariableType.CONTINUOUS),
    )


def _number(pattern: str, record: _Record) -> float:
    found = re.search(pattern, record.ground_truth_fix)
    if found is None:
        raise ProgramError(
            f"{record.problem_id}: expected a repair that says {pattern!r}, got {record.ground_truth_fix!r}; "
            "leave the problem out"
        )
    return float(found.group(1))
