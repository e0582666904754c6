"""The small base for programs of real size: weights that read, then proofreading, from excerpts to hard programs.

Called by `lit-grpo base small`. How its stages follow each other is in proofreading_stages.py.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from random import Random

from lit_grpo.cli import main as run_command
from lit_grpo.data.dataset import drawn_program, load_conversation
from lit_grpo.data.proofreading import ProofreadingSettings
from lit_grpo.data.splits import Split
from lit_grpo.data.task import TaskSettings
from lit_grpo.data.tokenizer import NumberTokens
from lit_grpo.environment.episodes.observation import ObservationStyle, initial_observation
from lit_grpo.environment.faults.difficulty import Difficulty
from lit_grpo.environment.programs.specification import RepairProblem
from lit_grpo.experiments.base_model import FOLLOW_UPS, NAMES, TinyModelSettings, make_base_model
from lit_grpo.experiments.half_precision import write_half
from lit_grpo.experiments.proofreading_stages import POLICY_FOLDER, Goal, Leg, Stage, run_stages
from lit_grpo.experiments.reading import ReadingScores, held_out_exercises, measure_reading
from lit_grpo.experiments.reading_heads import ReadingHeads
from lit_grpo.experiments.reading_weights import NUM_FIXED
from lit_grpo.modules.policy import load_policy
from lit_grpo.presets import CONFIGS

SHAPE = TinyModelSettings(
    hidden_size=224,
    num_layers=7,
    num_key_value_heads=4,
    head_size=64,
    intermediate_size=448,
    vocabulary_size=3618,
    max_context_tokens=8192,
    numbers=NumberTokens.THOUSANDS,
    rope_theta=1e8,
    reading=ReadingHeads(),
)
"""5.3M parameters, 0.8M of them embeddings and as many the head; three layers, with the last norm, are trained."""

UNTRAINED_FOLDER = "untrained"
NUM_TOKENIZER_TEXTS = 2000
NUM_PROGRAMS_READ = 60
"""Held-out programs, or excerpts, after each leg."""


def _practice(
    max_slips: int, max_rows: int | None = None, num_talks: int = 1, marks_slips: bool = False, one_by_one: bool = False
) -> ProofreadingSettings:
    """What is the same in all stages: of each text four values are copied, and all slips mended in a talk."""
    return ProofreadingSettings(
        max_slips,
        num_copied=4,
        max_rows=max_rows,
        share_with_added_row=0.3,
        num_talks=num_talks,
        marks_slips=marks_slips,
        one_by_one=one_by_one,
    )


EASY, MEDIUM, HARD = Difficulty.EASY, Difficulty.MEDIUM, Difficulty.HARD
STAGES = (
    Stage(
        "two_rows",
        {EASY: 1.0},
        _practice(4, max_rows=2),
        Goal(copied_numbers=0.75, mended_numbers=0.75, judged=0.85),
        batches_per_leg=200,
        frozen_layers=NUM_FIXED,
    ),
    Stage(
        "four_rows",
        {EASY: 0.7, MEDIUM: 0.3},
        _practice(5, max_rows=4),
        Goal(copied_numbers=0.9, mended_numbers=0.9, judged=0.9),
        batches_per_leg=600,
        frozen_layers=NUM_FIXED,
    ),
    Stage(
        "easy",
        {EASY: 0.9, MEDIUM: 0.1},
        _practice(5),
        Goal(copied_numbers=0.9, mended_numbers=0.9, judged=0.9, found=0.3),
        batches_per_leg=200,
        frozen_layers=NUM_FIXED,
    ),
    Stage(
        "all",
        {EASY: 0.35, MEDIUM: 0.5, HARD: 0.15},
        _practice(4, marks_slips=True),
        Goal(copied_numbers=0.9, mended_numbers=0.9, judged=0.9, found=0.7),
        batches_per_leg=150,
        frozen_layers=NUM_FIXED,
        final_fraction=0.05,
    ),
    Stage(
        "one_by_one",
        {EASY: 0.35, MEDIUM: 0.5, HARD: 0.15},
        _practice(4, num_talks=3, one_by_one=True),
        Goal(copied_numbers=0.85, mended_numbers=0.85, judged=0.85, found=0.7, found_next=0.5),
        batches_per_leg=150,
        frozen_layers=NUM_FIXED,
        final_fraction=0.05,
    ),
)


def make_small_base(
    output: Path,
    seed: int,
    stages: Sequence[Stage] = STAGES,
    shape: TinyModelSettings = SHAPE,
    num_tokenizer_texts: int = NUM_TOKENIZER_TEXTS,
) -> Path:
    """Make the base, or go on making it: tokenizer, weights that read, then the stages.

    Args:
        output: The run folder; the finished base lies in ``output / "policy"``, in bfloat16.
        seed: The seed of weights and exercises.
        stages: In order.
        shape: The shape of the model.
        num_tokenizer_texts: Programs whose names and words the tokenizer has.

    Returns:
        The folder of the finished base.

    Raises:
        NotLearned: A stage used up its prompts.
    """
    untrained = output / UNTRAINED_FOLDER
    if not (untrained / "config.json").is_file():
        names, texts = names_and_texts(num_tokenizer_texts, seed)
        make_base_model(untrained, [*texts, *FOLLOW_UPS * 50], names, seed, shape)
    last = run_stages(output, untrained, stages, lambda leg: fit_leg(leg, seed), _read)
    return write_half(last, output / POLICY_FOLDER)


def names_and_texts(num_programs: int, seed: int) -> tuple[list[str], list[str]]:
    """Names and texts of programs of the three difficulties, for the tokenizer.

    Returns:
        Every name of a row or variable, two-variable programs' included, and the observations without names and
        numbers: these have tokens of their own, and words are learned from what is left between them.
    """
    rng = Random(f"small base/{seed}")
    tasks = TaskSettings(size=None, difficulties=dict.fromkeys(Difficulty, 1.0))
    names, texts = set(NAMES), list[str]()
    for _ in range(num_programs):
        base = drawn_program(tasks, Split.TRAIN, rng)
        program = base.program
        names |= {*(row.name for row in program.constraints), *base.spare_row_names}
        names |= {variable.name for variable in program.variables}
        texts.append(initial_observation(RepairProblem(program, base.specification), None, ObservationStyle.COMPACT))
    listed = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))
    between = re.compile(rf"(?<!\w)(?:{listed})(?!\w)|\d+")
    return sorted(names), [part for text in texts for part in between.split(text) if part]


def fit_leg(leg: Leg, seed: int) -> None:
    """One `lit-grpo fit`; RuntimeError if it fails."""
    stage = leg.stage
    tasks = {
        "size": None,
        "difficulties": {difficulty.value: weight for difficulty, weight in stage.difficulties.items()},
    }
    options = [
        f"--model.policy.frozen_layers={stage.frozen_layers}",
        f"--model.optimizer.final_fraction={stage.final_fraction}",
        f"--data.tasks={json.dumps(tasks)}",
        f"--data.proofreading={json.dumps(asdict(stage.proofreading))}",
        f"--data.batch_size={stage.batch_size}",
        f"--data.batches_per_epoch={stage.batches_per_leg}",
        f"--data.seed={leg.seed}",
    ]
    _fit(leg.folder, leg.start, seed, options)


def _fit(run: Path, start: Path, seed: int, options: Sequence[str]) -> None:
    status = run_command(
        [
            "fit",
            f"--config={CONFIGS / 'experiment' / 'small_base.yaml'}",
            f"--trainer.default_root_dir={run}",
            f"--model.policy.checkpoint={start}",
            f"--seed_everything={seed}",
            *options,
        ]
    )
    if status != 0:
        raise RuntimeError(f"expected the fit of {run} to end with status 0, got {status}; see its output above")


def _read(policy: Path, stage: Stage) -> ReadingScores:
    """What a policy reads right of a stage's held-out texts."""
    return read_held_out(policy, stage.tasks, stage.proofreading, NUM_PROGRAMS_READ)


def read_held_out(
    policy: Path, tasks: TaskSettings, proofreading: ProofreadingSettings, num_programs: int
) -> ReadingScores:
    """What a policy reads right of held-out programs drawn from ``tasks``."""
    conversation = load_conversation(policy)
    exercises = held_out_exercises(tasks, proofreading, conversation, num_programs, seed=0)
    return measure_reading(load_policy(policy), exercises, conversation)
