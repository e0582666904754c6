"""The plan of the study of real size, fixed before any test task is played: the one home of its numbers.

Read by real_size.py; every result records the plan's digest, and docs/real_size.md shows the plan.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from lit_grpo.data.digests import folder_digest, weights_digest
from lit_grpo.data.json_values import read_object
from lit_grpo.experiments.arms import Arm
from lit_grpo.presets import CONFIGS


@dataclass(frozen=True, slots=True)
class RealSizePlan:
    """Seeds, margins and rules of the study."""

    gate_seed: int = 100
    """The training seed of the gate, which is looked at while settings are still chosen, on validation tasks alone."""
    seeds: tuple[int, ...] = (104, 105, 106)
    """The training seeds of everything else; nothing is trained with them before the gate is passed. 101 to 103 were
    those of the first claim (docs/real_size.md)."""
    suite_seed: int = 50_000
    """The seed of the test tasks, and of nothing else; 40,000 was that of the first claim."""
    tasks_per_cell: int = 200
    """Test tasks of each of the 27 cells, dealt out to the seeds in turn: 67, 67 and 66, none to two of them."""
    gate_matched_below: float = 0.02
    """The study goes on if `sft_compute_matched` gains less than this in FR@5 over `sft`: demonstrations alone have
    converged ..."""
    gate_rl_at_least: float = 0.05
    """... and `sft_grpo` at least this much."""
    claim_margin: float = 0.10
    """The claim: `sft_grpo` is this much above `sft_compute_matched`, in FR@5 and in FR@1, on the twelve cells A to D
    and on all 27, and in each seed the whole interval of each of these differences is above 0."""
    training_version: int = 2
    """Raised whenever the same configs come to train other weights: arms of two versions are not compared. 1 had the
    gradient of rounded logits."""
    rules: tuple[str, ...] = (
        "Validation tasks are of the validation split, test tasks of the test split: no program is in two splits.",
        "Each arm's checkpoint is its own best on the validation tasks, by FR@5 less the largest loss of any kind "
        "beyond one standard error of that loss (`val/guarded_FR@5`). What else is chosen is chosen on them as well.",
        "Arms that are to have equal compute are held to the CPU seconds of their fits, validation included: "
        "`sft_compute_matched` has at least those of `sft_grpo`.",
        "A test task is played once by each arm, greedily, in at most five turns. No arm is trained again, and no "
        "setting is changed, after its first test task.",
        "If the gate is not passed, no test task is played. If the claim is not met in every part, it is reported as "
        "not met; no seed is added, and none is left out.",
    )

    def to_json(self, arms: Sequence[Arm], base: Path) -> dict[str, Any]:
        """The plan, and digests of the configs that these arms are made of and of the weights that they start from."""
        configs = sorted({name for arm in arms for name in arm.configs})
        digests = {name: folder_digest(CONFIGS / f"{name}.yaml") for name in configs}
        return asdict(self) | {"configs": digests, "base": weights_digest(base)}


PLAN = RealSizePlan()
SMOKE_PLAN = replace(PLAN, seeds=PLAN.seeds[:1], tasks_per_cell=1)
"""In the smoke run's sizes, where the figures mean nothing."""


def require_plan(path: Path, plan: Mapping[str, Any]) -> None:
    """Keep the plan, as JSON, beside the results of a step, before its first arm is trained.

    Raises:
        ValueError: Arms have been trained, and perhaps tested, under another plan.
    """
    text = json.dumps(plan, indent=1) + "\n"
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    elif path.read_text(encoding="utf-8") != text:
        raise ValueError(
            f"{path}: expected the plan that its arms were trained under, got another one now (its numbers, the "
            "configs of its arms, their base, device, threads or --smoke); put these back, or name another folder with "
            "--output"
        )


def require_gate(results: Path, plan: Mapping[str, Any]) -> None:
    """Hold the plan's last rule: without a gate that is passed no test task is played.

    Args:
        results: ``gate.json`` of the study's folder.
        plan: The plan, as JSON, of the gate's arms as they are now.

    Raises:
        ValueError: The gate has not been run, was not passed, or was passed by other configs or from another base.
    """
    if not results.is_file():
        raise ValueError(
            f"{results}: expected the results of the gate, got none; run `lit-grpo study real-size --step gate` before "
            "any test task is played"
        )
    about = read_object(results, "run the gate again")["about"]
    if about["is_smoke"]:
        raise ValueError(f"{results}: expected a gate in full, got that of a smoke run; name another folder (--output)")
    gate = about["conditions"]["gate"]
    missed = [f"{condition['text']}: {condition['got']}" for condition in gate if not condition["is_met"]]
    if missed:
        raise ValueError(
            f"{results}: expected a gate that is passed before any test task is played, got {'; '.join(missed)}; find "
            "out why on validation tasks, and run the gate again"
        )
    passed = about["plan"]
    changed = [name for name, digest in plan["configs"].items() if passed["configs"].get(name) != digest]
    changed += ["the base"] if passed.get("base") != plan["base"] else []
    fixed = ("gate_seed", "gate_matched_below", "gate_rl_at_least", "training_version", "accelerator", "threads")
    changed += [name for name in fixed if passed.get(name) != plan.get(name)]
    if changed:
        raise ValueError(
            f"{results}: expected a gate that was passed by the arms as they are now, got one from before a change of "
            f"{', '.join(changed)}; run the gate again, with --output where its arms have not been trained, or put "
            "these back"
        )
