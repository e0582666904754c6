"""Times one GRPO step here against TRL's GRPOTrainer: same model, tasks, reward, optimizer and threads, in one process.

Run by hand, after `.venv/bin/pip install -c constraints.txt -e '.[trl]'`: `python scripts/benchmarks/against_trl.py`.
A step is 64 tasks x 8 episodes of one turn, 80 prompt and 9 answer tokens: sampling, rewards, group advantages, the
training pass, AdamW, and new weights in the engine. The two take turns, step by step: a busy machine slows both.

TRL is set up to be as fast as its options allow on a CPU: all 512 sequences in one micro-batch unless told otherwise,
no gradient checkpointing, no reference model (beta 0), one update per rollout, no logging, saving or progress bar.
Answers have exactly 9 tokens on both sides: TRL gets min_new_tokens, the engine here a stop token that no model has.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.metadata import version

import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from torch import Tensor
from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM, TrainerCallback, set_seed
from transformers.utils import logging as transformers_logging
from typing_extensions import override

from lit_grpo.advantages import group_advantages
from lit_grpo.engines.engine import Completion, GenerationRequest, SamplingSettings
from lit_grpo.engines.transformers.engine import TransformersEngine
from lit_grpo.engines.weights import full_weights
from lit_grpo.losses.base import LossInputs, UpdateTotals
from lit_grpo.losses.clipped import ClippedLoss
from lit_grpo.losses.reduction import Reduction
from lit_grpo.modules.optimizers import OptimizerSettings, build_optimizer, clip_gradients
from lit_grpo.modules.policy import CausalPolicy
from lit_grpo.packing import Continuation, PackedBatch, PromptGroup, pack

NUM_TASKS = 64
GROUP_SIZE = 8
PROMPT_TOKENS = 80
ANSWER_TOKENS = 9
VOCABULARY = 512
PAD_ID, EOS_ID, FIRST_WORD_ID = 0, 1, 2
LEARNING_RATE = 1e-3
BETAS = (0.9, 0.95)
GRADIENT_CLIP = 1.0
MICROBATCH_TOKENS = 2048
"""Ours, as in the quickstart."""
NO_TOKEN = -1

Prompts = Sequence[tuple[int, ...]]


def build_model() -> Qwen3ForCausalLM:
    """The same 0.85M weights at every call."""
    set_seed(0)
    return Qwen3ForCausalLM(
        Qwen3Config(
            vocab_size=VOCABULARY,
            hidden_size=128,
            intermediate_size=384,
            num_hidden_layers=4,
            num_attention_heads=4,
            num_key_value_heads=2,
            head_dim=32,
            max_position_embeddings=256,
            tie_word_embeddings=True,
            pad_token_id=PAD_ID,
            eos_token_id=EOS_ID,
        )
    )


def build_prompts(num_steps: int) -> list[tuple[int, ...]]:
    """Random words, ``NUM_TASKS`` prompts a step."""
    generator = torch.Generator().manual_seed(0)
    size = (num_steps * NUM_TASKS, PROMPT_TOKENS)
    words = torch.randint(FIRST_WORD_ID, VOCABULARY, size, generator=generator)
    return [tuple(prompt) for prompt in words.tolist()]


def reward(answer_ids: Sequence[int]) -> float:
    """Share of even token ids: free to compute, and it differs within almost every group, so that none is left out."""
    return sum(token % 2 == 0 for token in answer_ids) / len(answer_ids)


class OurStep:
    """One GRPO step made of the package's own functions, as GRPOModule does it."""

    def __init__(self) -> None:
        """Build the policy, its optimizer and an engine with a copy of its weights."""
        self.policy = CausalPolicy(build_model())
        settings = OptimizerSettings(learning_rate=LEARNING_RATE, betas=BETAS, gradient_clip=GRADIENT_CLIP)
        self.optimizer = build_optimizer(self.policy, settings)
        self.engine = TransformersEngine(self.policy.causal_lm, stop_ids=[NO_TOKEN])
        self.loss = ClippedLoss()
        self.num_steps = 0

    def __call__(self, prompts: Prompts) -> None:
        """Sample, learn, and give the engine the new weights."""
        answers = self._sample(prompts)
        rewards = torch.tensor([reward(answer.token_ids) for answer in answers])
        estimated = group_advantages(rewards, torch.arange(NUM_TASKS).repeat_interleave(GROUP_SIZE))
        groups = [
            PromptGroup(prompt, tuple(_continuation(answer) for answer in answers[start : start + GROUP_SIZE]))
            for prompt, start in zip(prompts, range(0, len(answers), GROUP_SIZE), strict=True)
        ]
        self.optimizer.zero_grad()
        for batch in pack(groups, microbatch_tokens=MICROBATCH_TOKENS):
            self._loss(batch, answers, estimated.advantages).backward()
        clip_gradients(self.optimizer, GRADIENT_CLIP)
        self.optimizer.step()
        self.num_steps += 1
        self.engine.update_weights(full_weights(self.policy.causal_lm), self.num_steps)

    def _sample(self, prompts: Prompts) -> Sequence[Completion]:
        sampling = SamplingSettings(temperature=1.0, max_completion_tokens=ANSWER_TOKENS)
        for conversation in range(NUM_TASKS * GROUP_SIZE):
            seed = self.num_steps * NUM_TASKS * GROUP_SIZE + conversation
            self.engine.submit(GenerationRequest(conversation, prompts[conversation // GROUP_SIZE], seed), sampling)
        answers = self.engine.wait()
        self.engine.release()
        assert all(len(answer.token_ids) == ANSWER_TOKENS for answer in answers)
        return answers

    def _loss(self, batch: PackedBatch, answers: Sequence[Completion], advantages: Tensor) -> Tensor:
        places = torch.tensor([group * GROUP_SIZE + number for group, number in batch.sequences])
        logprobs = self.policy(batch)
        inputs = LossInputs(
            policy_logprobs=logprobs,
            proximal_logprobs=logprobs.detach(),
            sampler_logprobs=torch.tensor([answers[place].logprobs for place in places.tolist()]).flatten(),
            reference_logprobs=None,
            advantages=advantages[places][batch.sequence_index],
            sequence_index=batch.sequence_index,
            group_index=batch.group_index,
        )
        totals = UpdateTotals(len(answers) * ANSWER_TOKENS, len(answers), NUM_TASKS)
        return Reduction.TOKEN_MEAN.reduce(self.loss(inputs).token_losses, inputs, totals)


def _continuation(answer: Completion) -> Continuation:
    return Continuation(answer.token_ids, (True,) * len(answer.token_ids))


@dataclass(slots=True)
class Times:
    """Seconds of each measured step."""

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    """Of all threads of this process: what a busy machine distorts least."""
    _started: tuple[float, float] = (0.0, 0.0)

    def start(self) -> None:
        """A step begins."""
        self._started = (time.perf_counter(), time.process_time())

    def stop(self) -> None:
        """A step ends."""
        wall, cpu = self._started
        self.wall.append(time.perf_counter() - wall)
        self.cpu.append(time.process_time() - cpu)


class TakeTurns(TrainerCallback):
    """After each step of TRL, one step of ours on the same prompts; both are timed from end to end."""

    def __init__(self, ours: OurStep, prompts: Prompts) -> None:
        """Time ``ours`` on the prompts of each step of TRL."""
        self.ours, self.prompts = ours, prompts
        self.trl_times, self.our_times = Times(), Times()

    @override
    def on_train_begin(self, *args: object, **kwargs: object) -> None:
        """TRL's first step begins."""
        self.trl_times.start()

    @override
    def on_step_end(self, *args: object, **kwargs: object) -> None:
        """TRL's step is over: ours, then TRL's next one begins."""
        self.trl_times.stop()
        first = len(self.our_times.wall) * NUM_TASKS
        self.our_times.start()
        self.ours(self.prompts[first : first + NUM_TASKS])
        self.our_times.stop()
        self.trl_times.start()


def build_tokenizer() -> PreTrainedTokenizerFast:
    """Word ``tK`` is token K, so that TRL, which takes text, gets exactly the prompts' tokens."""
    words = models.WordLevel({f"t{token}": token for token in range(VOCABULARY)}, unk_token=f"t{PAD_ID}")
    tokenizer = Tokenizer(words)
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token=f"t{PAD_ID}", eos_token=f"t{EOS_ID}")


def run(num_steps: int, trl_microbatch: int) -> tuple[Times, Times]:
    """Train both for ``num_steps`` in turns; the times of TRL and ours."""
    # Only this comparison needs them.
    from datasets import Dataset  # pyright: ignore[reportMissingImports]
    from trl import GRPOConfig, GRPOTrainer  # pyright: ignore[reportMissingImports, reportPrivateImportUsage]

    def trl_reward(completion_ids: list[list[int]], **_: object) -> list[float | None]:
        return [reward(answer) for answer in completion_ids]

    prompts = build_prompts(num_steps)
    turns = TakeTurns(OurStep(), prompts)
    num_sequences = NUM_TASKS * GROUP_SIZE
    with tempfile.TemporaryDirectory() as folder:
        config = GRPOConfig(
            output_dir=folder,
            use_cpu=True,
            bf16=False,
            max_steps=num_steps,
            per_device_train_batch_size=trl_microbatch,
            gradient_accumulation_steps=num_sequences // trl_microbatch,
            num_generations=GROUP_SIZE,
            max_completion_length=ANSWER_TOKENS,
            generation_kwargs={"min_new_tokens": ANSWER_TOKENS},
            temperature=1.0,
            shuffle_dataset=False,
            num_iterations=1,
            beta=0.0,
            loss_type="dapo",
            learning_rate=LEARNING_RATE,
            lr_scheduler_type="constant",
            adam_beta1=BETAS[0],
            adam_beta2=BETAS[1],
            max_grad_norm=GRADIENT_CLIP,
            gradient_checkpointing=False,
            use_vllm=False,
            report_to="none",
            logging_strategy="no",
            save_strategy="no",
            disable_tqdm=True,
        )
        GRPOTrainer(
            model=build_model(),
            reward_funcs=trl_reward,
            args=config,
            train_dataset=Dataset.from_list([{"prompt": " ".join(f"t{token}" for token in p)} for p in prompts]),
            processing_class=build_tokenizer(),
            callbacks=[turns],
        ).train()
    return turns.trl_times, turns.our_times


def print_table(trl: Times, ours: Times, warmup: int, threads: int, trl_microbatch: int) -> None:
    """Medians of the measured steps and their ratios."""
    rows = {
        f"TRL {version('trl')} GRPOTrainer": [statistics.median(times[warmup:]) for times in (trl.wall, trl.cpu)],
        "lit_grpo": [statistics.median(times[warmup:]) for times in (ours.wall, ours.cpu)],
    }
    slow, fast = rows.values()
    rows["ratio"] = [theirs / own for theirs, own in zip(slow, fast, strict=True)]
    print(
        f"{NUM_TASKS} tasks x {GROUP_SIZE} episodes, {PROMPT_TOKENS} + {ANSWER_TOKENS} tokens, {threads} thread(s), "
        f"TRL micro-batch {trl_microbatch}, median of {len(trl.wall) - warmup} steps after {warmup} to warm up"
    )
    print(f"{'seconds per step':<24}{'wall':>8}{'CPU':>8}")
    for name, (wall, cpu) in rows.items():
        print(f"{name:<24}{wall:>8.2f}{cpu:>8.2f}")


def main() -> None:
    """Parse the command line, run, print the table."""
    parser = argparse.ArgumentParser(description="GRPO step: TRL's GRPOTrainer against lit_grpo.")
    parser.add_argument("--steps", type=int, default=7, help="measured steps (%(default)s)")
    parser.add_argument("--warmup", type=int, default=2, help="steps before them (%(default)s)")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="of torch (%(default)s)")
    parser.add_argument("--trl-microbatch", type=int, default=NUM_TASKS * GROUP_SIZE, help="sequences (%(default)s)")
    arguments = parser.parse_args()
    if importlib.util.find_spec("trl") is None:
        parser.error("trl is not installed: .venv/bin/pip install -c constraints.txt -e '.[trl]'")
    torch.set_num_threads(arguments.threads)
    transformers_logging.set_verbosity_error()
    trl, ours = run(arguments.warmup + arguments.steps, arguments.trl_microbatch)
    print_table(trl, ours, arguments.warmup, arguments.threads, arguments.trl_microbatch)


if __name__ == "__main__":
    main()
