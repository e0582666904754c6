"""The small base model of the quickstart: a tokenizer from task text, random weights, and pre-training by proofreading.

Called by `lit-grpo base tiny`, which made checkpoints/tiny-base. ``make_base_model`` alone serves tests that want a
model in milliseconds.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from random import Random

from transformers import Qwen3Config, Qwen3ForCausalLM, set_seed

from lit_grpo.cli import main as run_command
from lit_grpo.data.tokenizer import END, PAD, NumberTokens, train_tokenizer
from lit_grpo.environment.domains import build_base, domains_of
from lit_grpo.environment.domains.base import ProgramSize, Wording
from lit_grpo.environment.domains.tiny import ROW_NAMES
from lit_grpo.environment.episodes.observation import ObservationStyle, initial_observation
from lit_grpo.environment.programs.specification import RepairProblem
from lit_grpo.experiments.reading_heads import ReadingHeads, ReadingTokens, add_reading_heads
from lit_grpo.presets import CONFIGS

NAMES = ("x", "y", *ROW_NAMES)
"""Names of variables and rows in tiny programs: each is one token."""

CYCLES = (1400, 600)
"""Batches of proofreading: the rate is warmed up and decayed in each, the second on other exercises."""

FOLLOW_UPS = ("still infeasible", "malformed", "refused number", "unknown name", "unbounded", "optimal", "conflict")
"""What the environment says after a turn; repeated until their words are tokens."""


@dataclass(frozen=True, slots=True)
class TinyModelSettings:
    """Shape of a Qwen3 model; the defaults have 0.9M parameters."""

    hidden_size: int = 128
    num_layers: int = 4
    num_heads: int = 4
    num_key_value_heads: int = 2
    head_size: int | None = None
    """Dimensions of a head; None: an equal share of ``hidden_size``."""
    intermediate_size: int = 384
    vocabulary_size: int = 640
    max_context_tokens: int = 512
    numbers: NumberTokens = NumberTokens.DIGITS
    rope_theta: float = 10_000.0
    """Base of the rotary positions: the larger, the more of a head compares content alike at any distance."""
    reading: ReadingHeads | None = None
    """Heads that read from the start, and logits from weights of their own; None: random weights, tied embeddings."""


def make_base_model(
    directory: Path, texts: Iterable[str], names: Iterable[str], seed: int, settings: TinyModelSettings | None = None
) -> int:
    """Write tokenizer and randomly initialised model to ``directory``.

    Args:
        directory: Made if missing; afterwards loadable with ``from_pretrained``.
        texts: Task text the tokenizer is learned from.
        names: Row and variable names that become single tokens.
        seed: The seed of the initial weights.
        settings: Shape of the model.

    Returns:
        The number of parameters.
    """
    settings = settings or TinyModelSettings()
    tokenizer = train_tokenizer(texts, names, settings.vocabulary_size, settings.numbers)
    config = Qwen3Config(
        vocab_size=settings.vocabulary_size,
        hidden_size=settings.hidden_size,
        intermediate_size=settings.intermediate_size,
        num_hidden_layers=settings.num_layers,
        num_attention_heads=settings.num_heads,
        num_key_value_heads=settings.num_key_value_heads,
        head_dim=settings.head_size or settings.hidden_size // settings.num_heads,
        max_position_embeddings=settings.max_context_tokens,
        rope_parameters={"rope_type": "default", "rope_theta": settings.rope_theta},
        tie_word_embeddings=settings.reading is None,
        pad_token_id=tokenizer.vocab[PAD],
        eos_token_id=tokenizer.vocab[END],
        bos_token_id=None,
        dtype="float32",
    )
    set_seed(seed)
    model = Qwen3ForCausalLM(config).float()
    if settings.reading is not None:
        add_reading_heads(model, settings.reading, ReadingTokens.of(tokenizer), seed)
    directory.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    return model.num_parameters()


def tiny_texts(num_programs: int, seed: int) -> list[str]:
    """Compact observations of random tiny programs, for the tokenizer."""
    rng = Random(seed)
    texts: list[str] = []
    for _ in range(num_programs):
        base = build_base(rng.choice(domains_of(ProgramSize.TINY)), ProgramSize.TINY, Wording(), rng)
        problem = RepairProblem(base.program, base.specification)
        texts.append(initial_observation(problem, None, ObservationStyle.COMPACT))
    return texts


def make_tiny_base(output: Path, seed: int) -> int:
    """Make the base: tokenizer, random weights, proofreading.

    Args:
        output: Folder of the base, and of the runs that made it.
        seed: The seed of the texts and the weights.

    Returns:
        The exit status of the last fit: 0 if the base is made.
    """
    policy = output / "untrained"
    make_base_model(policy, [*tiny_texts(1500, seed), *FOLLOW_UPS * 50], NAMES, seed)
    for cycle, num_batches in enumerate(CYCLES):
        run = output / f"cycle_{cycle}"
        status = run_command(_fit(policy, run, seed, cycle, num_batches))
        if status != 0:
            return status
        policy = run / "policy"
    shutil.copytree(policy, output, dirs_exist_ok=True)
    return 0


def _fit(start: Path, run: Path, seed: int, cycle: int, num_batches: int) -> list[str]:
    """Each cycle has exercises of its own and a learning rate that falls anew."""
    configs = [f"--config={CONFIGS / 'quickstart' / name}" for name in ("base.yaml", "pretrain.yaml")]
    places = [f"--model.policy.checkpoint={start}", f"--trainer.default_root_dir={run}"]
    exercises = [f"--data.seed={cycle}", f"--data.batches_per_epoch={num_batches}"]
    return ["fit", *configs, *places, *exercises, f"--seed_everything={seed}"]
