"""What a prediction leaves beside the user's file: the repaired program, patches and the results.

Called by callbacks/repair_writer.py; data/user_program.py sees to it that nothing is written over.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from lit_grpo.data.user_program import UserProgram
from lit_grpo.environment.programs.files import write_program
from lit_grpo.environment.programs.reading.program_file import format_suffix
from lit_grpo.repair.as_json import prediction_json
from lit_grpo.repair.prediction import Prediction
from lit_grpo.repair.shown import ShownRepair
from lit_grpo.writing import writing


def write_prediction(prediction: Prediction, shown: Sequence[ShownRepair], asked: UserProgram) -> tuple[Path, ...]:
    """Write the program that is recommended, a patch of the user's file for each repair shown, and the results.

    Args:
        prediction: What is said.
        shown: Of its first repairs.
        asked: Says where the files go.

    Returns:
        What was written, the results last.

    Raises:
        ProgramError: The format of the repaired file cannot hold the program.
        NotWritten: The system refused.
    """
    files: list[Path] = []
    with writing(asked.output.parent, instead="set data.output"):
        asked.output.parent.mkdir(parents=True, exist_ok=True)
        if prediction.recommended is not None:
            _write_program(shown[0], asked)
            files.append(asked.output)
        for number, one in enumerate(shown, start=1):
            if one.patch is not None:
                _write(asked.patch(number), one.patch)
                files.append(asked.patch(number))
        document = prediction_json(prediction, shown, files)
        _write(asked.results, json.dumps(document, indent=1, allow_nan=False) + "\n")
    return (*files, asked.results)


def _write_program(one: ShownRepair, asked: UserProgram) -> None:
    """The user's own text with the changes, where that can be; else the whole program anew."""
    if one.text is not None and format_suffix(asked.output) == format_suffix(asked.program):
        _write(asked.output, one.text)
    else:
        write_program(one.repair.program, asked.output)


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", newline="")
