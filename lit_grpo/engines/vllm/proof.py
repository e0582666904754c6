"""Proof that a server's weights are the policy's: both score the same probes after every sync.

Called by publishing.py.

A changed output proves nothing: it changes even if one layer kept its old weights. Every version has other random
tokens as probes, so that in time every row of the embeddings is asked for; the head takes part in each of them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from random import Random

import torch
from safetensors import safe_open
from torch import Tensor

from lit_grpo.dtypes import Dtype
from lit_grpo.engines.engine import EngineFailure

NUM_PROBES = 4
PROBE_TOKENS = 48
MOST_NAMED = 12

THRESHOLDS: Mapping[Dtype, float] = {"float32": 1e-4, "bfloat16": 0.5}
"""The largest `judged_difference` allowed. In float32 two right implementations differ by about 1e-5. In bfloat16 they
differ by 0.05 per token on average and up to 0.34, so that the proof is coarse there (docs/rollouts.md).
"""

STRAY_SHARE, STRAY_FACTOR = 0.05, 100.0
"""The share of log-probs that may differ by more than the threshold, and by how many times it at most."""


class WeightsDiffer(EngineFailure):
    """A server's scores of the probes are not the policy's."""


def probes(vocabulary: int, policy_version: int, max_context_tokens: int) -> list[tuple[int, ...]]:
    """Sequences of random token ids, other ones for each version."""
    rng = Random(f"lit_grpo probes {policy_version}")
    length = min(PROBE_TOKENS, max_context_tokens - 1)
    return [tuple(rng.randrange(vocabulary) for _ in range(length)) for _ in range(NUM_PROBES)]


def judged_difference(ours: Sequence[Sequence[float]], theirs: Sequence[Sequence[float]]) -> float:
    """The difference of log-probs that is compared with the threshold: all but a few stray ones are within it.

    A wrong tensor moves nearly every log-prob. Rounding moves all of them a little and, where random tokens bring a
    large model to the brink of another state (a token that half becomes an attention sink), a few of them by 50 times
    as much: the largest twentieth counts for a hundredth.

    Args:
        ours: The policy's log-probs, one row of tokens after the other.
        theirs: A server's log-probs of the same tokens; ValueError if the shapes differ.

    Returns:
        The difference; infinity if anything is not a finite number.
    """
    pairs = zip(ours, theirs, strict=True)
    found = [abs(one - other) for row, other_row in pairs for one, other in zip(row, other_row, strict=True)]
    if not all(map(math.isfinite, found)):
        return math.inf
    found.sort()
    most = found[: len(found) - int(STRAY_SHARE * len(found))]
    return max(most[-1], found[-1] / STRAY_FACTOR)


def is_equal(difference: float, dtype: Dtype) -> bool:
    """Whether a difference is within what the dtype explains; one that is not a number is not."""
    return difference <= THRESHOLDS[dtype]


def weights_differ(
    server: str, difference: float, dtype: Dtype, policy_version: int, names: Sequence[str]
) -> WeightsDiffer:
    """The error that stops the run.

    Args:
        server: The server's name.
        difference: The difference of the probes' log-probs, as judged.
        dtype: The dtype of the weights.
        policy_version: The version of both weights.
        names: The names of the tensors that differ, from ``differing_tensors``.
    """
    found = ", ".join(names[:MOST_NAMED]) + (f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else "")
    return WeightsDiffer(
        f"vLLM server {server}: expected the policy's log-probs to within {THRESHOLDS[dtype]:g} in {dtype} after the "
        f"sync of version {policy_version}, got a difference of {difference:.3g}; tensors that differ: "
        f"{found or 'none, so the two compute otherwise with equal weights'}"
    )


def differing_tensors(exported: Path, weights: Iterable[tuple[str, Tensor]]) -> list[str]:
    """The names of the policy's tensors for which a server's kernels use other values.

    Args:
        exported: The folder of a server's weights, one file per tensor (and process, where they are split), with a head
            of its own even where it is tied.
        weights: The policy's weights; a tied one may come once, under the embeddings' name.
    """
    theirs = _exported_files(exported)
    names: list[str] = []
    embeddings: Tensor | None = None
    for name, tensor in weights:
        if name.endswith("embed_tokens.weight"):
            embeddings = tensor
        if name not in theirs:
            names.append(f"{name} (the server has none)")
        elif not _equal(theirs.pop(name), name, tensor):
            names.append(name)
    for name, file in theirs.items():
        if name == "lm_head.weight" and embeddings is not None and not _equal(file, name, embeddings):
            names.append(f"{name} (tied to the embeddings)")
    return names


def _exported_files(folder: Path) -> dict[str, list[Path]]:
    """The files of each tensor, in the order of the processes that have a part of it."""
    files: dict[str, list[Path]] = {}
    for path in sorted(folder.glob("*.safetensors")):
        with safe_open(path, framework="pt") as file:
            for name in file.keys():  # noqa: SIM118  no mapping
                files.setdefault(name, []).append(path)
    return files


def _equal(paths: Sequence[Path], name: str, ours: Tensor) -> bool:
    parts: list[Tensor] = []
    for path in paths:
        with safe_open(path, framework="pt") as file:
            parts.append(file.get_tensor(name))
    ours = ours.detach().cpu().to(parts[0].dtype)
    if any(part.dim() != ours.dim() for part in parts):
        return False
    if all(part.shape == ours.shape for part in parts):
        return all(torch.equal(part, ours) for part in parts)
    repeats = _repeats(parts, ours.shape)
    return all(torch.equal(_joined(parts[first::repeats], ours.shape), ours) for first in range(repeats))


def _repeats(parts: Sequence[Tensor], shape: torch.Size) -> int:
    """The number of processes with the same part: with fewer heads than processes, keys and values repeat."""
    by_outputs = parts[0].shape[1:] == shape[1:]
    return max(len(parts) * parts[0].shape[0] // shape[0], 1) if by_outputs else 1


def _joined(parts: Sequence[Tensor], shape: torch.Size) -> Tensor:
    """A tensor whose outputs, or else inputs, are split over processes: parts [outputs, inputs] or [outputs].

    The last rows of a vocabulary may be padding.
    """
    first = parts[0]
    if first.shape[1:] == shape[1:]:
        return torch.cat(list(parts))[: shape[0]]
    return torch.cat(list(parts), dim=1) if first.shape[0] == shape[0] else first
