"""The arms of the study of real size, by its steps: which configs each is made of, and where it starts.

Called by real_size.py, which runs them, and by `lit-grpo study real-size`, which names the steps in its help.
"""

from __future__ import annotations

from dataclasses import dataclass

from lit_grpo.experiments.arms import Arm, TrainingData

SFT, COMPUTE_MATCHED, RL = "sft", "sft_compute_matched", "sft_grpo"
FRESH, FRESH_MATCHED, FRESH_RL, DAGGER = "sft_fresh", "sft_fresh_matched", "sft_fresh_grpo", "sft_dagger"
REJECTION, STAGED, SUCCESS = "rejection_sampling", "sft_grpo_staged", "sft_grpo_success"

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
_FRESH = (
    Arm(FRESH, (*_SFT, "real_size/sft_fresh"), None, TrainingData.FRESH_DEMONSTRATIONS, expected_cpu_s=7000),
    Arm(
        FRESH_MATCHED,
        (*_SFT, "real_size/sft_compute_matched", "real_size/sft_fresh_matched"),
        FRESH,
        TrainingData.MORE_FRESH_DEMONSTRATIONS,
        expected_cpu_s=4800,
    ),
    Arm(
        FRESH_RL,
        (*_RL, "real_size/sft_fresh_grpo"),
        FRESH,
        TrainingData.MORE_FRESH_TASKS_AND_REPLAY,
        expected_cpu_s=4800,
    ),
    Arm(DAGGER, (_BASE, "real_size/sft_dagger"), FRESH, TrainingData.MORE_FRESH_TASKS, expected_cpu_s=4800),
    Arm(
        REJECTION,
        (*_RL, "loss/rejection_sampling", "real_size/rejection_sampling"),
        SFT,
        TrainingData.FRESH_TASKS_AND_REPLAY,
        expected_cpu_s=4800,
    ),
)
_CURRICULUM = tuple(
    Arm(name, (*_RL, *configs), SFT, TrainingData.FRESH_TASKS_AND_REPLAY, expected_cpu_s=4800)
    for name, configs in (
        (STAGED, ("real_size/staged",)),
        (SUCCESS, ("curriculum/success", "real_size/success")),
    )
)


def _ablation(name: str, *changes: str) -> Arm:
    """One of the five of docs/ablations.md, by the sizes, rates and tasks of `sft_grpo`."""
    configs = ("base", "grpo", "ablation/baseline", *changes, "real_size/ablation")
    return Arm(name, configs, SFT, TrainingData.FRESH_TASKS_AND_REPLAY, expected_cpu_s=5500)


_NO_KL = "ablation/no_kl"
_ABLATIONS = (
    _ablation("baseline"),
    _ablation("no_kl", _NO_KL),
    _ablation("asym_clip", _NO_KL, "ablation/asym_clip"),
    _ablation("dynamic", _NO_KL, "ablation/dynamic"),
    _ablation("token_loss", _NO_KL, "ablation/token_loss"),
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
    equal: tuple[tuple[str, str], ...]
    """Arms that are to have equal compute: the first has at least the CPU seconds of the second."""
    is_tested: bool = True
    """Whether test tasks are played; otherwise validation tasks are all."""


_CLAIM_PAIRS = ((RL, COMPUTE_MATCHED), (RL, SFT), (COMPUTE_MATCHED, SFT))
_CLAIM_EQUAL = ((COMPUTE_MATCHED, RL),)

STEPS = {
    step.name: step
    for step in (
        Step("gate", "one seed, on validation tasks alone", _CLAIM, _CLAIM_PAIRS, _CLAIM_EQUAL, is_tested=False),
        Step("claim", "the same arms, on all seeds and the test tasks", _CLAIM, _CLAIM_PAIRS, _CLAIM_EQUAL),
        Step(
            "fresh",
            "demonstrations without limit, DAgger, RL on top of them, and the policy's own successes",
            (*_CLAIM, *_FRESH),
            (
                (FRESH_RL, FRESH_MATCHED),
                (FRESH_RL, DAGGER),
                (FRESH_RL, FRESH),
                (FRESH_MATCHED, FRESH),
                (DAGGER, FRESH_MATCHED),
                (FRESH, RL),
                (FRESH, COMPUTE_MATCHED),
                (RL, REJECTION),
                (REJECTION, COMPUTE_MATCHED),
            ),
            ((FRESH_MATCHED, FRESH_RL), (DAGGER, FRESH_RL), (REJECTION, RL)),
        ),
        Step(
            "curriculum",
            "stages, and sampling by success, beside uniform sampling",
            (*_CLAIM, *_CURRICULUM),
            ((STAGED, RL), (SUCCESS, RL), (SUCCESS, STAGED)),
            ((RL, STAGED), (RL, SUCCESS)),
        ),
        Step(
            "ablations",
            "the five ablations of the method",
            (*_CLAIM, *_ABLATIONS),
            tuple((arm.name, base) for base in (SFT, COMPUTE_MATCHED) for arm in _ABLATIONS)
            + tuple((arm.name, _ABLATIONS[0].name) for arm in _ABLATIONS[1:]),
            (),
        ),
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
