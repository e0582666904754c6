"""A trained policy, read from its folder and ready to play held-out tasks: without a Trainer, on any device.

Called by policy_shift.py and final_evaluation.py. The attempts are those of RepairEvaluation: the same loop plays.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import yaml
from jsonargparse import ArgumentParser

from lit_grpo.data.conversation import ConversationFormat, read_conversation
from lit_grpo.engines.engine import SamplingSettings
from lit_grpo.engines.transformers.engine import TransformersEngine
from lit_grpo.environment.episodes.record import EpisodeRecord, EpisodeSettings
from lit_grpo.environment.episodes.repair_environment import RepairEnvironment
from lit_grpo.environment.faults.ground_truth import GradedProblem
from lit_grpo.modules.policy import CausalPolicy, load_policy
from lit_grpo.rollout.attempts import Group
from lit_grpo.rollout.open_attempt import Seeds
from lit_grpo.rollout.play import Players, play

CONFIG_FILE = "config.yaml"
"""The resolved config that every run leaves in its folder."""
TASKS_AT_ONCE = 128


@dataclass(frozen=True, slots=True)
class Player:
    """A network with its chat format."""

    policy: CausalPolicy
    conversation: ConversationFormat

    @classmethod
    def read(cls, checkpoint: Path, device: torch.device, dtype: torch.dtype = torch.float32) -> Player:
        """Read a player from a folder with weights and tokenizer; ValueError if there is none."""
        policy = load_policy(checkpoint, dtype).requires_grad_(False).eval().to(device)
        return cls(policy, read_conversation(checkpoint))

    def play(
        self,
        tasks: Sequence[GradedProblem],
        environment: RepairEnvironment,
        sampling: SamplingSettings,
        leave_out_long_prompts: bool = False,
    ) -> list[Group[GradedProblem, EpisodeRecord]]:
        """Every task once; the number played at once has no effect on the attempts."""
        engine = TransformersEngine(self.policy.model, self.conversation.stop_ids)
        world = environment.read_by(self.conversation.num_tokens)
        players: Players[GradedProblem, EpisodeRecord] = Players(
            world, engine, self.conversation, [sampling], Seeds(0, 0), leave_out_long_prompts
        )
        parts = [tasks[start : start + TASKS_AT_ONCE] for start in range(0, len(tasks), TASKS_AT_ONCE)]
        return [group for part in parts for group in play(part, players)]


def episode_settings_of(run: Path) -> EpisodeSettings:
    """The rules and the rendering that a run was trained and tested under, from the config in its folder."""
    document = yaml.safe_load((run / CONFIG_FILE).read_text(encoding="utf-8"))
    parser = ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(EpisodeSettings, "episode")
    return parser.instantiate(parser.parse_object({"episode": document["episode"]})).episode
