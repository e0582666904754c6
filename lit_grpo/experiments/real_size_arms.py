"""The arms of the study of real size, by its steps: which configs each is made of, and where it starts.

Called by real_size.py, which runs them, and by `lit-grpo study real-size`, which names the steps in its help.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from lit_grpo.experiments.arms import Arm, TrainingData

SFT, COMPUTE_MATCHED, RL = "sft", "sft_compute_matched", "sft_grpo"
FRESH, FRESH_MATCHED, FRESH_RL = "sft_fresh", "sft_fresh_matched", "sft_fresh_grpo"

_BASE = "real_size/base"
_SFT = (_BASE, "real_size/sft")
_RL = (_BASE, "real_size/grpo")
_CLAIM = (
    Arm(SFT, _SFT, None, TrainingData.DEMONSTRATIONS, expected_cpu_s=1800),
    Arm(
        COMPUTE_MATCHED,
        (*_SFT, "real_size/sft_compute_matched"),
        SFT,
        TrainingData.DEMONSTRATIONS,
        expected_cpu_s=4800,
    ),
    Arm(RL, _RL, SFT, TrainingData.FRESH_TASKS_AND_REPLAY, expected_cpu_s=4800),
)


@dataclass(frozen=True, slots=True)
class Step:
    """A step of the study."""

    name: str
    summary: str
    arms: tuple[Arm, ...]
    """Those that are compared, in the order of the tables. Arms of an earlier step are trained once."""
    pairs: tuple[tuple[str, str], ...]
    """What is reported as a difference: the first less the second."""
    equal: Mapping[str, str]
    """Arm to the one whose CPU seconds it is to have at least."""
    is_tested: bool = True
    """Whether test tasks are played; otherwise validation tasks are all."""


_CLAIM_PAIRS = ((RL, COMPUTE_MATCHED), (RL, SFT), (COMPUTE_MATCHED, SFT))
_CLAIM_EQUAL = {COMPUTE_MATCHED: RL}

STEPS = {
    step.name: step
    for step in (
        Step("gate", "one seed, on validation tasks alone", _CLAIM, _CLAIM_PAIRS, _CLAIM_EQUAL, is_tested=False),
        Step("claim", "the same arms, on all seeds and the test tasks", _CLAIM, _CLAIM_PAIRS, _CLAIM_EQUAL),
    )
}


def with_starts(step: Step) -> tuple[Arm, ...]:
    """The arms of a step and those that they start from, each behind its start."""
    known = {arm.name: arm for other in STEPS.values() for arm in other.arms}
    found: dict[str, Arm] = {}

    def add(arm: Arm) -> None:
        if arm.start is not None:
            add(known[arm.start])
        found.setdefault(arm.name, arm)

    for arm in step.arms:
        add(arm)
    return tuple(found.values())
