"""RepairDataModule: a user's own program for `lit-grpo predict`. Named in configs as ``data.class_path``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import lightning.pytorch as pl
from torch.utils.data import DataLoader, Dataset
from typing_extensions import override

from lit_grpo.environment.programs.reading.program_file import SUFFIXES

MOST_SHOWN = 3
"""Repairs that a prediction shows, each with a patch."""


class UserProgram:
    """A user's program: where it lies, what is said of it, and where results go. Read by RepairWriter."""

    __slots__ = ("assertions", "keep", "output", "program", "specification")

    def __init__(
        self,
        program: Path,
        output: Path,
        specification: Path | None = None,
        keep: Sequence[str] = (),
        assertions: Path | None = None,
    ) -> None:
        self.program, self.output, self.specification = program, output, specification
        self.keep, self.assertions = tuple(keep), assertions

    @property
    def results(self) -> Path:
        """The file of the results, beside the repaired program."""
        return self.output.with_suffix(".json")

    def patch(self, number: int) -> Path:
        """The file of the patch that makes the repair of this number, from 1."""
        return self.output.with_suffix(f".{number}.patch")


class RepairDataModule(pl.LightningDataModule):
    """One program to repair.

    Args:
        program: ``.mps`` or ``.lp``, or one of them with ``.gz`` behind it.
        specification: Text that says what the program should mean; None if there is none.
        output: File of the repaired program, ``.mps`` or ``.lp``; None: ``NAME.repaired.lp`` beside it. Patches and
            results go beside the file.
        keep: What a repair must not touch: ``row:NAME``, ``var:NAME`` or a pattern such as ``row:demand*``; one or a
            list.
        assertions: File of rows in LP syntax that a repaired program has to satisfy; below a line ``Points`` values
            that it has to allow.
    """

    def __init__(
        self,
        program: Path,
        specification: Path | None = None,
        output: Path | None = None,
        keep: list[str] | str | None = None,
        assertions: Path | None = None,
    ) -> None:
        super().__init__()
        if output is not None and output.suffix.lower() not in SUFFIXES:
            raise ValueError(f"data.output: expected a file named .lp or .mps, got {output}; rename it")
        plain = program.with_suffix("") if program.suffix.lower() == ".gz" else program
        kept = [keep] if isinstance(keep, str) else keep or []
        output = output or plain.with_suffix(f".repaired{plain.suffix}")
        self.asked = UserProgram(program, output, specification, kept, assertions)
        patches = (self.asked.patch(number) for number in range(1, MOST_SHOWN + 1))
        for path in (output, self.asked.results, *patches):
            if path.exists():
                raise ValueError(f"{path}: expected no such file yet, got one; move it or set data.output")

    @override
    def predict_dataloader(self) -> DataLoader[UserProgram]:
        """One batch: the program."""
        return DataLoader(_One(self.asked), batch_size=None)


class _One(Dataset[UserProgram]):
    def __init__(self, program: UserProgram) -> None:
        self._program = program

    def __len__(self) -> int:
        return 1

    @override
    def __getitem__(self, index: int) -> UserProgram:
        return self._program
