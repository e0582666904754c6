"""The seconds that an arm of a study took, as its run folder holds them: `compute.json`.

Written for experiments/arm_run.py; read by reports/training.py and the studies.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from lit_grpo.data.json_values import number_of, read_object
from lit_grpo.writing import write_whole

COMPUTE_FILE = "compute.json"
"""CPU and wall seconds of an arm's fit and test."""


def write_seconds(folder: Path, seconds: Mapping[str, float]) -> None:
    """Write the numbers into a run folder."""
    write_whole(folder / COMPUTE_FILE, json.dumps(dict(seconds)) + "\n")


def read_seconds(folder: Path, name: str) -> float:
    """One of the numbers in a run folder, for example ``fit_cpu_s``; ValueError with the path if it is none."""
    path, remedy = folder / COMPUTE_FILE, "move the arm's folder away, and it is run again"
    fields = read_object(path, remedy)
    try:
        return number_of(fields, name)
    except ValueError as error:
        raise ValueError(f"{path}: {error}; {remedy}") from error
