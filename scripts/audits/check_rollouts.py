"""Proof that vLLM samples with the policy's weights: ``python scripts/audits/check_rollouts.py --engine vllm``.

N times: a random update of every trained weight, the sync, then both sides' log-probs, of the probes and of sequences
that vLLM sampled. Prints how far they differ, and the time of the sync beside that of copying the same bytes once.
Ends with status 1 at the first difference beyond the threshold, and names the tensors.

``--engine vllm_server`` starts a server as `lit-grpo serve` does and reaches it by its address. ``--lora``
trains and sends adapters only. ``--untied`` gives a copy of the checkpoint a head of its own. ``--dtype bfloat16`` has
a threshold of its own, and shows less.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from random import Random

import torch
from transformers import AutoModelForCausalLM

from lit_grpo.dtypes import torch_dtype
from lit_grpo.engines.engine import Completion, EngineFailure, GenerationRequest, SamplingSettings
from lit_grpo.engines.policy_view import Adapters
from lit_grpo.engines.ranks import Ranks
from lit_grpo.engines.vllm.engine import VllmEngine
from lit_grpo.engines.vllm.proof import THRESHOLDS, judged_difference
from lit_grpo.engines.vllm.publishing import prepared_proof
from lit_grpo.engines.vllm.servers import Address, Child, Place
from lit_grpo.engines.vllm.settings import Capacity, ModelSettings, ServerSettings, require_vllm
from lit_grpo.engines.vllm.weights_folder import WeightsFolder
from lit_grpo.engines.weights import full_weights
from lit_grpo.modules.adapters import LoraSettings
from lit_grpo.modules.policy import CausalPolicy, load_policy
from lit_grpo.modules.served_policy import ServedPolicy

NUM_PROMPTS, PROMPT_TOKENS, COMPLETION_TOKENS = 8, 40, 24
UPDATE = 0.02
"""Standard deviation of what an update adds to each weight, as a share of that of the tensor, and at least of 0.01."""


def main() -> int:
    """Run the updates; 1 if one is not proven."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engine", choices=("vllm", "vllm_server"), default="vllm")
    parser.add_argument("--updates", type=int, default=5)
    parser.add_argument("--checkpoint", type=Path, default=Path("checkpoints/tiny-base"))
    parser.add_argument("--lora", action="store_true", help="adapters of rank 8 instead of whole weights")
    parser.add_argument("--untied", action="store_true", help="a head of its own instead of the embeddings")
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--tensor-parallel-size", type=int, default=1)
    arguments = parser.parse_args()
    require_vllm()
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as scratch:
        checkpoint = untied(arguments.checkpoint, Path(scratch)) if arguments.untied else arguments.checkpoint
        lora = LoraSettings(r=8, alpha=16.0) if arguments.lora else None
        policy = load_policy(checkpoint, torch_dtype(arguments.dtype), lora)
        adapters = None if lora is None else Adapters(lora.r, lora.alpha, lora.target_modules)
        model = ModelSettings(checkpoint, arguments.dtype, adapters)
        capacity = Capacity(max_context_tokens=256, tensor_parallel_size=arguments.tensor_parallel_size)
        with engine_of(arguments.engine, ServerSettings(model, capacity)) as engine:
            try:
                check(engine, ServedPolicy(policy, checkpoint, 0, arguments.dtype), arguments.updates)
            except EngineFailure as failure:
                print(f"NOT PROVEN: {failure}")
                return 1
    print(f"proven: {arguments.updates} updates, every difference within {THRESHOLDS[arguments.dtype]:g}")
    return 0


def untied(checkpoint: Path, folder: Path) -> Path:
    """A copy whose head is another matrix than the embeddings."""
    model = AutoModelForCausalLM.from_pretrained(checkpoint, tie_word_embeddings=False, dtype=torch.float32)
    head = model.get_output_embeddings()
    assert head is not None
    torch.nn.init.normal_(head.weight, std=0.05)
    model.save_pretrained(folder)
    return folder


@contextmanager
def engine_of(kind: str, settings: ServerSettings) -> Iterator[VllmEngine]:
    """The engine, and at the end nothing of it is left."""
    child = Child(settings)
    places: list[Place] = [child]
    if kind == "vllm_server":
        port = child.open(300.0).port
        places = [Address("127.0.0.1", port, child.token)]
    weights = WeightsFolder(settings.weights_folder, settings.model.adapters, Ranks())
    engine = VllmEngine(places, stop_ids=[2, 3], weights=weights)
    try:
        yield engine
    finally:
        engine.close()
        child.close()


def check(engine: VllmEngine, served: ServedPolicy, num_updates: int) -> None:
    """Prove each of the updates; WeightsDiffer or EngineFailure at the first that is not."""
    policy, dtype = served.policy, served.dtype
    num_bytes = sum(tensor.numel() * tensor.element_size() for _, tensor in served.weights())
    print(f"{num_bytes / 1e6:.1f} MB of weights per sync")
    for version in range(1, num_updates + 1):
        update(policy)
        present = replace(served, version=version)
        started = time.perf_counter()
        folder = engine.publish(present.weights())
        engine.load(folder, version)
        engine.drop(folder)
        sync_s = time.perf_counter() - started
        started = time.perf_counter()
        probed = prepared_proof(engine, present, folder).require(engine)
        prove_s = time.perf_counter() - started
        sampled, largest = sampled_difference(engine, present)
        print(
            f"version {version}: sync {sync_s:.3f} s ({engine.usage.load_s:.3f} s of it in vLLM), bare copy "
            f"{bare_copy_s(policy):.4f} s, proof {prove_s:.3f} s; log-probs differ by up to "
            f"{probed:.2g} (probes), {sampled:.2g} (sampled tokens, the largest difference {largest:.2g})",
            flush=True,
        )
        if not sampled <= THRESHOLDS[dtype]:
            raise EngineFailure(f"log-probs of sampled tokens differ by {sampled:.3g} at version {version}")


@torch.no_grad()
def update(policy: CausalPolicy) -> None:
    """Add noise to every trained weight."""
    for _, tensor in full_weights(policy.model):
        scale = UPDATE * max(float(tensor.std()) if tensor.numel() > 1 else 0.0, 0.01)
        tensor.add_(torch.randn_like(tensor) * scale)


def sampled_difference(engine: VllmEngine, served: ServedPolicy) -> tuple[float, float]:
    """Between what vLLM says of the tokens it sampled and what the policy does: as judged, and the largest."""
    version, rng = served.version, Random(served.version)
    prompts = [tuple(rng.randrange(5, engine.vocabulary) for _ in range(PROMPT_TOKENS)) for _ in range(NUM_PROMPTS)]
    for key, prompt in enumerate(prompts):
        engine.submit(
            GenerationRequest(key, prompt, seed=1000 * version + key), SamplingSettings(1.0, COMPLETION_TOKENS)
        )
    completions: list[Completion] = []
    while len(completions) < len(prompts):
        completions += engine.wait()
    engine.release()
    ours = served.logprobs([prompts[each.conversation] + each.token_ids for each in completions])
    ours = [row[PROMPT_TOKENS - 1 :] for row in ours]
    theirs = [each.logprobs for each in completions]
    pairs = zip(ours, theirs, strict=True)
    largest = max(abs(one - other) for row, other_row in pairs for one, other in zip(row, other_row, strict=True))
    return judged_difference(ours, theirs), largest


def bare_copy_s(policy: CausalPolicy) -> float:
    """Seconds for one copy of the bytes that a sync moves."""
    tensors = [tensor for _, tensor in full_weights(policy.model)]
    started = time.perf_counter()
    for tensor in tensors:
        tensor.clone()
    return time.perf_counter() - started


if __name__ == "__main__":
    sys.exit(main())
