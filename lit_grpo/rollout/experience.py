"""Turns attempts into what a policy learns from: packed tokens, the sampler's log-probs, and advantages.

Called by modules/grpo.py once per rollout. Which tokens have a loss follows from provenance alone: those that the
policy sampled, never a comparison with some padding or marker token.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from lit_grpo.advantages import AdvantageEstimator, SumOverRanks, on_one_rank
from lit_grpo.losses.base import LossInputs, UpdateTotals
from lit_grpo.losses.overlong import OverlongPenalty
from lit_grpo.packing import Continuation, PackedBatch, PromptGroup, fitting, num_with_targets, pack
from lit_grpo.rewards.base import Reward
from lit_grpo.rewards.composite import CompositeReward
from lit_grpo.rollout.attempts import AnyGroup, AnyScoredGroup, Attempt
from lit_grpo.rollout.estimation import estimate_advantages


@dataclass(frozen=True, slots=True)
class ExperienceBatch:
    """One micro-batch; everything [num_tokens] is in the order of ``packed.target_ids``."""

    packed: PackedBatch
    sampler_logprobs: Tensor
    """[num_tokens] float32."""
    advantages: Tensor
    """[num_tokens] float32, the advantage of each token's attempt."""
    group_num_tokens: Tensor
    """[num_tokens] int64, targets of each token's group in the whole optimizer step."""
    policy_versions: Tensor
    """[num_tokens] int64, the version of the weights that drew each token."""

    def loss_inputs(
        self, policy: Tensor, entropies: Tensor | None, proximal: Tensor, reference: Tensor | None, keep: Tensor | None
    ) -> LossInputs:
        """The inputs of a loss, on the device of the policy's log-probs; all [num_tokens]."""
        device = policy.device
        return LossInputs(
            policy_logprobs=policy,
            proximal_logprobs=proximal,
            sampler_logprobs=self.sampler_logprobs.to(device, torch.float32),
            reference_logprobs=reference,
            advantages=self.advantages.to(device, torch.float32),
            sequence_index=self.packed.sequence_index.to(device),
            group_index=self.packed.group_index.to(device),
            group_num_tokens=self.group_num_tokens.to(device),
            entropies=entropies,
            keep=keep,
        )


@dataclass(frozen=True, slots=True)
class Experience:
    """This process's attempts of one update."""

    batches: tuple[ExperienceBatch, ...]
    """All groups."""
    batches_with_signal: tuple[ExperienceBatch, ...]
    """Groups that teach something; the others' advantages are exactly 0. The same as ``batches`` if all do."""
    totals: UpdateTotals
    """Counts over all groups, with signal or without, of this process."""
    advantages: Tensor
    """[num_attempts] float64, group by group: what is logged is what trains."""
    num_too_long: int = 0
    """Attempts without targets, since they are longer than the longest row."""
    num_not_finite: int = 0
    """Attempts without targets, since their reward or log-probs are not finite."""
    num_comparable: int = 0
    """Groups in which such attempts leave enough others for the estimator: one, or two where it compares them."""


@dataclass(frozen=True, slots=True)
class Rollout:
    """One rank's attempts of a batch, ready to be learned from. RolloutCallback attaches it to the batch."""

    updates: tuple[Experience, ...]
    """The updates, each of which ends in an optimizer step."""
    temperature: float
    """The temperature of the distribution that the sampler's log-probs belong to."""
    num_too_long: int = 0
    """Attempts of this rank without targets, since they are longer than the longest row. Their rewards still count."""


@dataclass(frozen=True, slots=True)
class ExperienceSettings:
    """The part of an objective that is decided before any log-prob is known."""

    estimator: AdvantageEstimator
    """The estimator: what a reward is compared with."""
    microbatch_tokens: int
    """Positions of a micro-batch at most, padding included."""
    longest_row_tokens: int | None = None
    """Tokens of an attempt with its prompt at most; longer ones have no targets. None: any number."""
    num_updates: int = 1
    """Optimizer steps that the groups are split into, in order."""
    reward: Reward[Any] = field(default_factory=CompositeReward)
    """The reward that the attempts were paid by, for the estimator PER_COMPONENT."""
    overlong_filter: bool = False
    """Truncated attempts have no targets; their rewards still count for their group."""
    overlong_penalty: OverlongPenalty | None = None


def build_experience(
    groups: Sequence[AnyScoredGroup], estimator: AdvantageEstimator, microbatch_tokens: int
) -> Experience:
    """The experience of a rollout that is one optimizer step of one process, with nothing added to the rewards.

    Raises:
        ValueError: Tokens lack the sampler's log-probs.
    """
    (experience,) = build_updates(groups, ExperienceSettings(estimator, microbatch_tokens))
    return experience


def build_updates(
    groups: Sequence[AnyScoredGroup],
    settings: ExperienceSettings,
    reward_kl: Tensor | None = None,
    sum_over_ranks: SumOverRanks = on_one_rank,
) -> tuple[Experience, ...]:
    """Give every attempt its advantage and pack the tokens, once per optimizer step.

    Advantages are estimated for the rollout as a whole, so that one which compares with the batch does not depend on
    how many updates the batch is split into.

    Args:
        groups: The whole rollout of this process. The place of a group says which update it is in: what an update
            consists of depends neither on the number of ranks, whose shares it divides, nor on which other places have
            a group.
        settings: The settings that the objective makes.
        reward_kl: [num_attempts] float64, group by group, what a KL takes off each reward.
        sum_over_ranks: Used by estimators that compare with the batch.

    Raises:
        ValueError: Tokens lack the sampler's log-probs.
    """
    estimated = estimate_advantages(
        groups, settings.estimator, settings.reward, settings.overlong_penalty, reward_kl, sum_over_ranks
    )
    advantages = estimated.advantages.split([len(group.attempts) for group in groups])
    scored = [
        _ScoredGroup.of(group, values, signal, settings)
        for group, values, signal in zip(groups, advantages, estimated.has_signal.tolist(), strict=True)
    ]
    updates = range(settings.num_updates)
    parts = [[own for own in scored if own.group.place % settings.num_updates == number] for number in updates]
    return tuple(_experience(part, settings) for part in parts)


def pack_attempts(
    groups: Sequence[AnyGroup], microbatch_tokens: int, longest_row_tokens: int | None = None
) -> list[PackedBatch]:
    """All sampled tokens of some groups, whatever trains on them, but for attempts longer than a row may be."""
    whole = [_prompt_group(group, [True] * len(group.attempts)) for group in groups]
    return pack([fitting(group, longest_row_tokens) for group in whole], microbatch_tokens)


@dataclass(frozen=True, slots=True)
class _ScoredGroup:
    group: AnyScoredGroup
    advantages: Tensor
    """[num_attempts]."""
    has_signal: bool
    prompt_group: PromptGroup
    num_too_long: int

    @classmethod
    def of(
        cls, group: AnyScoredGroup, advantages: Tensor, has_signal: bool, settings: ExperienceSettings
    ) -> _ScoredGroup:
        """The group without targets in what is too long."""
        whole = _prompt_group(group, _learned_from(group, settings))
        kept = fitting(whole, settings.longest_row_tokens)
        return cls(group, advantages, has_signal, kept, num_with_targets([whole]) - num_with_targets([kept]))

    @property
    def num_targets(self) -> list[int]:
        """The number of targets of each attempt."""
        return [sum(continuation.is_target) for continuation in self.prompt_group.continuations]


def _experience(scored: Sequence[_ScoredGroup], settings: ExperienceSettings) -> Experience:
    batches = _batches(scored, settings.microbatch_tokens)
    chosen = [group for group in scored if group.has_signal]
    num_finite = [sum(group.group.are_finite) for group in scored]
    least = 2 if settings.estimator.compares_attempts else 1
    return Experience(
        batches=batches,
        batches_with_signal=batches if len(chosen) == len(scored) else _batches(chosen, settings.microbatch_tokens),
        totals=_totals(scored),
        advantages=torch.cat([torch.zeros(0, dtype=torch.float64), *(group.advantages for group in scored)]),
        num_too_long=sum(group.num_too_long for group in scored),
        num_not_finite=sum(len(group.group.attempts) for group in scored) - sum(num_finite),
        num_comparable=sum(number >= least for number in num_finite),
    )


def _batches(scored: Sequence[_ScoredGroup], microbatch_tokens: int) -> tuple[ExperienceBatch, ...]:
    packs = pack([group.prompt_group for group in scored], microbatch_tokens)
    return tuple(_batch(packed, scored) for packed in packs)


def _batch(packed: PackedBatch, scored: Sequence[_ScoredGroup]) -> ExperienceBatch:
    logprobs = [value for group, sample in packed.sequences for value in _logprobs(scored[group].group, sample)]
    advantages = torch.stack([scored[group].advantages[sample] for group, sample in packed.sequences]).float()
    group_num_tokens = torch.tensor([sum(scored[group].num_targets) for group, _ in packed.sequences])
    versions = [value for group, sample in packed.sequences for value in _policy_versions(scored[group].group, sample)]
    return ExperienceBatch(
        packed,
        torch.tensor(logprobs),
        advantages[packed.sequence_index],
        group_num_tokens[packed.sequence_index],
        torch.tensor(versions, dtype=torch.int64),
    )


def _logprobs(group: AnyGroup, sample: int) -> list[float]:
    """The log-probs of an attempt's sampled tokens, by the engine that drew them."""
    attempt = group.attempts[sample]
    logprobs = [value for turn in attempt.turns for value in turn.sampler_logprobs]
    if len(logprobs) != attempt.num_sampled_tokens:
        raise ValueError(
            f"expected the sampler's log-prob of each of the {attempt.num_sampled_tokens} sampled tokens, got "
            f"{len(logprobs)}; without them neither a mismatch weight nor DPPO exists: use an engine that returns them"
        )
    return logprobs


def _policy_versions(group: AnyGroup, sample: int) -> list[int]:
    """The version of the weights that drew each of an attempt's sampled tokens."""
    turns = group.attempts[sample].turns
    return [turn.policy_version for turn in turns for _ in turn.completion_ids]


def _learned_from(group: AnyScoredGroup, settings: ExperienceSettings) -> list[bool]:
    """Which attempts of the group have targets."""
    return [
        is_finite and not (settings.overlong_filter and attempt.truncated)
        for attempt, is_finite in zip(group.attempts, group.are_finite, strict=True)
    ]


def _prompt_group(group: AnyGroup, learned_from: Sequence[bool]) -> PromptGroup:
    pairs = zip(group.attempts, learned_from, strict=True)
    return PromptGroup(group.prompt_ids, tuple(_continuation(attempt, learns) for attempt, learns in pairs))


def _continuation(attempt: Attempt[Any], learns: bool) -> Continuation:
    token_ids: tuple[int, ...] = ()
    is_target: tuple[bool, ...] = ()
    for turn in attempt.turns:
        token_ids += turn.observation_ids + turn.completion_ids
        is_target += (False,) * len(turn.observation_ids) + (learns,) * len(turn.completion_ids)
    return Continuation(token_ids, is_target)


def _totals(scored: Sequence[_ScoredGroup]) -> UpdateTotals:
    num_targets = [group.num_targets for group in scored]
    return UpdateTotals(
        num_tokens=sum(map(sum, num_targets)),
        num_sequences=sum(count > 0 for counts in num_targets for count in counts),
        num_groups=sum(any(counts) for counts in num_targets),
    )
