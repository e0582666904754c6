"""The dtypes that weights may have: their names in configs, and what torch calls them.

Used by modules/ for the policy in training, by engines/ for what samples, and by the scripts that load a policy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    # The settings of a vLLM server name a dtype, and are read without torch.
    import torch

Dtype = Literal["float32", "bfloat16"]


def torch_dtype(name: Dtype) -> torch.dtype:
    """``torch.float32`` or ``torch.bfloat16``."""
    import torch

    return {"float32": torch.float32, "bfloat16": torch.bfloat16}[name]
