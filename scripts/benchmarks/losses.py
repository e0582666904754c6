"""The share of a training step that its loss costs, for each surrogate: ``python scripts/benchmarks/losses.py``.

The step is the quickstart's: 24 tasks x 8 attempts in micro-batches of 2,048 positions through checkpoints/tiny-base;
forward, loss, backward, gradient clip, optimizer, without the rollout. The loss is everything between the log-probs and
their gradient. Entropies cost a pass over the logits in the network's forward and backward, so for them the two steps
are compared. CPU time on one thread, or with ``--device cuda`` wall clock; the least of several rounds, the two timed
in turn.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from random import Random

import torch
from torch import Tensor

from lit_grpo.losses.base import LossInputs, PolicyLoss, UpdateTotals
from lit_grpo.losses.cispo import CISPOLoss
from lit_grpo.losses.clipped import ClippedLoss
from lit_grpo.losses.dppo import DPPOLoss
from lit_grpo.losses.gmpo import GMPOLoss
from lit_grpo.losses.mismatch_weight import MismatchRule, MismatchWeight
from lit_grpo.losses.objective import Objective
from lit_grpo.losses.reduction import Reduction
from lit_grpo.losses.reinforce import ReinforceLoss
from lit_grpo.losses.sapo import SAPOLoss
from lit_grpo.losses.sequence_clipped import SequenceClippedLoss
from lit_grpo.modules.optimizers import OptimizerSettings, build_optimizer, clip_gradients
from lit_grpo.modules.policy import load_policy
from lit_grpo.packing import Continuation, PackedBatch, PromptGroup, pack

NUM_TASKS, GROUP_SIZE, PROMPT_TOKENS, ANSWER_TOKENS, OBSERVATION_TOKENS = 24, 8, 150, 16, 8
MICROBATCH_TOKENS = 2048
TARGET = 0.03

SURROGATES: dict[str, PolicyLoss] = {
    "ClippedLoss": ClippedLoss(),
    "ClippedLoss with dual clip": ClippedLoss(dual_clip=3.0),
    "SequenceClippedLoss (GSPO)": SequenceClippedLoss(),
    "CISPOLoss": CISPOLoss(),
    "SAPOLoss": SAPOLoss(),
    "GMPOLoss": GMPOLoss(),
    "DPPOLoss": DPPOLoss(),
    "ReinforceLoss": ReinforceLoss(),
}


def objectives() -> dict[str, Objective]:
    """Each surrogate by itself, and the longest way through every axis that costs no forward pass."""
    longest = Objective(
        SequenceClippedLoss(dual_clip=3.0),
        Reduction.PROMPT_MEAN,
        kl_beta=1e-3,
        mismatch=MismatchWeight(MismatchRule.SEQUENCE_GEOMETRIC),
    )
    each = {name: Objective(surrogate) for name, surrogate in SURROGATES.items()}
    return each | {"GSPO with dual clip, weight, k3, prompt mean": longest}


class Step:
    """One optimizer step on made-up tokens of the quickstart's lengths."""

    def __init__(self, checkpoint: Path, device: torch.device) -> None:
        """Read the policy and pack the tokens."""
        self.policy = load_policy(checkpoint).train().to(device)
        settings = OptimizerSettings(learning_rate=1e-6, matrix_learning_rate=1e-6)
        self.optimizer = build_optimizer(self.policy, settings)
        self.clip = settings.gradient_clip
        draw = Random(0)
        packed = pack([_group(draw) for _ in range(NUM_TASKS)], MICROBATCH_TOKENS)
        self.batches = [batch.to(device) for batch in packed]
        num_tokens = sum(batch.num_tokens for batch in self.batches)
        self.totals = UpdateTotals(num_tokens, NUM_TASKS * GROUP_SIZE, NUM_TASKS)
        with torch.no_grad():
            self.inputs = [_inputs(batch, self.policy(batch)) for batch in self.batches]

    def whole(self, objective: Objective) -> None:
        """Forward, loss, backward of each micro-batch; clip; step."""
        self.optimizer.zero_grad()
        for batch, inputs in zip(self.batches, self.inputs, strict=True):
            if objective.entropy_bonus > 0:
                logprobs, entropies = self.policy.logprobs_and_entropies(batch)
                given = replace(inputs, policy_logprobs=logprobs, entropies=entropies)
            else:
                given = replace(inputs, policy_logprobs=self.policy(batch))
            objective.update_loss(given, self.totals).loss.backward()
        clip_gradients(self.optimizer, self.clip)
        self.optimizer.step()

    def loss_alone(self, objective: Objective) -> None:
        """From the log-probs to their gradient, of each micro-batch."""
        for inputs in self.inputs:
            policy = inputs.policy_logprobs.detach().requires_grad_()
            loss = objective.update_loss(replace(inputs, policy_logprobs=policy), self.totals).loss
            torch.autograd.grad(loss, policy)


def _group(draw: Random) -> PromptGroup:
    def ids(count: int) -> tuple[int, ...]:
        return tuple(draw.randrange(1, 300) for _ in range(count))

    def attempt() -> Continuation:
        first, second = draw.randint(4, ANSWER_TOKENS), draw.randint(4, ANSWER_TOKENS)
        is_target = (True,) * first + (False,) * OBSERVATION_TOKENS + (True,) * second
        return Continuation(ids(len(is_target)), is_target)

    return PromptGroup(ids(PROMPT_TOKENS), tuple(attempt() for _ in range(GROUP_SIZE)))


def _inputs(batch: PackedBatch, logprobs: Tensor) -> LossInputs:
    def near() -> Tensor:
        return logprobs + 0.1 * torch.randn_like(logprobs)

    return LossInputs(
        policy_logprobs=logprobs,
        proximal_logprobs=near(),
        sampler_logprobs=near(),
        reference_logprobs=near(),
        advantages=torch.randn(batch.num_sequences, device=logprobs.device)[batch.sequence_index],
        sequence_index=batch.sequence_index,
        group_index=batch.group_index,
        group_num_tokens=batch.group_index.bincount()[batch.group_index],
    )


def seconds(work: Callable[[], None], device: torch.device) -> float:
    """CPU seconds of this process, or wall clock until the GPU has done it."""
    started = _clock(device)
    work()
    return _clock(device) - started


def _clock(device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize()
        return time.perf_counter()
    return time.process_time()


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the share of each objective."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", type=Path, default=Path("checkpoints/tiny-base"))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    chosen = parser.parse_args(arguments)
    torch.set_num_threads(1)
    torch.manual_seed(0)
    device = torch.device(chosen.device)
    step, named = Step(chosen.checkpoint, device), objectives()
    plain = Objective(ClippedLoss())
    with_entropies = Objective(ClippedLoss(), entropy_bonus=0.01)
    times: dict[str, list[float]] = {name: [] for name in ("step", "with entropies", *named)}
    for _ in range(chosen.rounds):
        times["step"].append(seconds(lambda: step.whole(plain), device))
        times["with entropies"].append(seconds(lambda: step.whole(with_entropies), device))
        for name, objective in named.items():
            times[name].append(seconds(lambda objective=objective: step.loss_alone(objective), device))
    least = {name: min(values) for name, values in times.items()}
    num_tokens, num_passes = step.totals.num_tokens, len(step.batches)
    print(f"a step: {least['step']:.3f} s on {device}, {num_tokens} tokens in {num_passes} micro-batches")
    for name in named:
        print(f"{name:<48} {1e3 * least[name]:6.2f} ms {least[name] / least['step']:7.2%} of the step")
    extra = least["with entropies"] - least["step"]
    print(f"{'entropies with gradient, for the bonus':<48} {1e3 * extra:6.2f} ms {extra / least['step']:7.2%} more")
    worst = max(least[name] for name in named) / least["step"]
    print(f"the most: {worst:.2%}, {'below' if worst < TARGET else 'ABOVE'} the target of {TARGET:.0%}")


if __name__ == "__main__":
    main()
