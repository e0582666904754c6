"""The programs of a folder, split and ready to be drawn from: what `data.tasks.programs` names.

Called by data/task.py and by `lit-grpo programs`. A program's split follows from its content, as everywhere: 80 : 10 :
10 by its digest. Where that leaves a split without one, it is given the largest digest of the split that has most, so
that three programs are enough, and a program that is added moves no other but those.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

from lit_grpo.data.programs.folder import OwnProgram, read_folder
from lit_grpo.data.programs.folder_error import ProgramFolderError
from lit_grpo.data.programs.names import spare_row_names
from lit_grpo.data.programs.survey import Survey
from lit_grpo.data.splits import Cell, Split, split_of_digest
from lit_grpo.environment.domains.base import BaseModel, Domain
from lit_grpo.environment.faults.fault_kinds import FaultKind
from lit_grpo.environment.programs.program import ProgramError
from lit_grpo.environment.solver.highs import HighsSolver
from lit_grpo.environment.solver.solver import SolverStatus

REMEDIES = {
    SolverStatus.INFEASIBLE: "`lit-grpo explain {file}` says why; correct it, or move it out of the folder",
    SolverStatus.UNBOUNDED: "bound what its objective drives, or move it out of the folder",
    SolverStatus.INCONCLUSIVE: "a limit of the solver was reached; move it out of the folder",
}
"""What to do about a program that has no optimum."""


@dataclass(frozen=True, slots=True)
class PooledProgram:
    """A program that tasks are made from."""

    own: OwnProgram
    base: BaseModel
    """The same as what a domain builds."""
    survey: Survey

    def allows(self, cell: Cell) -> bool:
        """Whether a fault of that kind and difficulty can be put into it."""
        return self.survey.allows(cell, self.base.spare_row_names)


class ProgramPool:
    """The programs of a folder.

    Args:
        folder: Holds them, each with its text.

    Raises:
        ProgramFolderError: There are none or too few, or some cannot be used: a line for each of those.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._allowing: dict[tuple[Split, Cell], list[PooledProgram]] = {}
        solver = HighsSolver()
        usable: list[tuple[OwnProgram, Survey]] = []
        problems: list[str] = []
        for read in read_folder(folder):
            if isinstance(read, ProgramError):
                problems.append(str(read))
                continue
            survey = Survey(read.program, solver)
            if survey.status is SolverStatus.OPTIMAL:
                usable.append((read, survey))
            else:
                remedy = REMEDIES[survey.status].format(file=read.file)
                problems.append(f"{read.file}: expected an optimum, got {survey.status.value}; {remedy}")
        if problems:
            raise ProgramFolderError("\n".join(problems))
        self.splits = splits_of([own.digest for own, _ in usable], folder)
        by_split = {split: [own for own, _ in usable if self.splits[own.digest] is split] for split in Split}
        self.programs = tuple(
            PooledProgram(own, _base_of(own, by_split[self.splits[own.digest]]), survey) for own, survey in usable
        )

    @cached_property
    def digests(self) -> tuple[str, ...]:
        """Of its different programs, in order: what the splits follow from."""
        return tuple(sorted(self.splits))

    def split_of(self, program: PooledProgram) -> Split:
        """The split of one of its programs."""
        return self.splits[program.own.digest]

    def of_split(self, split: Split) -> list[PooledProgram]:
        """The programs of a split, in the order of their names."""
        return [program for program in self.programs if self.split_of(program) is split]

    def allowing(self, split: Split, cell: Cell) -> list[PooledProgram]:
        """Those of a split that a fault of that kind and difficulty can be put into."""
        if (split, cell) not in self._allowing:
            self._allowing[split, cell] = [program for program in self.of_split(split) if program.allows(cell)]
        return self._allowing[split, cell]

    def offers(self, cell: Cell) -> bool:
        """Whether every split has a program for such faults: a cell that is trained on has to be judged as well."""
        return all(self.allowing(split, cell) for split in Split)

    def summary(self, cells: Collection[Cell]) -> str:
        """One line: how many programs each split has, and which kinds of fault are drawn; how many of the programs
        have room for each.
        """
        numbers = ", ".join(f"{len(self.of_split(split))} {split.value}" for split in Split)
        by_kind = {kind: [cell for cell in cells if cell.kind is kind] for kind in FaultKind}
        kinds = ", ".join(
            f"{kind.value} in {sum(any(map(program.allows, of_kind)) for program in self.programs)}"
            for kind, of_kind in by_kind.items()
            if of_kind
        )
        return (
            f"{len(self.programs)} programs in {self.folder} ({numbers}); faults of kind {kinds} of them "
            f"(`lit-grpo programs {self.folder}` lists them)"
        )


@cache
def open_pool(folder: Path) -> ProgramPool:
    """The pool of a folder, read once in a process; raises like `ProgramPool`."""
    return ProgramPool(folder)


def splits_of(digests: Sequence[str], folder: Path) -> dict[str, Split]:
    """The split of each different digest: none is empty.

    Raises:
        ProgramFolderError: There are fewer than three.
    """
    different = sorted(set(digests), reverse=True)
    if len(different) < len(Split):
        raise ProgramFolderError(
            f"{folder}: expected at least {len(Split)} different programs, for training, validation and test, got "
            f"{len(different)}; add some"
        )
    splits = {digest: split_of_digest(digest) for digest in different}
    for split in (Split.TEST, Split.VALIDATION, Split.TRAIN):
        if split not in splits.values():
            held = list(splits.values())
            largest = max(Split, key=held.count)
            splits[next(digest for digest in different if splits[digest] is largest)] = split
    return splits


def _base_of(own: OwnProgram, of_its_split: Sequence[OwnProgram]) -> BaseModel:
    names = spare_row_names(own.program, [other.program for other in of_its_split])
    return BaseModel(Domain.PROGRAMS, own.program, own.specification, names)
