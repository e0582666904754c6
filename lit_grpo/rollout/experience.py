"""Turns episodes into what a policy learns from: packed tokens, the sampler's log-probs, and advantages.

Called by the rollout callback once per optimizer step. Which tokens have a loss follows from provenance alone: those
that the policy sampled, never a comparison with some padding or marker token.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from lit_grpo.advantages import AdvantageEstimator, group_advantages
from lit_grpo.losses.base import StepTotals
from lit_grpo.packing import Continuation, PackedBatch, PromptGroup, pack
from lit_grpo.rollout.episodes import Episode, EpisodeGroup


@dataclass(frozen=True, slots=True)
class ExperienceBatch:
    """One micro-batch; everything [num_tokens] is in the order of ``packed.target_ids``."""

    packed: PackedBatch
    sampler_logprobs: Tensor
    """[num_tokens] float32."""
    advantages: Tensor
    """[num_tokens] float32, each token's episode's."""


@dataclass(frozen=True, slots=True)
class Experience:
    """The episodes of one optimizer step, of this process."""

    batches: tuple[ExperienceBatch, ...]
    """All groups."""
    batches_with_signal: tuple[ExperienceBatch, ...]
    """Groups whose rewards differ; the others' advantages are exactly 0. The same as ``batches`` if all do."""
    totals: StepTotals
    """Counts over all groups, with signal or without, of this process."""
    advantages: Tensor
    """[num_episodes] float64, group by group: what is logged is what trains."""


def build_experience(
    groups: Sequence[EpisodeGroup], estimator: AdvantageEstimator, microbatch_tokens: int
) -> Experience:
    """Give every episode its advantage and pack the tokens.

    Args:
        groups: the episodes of one optimizer step.
        estimator: what a reward is compared with.
        microbatch_tokens: positions of a micro-batch at most, padding included.

    Raises:
        ValueError: an episode that does not fit into a micro-batch.
    """
    episodes = [episode for group in groups for episode in group.episodes]
    sizes = torch.tensor([len(group.episodes) for group in groups])
    estimated = group_advantages(
        torch.tensor([episode.reward.total for episode in episodes], dtype=torch.float64),
        torch.arange(len(groups)).repeat_interleave(sizes),
        torch.tensor([episode.score.verified for episode in episodes]),
        estimator,
    )
    scored = list(zip(groups, estimated.advantages.split(sizes.tolist()), strict=True))
    with_signal = [pair for pair, has_signal in zip(scored, estimated.has_signal.tolist(), strict=True) if has_signal]
    batches = _batches(scored, microbatch_tokens)
    return Experience(
        batches=batches,
        batches_with_signal=batches if len(with_signal) == len(scored) else _batches(with_signal, microbatch_tokens),
        totals=_totals(groups),
        advantages=estimated.advantages,
    )


def _batches(scored: Sequence[tuple[EpisodeGroup, Tensor]], microbatch_tokens: int) -> tuple[ExperienceBatch, ...]:
    """Groups with the advantages [episodes] of each."""
    packs = pack([_prompt_group(group) for group, _ in scored], microbatch_tokens)
    return tuple(_batch(packed, scored) for packed in packs)


def _batch(packed: PackedBatch, scored: Sequence[tuple[EpisodeGroup, Tensor]]) -> ExperienceBatch:
    logprobs: list[float] = []
    advantages: list[Tensor] = []
    for group, sample in packed.sequences:
        episode = scored[group][0].episodes[sample]
        logprobs += [value for turn in episode.turns for value in turn.sampler_logprobs]
        advantages.append(scored[group][1][sample])
    per_sequence = torch.stack(advantages).float()
    return ExperienceBatch(packed, torch.tensor(logprobs), per_sequence[packed.sequence_index])


def _prompt_group(group: EpisodeGroup) -> PromptGroup:
    return PromptGroup(group.prompt_ids, tuple(_continuation(episode) for episode in group.episodes))


def _continuation(episode: Episode) -> Continuation:
    token_ids: tuple[int, ...] = ()
    is_target: tuple[bool, ...] = ()
    for turn in episode.turns:
        token_ids += turn.observation_ids + turn.completion_ids
        is_target += (False,) * len(turn.observation_ids) + (True,) * len(turn.completion_ids)
    return Continuation(token_ids, is_target)


def _totals(groups: Sequence[EpisodeGroup]) -> StepTotals:
    num_tokens = [
        [sum(len(turn.completion_ids) for turn in episode.turns) for episode in group.episodes] for group in groups
    ]
    return StepTotals(
        num_tokens=sum(map(sum, num_tokens)),
        num_sequences=sum(count > 0 for counts in num_tokens for count in counts),
        num_groups=sum(any(counts) for counts in num_tokens),
    )
