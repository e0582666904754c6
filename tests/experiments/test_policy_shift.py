"""KL to the start and entropy on held-out episodes.

1. Of a policy against itself the KL is exactly 0, by both estimators.
2. Against another policy both estimates are the means of their formulas over the sampled tokens, and the entropy is
   that of the policy's own distribution: computed again from plain logits, one episode at a time.
3. What is written is read back; a run that was not measured has none.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from lit_grpo.data.splits import Split
from lit_grpo.data.task import Task, TaskSettings, generate_task
from lit_grpo.engines.engine import SamplingSettings
from lit_grpo.environment.domains.base import ProgramSize
from lit_grpo.environment.episodes.observation import ObservationStyle
from lit_grpo.environment.episodes.record import EpisodeSettings
from lit_grpo.environment.episodes.repair_environment import RepairEnvironment
from lit_grpo.environment.solver.highs import HighsSolver
from lit_grpo.experiments.player import Player
from lit_grpo.experiments.policy_shift import measure_shift
from lit_grpo.metrics.policy_shift import PolicyShift, read_shift, write_shift

RULES = EpisodeSettings(max_turns=2, undo_if_still_infeasible=True, style=ObservationStyle.COMPACT)
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def tasks() -> list[Task]:
    solver, settings = HighsSolver(), TaskSettings(size=ProgramSize.TINY)
    return [generate_task(settings, Split.TEST, 0, index, solver) for index in range(3)]


@pytest.fixture(scope="module")
def moved(tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model with other weights."""
    player = Player.read(tiny_checkpoint, CPU)
    folder = tmp_path_factory.mktemp("moved")
    generator = torch.Generator().manual_seed(1)
    for parameter in player.policy.parameters():
        parameter.data += 0.05 * torch.randn(parameter.shape, generator=generator)
    player.policy.causal_lm.save_pretrained(folder)
    AutoTokenizer.from_pretrained(tiny_checkpoint).save_pretrained(folder)
    return folder


def test_1_a_policy_has_not_moved_from_itself(tiny_checkpoint: Path, tasks: list[Task]) -> None:
    player = Player.read(tiny_checkpoint, CPU)
    shift = measure_shift(player, player, tasks, RULES, max_completion_tokens=6)
    assert (shift.kl_k1, shift.kl_k3) == (0.0, 0.0)
    assert shift.entropy > 1.0
    assert shift.num_episodes == 3


def test_2_formulas_from_plain_logits(tiny_checkpoint: Path, moved: Path, tasks: list[Task]) -> None:
    policy, start = Player.read(moved, CPU), Player.read(tiny_checkpoint, CPU)
    shift = measure_shift(policy, start, tasks, RULES, max_completion_tokens=6)

    sampling = SamplingSettings(temperature=1.0, max_completion_tokens=6)
    groups = policy.play(tasks, RepairEnvironment(RULES, HighsSolver()), sampling)
    own, other = (AutoModelForCausalLM.from_pretrained(folder).double().eval() for folder in (moved, tiny_checkpoint))
    log_ratios: list[float] = []
    entropies: list[float] = []
    for group in groups:
        context = list(group.prompt_ids)
        for turn in group.attempts[0].turns:
            context += turn.observation_ids
            for token in turn.completion_ids:
                with torch.no_grad():
                    p, q = (m(torch.tensor([context])).logits[0, -1].log_softmax(0) for m in (own, other))
                log_ratios.append((p[token] - q[token]).item())
                entropies.append(-(p.exp() * p).sum().item())
                context.append(token)
    x = -torch.tensor(log_ratios, dtype=torch.float64)
    assert shift.num_tokens == len(log_ratios)
    assert shift.kl_k1 == pytest.approx(-x.mean().item(), rel=1e-4, abs=1e-5)
    assert shift.kl_k3 == pytest.approx((x.exp() - x - 1).mean().item(), rel=1e-4)
    assert shift.entropy == pytest.approx(sum(entropies) / len(entropies), rel=1e-4)
    assert shift.kl_k3 > 0.01


def test_3_written_and_read(tmp_path: Path) -> None:
    shift = PolicyShift(kl_k1=-0.001, kl_k3=0.25, entropy=0.5, num_tokens=10, num_episodes=2)
    write_shift(tmp_path, shift)
    assert read_shift(tmp_path) == shift
    assert read_shift(tmp_path / "elsewhere") is None
