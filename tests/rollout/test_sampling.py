"""Drawing tokens.

1. Counter-based numbers equal SplitMix64 computed with Python's own integers.
2. They are uniform, and depend on seed and position only.
3. Draws follow the distribution, never take a token of probability zero, and report float32 log-probs of it.
4. Greedy rows take the most probable token, at temperature 1, whatever else is in the batch.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch

from lit_grpo.rollout.sampling import RowSampling, counter_uniforms, draw

CPU = torch.device("cpu")
MASK = 2**64 - 1


def splitmix_output(state: int) -> int:
    state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & MASK
    return state ^ (state >> 31)


def test_1_equals_splitmix_in_plain_integers() -> None:
    seeds = [0, 1, 2**63 + 5, MASK]
    uniforms = counter_uniforms(np.array(seeds, dtype=np.uint64), 3)
    for row, seed in enumerate(seeds):
        for position in range(3):
            state = (splitmix_output(seed) + (position + 1) * 0x9E3779B97F4A7C15) & MASK
            assert uniforms[row, position].item() == (splitmix_output(state) >> 40) / 2**24


def test_1_known_value_of_the_reference_generator() -> None:
    # The first output of SplitMix64 seeded with 0 is 0xE220A8397B1DCDAF, the mix of one golden gamma.
    assert splitmix_output(0x9E3779B97F4A7C15) == 0xE220A8397B1DCDAF


def test_2_uniform_and_without_trace_of_neighbouring_seeds() -> None:
    uniforms = counter_uniforms(np.arange(4000, dtype=np.uint64), 50)
    assert uniforms.min() >= 0
    assert uniforms.max() < 1
    counts = torch.histc(uniforms, bins=10, min=0, max=1)
    # 200,000 numbers: 20,000 per bin, standard deviation 134.
    assert (counts - 20_000).abs().max() < 5 * 134
    correlation = torch.corrcoef(torch.stack([uniforms[:-1].flatten(), uniforms[1:].flatten()]))[0, 1]
    assert abs(correlation) < 5 / 200_000**0.5
    assert torch.equal(counter_uniforms(np.array([77], dtype=np.uint64), 9)[0], uniforms[77, :9])


def test_3_draws_follow_the_distribution() -> None:
    probabilities = torch.tensor([0.0, 0.5, 0.0, 0.3, 0.2, 0.0])
    rows = 20_000
    logits = probabilities.log().expand(rows, 6) * 0.7
    sampling = RowSampling.of([0.7] * rows, CPU)
    uniforms = counter_uniforms(np.arange(rows, dtype=np.uint64), 1)[:, 0]
    tokens, logprobs = draw(logits, sampling, uniforms)
    shares = torch.bincount(tokens, minlength=6) / rows
    assert shares[probabilities == 0].tolist() == [0, 0, 0]
    torch.testing.assert_close(shares, probabilities, atol=5 * (0.25 / rows) ** 0.5, rtol=0)
    torch.testing.assert_close(logprobs, probabilities.log()[tokens], atol=1e-6, rtol=0)
    assert logprobs.dtype is torch.float32


@pytest.mark.parametrize("uniform", [0.0, 1 - 2**-24])
def test_3_ends_of_the_interval(uniform: float) -> None:
    logits = torch.tensor([[-torch.inf, 2.0, 1.0, -torch.inf]])
    tokens, _ = draw(logits, RowSampling.of([1.0], CPU), torch.tensor([uniform]))
    assert tokens.tolist() == [1 if uniform == 0 else 2]


def test_4_greedy_rows_beside_sampled_ones() -> None:
    logits = torch.tensor([[1.0, 3.0, 2.0], [1.0, 3.0, 2.0]])
    tokens, logprobs = draw(logits, RowSampling.of([0.0, 2.0], CPU), torch.tensor([0.999, 0.999]))
    assert tokens.tolist() == [1, 2]
    # log softmax: 3 - log(e + e^3 + e^2) = -0.407606; at temperature 2: 1 - log(e^.5 + e^1.5 + e) = -1.180270.
    torch.testing.assert_close(logprobs, torch.tensor([-0.407606, -1.180270]), atol=1e-6, rtol=0)
    alone = draw(logits[:1], RowSampling.of([0.0], CPU), torch.tensor([0.0]))
    assert (alone[0].item(), alone[1].item()) == (1, logprobs[0].item())
