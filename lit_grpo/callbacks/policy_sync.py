"""Gives vLLM servers the policy's weights, and proves each time that they have them. Used by engines.py.

The proof costs one pass of a few hundred tokens on either side.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from time import perf_counter

import torch
from lightning_utilities.core.rank_zero import rank_zero_info
from torch import Tensor

from lit_grpo.modules.base import PolicyModule
from lit_grpo.modules.policy import CausalPolicy
from lit_grpo.packing import Continuation, PromptGroup, pack
from lit_grpo.rollout.vllm_engine.connection import EngineFailure
from lit_grpo.rollout.vllm_engine.engine import VllmEngine
from lit_grpo.rollout.vllm_engine.proof import differ, differing_tensors, is_equal, judged_difference, probes
from lit_grpo.rollout.vllm_engine.weights_folder import Ranks
from lit_grpo.rollout.weights import full_weights

MostOfRanks = Callable[[float], float]
"""The largest of one number per rank; every rank must call it."""


class ProvenSync:
    """Sends weights and proves that they arrived."""

    def __init__(self, engine: VllmEngine) -> None:
        self._engine = engine
        self._is_first = True

    def __call__(self, module: PolicyModule) -> None:
        """Every rank must call it; WeightsDiffer on every rank if a server's weights are not the policy's."""
        started = perf_counter()
        self._engine.update_weights(full_weights(module.policy.model), module.policy_version)
        sent = perf_counter()
        dtype = module.policy_settings.dtype
        difference = prove(self._engine, module.policy, dtype, module.policy_version, _most_of_ranks(module))
        if self._is_first:
            self._is_first = False
            rank_zero_info(
                f"vLLM has version {module.policy_version} of the weights ({sent - started:.2f} s, proof "
                f"{perf_counter() - sent:.2f} s): log-probs differ by up to {difference:.2g} in {dtype}."
            )


def prove(
    engine: VllmEngine,
    policy: CausalPolicy,
    dtype: str,
    policy_version: int,
    most_of_ranks: MostOfRanks = float,
) -> float:
    """Score probes on both sides.

    Args:
        engine: after ``update_weights``.
        policy: whose weights it was given. Of a sharded one, every rank must call this.
        dtype: of its weights.
        policy_version: which probes.
        most_of_ranks: over the ranks that call this.

    Returns:
        The difference of log-probs as judged, the largest of all servers of all ranks.

    Raises:
        WeightsDiffer: it is beyond the threshold; names the tensors.
        EngineFailure: the policy's own log-probs are not finite.
    """
    sequences = probes(engine.vocabulary, policy_version, engine.max_context_tokens)
    ours = score(policy, sequences)
    if not all(math.isfinite(value) for row in ours for value in row):
        raise EngineFailure(f"the policy's log-probs at version {policy_version} are not finite: training has diverged")
    differences = [judged_difference(ours, theirs) for theirs in engine.score(sequences)]
    worst = max(range(len(differences)), key=differences.__getitem__)
    difference = most_of_ranks(differences[worst])
    if not is_equal(difference, dtype):
        names = _differing(engine, worst, policy)
        raise differ(engine.names()[worst], difference, dtype, policy_version, names)
    return difference


@torch.no_grad()
def score(policy: CausalPolicy, sequences: Sequence[Sequence[int]]) -> list[list[float]]:
    """The policy's log-prob at temperature 1 of each token but the first of each sequence.

    Of a sharded policy every rank must call it, with the same sequences.
    """
    device = next(policy.parameters()).device
    groups = [PromptGroup((s[0],), (Continuation(tuple(s[1:]), (True,) * (len(s) - 1)),)) for s in sequences]
    longest = max(map(len, sequences))
    (batch,) = pack(groups, microbatch_tokens=longest * len(sequences))
    was_training = policy.training
    logprobs = policy.eval()(batch.to(device)).cpu()
    policy.train(was_training)
    rows: list[list[float]] = [[] for _ in sequences]
    for value, number in zip(logprobs.tolist(), batch.sequence_index.tolist(), strict=True):
        rows[batch.sequences[number][0]].append(value)
    return rows


def ranks_of(module: PolicyModule) -> Ranks:
    """How the ranks of a training hand weights over: one of each machine writes."""
    trainer = module.trainer
    if trainer.world_size == 1:
        return Ranks()
    return Ranks(trainer.local_rank == 0, trainer.strategy.broadcast, trainer.strategy.barrier)


def _differing(engine: VllmEngine, server: int, policy: CausalPolicy) -> list[str]:
    """Names of tensors, or why there are none."""
    try:
        exported = engine.export()[server]
    except EngineFailure as error:
        return [f"unknown ({error})"]
    names = differing_tensors(exported, _weights_below_adapters(policy))
    return names if names or policy.lora is None else ["the adapters, the weights below them being equal"]


def _weights_below_adapters(policy: CausalPolicy) -> Iterator[tuple[str, Tensor]]:
    """Under the names of a policy without adapters."""
    for name, tensor in full_weights(policy.model, trainable_only=False):
        if ".lora_" not in name:
            yield name.removeprefix("base_model.model.").replace(".base_layer.", "."), tensor


def _most_of_ranks(module: PolicyModule) -> MostOfRanks:
    if module.trainer.world_size == 1:
        return float

    def most(value: float) -> float:
        # The maximum over ranks would drop what is not a number.
        number = torch.tensor(value if math.isfinite(value) else math.inf, device=module.device)
        torch.distributed.all_reduce(number, torch.distributed.ReduceOp.MAX)
        return number.item()

    return most
