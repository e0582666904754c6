"""What a study was made with: versions and device. Called by ablations.py and real_size.py, for their results."""

from __future__ import annotations

import platform
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path

import torch

from lit_grpo.fitting.made_with import MADE_WITH
from lit_grpo.metrics.results import read_results

PACKAGES = ("torch", "lightning", "transformers", "highspy", "numpy")


def versions() -> dict[str, str]:
    """The versions of Python and of the packages that results can depend on."""
    return {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}}


def versions_of(runs: Iterable[Path]) -> dict[str, str]:
    """The versions of the packages that results were made with, several of one where they differ.

    Args:
        runs: Run folders with results; one that does not say is passed over.
    """
    found: dict[str, set[str]] = {}
    for run in runs:
        for name, number in ((read_results(run) or {}).get(MADE_WITH, {}).get("packages") or {}).items():
            found.setdefault(name, set()).add(number)
    return {name: " and ".join(sorted(numbers)) for name, numbers in found.items()}


def device_name(accelerator: str, threads: int) -> str:
    """The device in words, without the machine's name."""
    if accelerator == "gpu":
        return torch.cuda.get_device_name()
    return f"CPU ({platform.machine()}), {threads} thread(s) per arm"
