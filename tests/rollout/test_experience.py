"""build_experience.

1. Targets are exactly the sampled tokens, with their log-probs and their attempt's advantage, in any packing.
2. Advantages are those of the rewards: worked by hand.
3. Groups without spread are left out of ``batches_with_signal`` and of nothing else; totals count everything.
4. An unverified attempt has advantage 0 and takes no part in its group's mean.
5. The sampler's log-probs equal the trainer's pass over the packed tokens.
6. Every token knows how many its group has in the step.
7. With the overlong filter truncated attempts have no targets, and still count for their group.
8. Penalty and KL change the advantages and no reward.
9. Components are normalised one by one, by hand.
10. What compares with the batch does not depend on how many updates it is split into, which may outnumber its groups;
    nor does what an update consists of on the number of ranks, or on which other places are kept.
11. Tokens without the sampler's log-probs are refused.
12. Attempts that are paid what float32 cannot hold are counted, and so are groups that have others to compare.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from repair_rollouts import collect, paid

from lit_grpo.advantages import AdvantageEstimator
from lit_grpo.data.conversation import ConversationFormat
from lit_grpo.data.task import Task
from lit_grpo.engines.engine import SamplingSettings
from lit_grpo.engines.transformers.engine import TransformersEngine
from lit_grpo.environment.episodes.observation import ObservationStyle
from lit_grpo.environment.episodes.record import EpisodeSettings
from lit_grpo.environment.solver.highs import HighsSolver
from lit_grpo.losses.base import UpdateTotals
from lit_grpo.losses.overlong import OverlongPenalty
from lit_grpo.modules.policy import load_policy
from lit_grpo.rewards.components import RewardWeights
from lit_grpo.rewards.hybrid import HybridReward
from lit_grpo.rollout.attempts import RepairGroup
from lit_grpo.rollout.experience import ExperienceBatch, ExperienceSettings, build_experience, build_updates
from lit_grpo.rollout.settings import PlaySettings

TEMPERATURE = 1.2


@pytest.fixture(scope="module")
def groups(
    tiny_checkpoint: Path, tasks: list[Task], solver: HighsSolver, conversation: ConversationFormat
) -> list[RepairGroup]:
    """Four tasks, four attempts of three turns each by an untrained model."""
    episode = EpisodeSettings(max_turns=3, style=ObservationStyle.COMPACT)
    settings = PlaySettings(4, SamplingSettings(TEMPERATURE, max_completion_tokens=10), episode)
    engine = TransformersEngine(load_policy(tiny_checkpoint).model, conversation.stop_ids)
    return collect(tasks, engine, solver, conversation, settings, run_seed=9, batch=0)


def rewarded(group: RepairGroup, rewards: Sequence[float], verified: Sequence[bool] | None = None) -> RepairGroup:
    flags = verified or [True] * len(rewards)
    scores = tuple(replace(score, verified=flag) for score, flag in zip(group.scores, flags, strict=True))
    return replace(group, rewards=tuple(map(paid, rewards)), scores=scores)


def by_attempt(batches: Sequence[ExperienceBatch]) -> dict[tuple[int, int], list[tuple[int, float, float]]]:
    """(group, attempt) -> (token, log-prob, advantage) of each target."""
    found: dict[tuple[int, int], list[tuple[int, float, float]]] = {}
    for batch in batches:
        for number, key in enumerate(batch.packed.sequences):
            chosen = batch.packed.sequence_index == number
            columns = (batch.packed.target_ids, batch.sampler_logprobs, batch.advantages)
            found[key] = list(zip(*(column[chosen].tolist() for column in columns), strict=True))
    return found


@pytest.mark.parametrize("microbatch_tokens", [400, 700, 100_000])
def test_1_2_targets_are_the_sampled_tokens(groups: list[RepairGroup], microbatch_tokens: int) -> None:
    # Mean 1/4, sample standard deviation 1/2: advantages 3/4 and -1/4 over 0.500001.
    scored = [rewarded(group, [1.0, 0.0, 0.0, 0.0]) for group in groups]
    experience = build_experience(scored, AdvantageEstimator.GROUP, microbatch_tokens)
    found = by_attempt(experience.batches)
    assert sorted(found) == [(group, sample) for group in range(4) for sample in range(4)]
    for (group, sample), targets in found.items():
        turns = scored[group].attempts[sample].turns
        assert [token for token, _, _ in targets] == [token for turn in turns for token in turn.completion_ids]
        expected = torch.tensor([value for turn in turns for value in turn.sampler_logprobs])
        assert torch.equal(torch.tensor([value for _, value, _ in targets]), expected)
        advantage = (0.75 if sample == 0 else -0.25) / 0.500001
        assert [value for _, _, value in targets] == pytest.approx([advantage] * len(targets), rel=1e-6)
    assert experience.advantages.tolist() == pytest.approx([0.75 / 0.500001, *[-0.25 / 0.500001] * 3] * 4)


def test_3_groups_without_spread(groups: list[RepairGroup]) -> None:
    rewards = [[0.3] * 4, [1.0, 0.0, 0.0, 1.0], [0.0] * 4, [0.1, 0.1, 0.1, 0.2]]
    scored = [rewarded(group, values) for group, values in zip(groups, rewards, strict=True)]
    experience = build_experience(scored, AdvantageEstimator.CENTRED, 2000)
    num_tokens = sum(len(turn.completion_ids) for group in groups for a in group.attempts for turn in a.turns)
    assert experience.totals == UpdateTotals(num_tokens, num_sequences=16, num_groups=4)
    assert len(by_attempt(experience.batches)) == 16
    everything = by_attempt(experience.batches)
    with_signal = by_attempt(experience.batches_with_signal)
    # Packed alone, groups 1 and 3 are numbered 0 and 1.
    expected = {(place, sample): everything[group, sample] for place, group in enumerate((1, 3)) for sample in range(4)}
    assert with_signal == expected
    assert all(value == 0.0 for sample in range(4) for _, _, value in everything[0, sample] + everything[2, sample])


def test_3_no_signal_at_all(groups: list[RepairGroup]) -> None:
    experience = build_experience([rewarded(group, [0.5] * 4) for group in groups], AdvantageEstimator.GROUP, 2000)
    assert experience.batches_with_signal == ()
    assert experience.totals.num_groups == 4


def test_4_unverified_attempts(groups: list[RepairGroup]) -> None:
    scored = [rewarded(groups[0], [1.0, 0.0, 0.0, 0.5], verified=[True, True, False, True])]
    experience = build_experience(scored, AdvantageEstimator.CENTRED, 2000)
    # Mean of 1, 0 and 0.5 is 0.5.
    assert experience.advantages.tolist() == pytest.approx([0.5, -0.5, 0.0, 0.0])


def test_5_the_trainer_agrees_with_the_sampler(groups: list[RepairGroup], tiny_checkpoint: Path) -> None:
    scored = [rewarded(group, [1.0, 0.0, 0.0, 0.0]) for group in groups]
    policy = load_policy(tiny_checkpoint)
    for batch in build_experience(scored, AdvantageEstimator.GROUP, 700).batches:
        with torch.no_grad():
            logprobs = policy(batch.packed, TEMPERATURE)
        torch.testing.assert_close(logprobs, batch.sampler_logprobs, atol=1e-4, rtol=0)


def with_components(group: RepairGroup, rewards: Sequence[tuple[float, float, float]]) -> RepairGroup:
    weights = RewardWeights()
    totals = [weights.outcome * o + weights.diagnosis * d + weights.efficiency * e for o, d, e in rewards]
    return replace(group, rewards=tuple(paid(total, *parts) for parts, total in zip(rewards, totals, strict=True)))


def truncated(group: RepairGroup, flags: Sequence[bool]) -> RepairGroup:
    attempts = tuple(replace(a, truncated=flag) for a, flag in zip(group.attempts, flags, strict=True))
    return replace(group, attempts=attempts)


def lengths_of(group: RepairGroup) -> list[int]:
    return [attempt.num_sampled_tokens for attempt in group.attempts]


def test_6_every_token_knows_its_group_in_the_step(groups: list[RepairGroup]) -> None:
    # Small micro-batches cut a group over several.
    for batch in build_experience(groups, AdvantageEstimator.CENTRED, 400).batches:
        expected = [sum(lengths_of(groups[group])) for group, _ in batch.packed.sequences]
        assert torch.equal(batch.group_num_tokens, torch.tensor(expected)[batch.packed.sequence_index])


def test_7_truncated_attempts_leave_the_loss_and_stay_in_their_group(groups: list[RepairGroup]) -> None:
    scored = [truncated(rewarded(groups[0], [1.0, 0.0, 0.0, 0.0]), [True, False, False, False])]
    scored.append(truncated(rewarded(groups[1], [1.0, 0.0, 0.0, 0.0]), [True] * 4))
    settings = ExperienceSettings(AdvantageEstimator.CENTRED, 2000, overlong_filter=True)
    (experience,) = build_updates(scored, settings)
    assert sorted(by_attempt(experience.batches)) == [(0, 1), (0, 2), (0, 3)]
    assert experience.totals == UpdateTotals(sum(lengths_of(groups[0])[1:]), num_sequences=3, num_groups=1)
    # The mean, 1/4, is over all four.
    assert experience.advantages.tolist() == pytest.approx([0.75, -0.25, -0.25, -0.25] * 2)
    assert set(experience.batches[0].group_num_tokens.tolist()) == {sum(lengths_of(groups[0])[1:])}
    (unfiltered,) = build_updates(scored, replace(settings, overlong_filter=False))
    assert unfiltered.totals.num_sequences == 8


def test_8_what_an_objective_adds_to_the_rewards(groups: list[RepairGroup]) -> None:
    scored = [rewarded(groups[0], [1.0, 0.0, 0.0, 0.0])]
    lengths = lengths_of(groups[0])
    longest = max(lengths)
    # Half of the longest is free; the longest costs 1.
    penalty = OverlongPenalty(longest, longest - longest // 2)
    settings = ExperienceSettings(AdvantageEstimator.CENTRED, 2000, overlong_penalty=penalty)
    (experience,) = build_updates(scored, settings, reward_kl=torch.tensor([0.1, 0.2, 0.3, 0.4]).double())
    fines = [min(1.0, max(0.0, (n - longest // 2) / (longest - longest // 2))) for n in lengths]
    rewards = [reward - fine - kl for reward, fine, kl in zip([1, 0, 0, 0], fines, (0.1, 0.2, 0.3, 0.4), strict=True)]
    expected = [reward - sum(rewards) / 4 for reward in rewards]
    assert experience.advantages.tolist() == pytest.approx(expected, rel=1e-6)
    assert [reward.total for reward in scored[0].rewards] == [1.0, 0.0, 0.0, 0.0], "never in a metric"


def test_9_per_component(groups: list[RepairGroup]) -> None:
    # Totals .5, .5, 0, 0 do not tell the first two apart: one got the outcome, one diagnosis and efficiency.
    parts = [(1.0, 0.0, 0.0), (0.0, 1.0, 1.0), (0.0, 0.0, 0.0), (0.0, 0.0, 0.0)]
    scored = [with_components(groups[0], parts), with_components(groups[1], [(0.0, 0.5, 0.0)] * 4)]
    settings = ExperienceSettings(AdvantageEstimator.PER_COMPONENT, 2000)
    (experience,) = build_updates(scored, settings)
    # Each component is one 1 in four: 1.5 and -.5 normalised. Sums, weights .5, .3, .2: .5, .5, -.5, -.5 for group 0.
    found = experience.advantages
    std = (4 * 0.25 / 7) ** 0.5
    assert found.tolist() == pytest.approx([0.5 / std, 0.5 / std, -0.5 / std, -0.5 / std, 0, 0, 0, 0], rel=1e-4)
    assert {group for group, _ in by_attempt(experience.batches_with_signal)} == {0}
    # A penalty is a component of its own, of weight 1, so group 1 has signal where lengths differ.
    longest = max(lengths_of(groups[1]))
    penalty = OverlongPenalty(longest, longest)
    (fined,) = build_updates(scored, replace(settings, overlong_penalty=penalty))
    assert (len(set(lengths_of(groups[1]))) > 1) == bool(fined.advantages[4:].abs().max() > 0)


def judged(group: RepairGroup, faithful: Sequence[bool]) -> RepairGroup:
    scores = [
        replace(score, faithful=flag, recovered=True, verified=True)
        for score, flag in zip(group.scores, faithful, strict=True)
    ]
    return replace(group, scores=tuple(scores))


def test_9b_success_is_the_verified_score_and_no_reward(groups: list[RepairGroup]) -> None:
    # The reward pays all that became optimal alike, and the wrong ones more: neither matters.
    scored = [judged(rewarded(groups[0], [1.0, 1.0, 9.0, -5.0]), [False, True, False, False])]
    scored += [
        judged(rewarded(groups[1], [1.0] * 4), [True] * 4),
        judged(rewarded(groups[2], [1.0, 0, 0, 0]), [False] * 4),
    ]
    settings = ExperienceSettings(AdvantageEstimator.SUCCESS, 2000)
    (experience,) = build_updates(scored, settings)
    assert experience.advantages.tolist() == [0, 1, 0, 0, 1, 1, 1, 1, 0, 0, 0, 0]
    assert len(by_attempt(experience.batches_with_signal)) == 8, (
        "a group of successes alone teaches, one without does not"
    )
    assert experience.totals.num_groups == 3, "what is left out still counts"
    (study,) = build_updates(scored, replace(settings, reward=HybridReward(noise=1.0)))
    assert torch.equal(study.advantages, experience.advantages)


def test_9c_rewards_without_components(groups: list[RepairGroup]) -> None:
    settings = ExperienceSettings(AdvantageEstimator.PER_COMPONENT, 2000, reward=HybridReward())
    with pytest.raises(ValueError, match="expected a reward with components for PER_COMPONENT, got HybridReward"):
        build_updates(groups, settings)


def test_10_the_batch_is_the_whole_rollout_however_it_is_split(groups: list[RepairGroup]) -> None:
    scored = [rewarded(group, [1.0, 0.0, 0.2 * n, 0.0]) for n, group in enumerate(groups)]
    settings = ExperienceSettings(AdvantageEstimator.BATCH, 2000)
    (whole,) = build_updates(scored, settings)
    split = build_updates(scored, replace(settings, num_updates=2))
    assert len(split) == 2
    # The groups at places 0 and 2, then those at 1 and 3.
    by_group = whole.advantages.split(
        [len(own.advantages) for own in build_updates(scored, replace(settings, num_updates=4))]
    )
    assert torch.equal(split[0].advantages, torch.cat([by_group[0], by_group[2]]))
    assert torch.equal(split[1].advantages, torch.cat([by_group[1], by_group[3]]))
    assert sum(update.totals.num_tokens for update in split) == whole.totals.num_tokens


@pytest.mark.parametrize("estimator", AdvantageEstimator)
def test_10_fewer_groups_than_updates(groups: list[RepairGroup], estimator: AdvantageEstimator) -> None:
    settings = ExperienceSettings(estimator, 2000, num_updates=3)
    scored = [rewarded(group, [1.0, 0.0, 0.0, 0.0]) for group in groups]
    assert [update.totals.num_groups for update in build_updates(scored[:2], settings)] == [1, 1, 0]
    assert [update.totals.num_groups for update in build_updates(scored, settings)] == [2, 1, 1]
    for update in build_updates([], settings):
        assert update.batches == update.batches_with_signal == ()
        assert update.totals == UpdateTotals(0, 0, 0)
        assert update.advantages.shape == (0,)


def test_10_an_update_has_the_same_places_on_any_number_of_ranks(groups: list[RepairGroup]) -> None:
    settings = ExperienceSettings(AdvantageEstimator.GROUP, 2000, num_updates=2)
    scored = [rewarded(group, [1.0, 0.0, 0.2 * n, 0.0]) for n, group in enumerate(groups)]
    one = [update.advantages for update in build_updates(scored, settings)]
    shares = [[replace(group, place=place) for place, group in enumerate(scored[at : at + 2])] for at in (0, 2)]
    on_ranks = [build_updates(share, settings) for share in shares]
    for number, whole in enumerate(one):
        assert torch.equal(torch.cat([updates[number].advantages for updates in on_ranks]), whole)
    # A place that is left empty moves no other one to another update.
    without = build_updates([scored[0], scored[2], scored[3]], settings)
    assert torch.equal(without[0].advantages, one[0])
    assert without[1].totals.num_groups == 1


def test_11_missing_log_probs_are_refused(groups: list[RepairGroup]) -> None:
    first, *others = groups[0].attempts
    turns = (replace(first.turns[0], sampler_logprobs=()), *first.turns[1:])
    broken = replace(groups[0], attempts=(replace(first, turns=turns), *others))
    with pytest.raises(ValueError, match="expected the sampler's log-prob of each"):
        build_experience([broken], AdvantageEstimator.GROUP, 2000)


@pytest.mark.parametrize(("estimator", "comparable"), [(AdvantageEstimator.GROUP, 2), (AdvantageEstimator.SUCCESS, 3)])
def test_12_not_finite(groups: list[RepairGroup], estimator: AdvantageEstimator, comparable: int) -> None:
    bad = [0, 2, 3, 4]
    scored = [rewarded(group, [1e300] * n + [0.0] * (4 - n)) for group, n in zip(groups, bad, strict=True)]
    experience = build_experience(scored, estimator, 400)
    assert (experience.num_not_finite, experience.num_comparable) == (9, comparable)
    assert experience.totals.num_sequences == 16 - 9
