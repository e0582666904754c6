"""Log-probs of given tokens from hidden states, without ever holding [tokens, vocabulary] for a whole batch.

Called by modules/policy.py inside its forward, so that a sharded head is gathered there. Logits exist for one chunk of
tokens at a time, in the forward and again in the backward pass.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

CHUNK_ELEMENTS = 1 << 24
"""Logits held at a time: 64 MiB in float32, 110 tokens of a vocabulary of 151,936."""


def token_logprobs(
    hidden: Tensor, weight: Tensor, targets: Tensor, temperature: float = 1.0, chunk_elements: int = CHUNK_ELEMENTS
) -> Tensor:
    """``log softmax(hidden @ weight.T / temperature)`` at the targets, differentiable in ``hidden`` and ``weight``.

    Args:
        hidden: [num_tokens, hidden_size] last hidden states at the positions that predict the targets.
        weight: [vocabulary, hidden_size] weight of the head, which has no bias. Its dtype is that of the matmuls.
        targets: [num_tokens] int64.
        temperature: The temperature of the sampling distribution, above 0.
        chunk_elements: Logits held at a time; the chunk is ``chunk_elements // vocabulary`` tokens, at least one.

    Returns:
        [num_tokens], float32, or float64 for a float64 head.

    Raises:
        ValueError: The temperature is not positive.
    """
    return _apply(hidden, weight, targets, temperature, chunk_elements, with_entropies=False)[0]


def token_logprobs_and_entropies(
    hidden: Tensor, weight: Tensor, targets: Tensor, temperature: float = 1.0, chunk_elements: int = CHUNK_ELEMENTS
) -> tuple[Tensor, Tensor]:
    """``token_logprobs``, and the entropy in nats of each token's distribution, differentiable as well.

    Returns:
        Log-probs and entropies, both [num_tokens], float32, or float64 for a float64 head.
    """
    return _apply(hidden, weight, targets, temperature, chunk_elements, with_entropies=True)


def _apply(
    hidden: Tensor, weight: Tensor, targets: Tensor, temperature: float, chunk_elements: int, with_entropies: bool
) -> tuple[Tensor, Tensor]:
    if temperature <= 0:
        raise ValueError(f"expected temperature > 0, got {temperature}; log-probs of greedy decoding are those at 1.0")
    chunk_tokens = max(1, chunk_elements // weight.shape[0])
    # Autocast would round the matmuls of a float32 head.
    with torch.autocast(hidden.device.type, enabled=False):
        return _ChunkedLogprobs.apply(
            hidden.to(weight.dtype), weight, targets, temperature, chunk_tokens, with_entropies
        )  # pyright: ignore[reportReturnType]


class _ChunkedLogprobs(Function):
    """The gradients, for p = softmax(z) with entropy H: d log p_y / dz = onehot(y) - p, dH / dz = -p (log p + H)."""

    @staticmethod
    def forward(
        ctx: Any,
        hidden: Tensor,
        weight: Tensor,
        targets: Tensor,
        temperature: float,
        chunk_tokens: int,
        with_entropies: bool,
    ) -> tuple[Tensor, Tensor | None]:
        log_partitions = hidden.new_empty(targets.shape, dtype=_at_least_float32(weight.dtype))
        logprobs = torch.empty_like(log_partitions)
        entropies = torch.empty_like(log_partitions) if with_entropies else None
        for chunk in _chunks(len(targets), chunk_tokens):
            logits = _logits(hidden[chunk], weight, temperature)
            log_partitions[chunk] = logits.logsumexp(dim=1)
            logprobs[chunk] = logits.gather(1, targets[chunk, None]).squeeze(1) - log_partitions[chunk]
            if entropies is not None:
                log_p = logits.sub_(log_partitions[chunk, None])
                entropies[chunk] = -(log_p.exp() * log_p).sum(dim=1)
        ctx.save_for_backward(hidden, weight, targets, log_partitions, entropies)
        ctx.temperature, ctx.chunk_tokens = temperature, chunk_tokens
        ctx.set_materialize_grads(False)
        return logprobs, entropies

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grad_outputs: Any) -> tuple[Tensor | None, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        hidden, weight, targets, log_partitions, entropies = ctx.saved_tensors
        # Whoever calls backward() may be within autocast, as a training step of Lightning's manual optimization is.
        # Logits that are rounded here and were not in the forward pass make a probability of 0.999 one of 0.95 or 1.05.
        with torch.autocast(hidden.device.type, enabled=False):
            grads = _grads(ctx, hidden, weight, targets, log_partitions, entropies, grad_outputs)
        return *grads, None, None, None, None


def _grads(
    ctx: Any,
    hidden: Tensor,
    weight: Tensor,
    targets: Tensor,
    log_partitions: Tensor,
    entropies: Tensor | None,
    grad_outputs: tuple[Tensor | None, Tensor | None],
) -> tuple[Tensor | None, Tensor | None]:
    """The gradients of hidden states and weight, those that are needed, chunk by chunk."""
    grad_logprobs, grad_entropies = grad_outputs
    grad_hidden = torch.empty_like(hidden) if ctx.needs_input_grad[0] else None
    # Summed over chunks in float32 also for a bfloat16 head, whose rounding would grow with their number.
    grad_weight = torch.zeros_like(weight, dtype=log_partitions.dtype) if ctx.needs_input_grad[1] else None
    for chunk in _chunks(len(targets), ctx.chunk_tokens):
        log_p = _logits(hidden[chunk], weight, ctx.temperature).sub_(log_partitions[chunk, None])
        grad_logits = _grad_scaled_logits(
            log_p,
            targets[chunk],
            None if grad_logprobs is None else grad_logprobs[chunk],
            None if grad_entropies is None or entropies is None else (grad_entropies[chunk], entropies[chunk]),
        )
        grad_logits = grad_logits.div_(ctx.temperature).to(weight.dtype)
        if grad_hidden is not None:
            torch.mm(grad_logits, weight, out=grad_hidden[chunk])
        if grad_weight is not None:
            grad_weight += grad_logits.T @ hidden[chunk]
    return grad_hidden, None if grad_weight is None else grad_weight.to(weight.dtype)


def _grad_scaled_logits(
    log_p: Tensor, targets: Tensor, grad_logprobs: Tensor | None, entropy: tuple[Tensor, Tensor] | None
) -> Tensor:
    """[tokens, vocabulary] gradient of the logits over temperature; ``entropy`` is (its gradient, its value)."""
    if entropy is None:
        grad = log_p.exp_()
        scale = torch.zeros_like(grad[:, 0]) if grad_logprobs is None else grad_logprobs
        return grad.mul_(-scale[:, None]).scatter_add_(1, targets[:, None], scale[:, None])
    grad_entropy, value = entropy
    grad = log_p.exp().mul_(-grad_entropy[:, None]).mul_(log_p + value[:, None])
    if grad_logprobs is not None:
        grad.sub_(log_p.exp_().mul_(grad_logprobs[:, None])).scatter_add_(1, targets[:, None], grad_logprobs[:, None])
    return grad


def _logits(hidden: Tensor, weight: Tensor, temperature: float) -> Tensor:
    return (hidden @ weight.T).to(_at_least_float32(weight.dtype)).div_(temperature)


def _at_least_float32(dtype: torch.dtype) -> torch.dtype:
    return torch.promote_types(dtype, torch.float32)


def _chunks(num_tokens: int, chunk_tokens: int) -> Iterator[slice]:
    for start in range(0, num_tokens, chunk_tokens):
        yield slice(start, start + chunk_tokens)
