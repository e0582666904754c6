"""Chunked log-probs: equal to a plain log-softmax, value and gradient, and never larger than a chunk."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck

from lit_grpo.logprobs import token_logprobs, token_logprobs_and_entropies

CHUNKS = [1, 30, 1000]
"""Elements of a vocabulary of 11: chunks of 1, 2 and all of 7 tokens."""


def plain(hidden: Tensor, weight: Tensor, targets: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
    log_p = (hidden @ weight.T / temperature).log_softmax(dim=1)
    return log_p.gather(1, targets[:, None]).squeeze(1), -(log_p.exp() * log_p).sum(dim=1)


def example(dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    hidden = torch.randn(7, 5, generator=generator, dtype=torch.float64).to(dtype).requires_grad_()
    weight = torch.randn(11, 5, generator=generator, dtype=torch.float64).to(dtype).requires_grad_()
    return hidden, weight, torch.randint(0, 11, (7,), generator=generator)


@pytest.mark.parametrize("chunk_elements", CHUNKS)
def test_1_values_equal_a_plain_log_softmax(chunk_elements: int) -> None:
    hidden, weight, targets = example()
    found = token_logprobs_and_entropies(hidden, weight, targets, 0.7, chunk_elements)
    for value, expected in zip(found, plain(hidden, weight, targets, 0.7), strict=True):
        assert value.dtype == torch.float64
        torch.testing.assert_close(value, expected, rtol=1e-12, atol=0)
    assert torch.equal(token_logprobs(hidden, weight, targets, 0.7, chunk_elements), found[0])


@pytest.mark.parametrize("chunk_elements", CHUNKS)
def test_2_gradients_are_those_of_finite_differences(chunk_elements: int) -> None:
    hidden, weight, targets = example()
    assert gradcheck(lambda h, w: token_logprobs(h, w, targets, 0.7, chunk_elements), (hidden, weight))
    assert gradcheck(lambda h, w: token_logprobs_and_entropies(h, w, targets, 0.7, chunk_elements), (hidden, weight))
    assert gradcheck(lambda h, w: token_logprobs_and_entropies(h, w, targets, 0.7, chunk_elements)[1], (hidden, weight))


@pytest.mark.parametrize("trained", ["hidden", "weight"])
def test_3_a_frozen_side_gets_no_gradient(trained: str) -> None:
    hidden, weight, targets = example(torch.float32)
    frozen = weight if trained == "hidden" else hidden
    frozen.requires_grad_(False)
    token_logprobs(hidden, weight, targets, chunk_elements=30).sum().backward()
    reference = {"hidden": hidden, "weight": weight}[trained]
    assert frozen.grad is None
    found, reference.grad = reference.grad, None
    plain(hidden, weight, targets, 1.0)[0].sum().backward()
    torch.testing.assert_close(found, reference.grad, rtol=1e-5, atol=1e-6)


def test_4_a_bfloat16_head_is_normalised_and_its_gradient_summed_in_float32() -> None:
    hidden, weight, targets = example(torch.bfloat16)
    logprobs = token_logprobs(hidden, weight, targets, chunk_elements=11)
    assert logprobs.dtype == torch.float32
    logits = (hidden @ weight.T).float()
    torch.testing.assert_close(
        logprobs, logits.log_softmax(1).gather(1, targets[:, None]).squeeze(1), rtol=1e-6, atol=1e-6
    )
    logprobs.sum().backward()
    exact_hidden, exact_weight = (t.detach().double().requires_grad_() for t in (hidden, weight))
    plain(exact_hidden, exact_weight, targets, 1.0)[0].sum().backward()
    assert weight.grad is not None
    assert exact_weight.grad is not None
    assert weight.grad.dtype == torch.bfloat16
    # bfloat16 carries 8 bits: 2^-8 = 0.004 of the largest entry, some of them summed.
    assert (weight.grad.double() - exact_weight.grad).abs().max() < 0.02 * exact_weight.grad.abs().max()


def test_5_autocast_changes_nothing() -> None:
    hidden, weight, targets = example(torch.float32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = token_logprobs(hidden, weight, targets)
    assert torch.equal(inside, token_logprobs(hidden, weight, targets))


@pytest.mark.parametrize("with_entropies", [False, True])
def test_5_nor_does_it_around_the_backward_pass(with_entropies: bool) -> None:
    """As in Lightning's training step under bf16-mixed; 11 logits of up to 30, so that roundings are seen."""

    def gradients(is_around: bool) -> list[Tensor]:
        hidden, weight, targets = example(torch.float32)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=is_around):
            found = token_logprobs_and_entropies(10 * hidden, weight, targets)
            (sum(part.sum() for part in found) if with_entropies else found[0].sum()).backward()  # pyright: ignore[reportAttributeAccessIssue]
        assert hidden.grad is not None
        assert weight.grad is not None
        return [hidden.grad, weight.grad]

    for around, outside in zip(gradients(is_around=True), gradients(is_around=False), strict=True):
        assert torch.equal(around, outside)


def test_6_extreme_logits_stay_finite() -> None:
    hidden = torch.tensor([[1.0], [-1.0]])
    weight = torch.tensor([[300.0], [-300.0]], requires_grad=True)
    logprobs = token_logprobs(hidden, weight, torch.tensor([0, 0]))
    assert logprobs.tolist() == [0.0, -600.0]
    logprobs.sum().backward()
    assert weight.grad is not None
    assert weight.grad.isfinite().all()


@pytest.mark.parametrize("with_entropies", [False, True])
def test_7_no_more_than_a_chunk_of_logits_exists(with_entropies: bool) -> None:
    """Largest tensor that forward and backward allocate, seen by the allocator: 4 of 64 tokens, not all 64."""
    vocabulary, hidden_size, chunk_tokens = 5000, 8, 4
    hidden = torch.randn(64, hidden_size, requires_grad=True)
    weight = torch.randn(vocabulary, hidden_size, requires_grad=True)
    arguments = (hidden, weight, torch.arange(64), 1.0, chunk_tokens * vocabulary)
    with torch.profiler.profile(profile_memory=True) as profile:
        if with_entropies:
            logprobs, entropies = token_logprobs_and_entropies(*arguments)
            (logprobs.sum() + entropies.sum()).backward()
        else:
            token_logprobs(*arguments).sum().backward()
    largest = max(event.self_cpu_memory_usage for event in profile.events() or ())
    assert largest <= 4 * vocabulary * max(hidden_size, chunk_tokens)


def test_8_no_tokens_and_no_temperature() -> None:
    hidden, weight, targets = example()
    assert token_logprobs(hidden[:0], weight, targets[:0]).shape == (0,)
    with pytest.raises(ValueError, match=r"expected temperature > 0, got 0\.0"):
        token_logprobs(hidden, weight, targets, 0.0)
