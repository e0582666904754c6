"""DAggerModule: supervised learning of an oracle's moves in the states that the policy itself comes to.

DAgger (Ross, Gordon and Bagnell 2011, arXiv:1011.0686), online. In batch i (0-based) fresh tasks are played by the
mixture beta_i pi* + (1 - beta_i) pi of oracle and policy, drawn turn by turn, with beta_i = beta^(i + 1). Then one
optimizer step on the answer cross-entropy of the oracle's turn in each state s of the set D_i that was come to:
-(1/N) sum_{s in D_i} sum_t log pi(a*_t | s, a*_<t), N the number of the oracle's tokens over all ranks.

The paper trains on the union of D_0 ... D_i anew in each iteration (follow the leader); a gradient step on D_i alone is
another of the online learners that its reduction allows, and each task is seen once here anyhow.
"""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter
from typing import Any

from typing_extensions import override

from lit_grpo.data.batches import TaskBatch
from lit_grpo.environment.protocol import AnyEnvironment
from lit_grpo.metrics.policy import PolicyMetrics
from lit_grpo.modules.base import PolicySettings
from lit_grpo.modules.optimizers import OptimizerSettings
from lit_grpo.modules.playing import PlayingModule
from lit_grpo.rewards.base import Reward
from lit_grpo.rollout.attempts import AnyScoredGroup
from lit_grpo.rollout.lessons import Lessons, lessons_of
from lit_grpo.rollout.settings import RolloutSettings
from lit_grpo.rollout.teacher import AnyTeacher, Teacher

METRICS = (
    "loss",
    "agreement",
    "demonstration_loss",
    "grad_norm",
    "skipped",
    "not_finite",
    "tokens",
    "update_s",
)
"""Logged as ``train/NAME``; docs/metrics.md says what each is. Those that a run does not have are left out."""


class DAggerModule(PlayingModule):
    """Trains a policy on an oracle's moves in the states that the policy comes to.

    Args:
        policy: The network.
        optimizer: How its weights are updated.
        beta: The oracle's share of the turns that are played is ``beta ** (i + 1)`` in batch i (0-based): 0 leaves all
            turns to the policy (apt after supervised fine-tuning, which is the paper's first iteration), 1 none.
        demonstration_loss_weight: Weight of the answer cross-entropy on the demonstrations in the batch.
        microbatch_tokens: Positions, padding included, of one forward pass at most.
        longest_row_tokens: What the policy has read before one of the oracle's turns, together with it, has a pass of
            its own up to so many tokens if it is longer than ``microbatch_tokens``; what is longer still is left out
            and counted. None: nothing is.
    """

    def __init__(
        self,
        policy: PolicySettings,
        optimizer: OptimizerSettings,
        beta: float = 0.0,
        demonstration_loss_weight: float = 0.0,
        microbatch_tokens: int = 8192,
        longest_row_tokens: int | None = None,
    ) -> None:
        super().__init__(policy, optimizer, microbatch_tokens, demonstration_loss_weight, longest_row_tokens)
        if not 0 <= beta <= 1:
            raise ValueError(f"model.beta: expected a share from 0 to 1, got {beta}; 0 leaves all turns to the policy")
        self.beta = beta
        self.metrics = PolicyMetrics(METRICS)

    @override
    def require_rollouts(self, settings: RolloutSettings, environment: AnyEnvironment) -> None:
        """Refuse an environment without an oracle, and what has no meaning where every state teaches."""
        if environment.oracle is None:
            raise ValueError(
                f"DAggerModule: expected an environment with an oracle, got {type(environment).__name__}, whose oracle "
                "is None; say there what the best turn is in each state, or train with GRPOModule"
            )
        if settings.dynamic_sampling is not None:
            raise ValueError(
                "rollout.dynamic_sampling: expected null with DAggerModule, got settings; it replaces groups that "
                "teach nothing, and here each state teaches: remove it"
            )
        if settings.sampling.temperature == 0 and settings.group_size > 1:
            raise ValueError(
                f"rollout.group_size: expected 1 with greedy attempts, got {settings.group_size}; they are all alike: "
                "set it to 1, or rollout.sampling.temperature above 0"
            )

    @override
    def groups_with_signal(self, groups: Sequence[AnyScoredGroup], reward: Reward[Any]) -> list[bool]:
        """All of them."""
        return [True] * len(groups)

    @override
    def teacher(self, environment: AnyEnvironment, batch: int) -> AnyTeacher:
        """The environment's oracle, with its share in this batch."""
        assert environment.oracle is not None, "an environment without an oracle is refused before anything is played"
        return Teacher(environment.oracle, self.beta ** (batch + 1))

    @override
    def rollout_of(self, groups: Sequence[AnyScoredGroup], settings: RolloutSettings) -> Lessons:
        """What the oracle has to say of the groups; what they earned does not matter."""
        return lessons_of(groups, self.longest_row_tokens)

    @override
    def training_step(self, batch: TaskBatch, batch_idx: int) -> None:
        """Take one optimizer step on the oracle's moves, and on the demonstrations that are replayed.

        Raises:
            ValueError: RolloutCallback is missing, or demonstrations are to be replayed, and the batch has none.
        """
        started, lessons = perf_counter(), batch.experience
        if not isinstance(lessons, Lessons):
            raise ValueError(
                "trainer.callbacks: expected RolloutCallback among them, which plays what DAggerModule trains on, got "
                "a batch without lessons; add it"
            )
        microbatches, num_tokens = self.cross_entropy(lessons.groups, "loss")
        microbatches += self.replay_microbatches(batch.demonstrations)
        # Without a token to learn from, an optimizer's moments would move the weights all the same.
        is_empty = self.over_ranks([len(microbatches)], "max")[0] == 0
        norm = None if is_empty else self.update(microbatches)
        self.step_schedule()
        if norm is not None:
            self.metrics.update({"grad_norm": norm}, 1)
        self.metrics.update({"agreement": lessons.num_right / max(lessons.num_turns, 1)}, lessons.num_turns)
        not_finite = float(norm is None and not is_empty)
        self.metrics.update({"skipped": float(is_empty), "not_finite": not_finite, "tokens": num_tokens}, 1)
        self.metrics.update({"update_s": perf_counter() - started}, 1)
        self.log_dict({f"train/{name}": value for name, value in self.metrics.compute().items()})
        self.metrics.reset()
