"""Worked values of two sequences of four tokens, one of them with two tokens that are not the policy's.

1. Losses agree to 1e-9 in float64 and 1e-5 in float32.
2. Advantages of a group of six agree to 1e-9.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor

from lit_grpo.advantages import AdvantageEstimator, group_advantages
from lit_grpo.losses.base import LossInputs, StepTotals
from lit_grpo.losses.clipped import ClippedLoss
from lit_grpo.losses.reduction import Reduction
from lit_grpo.losses.reference_kl import k3

GOLDENS = json.loads((Path(__file__).parent / "loss_goldens.json").read_text(encoding="utf8"))
TOTALS = StepTotals(num_tokens=6, num_sequences=2, num_groups=2)
TOLERANCES = [(torch.float64, 1e-9), (torch.float32, 1e-5)]


def golden_inputs(dtype: torch.dtype) -> LossInputs:
    given = GOLDENS["inputs"]
    mask = torch.tensor(given["mask"], dtype=torch.bool)
    rows, _ = mask.nonzero(as_tuple=True)

    def logprobs(name: str) -> Tensor:
        return torch.tensor(given[f"{name}_prob"], dtype=torch.float64)[mask].log().to(dtype)

    return LossInputs(
        policy_logprobs=logprobs("policy").requires_grad_(),
        proximal_logprobs=logprobs("proximal"),
        sampler_logprobs=logprobs("sampler"),
        reference_logprobs=logprobs("reference"),
        advantages=torch.tensor(given["advantages"], dtype=dtype)[rows],
        sequence_index=rows,
        group_index=rows,
    )


@pytest.mark.parametrize(("dtype", "tolerance"), TOLERANCES)
@pytest.mark.parametrize("reduction", Reduction)
def test_1_clipped(reduction: Reduction, dtype: torch.dtype, tolerance: float) -> None:
    inputs = golden_inputs(dtype)
    surrogate = ClippedLoss(GOLDENS["inputs"]["eps_low"], GOLDENS["inputs"]["eps_high"])
    loss = reduction.reduce(surrogate(inputs).token_losses, inputs, TOTALS)
    assert loss.dtype == dtype
    assert loss.item() == pytest.approx(GOLDENS["values"][f"clipped/{reduction}"], rel=tolerance, abs=0)


@pytest.mark.parametrize(("dtype", "tolerance"), TOLERANCES)
def test_1_k3(dtype: torch.dtype, tolerance: float) -> None:
    inputs = golden_inputs(dtype)
    assert inputs.reference_logprobs is not None
    divergence = k3(inputs.policy_logprobs, inputs.reference_logprobs)
    loss = Reduction.TOKEN_MEAN.reduce(divergence, inputs, TOTALS)
    assert loss.item() == pytest.approx(GOLDENS["values"]["kl_k3/token_mean"], rel=tolerance, abs=0)


@pytest.mark.parametrize("estimator", AdvantageEstimator)
def test_2_advantages(estimator: AdvantageEstimator) -> None:
    rewards = torch.tensor(GOLDENS["advantages"]["rewards"], dtype=torch.float64)
    result = group_advantages(rewards, torch.zeros(6, dtype=torch.int64), estimator=estimator)
    expected = torch.tensor(GOLDENS["advantages"][estimator], dtype=torch.float64)
    torch.testing.assert_close(result.advantages, expected, rtol=1e-9, atol=0)
