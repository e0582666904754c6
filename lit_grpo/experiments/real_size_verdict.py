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
    step: Step, comparison: StepComparison, trained: Mapping[str, Sequence[Path]], plan: RealSizePlan
) -> dict[str, tuple[Condition, ...]]:
    """What a step is held to, by name.

    Args:
        step: The step.
        comparison: Its comparison.
        trained: Arm to its run folders, one a seed.
        plan: Has the margins.
    """
    conditions = {"equal_compute": compute_conditions(trained, step.equal)}
    match step.name:
        case "gate":
            conditions["gate"] = gate_conditions(comparison.all_cells, plan)
        case "claim":
            conditions["claim"] = claim_conditions(comparison, plan)
        case "fresh":
            conditions["converged"] = (_converged(comparison.all_cells, Pair(FRESH_MATCHED, FRESH), plan),)
            conditions["beyond"] = beyond_conditions(comparison.all_cells)
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
    num_seeds = len(comparison.all_cells.by_seed)
    conditions = [
        Condition(
            f"share of the plan's {len(plan.seeds)} training seeds that have been run",
            num_seeds / len(plan.seeds),
            num_seeds == len(plan.seeds),
        )
    ]
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


def beyond_conditions(comparison: Comparison) -> tuple[Condition, ...]:
    """Whether reinforcement learning adds to demonstrations of ever new tasks what more of them, and DAgger, do not."""
    conditions: list[Condition] = []
    for pair in (Pair(FRESH_RL, FRESH_MATCHED), Pair(FRESH_RL, DAGGER)):
        for quantity in (Quantity.FR_5, Quantity.FR_1):
            low = comparison.pooled.differences[pair].overall[quantity].low
            text = f"{pair.label}, {quantity.value}: the interval begins above 0"
            conditions.append(Condition(text, low, low is not None and low > 0))
    return tuple(conditions)


def compute_conditions(trained: Mapping[str, Sequence[Path]], equal: Mapping[str, str]) -> tuple[Condition, ...]:
    """Whether arms had at least the CPU seconds of those that they are to match.

    Args:
        trained: Arm to its run folders, one a seed.
        equal: Arm to the one whose compute it is to have at least.
    """
    conditions: list[Condition] = []
    for arm, other in equal.items():
        for own, others in zip(trained[arm], trained[other], strict=True):
            records = FitRecord.read(own), FitRecord.read(others)
            ratio = records[0].cpu_s / records[1].cpu_s
            is_known = all(record.is_whole for record in records)
            text = f"{own.parent.parent.name}: CPU seconds of {arm} over those of {other}, at least 1"
            lost = "" if is_known else " (a part of a fit was killed, its seconds are not known)"
            conditions.append(Condition(text + lost, round(ratio, 3), is_known and ratio >= 1))
    return tuple(conditions)


def conditions_json(conditions: Sequence[Condition]) -> list[dict[str, Any]]:
    """One object for each."""
    return [asdict(condition) for condition in conditions]


def _converged(comparison: Comparison, pair: Pair, plan: RealSizePlan) -> Condition:
    """Whether demonstrations have converged: more of them gain little. Where not, nothing is claimed against them."""
    gained = _difference(comparison, pair)
    limit = plan.gate_matched_below
    text = f"{pair.better} gains less than {100 * limit:g} points of FR@5 over {pair.base}"
    return Condition(text, gained, gained is not None and gained < limit)


def _difference(comparison: Comparison, pair: Pair, quantity: Quantity = Quantity.FR_5) -> float | None:
    return comparison.pooled.differences[pair].overall[quantity].value
