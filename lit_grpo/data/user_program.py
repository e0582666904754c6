"""RepairDataModule: a user's own program for `lit-grpo predict`. Named in configs as ``data.class_path``."""

from __future__ import annotations

from pathlib import Path

import lightning.pytorch as pl
from torch.utils.data import DataLoader, Dataset
from typing_extensions import override


class UserProgram:
    """A user's program: where it lies, what it should mean, and where the repaired one goes. Read by RepairWriter."""

    __slots__ = ("output", "program", "specification")

    def __init__(self, program: Path, specification: Path | None, output: Path) -> None:
        self.program, self.specification, self.output = program, specification, output


class RepairDataModule(pl.LightningDataModule):
    """One program to repair.

    Args:
        program: ``.mps`` or ``.lp``.
        specification: Text that says what the program should mean; None if there is none.
        output: File of the repaired program, with the same kind of suffix; None: ``NAME.repaired.mps`` beside it.
    """

    def __init__(self, program: Path, specification: Path | None = None, output: Path | None = None) -> None:
        super().__init__()
        output = output or program.with_suffix(f".repaired{program.suffix}")
        if output.exists():
            raise ValueError(f"{output}: expected no such file yet, got one; move it or set data.output")
        self._program = UserProgram(program, specification, output)

    @override
    def predict_dataloader(self) -> DataLoader[UserProgram]:
        """One batch: the program."""
        return DataLoader(_One(self._program), batch_size=None)


class _One(Dataset[UserProgram]):
    def __init__(self, program: UserProgram) -> None:
        self._program = program

    def __len__(self) -> int:
        return 1

    @override
    def __getitem__(self, index: int) -> UserProgram:
        return self._program
