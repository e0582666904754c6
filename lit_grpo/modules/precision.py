"""Which of Lightning's precisions a policy can be trained in. Used by modules/base.py before anything is loaded."""

from __future__ import annotations

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
