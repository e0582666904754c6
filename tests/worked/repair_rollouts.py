"""Rollouts of repairs for tests: played with a solver and settings, and taken apart attempt by attempt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from lit_grpo.data.conversation import ConversationFormat
from lit_grpo.engines.engine import RolloutEngine
from lit_grpo.environment.episodes.record import EpisodeRecord
from lit_grpo.environment.episodes.repair_environment import RepairEnvironment
from lit_grpo.environment.episodes.scoring import RepairScore
from lit_grpo.environment.faults.ground_truth import GradedProblem
from lit_grpo.environment.solver.solver import Solver
from lit_grpo.rewards.base import RewardBreakdown
from lit_grpo.rewards.components import RewardComponents
from lit_grpo.rollout.attempts import Attempt, RepairGroup
from lit_grpo.rollout.collect import collect_groups
from lit_grpo.rollout.open_attempt import Seeds
from lit_grpo.rollout.settings import PlaySettings


def collect(
    tasks: Sequence[GradedProblem],
    engine: RolloutEngine,
    solver: Solver,
    conversation: ConversationFormat,
    settings: PlaySettings,
    run_seed: int = 0,
    batch: int = 0,
    num_threads: int = 1,
) -> list[RepairGroup]:
    """`collect_groups` in a repair environment of its own."""
    environment = RepairEnvironment(settings.episode, solver, num_threads)
    return collect_groups(tasks, environment, engine, conversation, settings, Seeds(run_seed, batch))


class Played(NamedTuple):
    """One attempt with what it is worth."""

    attempt: Attempt[EpisodeRecord]
    score: RepairScore
    reward: RewardBreakdown[RewardComponents]


def played(group: RepairGroup) -> list[Played]:
    """Its attempts, in order."""
    return [Played(*parts) for parts in zip(group.attempts, group.scores, group.rewards, strict=True)]


def paid(total: float, outcome: float = 0.0, diagnosis: float = 0.0, efficiency: float = 0.0) -> RewardBreakdown:
    """A reward that is logged as what trains."""
    return RewardBreakdown(RewardComponents(outcome, diagnosis, efficiency), total, total)
