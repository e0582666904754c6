"""Which of Lightning's precisions a policy can be trained in, and layers that mixed precision leaves as they are.

Used by modules/base.py before anything is loaded, and by modules/policy.py.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

PRECISIONS = ("32-true", "bf16-mixed", "bf16-true", "64-true")
"""Values of ``trainer.precision`` under which all that is computed here is right."""


def require_precision(precision: str) -> None:
    """Refuse what would train on numbers that overflow, or be clipped and logged in another scale than it has.

    Float16 holds nothing above 65504, so that its gradients need a scale of their own, which is not taken off before
    they are clipped; and no engine samples in it.

    Raises:
        ValueError: It is another precision.
    """
    if precision not in PRECISIONS:
        raise ValueError(
            f"trainer.precision: expected one of {', '.join(PRECISIONS)}, got {precision}; take bf16-mixed for less "
            "time and memory, or 32-true where the device has no bfloat16"
        )


class WithoutAutocast:
    """Hooks of one module that end autocast before its forward pass and take it up again after it."""

    def __init__(self) -> None:
        self._suspended: list[torch.autocast] = []

    def attach(self, module: nn.Module) -> None:
        """Hook into ``module``, whose first argument is a tensor. A deep copy of the module has hooks of its own."""
        module.register_forward_pre_hook(self._suspend)
        module.register_forward_hook(self._take_up, always_call=True)

    def _suspend(self, module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        del module
        context = torch.autocast(inputs[0].device.type, enabled=False)
        context.__enter__()
        self._suspended.append(context)

    def _take_up(self, module: nn.Module, inputs: object, output: object) -> None:
        del module, inputs, output
        self._suspended.pop().__exit__(None, None, None)
