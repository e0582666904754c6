"""What a study was made with: versions and device. Called by ablations.py, which writes it beside the results."""

from __future__ import annotations

import platform
from importlib.metadata import version

import torch

PACKAGES = ("torch", "lightning", "transformers", "highspy", "numpy")


def versions() -> dict[str, str]:
    """The versions of Python and of the packages that results can depend on."""
    return {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}}


def device_name(accelerator: str, threads: int) -> str:
    """The device in words, without the machine's name."""
    if accelerator == "gpu":
        return torch.cuda.get_device_name()
    return f"CPU ({platform.machine()}), {threads} thread(s) per arm"
