"""Gives vLLM servers the policy's weights, and proves each time that they have them. Used by engines.py.

The proof costs one pass of a few hundred tokens on either side.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from time import perf_counter

import torch
from lightning_utilities.core.rank_zero import rank_zero_info
from torch import Tensor

from lit_grpo.engines.published import Published
from lit_grpo.engines.vllm.connection import EngineFailure
from lit_grpo.engines.vllm.engine import VllmEngine
from lit_grpo.engines.vllm.proof import (
    WeightsDiffer,
    differ,
    differing_tensors,
    is_equal,
    judged_difference,
    probes,
)
from lit_grpo.engines.vllm.weights_folder import Ranks, written_weights
from lit_grpo.engines.weights import full_weights
from lit_grpo.modules.base import PolicyModule
from lit_grpo.modules.policy import CausalPolicy
from lit_grpo.packing import Continuation, PromptGroup, pack

TORCH_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
"""By their names in settings."""


class ProvenSync:
    """Sends weights and proves that they arrived."""

    def __init__(self, engine: VllmEngine, ranks: Ranks, dtype: str) -> None:
        """For an engine whose servers hold weights of ``dtype``, on one of ``ranks``."""
        self._engine, self._ranks, self._dtype = engine, ranks, dtype
        self._is_first = True

    def __call__(self, module: PolicyModule) -> None:
        """Every rank must call it; WeightsDiffer on every rank if a server's weights are not the policy's."""
        started, version = perf_counter(), module.policy_version
        with self._ranks.together():
            self._engine.update_weights(_as_served(module.policy, self._dtype), version)
        sent = perf_counter()
        difference = prove(self._engine, module.policy, self._dtype, version, self._ranks)
        if self._is_first:
            self._is_first = False
            rank_zero_info(
                f"vLLM has version {version} of the weights ({sent - started:.2f} s, proof "
                f"{perf_counter() - sent:.2f} s): log-probs differ by up to {difference:.2g} in {self._dtype}."
            )

    def publish(self, module: PolicyModule) -> Published:
        """Write the weights and score the probes now, for a proof without the policy later. Every rank must call it."""
        engine, version, dtype = self._engine, module.policy_version, self._dtype
        with self._ranks.together():
            folder = engine.publish(_as_served(module.policy, dtype))
        sequences, ours = _scored_probes(engine, module.policy, version, self._ranks)
        has_adapters = module.policy.lora is not None

        def adopt() -> None:
            engine.load(folder, version)
            server, difference = _worst(ours, engine.score(sequences))
            if not is_equal(difference, dtype):
                names = _differing_from_written(engine, server, folder, has_adapters)
                raise differ(engine.names()[server], difference, dtype, version, names)

        return Published(version, adopt, lambda: engine.drop(folder))


def prove(
    engine: VllmEngine, policy: CausalPolicy, dtype: str, policy_version: int, ranks: Ranks | None = None
) -> float:
    """Score probes on both sides.

    Args:
        engine: after ``update_weights``.
        policy: whose weights it was given. Of a sharded one, every rank must call this.
        dtype: of the servers' weights: that says how much rounding explains.
        policy_version: which probes.
        ranks: that call this; None: this process alone.

    Returns:
        The difference of log-probs as judged, the largest of all servers of all ranks.

    Raises:
        WeightsDiffer: it is beyond the threshold, on this rank or on another; names the tensors.
        EngineFailure: the policy's own log-probs are not finite, or a server did not score.
    """
    ranks = ranks or Ranks()
    sequences, ours = _scored_probes(engine, policy, policy_version, ranks)
    with ranks.together():
        worst, difference = _worst(ours, engine.score(sequences))
    of_ranks = [float(text) for text in ranks.texts_of_all(repr(difference))]
    if all(is_equal(of_rank, dtype) for of_rank in of_ranks):
        return max(of_ranks)
    names = _differing(engine, worst, policy)
    found = differ(engine.names()[worst], difference, dtype, policy_version, names)
    texts = ranks.texts_of_all("" if is_equal(difference, dtype) else str(found))
    if len(texts) == 1:
        raise found
    raise WeightsDiffer("; ".join(f"rank {rank}: {text}" for rank, text in enumerate(texts) if text))


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

    def texts_of_all(text: str) -> Sequence[str]:
        texts: list[str] = [""] * trainer.world_size
        torch.distributed.all_gather_object(texts, text)
        return texts

    return Ranks(trainer.local_rank == 0, texts_of_all)


def _as_served(policy: CausalPolicy, dtype: str) -> Iterator[tuple[str, Tensor]]:
    """What is trained, in the dtype that it is served in: half the bytes where the policy's own is wider."""
    for name, tensor in full_weights(policy.model):
        yield name, tensor.to(TORCH_DTYPES[dtype])
        # Or it would still be there while the next one is gathered.
        del tensor


def _scored_probes(
    engine: VllmEngine, policy: CausalPolicy, policy_version: int, ranks: Ranks
) -> tuple[list[tuple[int, ...]], list[list[float]]]:
    """The probes of a version, and the policy's log-probs; EngineFailure on all ranks if these are not finite."""
    sequences = probes(engine.vocabulary, policy_version, engine.max_context_tokens)
    ours = score(policy, sequences)
    with ranks.together():
        if not all(math.isfinite(value) for row in ours for value in row):
            raise EngineFailure(
                f"the policy's log-probs at version {policy_version} are not finite: training has diverged"
            )
    return sequences, ours


def _worst(ours: Sequence[Sequence[float]], of_servers: Sequence[Sequence[Sequence[float]]]) -> tuple[int, float]:
    """The server whose log-probs differ most, and by how much."""
    differences = [judged_difference(ours, theirs) for theirs in of_servers]
    worst = max(range(len(differences)), key=differences.__getitem__)
    return worst, differences[worst]


def _differing_from_written(engine: VllmEngine, server: int, folder: Path, has_adapters: bool) -> list[str]:
    """Names of tensors, by what was written: the policy itself has moved on."""
    if has_adapters:
        return ["the adapters, or weights below them"]
    try:
        exported = engine.export()[server]
    except EngineFailure as error:
        return [f"unknown ({error})"]
    return differing_tensors(exported, written_weights(folder))


def _differing(engine: VllmEngine, server: int, policy: CausalPolicy) -> list[str]:
    """Names of tensors, or why there are none. Gathers sharded weights, so every rank must call it."""
    weights = _weights_below_adapters(policy)
    try:
        names = differing_tensors(engine.export()[server], weights)
    except EngineFailure as error:
        return [f"unknown ({error})"]
    finally:
        deque(weights, maxlen=0)
    return names if names or policy.lora is None else ["the adapters, the weights below them being equal"]


def _weights_below_adapters(policy: CausalPolicy) -> Iterator[tuple[str, Tensor]]:
    """Under the names of a policy without adapters."""
    for name, tensor in full_weights(policy.model, trainable_only=False):
        if ".lora_" not in name:
            yield name.removeprefix("base_model.model.").replace(".base_layer.", "."), tensor
