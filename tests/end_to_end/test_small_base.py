"""The small base in small: its stages are fits of `lit-grpo`, and a second call goes on where the first one ended."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoTokenizer

from lit_grpo.data.proofreading import ProofreadingSettings
from lit_grpo.data.task import TaskSettings
from lit_grpo.data.tokenizer import NumberTokens
from lit_grpo.environment.faults.difficulty import Difficulty
from lit_grpo.experiments import small_base
from lit_grpo.experiments.base_model import TinyModelSettings
from lit_grpo.experiments.proofreading_stages import Goal, Stage
from lit_grpo.experiments.reading import ReadingScores, Share
from lit_grpo.experiments.small_base import make_small_base, names_and_texts, read_held_out
from lit_grpo.modules.policy import load_policy
from lit_grpo.presets import SMALL_BASE

SHAPE = TinyModelSettings(
    hidden_size=16,
    num_layers=1,
    num_heads=2,
    num_key_value_heads=1,
    intermediate_size=32,
    vocabulary_size=2400,
    max_context_tokens=4096,
    numbers=NumberTokens.THOUSANDS,
)
FOUND = Goal(copied_numbers=0.0, mended_numbers=0.0, judged=0.0, found=1.0)
EXCERPTS = Stage(
    "excerpts",
    {Difficulty.EASY: 1.0},
    ProofreadingSettings(max_rows=2),
    FOUND,
    batches_per_leg=2,
    batch_size=2,
)
WHOLE = Stage(
    "whole",
    {Difficulty.EASY: 0.5, Difficulty.MEDIUM: 0.5},
    ProofreadingSettings(),
    FOUND,
    batches_per_leg=1,
    batch_size=2,
    final_fraction=0.05,
)


def contents(folder: Path) -> dict[str, tuple[int, bytes]]:
    files = [file for file in folder.rglob("*") if file.is_file()]
    return {str(file): (file.stat().st_mtime_ns, file.read_bytes()) for file in files}


def read(policy: Path, stage: Stage) -> ReadingScores:
    """As small_base.py reads, but few texts, and a policy finds what it was trained to find in the stage."""
    scores = read_held_out(policy, stage.tasks, stage.proofreading, 6)
    return replace(scores, found=Share(int(policy.parents[1].name.endswith(stage.name)), 1))


def test_1_a_run_goes_on_with_the_first_leg_that_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(small_base, "_read", read)
    make_small_base(tmp_path, 0, [EXCERPTS], SHAPE, num_tokenizer_texts=60)
    done = contents(tmp_path / "0_excerpts")
    policy = make_small_base(tmp_path, 0, [EXCERPTS, WHOLE], SHAPE, num_tokenizer_texts=60)
    assert contents(tmp_path / "0_excerpts") == done

    weights = [
        load_file(tmp_path / folder / "model.safetensors")["model.layers.0.mlp.up_proj.weight"]
        for folder in ("untrained", "0_excerpts/leg_00/policy", "1_whole/leg_01/policy", "policy")
    ]
    assert not weights[0].equal(weights[1])
    assert not weights[1].equal(weights[2])
    assert weights[2].bfloat16().equal(weights[3])
    assert policy == tmp_path / "policy"
    tokenizer = AutoTokenizer.from_pretrained(policy)
    assert len(tokenizer.encode("letter_37 12034")) == 4  # the name, a space, 12 and 034
    assert load_policy(policy).causal_lm.config.vocab_size >= len(tokenizer)


def test_2_the_tokenizer_knows_the_names_of_every_size_and_learns_from_neither_names_nor_numbers() -> None:
    names, parts = names_and_texts(40, seed=0)
    assert {"x", "ra"} < set(names)
    assert any(name.startswith("letter_") for name in names)
    words = {word for part in parts for word in part.split()}
    assert not words & set(names)
    assert not any(character.isdigit() for part in parts for character in part)


def test_3_the_base_that_comes_with_the_project_reads_programs_of_real_size() -> None:
    """Whole easy programs, in which slips are marked and others as well: numbers, and which elements have a slip."""
    easy = TaskSettings(size=None, difficulties={Difficulty.EASY: 1.0})
    scores = read_held_out(SMALL_BASE, easy, ProofreadingSettings(max_slips=5, num_copied=4, marks_slips=True), 8)
    assert min(scores.copied_numbers.value, scores.mended_numbers.value) > 0.85
    assert min(scores.judged_untouched.value, scores.judged_slipped.value) > 0.8
    weights = load_file(SMALL_BASE / "model.safetensors")
    assert {tensor.dtype for tensor in weights.values()} == {torch.bfloat16}
