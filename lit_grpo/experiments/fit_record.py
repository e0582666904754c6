"""What the fit of an arm has taken so far, over all the commands that it was made in: `fit.json` in the arm's folder.

Written and read by arm_run.py; the studies read it for the compute of an arm.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from lit_grpo.data.json_values import read_object
from lit_grpo.experiments.processes import Ended
from lit_grpo.writing import write_whole

FIT_FILE = "fit.json"


@dataclass(frozen=True, slots=True)
class FitRecord:
    """A fit in one part, or in several that go on from each other's checkpoints."""

    is_done: bool = False
    """Whether the last part came to the end of the fit."""
    cpu_s: float = 0.0
    """CPU seconds of the parts that have ended."""
    wall_s: float = 0.0
    parts_begun: int = 0
    parts_ended: int = 0
    """A part that was killed together with the study has begun and not ended: nobody knows its seconds."""

    @property
    def is_whole(self) -> bool:
        """Whether the seconds are those of all parts."""
        return self.parts_begun == self.parts_ended

    @classmethod
    def read(cls, folder: Path) -> FitRecord:
        """Read that of an arm's folder; one of nothing if the fit has not begun.

        Raises:
            ValueError: The file is none.
        """
        path, remedy = folder / FIT_FILE, "move the arm's folder away, and it is run again"
        if not path.is_file():
            return cls()
        fields = read_object(path, remedy)
        try:
            return cls(**fields)
        except TypeError as error:
            raise ValueError(f"{path}: expected the record of a fit, got {fields!r:.80}; {remedy}") from error

    def write(self, folder: Path) -> None:
        """Write it into an arm's folder."""
        write_whole(folder / FIT_FILE, json.dumps(asdict(self)) + "\n")

    def begin(self) -> FitRecord:
        """With one more part."""
        return replace(self, parts_begun=self.parts_begun + 1)

    def end(self, part: Ended, is_done: bool) -> FitRecord:
        """With the seconds of the part that has just ended."""
        return replace(
            self,
            is_done=is_done,
            cpu_s=round(self.cpu_s + part.cpu_s, 1),
            wall_s=round(self.wall_s + part.wall_s, 1),
            parts_ended=self.parts_ended + 1,
        )
