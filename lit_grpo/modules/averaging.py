"""Which callbacks may average a policy's weights while it trains. Used by modules/base.py at the start of a fit.

Engines follow what the weights are (engines/policy_engine.py), whoever changes them; this is about callbacks that need
Lightning's own optimisation, or weights that lie whole on each rank.
"""

from __future__ import annotations

from collections.abc import Iterable

from lightning.pytorch.callbacks import Callback, StochasticWeightAveraging, WeightAveraging


def require_averaging(callbacks: Iterable[Callback], is_sharded: bool) -> None:
    """Refuse averaging that would take steps of its own, or undo the sharding.

    Raises:
        ValueError: One of the callbacks cannot work here.
    """
    for callback in callbacks:
        name = type(callback).__name__
        if isinstance(callback, StochasticWeightAveraging):
            raise ValueError(
                f"trainer.callbacks: expected another way to average weights, got {name}, which schedules the learning "
                "rate itself and trains one more epoch to no purpose; take EMAWeightAveraging or WeightAveraging"
            )
        if isinstance(callback, WeightAveraging) and is_sharded:
            raise ValueError(
                f"trainer.callbacks: expected no {name} with sharded weights, got one; it would load all weights on "
                "each rank and leave them unsharded: leave it out, or train with DDP"
            )
