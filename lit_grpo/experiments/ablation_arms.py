"""The arms of the ablations: which configs each is made of, where it starts, and what it is compared with.

Called by ablations.py, which runs them. Every arm of reinforcement learning takes as many steps, from the same
supervised start, and differs from another in the configs named here alone.
"""

from __future__ import annotations

from dataclasses import replace

from lit_grpo.experiments.arms import Arm, TrainingData
from lit_grpo.reports.comparison import Pair

SFT, COMPUTE_MATCHED, BASELINE = "sft", "sft_compute_matched", "baseline"
BASES = (SFT, COMPUTE_MATCHED, BASELINE)
"""What every arm is compared with."""
REAL = (BASELINE, "no_kl", "asym_clip", "dynamic", "token_loss")
"""The five ablations; the curriculum goes on from the best of them."""
CURRICULUM = "curriculum"

MATCHED_BATCHES = 520
"""Batches of 16 demonstrations: about the CPU seconds of `baseline` (its KL) and `dynamic` (its refills), the dearest
arms. The others cost a third less."""

_SFT_CONFIGS = ("quickstart/base", "quickstart/sft")
_METHOD = ("base", "grpo", "ablation/baseline")
_EVERY_STEP = ("--trainer.log_every_n_steps=1",)
_MATCHED = (*_EVERY_STEP, f"--data.batches_per_epoch={MATCHED_BATCHES}")


def reinforced(
    name: str, *changes: str, last: tuple[str, ...] = (), replay: bool = True, start: str = SFT, cpu_s: float = 160.0
) -> Arm:
    """An arm of reinforcement learning on the CPU.

    Args:
        name: The name of the arm.
        changes: Configs over configs/ablation/baseline.yaml.
        last: Configs over configs/ablation/cpu.yaml.
        replay: Whether demonstrations are replayed.
        start: The supervised arm.
        cpu_s: Expected of it.
    """
    replayed = ("ablation/replay",) if replay else ()
    data = TrainingData.FRESH_TASKS_AND_REPLAY if replay else TrainingData.FRESH_TASKS
    return Arm(name, (*_METHOD, *changes, *replayed, "ablation/cpu", *last), start, data, expected_cpu_s=cpu_s)


def supervised(name: str, *last: str) -> Arm:
    """An arm of supervised fine-tuning from the base, with the configs of the quickstart."""
    configs = (*_SFT_CONFIGS, *last)
    return Arm(name, configs, None, TrainingData.DEMONSTRATIONS, _EVERY_STEP, expected_cpu_s=70)


def curriculum_on(best: Arm) -> Arm:
    """The best of the five with the four stages of configs/curriculum/staged.yaml, everything else the same."""
    configs = (*best.configs, "curriculum/staged")
    return Arm(CURRICULUM, configs, best.start, best.data, best.arguments, best.expected_cpu_s)


_NO_KL = "ablation/no_kl"
SEVERAL: tuple[Arm, ...] = (
    supervised(SFT),
    Arm(
        COMPUTE_MATCHED,
        (*_SFT_CONFIGS, "quickstart/sft_compute_matched"),
        SFT,
        TrainingData.DEMONSTRATIONS,
        _MATCHED,
        expected_cpu_s=290,
    ),
    reinforced("baseline_no_replay", replay=False, cpu_s=215),
    reinforced(BASELINE, cpu_s=230),
    reinforced("no_kl", _NO_KL),
    reinforced("asym_clip", _NO_KL, "ablation/asym_clip"),
    reinforced("dynamic", _NO_KL, "ablation/dynamic", cpu_s=230),
    reinforced("token_loss", _NO_KL, "ablation/token_loss"),
)
"""Run with every seed."""

SINGLE: tuple[Arm, ...] = (
    reinforced("no_kl_study_reward", _NO_KL, "ablation/study_reward"),
    reinforced("asym_clip_as_reported", _NO_KL, "ablation/asym_clip_as_reported"),
    reinforced(
        "dynamic_as_reported",
        _NO_KL,
        "ablation/dynamic_as_reported",
        last=("ablation/cpu_dynamic_as_reported",),
    ),
    reinforced("token_loss_as_reported", _NO_KL, "ablation/token_loss_as_reported"),
    Arm(
        "sft_fresh",
        (*_SFT_CONFIGS, "quickstart/sft_fresh"),
        SFT,
        TrainingData.FRESH_DEMONSTRATIONS,
        _MATCHED,
        expected_cpu_s=310,
    ),
    # As many optimizer steps as the others: its own preset takes one for each rollout.
    replace(
        reinforced("rejection_sampling", "loss/rejection_sampling"),
        arguments=("--model.objective.updates_per_rollout=4",),
    ),
    supervised("sft_without_conflict", "ablation/without_conflict"),
    reinforced("without_conflict", last=("ablation/without_conflict",), start="sft_without_conflict", cpu_s=230),
    supervised("sft_without_specification", "ablation/without_specification"),
    reinforced(
        "without_specification",
        last=("ablation/without_specification",),
        start="sft_without_specification",
        cpu_s=230,
    ),
)
"""Run with the first seed alone."""

SINGLE_PAIRS = (
    Pair("no_kl_study_reward", "no_kl"),
    Pair("asym_clip_as_reported", "no_kl_study_reward"),
    Pair("asym_clip_as_reported", "no_kl"),
    Pair("asym_clip_as_reported", "asym_clip"),
    Pair("dynamic_as_reported", "no_kl"),
    Pair("dynamic_as_reported", "dynamic"),
    Pair("token_loss_as_reported", "no_kl"),
    Pair("token_loss_as_reported", "token_loss"),
    Pair("sft_fresh", COMPUTE_MATCHED),
    Pair("sft_fresh", BASELINE),
    Pair("rejection_sampling", SFT),
    Pair("rejection_sampling", BASELINE),
    Pair("sft_without_conflict", SFT),
    Pair("without_conflict", "sft_without_conflict"),
    Pair("without_conflict", BASELINE),
    Pair("sft_without_specification", SFT),
    Pair("without_specification", "sft_without_specification"),
    Pair("without_specification", BASELINE),
)
"""Each arm of one seed against its counterparts on that seed."""
