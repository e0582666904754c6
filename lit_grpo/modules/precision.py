"""Which of Lightning's precisions a policy can be trained in, and layers that mixed precision leaves as they are.

Used by modules/base.py, before anything is loaded and before anything is trained, and by modules/policy.py.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from lightning_utilities.core.rank_zero import rank_zero_warn
from torch import Tensor, nn

PRECISIONS = ("32-true", "bf16-mixed", "bf16-true", "64-true")
"""Values of ``trainer.precision`` under which all that is computed here is right; that weights which are held in
bfloat16 learn from it, is not said."""


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


def warn_of_lost_updates(parameters: Iterable[nn.Parameter]) -> None:
    """Warn where trained weights are held in bfloat16, whose steps of a two-hundredth most updates do not reach."""
    trained = [parameter for parameter in parameters if parameter.requires_grad]
    rounded = sum(parameter.numel() for parameter in trained if parameter.dtype == torch.bfloat16)
    if rounded:
        rank_zero_warn(
            f"{rounded:,} of {sum(parameter.numel() for parameter in trained):,} trained weights are held in bfloat16: "
            "an update of less than a five-hundredth of a weight changes nothing, and gradients of micro-batches are "
            "added up in it; train with trainer.precision bf16-mixed and model.policy.dtype float32, or adapters "
            "(model.policy.lora)"
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
