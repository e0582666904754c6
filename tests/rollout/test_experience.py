"""build_experience.

1. Targets are exactly the sampled tokens, with their log-probs and their episode's advantage, in any packing.
2. Advantages are those of the rewards: worked by hand.
3. Groups without spread are left out of ``batches_with_signal`` and of nothing else; totals count everything.
4. An unverified episode has advantage 0 and takes no part in its group's mean.
5. The sampler's log-probs equal the trainer's pass over the packed tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from lit_grpo.advantages import AdvantageEstimator
from lit_grpo.data.conversation import ConversationFormat
from lit_grpo.data.task import Task
from lit_grpo.environment.episode_record import EpisodeSettings
from lit_grpo.environment.highs import HighsSolver
from lit_grpo.environment.observation import ObservationStyle
from lit_grpo.losses.base import StepTotals
from lit_grpo.modules.policy import load_policy
from lit_grpo.rewards import RewardBreakdown
from lit_grpo.rollout.collect import RolloutSettings, collect_groups
from lit_grpo.rollout.engine import SamplingSettings
from lit_grpo.rollout.episodes import EpisodeGroup
from lit_grpo.rollout.experience import ExperienceBatch, build_experience
from lit_grpo.rollout.transformers_engine import TransformersEngine

TEMPERATURE = 1.2


@pytest.fixture(scope="module")
def groups(
    tiny_checkpoint: Path, tasks: list[Task], solver: HighsSolver, conversation: ConversationFormat
) -> list[EpisodeGroup]:
    """Four tasks, four attempts of three turns each by an untrained model."""
    episode = EpisodeSettings(max_steps=3, style=ObservationStyle.COMPACT)
    settings = RolloutSettings(4, SamplingSettings(TEMPERATURE, max_completion_tokens=10), episode)
    engine = TransformersEngine(load_policy(tiny_checkpoint).model, conversation.stop_ids)
    return collect_groups(tasks, engine, solver, conversation, settings, run_seed=9, step=0)


def rewarded(group: EpisodeGroup, rewards: Sequence[float], verified: Sequence[bool] | None = None) -> EpisodeGroup:
    flags = verified or [True] * len(rewards)
    episodes = tuple(
        replace(episode, reward=RewardBreakdown(0.0, 0.0, 0.0, total), score=replace(episode.score, verified=flag))
        for episode, total, flag in zip(group.episodes, rewards, flags, strict=True)
    )
    return replace(group, episodes=episodes)


def by_episode(batches: Sequence[ExperienceBatch]) -> dict[tuple[int, int], list[tuple[int, float, float]]]:
    """(group, attempt) -> (token, log-prob, advantage) of each target."""
    found: dict[tuple[int, int], list[tuple[int, float, float]]] = {}
    for batch in batches:
        for number, key in enumerate(batch.packed.sequences):
            chosen = batch.packed.sequence_index == number
            columns = (batch.packed.target_ids, batch.sampler_logprobs, batch.advantages)
            found[key] = list(zip(*(column[chosen].tolist() for column in columns), strict=True))
    return found


@pytest.mark.parametrize("microbatch_tokens", [400, 700, 100_000])
def test_1_2_targets_are_the_sampled_tokens(groups: list[EpisodeGroup], microbatch_tokens: int) -> None:
    # Mean 1/4, sample standard deviation 1/2: advantages 3/4 and -1/4 over 0.500001.
    scored = [rewarded(group, [1.0, 0.0, 0.0, 0.0]) for group in groups]
    experience = build_experience(scored, AdvantageEstimator.GROUP, microbatch_tokens)
    found = by_episode(experience.batches)
    assert sorted(found) == [(group, sample) for group in range(4) for sample in range(4)]
    for (group, sample), targets in found.items():
        turns = scored[group].episodes[sample].turns
        assert [token for token, _, _ in targets] == [token for turn in turns for token in turn.completion_ids]
        expected = torch.tensor([value for turn in turns for value in turn.sampler_logprobs])
        assert torch.equal(torch.tensor([value for _, value, _ in targets]), expected)
        advantage = (0.75 if sample == 0 else -0.25) / 0.500001
        assert [value for _, _, value in targets] == pytest.approx([advantage] * len(targets), rel=1e-6)
    assert experience.advantages.tolist() == pytest.approx([0.75 / 0.500001, *[-0.25 / 0.500001] * 3] * 4)


def test_3_groups_without_spread(groups: list[EpisodeGroup]) -> None:
    rewards = [[0.3] * 4, [1.0, 0.0, 0.0, 1.0], [0.0] * 4, [0.1, 0.1, 0.1, 0.2]]
    scored = [rewarded(group, values) for group, values in zip(groups, rewards, strict=True)]
    experience = build_experience(scored, AdvantageEstimator.CENTRED, 2000)
    num_tokens = sum(len(turn.completion_ids) for group in groups for e in group.episodes for turn in e.turns)
    assert experience.totals == StepTotals(num_tokens, num_sequences=16, num_groups=4)
    assert len(by_episode(experience.batches)) == 16
    everything = by_episode(experience.batches)
    with_signal = by_episode(experience.batches_with_signal)
    # Packed alone, groups 1 and 3 are numbered 0 and 1.
    expected = {(place, sample): everything[group, sample] for place, group in enumerate((1, 3)) for sample in range(4)}
    assert with_signal == expected
    assert all(value == 0.0 for sample in range(4) for _, _, value in everything[0, sample] + everything[2, sample])


def test_3_no_signal_at_all(groups: list[EpisodeGroup]) -> None:
    experience = build_experience([rewarded(group, [0.5] * 4) for group in groups], AdvantageEstimator.GROUP, 2000)
    assert experience.batches_with_signal == ()
    assert experience.totals.num_groups == 4


def test_4_unverified_episodes(groups: list[EpisodeGroup]) -> None:
    scored = [rewarded(groups[0], [1.0, 0.0, 0.0, 0.5], verified=[True, True, False, True])]
    experience = build_experience(scored, AdvantageEstimator.CENTRED, 2000)
    # Mean of 1, 0 and 0.5 is 0.5.
    assert experience.advantages.tolist() == pytest.approx([0.5, -0.5, 0.0, 0.0])


def test_5_the_trainer_agrees_with_the_sampler(groups: list[EpisodeGroup], tiny_checkpoint: Path) -> None:
    scored = [rewarded(group, [1.0, 0.0, 0.0, 0.0]) for group in groups]
    policy = load_policy(tiny_checkpoint)
    for batch in build_experience(scored, AdvantageEstimator.GROUP, 700).batches:
        with torch.no_grad():
            logprobs = policy(batch.packed, TEMPERATURE)
        torch.testing.assert_close(logprobs, batch.sampler_logprobs, atol=1e-4, rtol=0)
