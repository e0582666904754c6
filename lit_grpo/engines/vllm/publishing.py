"""Publishes a policy's weights to vLLM servers, and proves at each adoption that they have them. Used by settings.py.

The proof costs one pass of a few hundred tokens on either side. The policy's half of it is made when the weights are
published, and the servers' half when they are adopted: by then the policy may have moved on.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

from lightning_utilities.core.rank_zero import rank_zero_info
from torch import Tensor

from lit_grpo.dtypes import Dtype, torch_dtype
from lit_grpo.engines.engine import EngineFailure
from lit_grpo.engines.policy_view import PolicyView
from lit_grpo.engines.publishing import Published
from lit_grpo.engines.vllm.engine import VllmEngine
from lit_grpo.engines.vllm.proof import (
    differing_tensors,
    is_equal,
    judged_difference,
    probes,
    weights_differ,
)
from lit_grpo.engines.vllm.served_base import ServedBase
from lit_grpo.engines.vllm.weights_folder import written_weights


class ProvenPublisher:
    """Publishes to the servers of one engine, whose `BuiltEngine.publish` is the method of this class.

    Args:
        engine: The engine.
        base: The weights that its servers started with; None: those of the policy's folder.
    """

    def __init__(self, engine: VllmEngine, base: ServedBase | None = None) -> None:
        self._engine, self._base = engine, base
        self._is_first = True

    def publish(self, policy: PolicyView) -> Published:
        """Write the weights and score the probes. Every rank must call it; EngineFailure on all if one of them fails.

        `Published.adopt` raises WeightsDiffer if a server's weights are not the policy's.
        """
        started, engine = perf_counter(), self._engine
        with policy.ranks.together():
            folder = engine.publish(_as_served(policy))
        written_s = perf_counter() - started
        proof = prepared_proof(engine, policy, folder, self._base)

        def adopt() -> None:
            begun = perf_counter()
            engine.load(folder, proof.version)
            loaded = perf_counter()
            difference = proof.require(engine)
            if self._is_first:
                self._is_first = False
                rank_zero_info(
                    f"vLLM has version {proof.version} of the weights ({written_s + loaded - begun:.2f} s, proof "
                    f"{perf_counter() - loaded:.2f} s): log-probs differ by up to {difference:.2g} in {proof.dtype}."
                )

        return Published(proof.version, adopt, lambda: engine.drop(folder))


@dataclass(frozen=True, slots=True)
class PreparedProof:
    """The policy's half of a proof: its log-probs of the probes, and where its weights can be looked up."""

    version: int
    dtype: Dtype
    """The dtype of the servers' weights, which says how much rounding explains."""
    sequences: Sequence[Sequence[int]]
    logprobs: Sequence[Sequence[float]]
    """The policy's own log-prob of each token but the first."""
    folder: Path
    """The folder where all weights, or the adapters, were written for the servers."""
    base: ServedBase | None
    """The weights below the adapters; None where there are no adapters."""

    def require(self, engine: VllmEngine) -> float:
        """Compare with the servers' log-probs.

        Returns:
            The difference of log-probs as judged, the largest of all servers.

        Raises:
            WeightsDiffer: The difference is beyond the threshold; the message names the server and the tensors.
            EngineFailure: A server did not score.
        """
        differences = [judged_difference(self.logprobs, theirs) for theirs in engine.score(self.sequences)]
        worst = max(range(len(differences)), key=differences.__getitem__)
        if is_equal(differences[worst], self.dtype):
            return differences[worst]
        raise weights_differ(
            engine.names()[worst], differences[worst], self.dtype, self.version, self._differing(engine, worst)
        )

    def _differing(self, engine: VllmEngine, server: int) -> list[str]:
        """The names of the tensors that differ, or a text that says why there are none."""
        try:
            exported = engine.export()[server]
        except EngineFailure as error:
            return [f"unknown ({error})"]
        if self.base is None:
            return differing_tensors(exported, written_weights(self.folder))
        names = differing_tensors(exported, written_weights(self.base.folder, self.base.files))
        return names or ["the adapters, the weights below them being equal"]


def prepared_proof(
    engine: VllmEngine, policy: PolicyView, folder: Path, base: ServedBase | None = None
) -> PreparedProof:
    """Score the probes of this version. Every rank must call it.

    Args:
        engine: The engine, whose servers hold weights of ``policy.dtype``.
        policy: The policy whose present weights were written.
        folder: The folder where they were written.
        base: The weights below adapters that the servers started with; None: those of the policy's folder.

    Raises:
        EngineFailure: The policy's log-probs are not finite; raised on all ranks.
    """
    version = policy.version
    sequences = probes(engine.vocabulary, version, engine.max_context_tokens)
    logprobs = policy.logprobs(sequences)
    with policy.ranks.together():
        if not all(math.isfinite(value) for row in logprobs for value in row):
            raise EngineFailure(f"the policy's log-probs at version {version} are not finite: training has diverged")
    below = None if policy.adapters is None else base or ServedBase(policy.base or policy.checkpoint)
    return PreparedProof(version, policy.dtype, sequences, logprobs, folder, below)


def _as_served(policy: PolicyView) -> Iterator[tuple[str, Tensor]]:
    """The trained weights in the dtype that they are served in: half the bytes where the policy's own is wider."""
    dtype = torch_dtype(policy.dtype)
    for name, tensor in policy.weights():
        yield name, tensor.to(dtype)
        # Or it would still be there while the next one is gathered.
        del tensor
