"""The optimizer of both modules: AdamW, or Muon on the decoder's matrices with AdamW on the rest, and its schedule.

Called by `configure_optimizers` of SFTModule and GRPOModule, which also clip with `clip_gradients`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from inspect import signature
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor
from torch.optim import AdamW, Muon, Optimizer
from torch.optim.lr_scheduler import LambdaLR
from typing_extensions import override

ASKED = ("initial_lr", "betas", "weight_decay")
"""What the settings say of a group of weights; whatever else is in a group belongs to the optimizer."""


@dataclass(frozen=True, slots=True)
class OptimizerSettings:
    """How the weights are updated. Learning rates are those after the warm-up; both groups share the schedule."""

    learning_rate: float = 1e-5
    """AdamW's rate, for every weight, or for embeddings, norms and the head when the matrices have Muon."""
    adamw: type[Optimizer] = AdamW
    """The class of AdamW, by its import path, such as ``bitsandbytes.optim.AdamW8bit`` (states in eight bits, an eighth
    of the memory in float32) or ``bitsandbytes.optim.PagedAdamW8bit`` (also moved out to the CPU where a GPU is
    full)."""
    matrix_learning_rate: float | None = None
    """Muon's rate, for the decoder's matrices; None trains everything with AdamW."""
    betas: tuple[float, float] = (0.9, 0.95)
    weight_decay: float = 0.0
    warmup_batches: int = 0
    """Batches over which the learning rate rises linearly from 0 (exclusive)."""
    final_fraction: float = 1.0
    """The learning rate falls linearly to this fraction of itself at the last batch; 1 keeps it constant."""
    decay_batches: int | None = None
    """Batches after which the final fraction is reached; None: the end of the fit."""
    gradient_clip: float | None = 1.0
    """Largest L2 norm of the whole gradient; None never clips."""
    max_not_finite_updates: int = 5
    """Updates in a row that may fail, since a loss or the gradient is not finite, until the run stops with a checkpoint
    from before them."""

    def __post_init__(self) -> None:
        if self.learning_rate < 0.0 or (self.matrix_learning_rate or 0.0) < 0.0:
            raise ValueError(
                f"expected learning rates of at least 0, got learning_rate={self.learning_rate} and "
                f"matrix_learning_rate={self.matrix_learning_rate}"
            )
        if not 0.0 <= self.final_fraction <= 1.0:
            raise ValueError(f"expected final_fraction between 0 and 1, got {self.final_fraction}")
        if self.gradient_clip is not None and self.gradient_clip <= 0.0:
            raise ValueError(f"expected gradient_clip above 0, got {self.gradient_clip}; null never clips")
        if not {"lr", "betas", "weight_decay"} <= signature(self.adamw).parameters.keys():
            raise ValueError(
                f"optimizer.adamw: expected a class that takes lr, betas and weight_decay as AdamW does, got "
                f"{self.adamw.__module__}.{self.adamw.__name__}; name one such as bitsandbytes.optim.AdamW8bit"
            )
        if self.matrix_learning_rate is not None and self.adamw is not AdamW:
            raise ValueError(
                f"optimizer.adamw: expected torch's beside Muon, got {self.adamw.__name__}; the two share one state: "
                "set matrix_learning_rate to null"
            )
        if self.max_not_finite_updates < 1:
            raise ValueError(
                f"expected max_not_finite_updates >= 1, got {self.max_not_finite_updates}; 1 stops at the first"
            )


def require_shardable(settings: OptimizerSettings) -> None:
    """ValueError for an optimizer that cannot train sharded weights: those of bitsandbytes step whole tensors alone."""
    optimizer = settings.adamw
    if optimizer.__module__.partition(".")[0] == "bitsandbytes":
        raise ValueError(
            f"model.optimizer.adamw: expected torch.optim.AdamW with sharded weights, got {optimizer.__module__}."
            f"{optimizer.__name__}, whose states are of whole tensors; leave adamw out, or train on one device or with "
            "DDP (configs/hardware/one_gpu.yaml, ddp.yaml)"
        )


class MuonWithAdamW(Optimizer):
    """Muon on one group of matrices and AdamW on everything else, as one optimizer with one state.

    One optimizer means that Lightning's ``global_step`` counts an update once, and that a checkpoint holds one state.
    """

    def __init__(
        self,
        matrices: Iterable[nn.Parameter],
        others: Iterable[nn.Parameter],
        matrix_learning_rate: float,
        learning_rate: float,
        betas: tuple[float, float],
        weight_decay: float,
    ) -> None:
        self._muon = Muon(matrices, lr=matrix_learning_rate, weight_decay=weight_decay)
        self._adamw = AdamW(others, lr=learning_rate, betas=betas, weight_decay=weight_decay)
        super().__init__([*self._muon.param_groups, *self._adamw.param_groups], {})
        self._share_state()

    def _share_state(self) -> None:
        self._muon.state = self._adamw.state = self.state
        self._muon.param_groups, self._adamw.param_groups = self.param_groups[:1], self.param_groups[1:]

    @override
    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._share_state()

    @override
    @torch.no_grad()
    def step(self, closure: Callable[[], Tensor] | None = None) -> Tensor | None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Update both groups once."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        self._muon.step()
        self._adamw.step()
        return loss


def build_optimizer(policy: nn.Module, settings: OptimizerSettings) -> Optimizer:
    """The optimizer over the policy's trainable weights.

    Args:
        policy: The network; frozen weights (the base of a LoRA) take no part.
        settings: Learning rates and the choice between AdamW and Muon.

    Raises:
        ValueError: Nothing is trainable, or Muon was asked for and there is no matrix outside embeddings and head.
    """
    trainable = [(name, parameter) for name, parameter in policy.named_parameters() if parameter.requires_grad]
    if not trainable:
        raise ValueError("expected trainable weights in the policy, got none; check the policy's lora settings")
    if settings.matrix_learning_rate is None:
        parameters = [parameter for _, parameter in trainable]
        make = cast("Callable[..., Optimizer]", settings.adamw)
        return make(parameters, lr=settings.learning_rate, betas=settings.betas, weight_decay=settings.weight_decay)
    matrices = [parameter for name, parameter in trainable if _is_decoder_matrix(name, parameter)]
    if not matrices:
        raise ValueError("expected decoder matrices for Muon, got none; leave matrix_learning_rate out")
    others = [parameter for name, parameter in trainable if not _is_decoder_matrix(name, parameter)]
    if not others:  # adapters are matrices alone
        return Muon(matrices, lr=settings.matrix_learning_rate, weight_decay=settings.weight_decay)
    return MuonWithAdamW(
        matrices,
        others,
        matrix_learning_rate=settings.matrix_learning_rate,
        learning_rate=settings.learning_rate,
        betas=settings.betas,
        weight_decay=settings.weight_decay,
    )


def build_schedule(optimizer: Optimizer, settings: OptimizerSettings, fit_batches: float) -> LambdaLR:
    """The schedule, stepped once per batch.

    Args:
        optimizer: The one from `build_optimizer`.
        settings: Warm-up and decay.
        fit_batches: Batches of the whole fit; ``inf`` where no limit is known.

    Raises:
        ValueError: A decay was asked for and its end is unknown.
    """
    horizon = settings.decay_batches if settings.decay_batches is not None else fit_batches
    if settings.final_fraction < 1.0 and not math.isfinite(horizon):
        raise ValueError(
            "expected the number of batches after which the learning rate has decayed, got a fit without an end; "
            "set optimizer.decay_batches"
        )
    return LambdaLR(optimizer, lambda batch: learning_rate_factor(batch, settings, horizon))


def asked_of_groups(schedule: LambdaLR) -> list[dict[str, Any]]:
    """What the settings ask of each group of weights; taken before a checkpoint puts its own in the place."""
    groups = schedule.optimizer.param_groups
    return [{name: group[name] for name in ASKED if name in group} for group in groups]


def ask_again(schedule: LambdaLR, asked: Sequence[Mapping[str, Any]]) -> None:
    """Give the groups what is asked of them, and the rates that the schedule has for the present batch.

    An optimizer and a LambdaLR that are restored have the checkpoint's. Equal settings give equal bits.

    Args:
        schedule: It stands where the run does.
        asked: What `asked_of_groups` gave.
    """
    schedule.base_lrs = [values["initial_lr"] for values in asked]
    rates = [
        rate * factor(schedule.last_epoch) for rate, factor in zip(schedule.base_lrs, schedule.lr_lambdas, strict=True)
    ]
    for group, values, rate in zip(schedule.optimizer.param_groups, asked, rates, strict=True):
        group |= {**values, "lr": rate}
    schedule._last_lr = rates  # pyright: ignore[reportPrivateUsage]


def learning_rate_factor(batch: int, settings: OptimizerSettings, horizon: float) -> float:
    """The factor of the learning rates in one batch.

    Args:
        batch: The number of the batch, 0-based, over the whole fit.
        settings: Warm-up and decay.
        horizon: Batches after which the final fraction is reached.
    """
    if batch < settings.warmup_batches:
        return (batch + 1) / (settings.warmup_batches + 1)
    if settings.final_fraction == 1.0:
        return 1.0
    decaying = max(1.0, horizon - 1 - settings.warmup_batches)
    progress = min(1.0, (batch - settings.warmup_batches) / decaying)
    return 1.0 - (1.0 - settings.final_fraction) * progress


def gradient_norm(optimizer: Optimizer) -> Tensor:
    """The L2 norm of the whole gradient, a float32 scalar, computed in float32 whatever the gradients are.

    Sharded gradients (DTensor) count as the whole tensors they stand for, so every rank gets the same norm.
    """
    gradients = [parameter.grad for parameter in _parameters(optimizer) if parameter.grad is not None]
    if all(gradient.dtype in (torch.float32, torch.float64) for gradient in gradients):
        norm = nn.utils.get_total_norm(gradients)
    else:
        norms = [torch.linalg.vector_norm(gradient, dtype=torch.float32) for gradient in gradients]
        norm = torch.linalg.vector_norm(torch.stack(norms))
    return (norm.full_tensor() if isinstance(norm, DTensor) else norm).detach().float()


def clip_gradients(optimizer: Optimizer, max_norm: float | None, norm: Tensor | None = None) -> Tensor:
    """Scale the gradients down to at most ``max_norm`` (None leaves them as they are); returns the norm before.

    Args:
        optimizer: It knows the weights.
        max_norm: The largest L2 norm of the whole gradient.
        norm: What `gradient_norm` gave, if it was asked already.
    """
    norm = gradient_norm(optimizer) if norm is None else norm
    nn.utils.clip_grads_with_norm_(list(_parameters(optimizer)), math.inf if max_norm is None else max_norm, norm)
    return norm


def _parameters(optimizer: Optimizer) -> Iterator[nn.Parameter]:
    for group in optimizer.param_groups:
        yield from group["params"]


def _is_decoder_matrix(name: str, parameter: nn.Parameter) -> bool:
    return parameter.ndim == 2 and ".layers." in name
