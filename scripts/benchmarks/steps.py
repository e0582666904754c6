"""Tokens per second and memory of both halves of a GRPO step: ``python scripts/benchmarks/steps.py tiny --device cpu``.

Networks with random weights in the shape of the quickstart's base, of SmolLM2-135M and of Qwen3-8B (with LoRA and
checkpointing); made-up tokens in lengths that the network's tasks have. The rollout decodes one turn of every attempt,
without stop tokens; the update runs forward, log-probs, loss, backward, clipping and AdamW on the packed groups. Wall
clock between synchronisations, the median of the rounds after one to warm up. No environment, no solver.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from random import Random

import torch
import transformers
from torch import Tensor
from transformers import LlamaConfig, PreTrainedConfig, Qwen3Config
from transformers.models.auto.modeling_auto import AutoModelForCausalLM

from lit_grpo.engines.engine import GenerationRequest, SamplingSettings
from lit_grpo.engines.transformers.engine import TransformersEngine
from lit_grpo.modules.adapters import LoraSettings
from lit_grpo.modules.optimizers import OptimizerSettings, build_optimizer, clip_gradients
from lit_grpo.modules.policy import CausalPolicy
from lit_grpo.packing import Continuation, PackedBatch, PromptGroup, pack


@dataclass(frozen=True, slots=True)
class Case:
    """A network and what it is given."""

    config: PreTrainedConfig
    prompt_tokens: int
    answer_tokens: int
    num_tasks: int
    microbatch_tokens: int
    weights: torch.dtype = torch.float32
    mixed: bool = False
    """Matmuls of the update, and the engine's copy, in bfloat16."""
    lora: LoraSettings | None = None


GROUP_SIZE = 8
CASES: dict[str, Case] = {
    "tiny": Case(
        Qwen3Config(
            vocab_size=512,
            hidden_size=128,
            intermediate_size=384,
            num_hidden_layers=4,
            num_attention_heads=4,
            num_key_value_heads=2,
            head_dim=32,
            max_position_embeddings=1024,
            tie_word_embeddings=True,
        ),
        prompt_tokens=150,
        answer_tokens=16,
        num_tasks=32,
        microbatch_tokens=8192,
    ),
    "smollm2": Case(
        LlamaConfig(
            vocab_size=49152,
            hidden_size=576,
            intermediate_size=1536,
            num_hidden_layers=30,
            num_attention_heads=9,
            num_key_value_heads=3,
            max_position_embeddings=8192,
            tie_word_embeddings=True,
        ),
        prompt_tokens=1600,
        answer_tokens=48,
        num_tasks=48,
        microbatch_tokens=16384,
        mixed=True,
    ),
    "qwen3_8b": Case(
        Qwen3Config(
            vocab_size=151936,
            hidden_size=4096,
            intermediate_size=12288,
            num_hidden_layers=36,
            num_attention_heads=32,
            num_key_value_heads=8,
            head_dim=128,
            max_position_embeddings=40960,
            tie_word_embeddings=False,
        ),
        prompt_tokens=1600,
        answer_tokens=128,
        num_tasks=8,
        microbatch_tokens=16384,
        weights=torch.bfloat16,
        lora=LoraSettings(r=16, alpha=32.0),
    ),
}


class Step:
    """A policy, its optimizer, its engine, and one step's made-up episodes."""

    def __init__(self, case: Case, device: torch.device) -> None:
        """Build everything on ``device``, with random weights."""
        self.case, self.device = case, device
        torch.manual_seed(0)
        with device:
            model = AutoModelForCausalLM.from_config(case.config, dtype=case.weights)
        self.policy = CausalPolicy(model, case.lora, gradient_checkpointing=case.lora is not None).to(device).train()
        self.optimizer = build_optimizer(self.policy, OptimizerSettings(learning_rate=1e-6))
        draw = Random(0)
        self.prompts = [_ids(draw, case.prompt_tokens, case.config.vocab_size) for _ in range(case.num_tasks)]
        self.engine = TransformersEngine(
            self.policy.model, {case.config.vocab_size}, dtype=torch.bfloat16 if case.mixed else None
        )

    def rollout(self, seed: int) -> list[PromptGroup]:
        """One turn of every attempt."""
        settings = SamplingSettings(temperature=1.0, max_completion_tokens=self.case.answer_tokens)
        for key in range(self.case.num_tasks * GROUP_SIZE):
            request = GenerationRequest(key, self.prompts[key // GROUP_SIZE], seed=seed * 1_000_000 + key)
            self.engine.submit(request, settings)
        answers = [completion.token_ids for completion in self.engine.wait()]
        self.engine.release()
        everything = [Continuation(answer, (True,) * len(answer)) for answer in answers]
        return [
            PromptGroup(prompt, tuple(everything[number * GROUP_SIZE : (number + 1) * GROUP_SIZE]))
            for number, prompt in enumerate(self.prompts)
        ]

    def update(self, batches: Sequence[PackedBatch]) -> None:
        """One optimizer step of REINFORCE."""
        self.optimizer.zero_grad()
        for batch in batches:
            autocast = torch.autocast(self.device.type, torch.bfloat16) if self.case.mixed else nullcontext()
            with autocast:
                logprobs: Tensor = self.policy(batch.to(self.device))
            (logprobs * torch.randn_like(logprobs)).mean().backward()
        clip_gradients(self.optimizer, 1.0)
        self.optimizer.step()


def _ids(draw: Random, count: int, vocabulary: int) -> tuple[int, ...]:
    return tuple(draw.randrange(vocabulary) for _ in range(count))


def median_seconds(work: Callable[[int], object], rounds: int, device: torch.device) -> float:
    """Of ``work(round)``, the first round left out."""
    seconds: list[float] = []
    for number in range(rounds + 1):
        _synchronise(device)
        started = time.perf_counter()
        work(number)
        _synchronise(device)
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds[1:])


def _synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def _peak_gb(device: torch.device) -> str:
    """Since the last call."""
    if device.type != "cuda":
        return "not measured"
    peak = torch.cuda.max_memory_allocated() / 1e9
    torch.cuda.reset_peak_memory_stats()
    return f"{peak:.1f} GB"


def measure(name: str, device: torch.device, rounds: int) -> None:
    """Print one case."""
    case = CASES[name]
    step = Step(case, device)
    num_episodes = case.num_tasks * GROUP_SIZE
    held = f"{torch.cuda.memory_allocated() / 1e9:.1f} GB held, " if device.type == "cuda" else ""
    parameters = sum(parameter.numel() for parameter in step.policy.parameters())
    print(
        f"{name}: {parameters / 1e6:.1f}M parameters, {held}{case.num_tasks} prompts of {case.prompt_tokens} tokens x "
        f"{GROUP_SIZE} answers of {case.answer_tokens}"
    )
    _peak_gb(device)
    sampled = num_episodes * case.answer_tokens
    seconds = median_seconds(step.rollout, rounds, device)
    print(f"  rollout  {seconds:8.3f} s  {sampled / seconds:10,.0f} sampled tokens/s  peak {_peak_gb(device)}")
    batches = pack(step.rollout(0), case.microbatch_tokens)
    positions = sum(batch.input_ids.numel() for batch in batches)
    seconds = median_seconds(lambda _: step.update(batches), rounds, device)
    print(
        f"  update   {seconds:8.3f} s  {sampled / seconds:10,.0f} sampled tokens/s  {positions / seconds:10,.0f} "
        f"positions/s in {len(batches)} passes  peak {_peak_gb(device)}",
        flush=True,
    )


def main() -> None:
    """Measure the named networks."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", nargs="+", choices=list(CASES))
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    device = torch.device(arguments.device)
    where = torch.cuda.get_device_name() if device.type == "cuda" else platform.processor() or platform.machine()
    print(f"{where}, torch {torch.__version__}, transformers {transformers.__version__}")
    for name in arguments.networks:
        measure(name, device, arguments.rounds)


if __name__ == "__main__":
    main()
