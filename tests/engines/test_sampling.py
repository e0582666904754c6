"""Drawing tokens.

1. Counter-based numbers equal SplitMix64 computed with Python's own integers.
2. They are uniform, and depend on seed and position only.
3. Draws follow the distribution, never take a token of probability zero, and report float32 log-probs of it.
4. Greedy rows take the most probable token, at temperature 1, whatever else is in the batch.
5. min_p, top_k and top_p leave the tokens that hand-worked sets have, in that order, and log-probs are renormalised.
6. Raw log-probs are the model's own, whatever was drawn from.
7. Settings without a meaning are refused, and so are, for a trainer, log-probs that it cannot compute.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch

from lit_grpo.engines.engine import LogprobsOf, SamplingSettings
from lit_grpo.engines.sampling import RowSampling, counter_uniforms, draw, uniforms_at

CPU = torch.device("cpu")
MASK = 2**64 - 1


def rows_of(*temperatures: float) -> RowSampling:
    return RowSampling.of([SamplingSettings(temperature) for temperature in temperatures], CPU)


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
    sampling = rows_of(*[0.7] * rows)
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
    tokens, _ = draw(logits, rows_of(1.0), torch.tensor([uniform]))
    assert tokens.tolist() == [1 if uniform == 0 else 2]


def test_4_greedy_rows_beside_sampled_ones() -> None:
    logits = torch.tensor([[1.0, 3.0, 2.0], [1.0, 3.0, 2.0]])
    tokens, logprobs = draw(logits, rows_of(0.0, 2.0), torch.tensor([0.999, 0.999]))
    assert tokens.tolist() == [1, 2]
    # log softmax: 3 - log(e + e^3 + e^2) = -0.407606; at temperature 2: 1 - log(e^.5 + e^1.5 + e) = -1.180270.
    torch.testing.assert_close(logprobs, torch.tensor([-0.407606, -1.180270]), atol=1e-6, rtol=0)
    alone = draw(logits[:1], rows_of(0.0), torch.tensor([0.0]))
    assert (alone[0].item(), alone[1].item()) == (1, logprobs[0].item())


@pytest.mark.parametrize(
    ("settings", "kept"),
    [
        ({"top_k": 2}, [1, 3]),
        ({"top_k": 9}, [0, 1, 2, 3]),
        ({"top_p": 0.65}, [1, 3]),
        # 0.4 + 0.3 = 0.7 are too few for 0.75, so the token that reaches it stays.
        ({"top_p": 0.75}, [1, 2, 3]),
        ({"top_p": 0.01}, [1]),
        # At least 0.45 x 0.4 = 0.18.
        ({"min_p": 0.45}, [1, 2, 3]),
        ({"min_p": 1.0}, [1]),
        # Of the two that top_k leaves, 4/7 = 0.571 alone is not 0.6.
        ({"top_k": 2, "top_p": 0.6}, [1, 3]),
        ({"top_k": 2, "top_p": 0.55}, [1]),
        # min_p leaves 0.4, 0.3, 0.2; renormalised 0.444 + 0.333 = 0.778 reach 0.77, which 0.7 would not.
        ({"min_p": 0.45, "top_p": 0.77}, [1, 3]),
    ],
)
def test_5_truncation(settings: dict[str, float], kept: list[int]) -> None:
    probabilities = torch.tensor([0.1, 0.4, 0.2, 0.3])
    rows = 400
    each = SamplingSettings(0.7, **settings)  # pyright: ignore[reportArgumentType]
    uniforms = counter_uniforms(np.arange(rows, dtype=np.uint64), 1)[:, 0]
    tokens, logprobs = draw(probabilities.log().expand(rows, 4) * 0.7, RowSampling.of([each] * rows, CPU), uniforms)
    assert sorted(set(tokens.tolist())) == kept
    expected = (probabilities / probabilities[kept].sum()).log()
    torch.testing.assert_close(logprobs, expected[tokens], atol=1e-6, rtol=0)


def test_5_rows_are_truncated_each_in_its_own_way() -> None:
    logits = torch.tensor([0.1, 0.4, 0.2, 0.3]).log().expand(3, 4)
    settings = [SamplingSettings(), SamplingSettings(top_k=1), SamplingSettings(0.0, top_p=0.9)]
    sampling = RowSampling.of(settings, CPU)
    tokens, logprobs = draw(logits, sampling, torch.full((3,), 0.999))
    assert tokens.tolist() == [3, 1, 1]
    # The whole vocabulary; one token; greedy of the three that reach 0.9.
    torch.testing.assert_close(logprobs.exp(), torch.tensor([0.3, 1.0, 0.4 / 0.9]))
    last = draw(logits[2:], sampling.select(torch.tensor([2])), torch.tensor([0.999]))
    assert (last[0].item(), last[1].item()) == (1, logprobs[2].item())


def test_5_ties_keep_exactly_k() -> None:
    tokens, _ = draw(torch.zeros(50, 6), RowSampling.of([SamplingSettings(top_k=2)] * 50, CPU), torch.rand(50))
    assert set(tokens.tolist()) == {0, 1}


def test_6_raw_logprobs() -> None:
    probabilities = torch.tensor([0.1, 0.4, 0.2, 0.3])
    settings = [SamplingSettings(2.0, top_k=2, logprobs=kind) for kind in (LogprobsOf.RAW, LogprobsOf.PROCESSED)]
    tokens, logprobs = draw(probabilities.log().expand(2, 4), RowSampling.of(settings, CPU), torch.tensor([0.9, 0.9]))
    assert tokens.tolist() == [3, 3]
    # At temperature 2 the two that are left weigh as the roots of 0.4 and 0.3: 0.5477 / (0.6325 + 0.5477) = 0.4641.
    torch.testing.assert_close(logprobs.exp(), torch.tensor([0.3, 0.4641]), atol=1e-4, rtol=0)


def test_2_uniforms_at_any_position() -> None:
    seeds = np.array([5, 9], dtype=np.uint64)
    assert torch.equal(
        uniforms_at(seeds, np.array([7, 2], dtype=np.uint64)), counter_uniforms(seeds, 8)[[0, 1], [7, 2]]
    )


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"temperature": -0.1}, "temperature >= 0, got -0.1"),
        ({"temperature": float("inf")}, "temperature >= 0, got inf"),
        ({"max_completion_tokens": 0}, "max_completion_tokens >= 1, got 0"),
        ({"top_p": 0.0}, "0 < top_p <= 1, got 0.0"),
        ({"top_k": -1}, "top_k >= 0, got -1"),
        ({"min_p": 1.1}, "0 <= min_p <= 1, got 1.1"),
    ],
)
def test_7_settings_without_a_meaning(settings: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SamplingSettings(**settings)  # pyright: ignore[reportArgumentType]


def test_7_what_a_trainer_can_compute() -> None:
    assert SamplingSettings(1.3).trained_temperature() == 1.3
    assert SamplingSettings(1.3, top_p=0.9, logprobs=LogprobsOf.RAW).trained_temperature() == 1.0
    with pytest.raises(ValueError, match=r"expected top_p 1, top_k 0 and min_p 0 with logprobs PROCESSED, got 0\.9"):
        SamplingSettings(1.3, top_p=0.9).trained_temperature()
