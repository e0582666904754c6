"""The objectives of the first release, which the quickstart's results were measured with, stay what they were.

1. Loss and gradient of a stored step equal the stored ones, in float32.
2. They are bit for bit those of the formulas as they were first written, which are kept here.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from lit_grpo.advantages import group_advantages
from lit_grpo.losses.base import LossInputs, UpdateTotals
from lit_grpo.losses.clipped import ClippedLoss
from lit_grpo.losses.objective import Objective
from lit_grpo.losses.reduction import Reduction

STORED: dict[str, Any] = json.loads((Path(__file__).parent / "first_release_step.json").read_text(encoding="utf8"))
OBJECTIVES = {
    "quickstart": Objective(ClippedLoss(0.2, 0.28)),
    "grpo": Objective(ClippedLoss(0.2, 0.28), Reduction.SEQUENCE_MEAN, kl_beta=1e-3, updates_per_rollout=4),
}


def step(name: str) -> tuple[LossInputs, UpdateTotals]:
    sequence_index = torch.arange(8).repeat_interleave(torch.tensor(STORED["lengths"]))
    groups = torch.tensor(STORED["groups"])
    policy = torch.tensor(STORED["policy"]).requires_grad_()
    proximal = torch.tensor(STORED["proximal"])
    rewards = torch.tensor(STORED["rewards"], dtype=torch.float64)
    inputs = LossInputs(
        policy_logprobs=policy,
        proximal_logprobs=policy.detach() if name == "quickstart" else proximal,
        sampler_logprobs=proximal,
        reference_logprobs=torch.tensor(STORED["reference"]),
        advantages=group_advantages(rewards, groups).advantages.float()[sequence_index],
        sequence_index=sequence_index,
        group_index=groups[sequence_index],
    )
    return inputs, UpdateTotals(len(sequence_index), 8, 2)


def as_first_written(name: str, inputs: LossInputs, totals: UpdateTotals) -> Tensor:
    ratio = (inputs.policy_logprobs - inputs.proximal_logprobs).clamp(-20, 20).exp()
    losses = -torch.minimum(ratio * inputs.advantages, ratio.clamp(1 - 0.2, 1 + 0.28) * inputs.advantages)
    if name == "quickstart":
        return (losses * torch.full_like(inputs.advantages, 1 / totals.num_tokens)).sum()
    assert inputs.reference_logprobs is not None
    x = (inputs.reference_logprobs - inputs.policy_logprobs).clamp(-20, 20)
    losses = losses + 1e-3 * (torch.expm1(x) - x)
    lengths = inputs.sequence_index.bincount()[inputs.sequence_index]
    return (losses * (1 / (totals.num_sequences * lengths.to(torch.float32)))).sum()


@pytest.mark.parametrize("name", OBJECTIVES)
def test_1_the_stored_step(name: str) -> None:
    inputs, totals = step(name)
    assert inputs.advantages[[0, 7]].tolist() == pytest.approx(STORED["advantages"][:2], rel=1e-6)
    loss = OBJECTIVES[name].update_loss(inputs, totals).loss
    (gradient,) = torch.autograd.grad(loss, inputs.policy_logprobs)
    assert loss.item() == pytest.approx(STORED[name]["loss"], rel=1e-6, abs=1e-8)
    torch.testing.assert_close(gradient, torch.tensor(STORED[name]["gradient"]), rtol=1e-6, atol=0)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_2_bit_for_bit(name: str) -> None:
    inputs, totals = step(name)
    found, expected = OBJECTIVES[name].update_loss(inputs, totals).loss, as_first_written(name, inputs, totals)
    assert torch.equal(found, expected)
    one, other = (torch.autograd.grad(loss, inputs.policy_logprobs)[0] for loss in (expected, found))
    assert torch.equal(one, other)
