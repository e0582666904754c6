"""How far training moved a policy: its KL to the policy it started from, and its entropy, on held-out episodes.

Called by ablations.py for every arm alike, whatever its objective: a KL term logs a KL on its own training tokens, and
an arm without one logs none. Episodes are sampled from the policy itself at temperature 1, so that the estimators of
losses/reference_kl.py are without bias: E[k1] = E[k3] = KL(policy || start).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from lit_grpo.engines.engine import SamplingSettings
from lit_grpo.environment.episodes.record import EpisodeSettings
from lit_grpo.environment.episodes.repair_environment import RepairEnvironment
from lit_grpo.environment.faults.ground_truth import GradedProblem
from lit_grpo.environment.solver.highs import HighsSolver
from lit_grpo.experiments.player import Player
from lit_grpo.losses.reference_kl import k1, k3
from lit_grpo.metrics.policy_shift import PolicyShift
from lit_grpo.rollout.experience import pack_attempts

MICROBATCH_TOKENS = 4096


def measure_shift(
    policy: Player, start: Player, tasks: Sequence[GradedProblem], rules: EpisodeSettings, max_completion_tokens: int
) -> PolicyShift:
    """Play the tasks once each, and look at what both policies say of every token sampled.

    Args:
        policy: After training.
        start: Before it; on the same device.
        tasks: Held out.
        rules: Those that the policy was trained under, rendering included.
        max_completion_tokens: The most tokens of a turn.
    """
    sampling = SamplingSettings(temperature=1.0, max_completion_tokens=max_completion_tokens)
    groups = policy.play(tasks, RepairEnvironment(rules, HighsSolver()), sampling)
    device = next(policy.policy.parameters()).device
    own: list[Tensor] = []
    entropies: list[Tensor] = []
    reference: list[Tensor] = []
    with torch.no_grad():
        for packed in pack_attempts(groups, MICROBATCH_TOKENS):
            batch = packed.to(device)
            logprobs, entropy = policy.policy.logprobs_and_entropies(batch)
            own.append(logprobs)
            entropies.append(entropy)
            reference.append(start.policy(batch))
    policy_logprobs, start_logprobs = torch.cat(own).double(), torch.cat(reference).double()
    return PolicyShift(
        kl_k1=k1(policy_logprobs, start_logprobs).mean().item(),
        kl_k3=k3(policy_logprobs, start_logprobs).mean().item(),
        entropy=torch.cat(entropies).double().mean().item(),
        num_tokens=policy_logprobs.numel(),
        num_episodes=len(groups),
    )
