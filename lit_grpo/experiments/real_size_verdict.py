"""What the steps of the study of real size come to, by the numbers of its plan.

Called by real_size.py, on finished comparisons.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lit_grpo.experiments.fit_record import FitRecord
from lit_grpo.experiments.real_size_arms import (
    COMPUTE_MATCHED,
    DAGGER,
    FRESH,
    FRESH_MATCHED,
    FRESH_RL,
    RL,
    SFT,
    Step,
)
from lit_grpo.experiments.real_size_plan import RealSizePlan
from lit_grpo.metrics.functional import Quantity
from lit_grpo.reports.comparison import Comparison, Pair
from lit_grpo.reports.real_size import StepComparison

CLAIMED = Pair(RL, COMPUTE_MATCHED)


@dataclass(frozen=True, slots=True)
class Condition:
    """One thing that has to hold."""

    text: str
    got: float | None
    is_met: bool


def step_conditions(
    step: Step,
    comparison: StepComparison,
    trained: Mapping[str, Sequence[Path]],
    plan: RealSizePlan,
    is_on_gpu: bool = False,
) -> dict[str, tuple[Condition, ...]]:
    """What a step is held to, by name. What is claimed is claimed at equal compute.

    Args:
        step: The step.
        comparison: Its comparison.
        trained: Arm to its run folders, one a seed.
        plan: Has the margins.
        is_on_gpu: Whether compute is counted in seconds of a device: those of the clock, in which it may have waited.
    """
    compute = compute_conditions(trained, step.equal, is_on_gpu)
    conditions = {"equal_compute": compute}
    match step.name:
        case "gate":
            conditions["gate"] = gate_conditions(comparison.all_cells, plan)
        case "claim":
            conditions["claim"] = (*claim_conditions(comparison, plan), *compute)
            conditions["converged"] = (_converged(comparison.all_cells, Pair(COMPUTE_MATCHED, SFT), plan),)
        case "fresh":
            claimed = [(arm, other) for arm, other in step.equal if other == FRESH_RL]
            own = compute_conditions(trained, claimed, is_on_gpu)
            conditions["beyond"] = (*beyond_conditions(comparison.all_cells, plan), *own)
        case _:
            pass  # arms beside each other: nothing is claimed
    return conditions


def gate_conditions(comparison: Comparison, plan: RealSizePlan) -> tuple[Condition, ...]:
    """Whether demonstrations alone have converged and reinforcement learning has gained."""
    rl = _difference(comparison, Pair(RL, SFT))
    return (
        _converged(comparison, Pair(COMPUTE_MATCHED, SFT), plan),
        Condition(
            f"{RL} gains at least {100 * plan.gate_rl_at_least:g} points of FR@5 over {SFT}",
            rl,
            rl is not None and rl >= plan.gate_rl_at_least,
        ),
    )


def claim_conditions(comparison: StepComparison, plan: RealSizePlan) -> tuple[Condition, ...]:
    """Whether all seeds are there; the margins over those that are, and the intervals of each."""
    conditions = [_all_seeds(comparison.all_cells, plan)]
    for part, of_part in (("A to D", comparison.study_cells), ("all 27 cells", comparison.all_cells)):
        for quantity in (Quantity.FR_5, Quantity.FR_1):
            value = _difference(of_part, CLAIMED, quantity)
            text = f"{CLAIMED.label}, {quantity.value}, {part}: at least {100 * plan.claim_margin:g} points"
            conditions.append(Condition(text, value, value is not None and value >= plan.claim_margin))
            for seed, profiles in of_part.by_seed.items():
                low = profiles.differences[CLAIMED].overall[quantity].low
                text = f"{CLAIMED.label}, {quantity.value}, {part}, {seed}: the interval begins above 0"
                conditions.append(Condition(text, low, low is not None and low > 0))
    return tuple(conditions)


def beyond_conditions(comparison: Comparison, plan: RealSizePlan) -> tuple[Condition, ...]:
    """Whether reinforcement learning adds to demonstrations of ever new tasks what more of them, and DAgger, do not.

    Against demonstrations that have not converged nothing is claimed, and nothing with some of the seeds.
    """
    conditions = [_all_seeds(comparison, plan), _converged(comparison, Pair(FRESH_MATCHED, FRESH), plan)]
    for pair in (Pair(FRESH_RL, FRESH_MATCHED), Pair(FRESH_RL, DAGGER)):
        for quantity in (Quantity.FR_5, Quantity.FR_1):
            low = comparison.pooled.differences[pair].overall[quantity].low
            text = f"{pair.label}, {quantity.value}: the interval begins above 0"
            conditions.append(Condition(text, low, low is not None and low > 0))
    return tuple(conditions)


def compute_conditions(
    trained: Mapping[str, Sequence[Path]], equal: Sequence[tuple[str, str]], is_on_gpu: bool = False
) -> tuple[Condition, ...]:
    """Whether arms had at least the seconds of those that they are to match.

    Args:
        trained: Arm to its run folders, one a seed.
        equal: The first of each pair is to have at least the compute of the second.
        is_on_gpu: Whether these are seconds of the clock, and not of CPUs, which say little then.
    """
    unit = "seconds" if is_on_gpu else "CPU seconds"
    conditions: list[Condition] = []
    for arm, other in equal:
        for own, others in zip(trained[arm], trained[other], strict=True):
            records = FitRecord.read(own), FitRecord.read(others)
            first, second = (record.wall_s if is_on_gpu else record.cpu_s for record in records)
            ratio = first / second
            is_known = all(record.is_whole for record in records)
            text = f"{own.parent.parent.name}: {unit} of {arm} over those of {other}, at least 1"
            lost = "" if is_known else " (a part of a fit was killed, its seconds are not known)"
            conditions.append(Condition(text + lost, round(ratio, 3), is_known and ratio >= 1))
    return tuple(conditions)


def conditions_json(conditions: Sequence[Condition]) -> list[dict[str, Any]]:
    """One object for each."""
    return [asdict(condition) for condition in conditions]


def _all_seeds(comparison: Comparison, plan: RealSizePlan) -> Condition:
    num_run, num_planned = len(comparison.by_seed), len(plan.seeds)
    text = f"share of the plan's {num_planned} training seeds that have been run"
    return Condition(text, num_run / num_planned, num_run == num_planned)


def _converged(comparison: Comparison, pair: Pair, plan: RealSizePlan) -> Condition:
    """Whether demonstrations have converged: more of them gain little."""
    gained = _difference(comparison, pair)
    limit = plan.gate_matched_below
    text = f"{pair.better} gains less than {100 * limit:g} points of FR@5 over {pair.base}"
    return Condition(text, gained, gained is not None and gained < limit)


def _difference(comparison: Comparison, pair: Pair, quantity: Quantity = Quantity.FR_5) -> float | None:
    return comparison.pooled.differences[pair].overall[quantity].value
