"""The arms of the quickstart: which configs each is made of, and where it starts.

Called by quickstart.py, which runs them, and by `lit-grpo quickstart`, which names them in its help.
"""

from __future__ import annotations

from lit_grpo.experiments.arms import Arm, TrainingData

ARMS = {
    arm.name: arm
    for arm in (
        Arm("sft", ("quickstart/base", "quickstart/sft"), None, TrainingData.DEMONSTRATIONS, expected_cpu_s=70),
        Arm(
            "sft_compute_matched",
            ("quickstart/base", "quickstart/sft", "quickstart/sft_compute_matched"),
            "sft",
            TrainingData.DEMONSTRATIONS,
        ),
        Arm("sft_grpo", ("quickstart/base", "quickstart/grpo"), "sft", TrainingData.FRESH_TASKS_AND_REPLAY),
        Arm(
            "sft_grpo_plain",
            ("quickstart/base", "quickstart/grpo", "quickstart/grpo_plain"),
            "sft",
            TrainingData.FRESH_TASKS,
        ),
        Arm(
            "sft_fresh",
            ("quickstart/base", "quickstart/sft", "quickstart/sft_fresh"),
            "sft",
            TrainingData.FRESH_DEMONSTRATIONS,
        ),
        Arm("sft_dagger", ("quickstart/base", "quickstart/dagger"), "sft", TrainingData.FRESH_TASKS),
    )
}
CANDIDATE = "sft_grpo"
"""Compared with every other arm; where it was not asked for, the last of those that were is."""
MAIN_ARMS = ("sft", "sft_compute_matched", CANDIDATE)
