"""Seconds per generation of the transformers engine: ``python scripts/benchmarks/generation.py [--threads 2]``.

A Qwen3 of 0.85M parameters with random weights; stop tokens are as frequent as to give answers of about 9 tokens. First
64 prompts x 8 samples in one turn (a training step), then 400 prompts x 5 greedy turns (an evaluation). Wall and CPU
time, the least of several rounds. Other load on the machine matters, most of all with two threads: look at it first.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from random import Random

import torch
from transformers import Qwen3Config, Qwen3ForCausalLM

from lit_grpo.engines.engine import GenerationRequest, SamplingSettings
from lit_grpo.engines.transformers.engine import TransformersEngine

VOCABULARY = 512
PROMPT_TOKENS = 80
OBSERVATION_TOKENS = 6


def main() -> None:
    """Print one line per case."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    engine = TransformersEngine(network(), stop_ids=range(40))
    cases = {
        "64 prompts x 8 samples, 1 turn": (64, 8, 1, SamplingSettings(1.0, 16)),
        "400 prompts x 1 greedy, 5 turns": (400, 1, 5, SamplingSettings(0.0, 16)),
    }
    for name, case in cases.items():
        rounds = [play(engine, *case, seed=seed) for seed in range(arguments.rounds)]
        wall, cpu, tokens = min(rounds)
        print(f"{name}: {wall:.2f} s, {cpu:.2f} CPU-s, {arguments.threads} threads, {tokens:.1f} tokens per turn")


def network() -> Qwen3ForCausalLM:
    """The size of the models that are trained on two cores."""
    torch.manual_seed(0)
    config = Qwen3Config(
        vocab_size=VOCABULARY,
        hidden_size=128,
        intermediate_size=384,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=32,
        max_position_embeddings=1024,
        tie_word_embeddings=True,
    )
    return Qwen3ForCausalLM(config)


def play(
    engine: TransformersEngine, prompts: int, group: int, turns: int, sampling: SamplingSettings, seed: int
) -> tuple[float, float, float]:
    """Wall seconds, CPU seconds, and mean tokens per turn."""
    rng = Random(seed)
    texts = [tuple(tokens(rng, PROMPT_TOKENS)) for _ in range(prompts)]
    contexts = {key: texts[key // group] for key in range(prompts * group)}
    num_tokens, wall, cpu = 0, time.perf_counter(), time.process_time()
    for turn in range(turns):
        for key, context in contexts.items():
            engine.submit(GenerationRequest(key, context, seed=turns * key + turn), sampling)
        for completion in engine.wait():
            num_tokens += len(completion.token_ids)
            contexts[completion.conversation] += completion.token_ids + tuple(tokens(rng, OBSERVATION_TOKENS))
    engine.release()
    return time.perf_counter() - wall, time.process_time() - cpu, num_tokens / (turns * len(contexts))


def tokens(rng: Random, count: int) -> Iterator[int]:
    """Random ones."""
    return (rng.randrange(VOCABULARY) for _ in range(count))


if __name__ == "__main__":
    main()
