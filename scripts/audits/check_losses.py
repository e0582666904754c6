"""Evaluate worked losses with this package's own code: name, expected, got, relative error of every row.

    python scripts/audits/check_losses.py tests/numerics/loss_goldens.json

The file holds `inputs` (mask and probabilities [B][T], rows may be ragged; advantages [B]; constants), `values` (row
name `surrogate[+mismatch]/reduction` to loss) and optionally `advantages` (rewards of one group, or a list of groups,
and what each estimator makes of them). `inputs.groups` [B] says which sequences share a task, for prompt_mean. Exit
status 1 if a row differs by more than 1e-9 in float64 or 1e-5 in float32. In float32 the inputs themselves are rounded,
so where positive and negative token losses cancel to below a tenth, the error is taken relative to a tenth of their
absolute sum; float64 is always relative to the value.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lit_grpo.advantages import AdvantageEstimator, group_advantages
from lit_grpo.losses.base import LossInputs, LossOutput, PolicyLoss, UpdateTotals
from lit_grpo.losses.cispo import CISPOLoss
from lit_grpo.losses.clipped import ClippedLoss
from lit_grpo.losses.dppo import DPPOLoss
from lit_grpo.losses.gmpo import GMPOLoss
from lit_grpo.losses.mismatch_weight import MismatchRule, MismatchWeight
from lit_grpo.losses.objective import Objective
from lit_grpo.losses.reduction import Reduction
from lit_grpo.losses.reference_kl import KLEstimator
from lit_grpo.losses.reinforce import ReinforceLoss
from lit_grpo.losses.sapo import SAPOLoss
from lit_grpo.losses.sequence_clipped import SequenceClippedLoss

Inputs = Mapping[str, Any]

TOLERANCES = {torch.float64: 1e-9, torch.float32: 1e-5}
CANCELLATION = 0.1
"""Share of the absolute sum of the token losses below which a float32 error is no longer judged by the value."""

SURROGATES: dict[str, Callable[[Inputs], PolicyLoss]] = {
    "clipped": lambda given: ClippedLoss(given["eps_low"], given["eps_high"]),
    "clipped_dual": lambda given: ClippedLoss(given["eps_low"], given["eps_high"], given["dual_clip"]),
    "gspo": lambda given: SequenceClippedLoss(given["eps_low"], given["eps_high"]),
    "gspo_dual": lambda given: SequenceClippedLoss(given["eps_low"], given["eps_high"], given["dual_clip"]),
    "cispo": lambda given: CISPOLoss(given["eps_low"], given["eps_high"]),
    "sapo": lambda given: SAPOLoss(given["sapo"]["tau_pos"], given["sapo"]["tau_neg"]),
    "gmpo": lambda given: GMPOLoss(given["gmpo_log_clip"]),
    "dppo_tv": lambda given: DPPOLoss(given["dppo_delta"]),
    "reinforce": lambda given: ReinforceLoss(),
}
KLS = {f"kl_{estimator}": estimator for estimator in KLEstimator}
REDUCTIONS = {**{str(reduction): reduction for reduction in Reduction}, "mean": Reduction.SEQUENCE_MEAN}
TRUNCATIONS = (MismatchRule.TOKEN_TRUNCATE, MismatchRule.SEQUENCE_TRUNCATE)
REMARK = re.compile(r"\s*\(.*\)\s*$")
ESTIMATORS = [estimator for estimator in AdvantageEstimator if estimator.is_of_totals]


class KLAlone(PolicyLoss):
    """An estimator of the KL in place of a surrogate, k1 included, which no objective would take."""

    def __init__(self, estimator: KLEstimator) -> None:
        """Choose it."""
        super().__init__()
        self.estimator = estimator

    def forward(self, inputs: LossInputs) -> LossOutput:
        """The estimate of each token."""
        assert inputs.reference_logprobs is not None
        return LossOutput(self.estimator.divergence(inputs.policy_logprobs, inputs.reference_logprobs), {})


@dataclass(frozen=True, slots=True)
class Comparison:
    """One row of the printed table."""

    name: str
    expected: float
    got: float
    error: float
    tolerance: float

    @property
    def agrees(self) -> bool:
        """False also for NaN."""
        return self.error <= self.tolerance

    def __str__(self) -> str:
        verdict = "" if self.agrees else "  DIFFERS"
        return f"{self.name:<48} {self.expected:>24.16g} {self.got:>24.16g} {self.error:>9.1e}{verdict}"


def is_known(row: str) -> bool:
    """Whether the row's name is one of the grammar."""
    name, slash, reduction = REMARK.sub("", row).partition("/")
    surrogate, plus, mismatch = name.partition("+")
    if not slash or reduction not in REDUCTIONS:
        return False
    return name in KLS or (surrogate in SURROGATES and (not plus or mismatch in list(MismatchRule)))


def objective_of(row: str, given: Inputs) -> Objective:
    """The objective that a row's name stands for, with the constants of the file."""
    name, _, reduction_name = REMARK.sub("", row).partition("/")
    surrogate, _, mismatch = name.partition("+")
    reduction = REDUCTIONS[reduction_name]
    return Objective(
        loss=KLAlone(KLS[name]) if name in KLS else SURROGATES[surrogate](given),
        reduction=reduction,
        mismatch=_weight(MismatchRule(mismatch), given) if mismatch else None,
        max_sequence_tokens=given["L_max"] if reduction is Reduction.CONSTANT_LENGTH else None,
    )


def _weight(rule: MismatchRule, given: Inputs) -> MismatchWeight:
    if rule in TRUNCATIONS:
        return MismatchWeight(rule, highest=given["tis_cap"])
    lowest, highest = given["icepop"]
    return MismatchWeight(rule, lowest, highest)


def loss_inputs(given: Inputs, dtype: torch.dtype) -> tuple[LossInputs, UpdateTotals]:
    """The tokens whose mask is 1, flat, and their counts. A sequence without such a token is in neither."""
    rows = [row for row, mask in enumerate(given["mask"]) if any(mask)]
    places = [[t for t, m in enumerate(given["mask"][row]) if m] for row in rows]
    sizes = torch.tensor([len(row) for row in places])
    sequence_index = torch.arange(len(rows)).repeat_interleave(sizes)
    labels = [given["groups"][row] for row in rows] if "groups" in given else None
    numbers = [0] * len(rows) if labels is None else [list(dict.fromkeys(labels)).index(label) for label in labels]
    group_index = torch.tensor(numbers, dtype=torch.int64)[sequence_index]

    def logprobs(name: str) -> Tensor | None:
        if f"{name}_prob" not in given:
            return None
        found = [given[f"{name}_prob"][row][t] for row, chosen in zip(rows, places, strict=True) for t in chosen]
        return torch.tensor(found, dtype=torch.float64).log().to(dtype)

    policy = logprobs("policy")
    if policy is None:
        raise KeyError("policy_prob")
    # A file that lacks one of these has no row that needs it: the ratio is then that of the policy to itself.
    proximal, sampler = (policy if found is None else found for found in map(logprobs, ("proximal", "sampler")))
    inputs = LossInputs(
        policy_logprobs=policy.clone().requires_grad_(),
        proximal_logprobs=proximal,
        sampler_logprobs=sampler,
        reference_logprobs=logprobs("reference"),
        advantages=torch.tensor([given["advantages"][row] for row in rows], dtype=dtype)[sequence_index],
        sequence_index=sequence_index,
        group_index=group_index,
        group_num_tokens=None if labels is None else group_index.bincount()[group_index],
    )
    return inputs, UpdateTotals(len(sequence_index), len(rows), len(set(numbers)))


def compare_losses(file: Inputs, dtype: torch.dtype) -> Iterator[Comparison]:
    """Every row of ``values``."""
    given, tolerance = file["inputs"], TOLERANCES[dtype]
    inputs, totals = loss_inputs(given, dtype)
    for row, expected in file["values"].items():
        objective = objective_of(row, given)
        totals_of_row = UpdateTotals(
            totals.num_tokens, totals.num_sequences, totals.num_groups, objective.max_sequence_tokens
        )
        step = objective.update_loss(inputs, totals_of_row)
        assert step.loss.dtype == dtype
        weights = objective.reduction.token_weights(inputs, totals_of_row)
        magnitude = (step.token_losses.detach().abs() * weights).sum().item()
        scale = max(abs(expected), CANCELLATION * magnitude if dtype == torch.float32 else 0.0)
        got = step.loss.item()
        yield Comparison(f"{row} {_short(dtype)}", expected, got, _relative(got - expected, scale), tolerance)


def compare_advantages(file: Inputs, dtype: torch.dtype) -> Iterator[Comparison]:
    """Every estimator of ``advantages``; the error is relative to the largest advantage."""
    section = file.get("advantages", {})
    for name, expected in section.items():
        if name == "rewards":
            continue
        groups = section["rewards"] if isinstance(section["rewards"][0], list) else [section["rewards"]]
        index = torch.arange(len(groups)).repeat_interleave(torch.tensor([len(group) for group in groups]))
        rewards = torch.tensor([reward for group in groups for reward in group], dtype=dtype)
        flat = [x for part in expected for x in part] if isinstance(expected[0], list) else expected
        found = group_advantages(rewards, index, estimator=AdvantageEstimator(name)).advantages.tolist()
        scale = max(map(abs, flat))
        for place, (got, wanted) in enumerate(zip(found, flat, strict=True)):
            label = f"advantages/{name}[{place}] {_short(dtype)}"
            yield Comparison(label, wanted, got, _relative(got - wanted, scale), TOLERANCES[dtype])


def _short(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _relative(difference: float, scale: float) -> float:
    return abs(difference) / scale if scale > 0 else abs(difference)


def unknown_names(file: Inputs) -> list[str]:
    """Rows that are not of the grammar, and estimators that are none."""
    rows = [row for row in file["values"] if not is_known(row)]
    known = {"rewards", *map(str, ESTIMATORS)}
    return rows + [f"advantages/{name}" for name in file.get("advantages", {}) if name not in known]


def rows_without_groups(file: Inputs) -> list[str]:
    """prompt_mean cannot be told without knowing which sequences share a prompt."""
    is_mean = [REMARK.sub("", row).endswith("/prompt_mean") for row in file["values"]]
    return [row for row, mean in zip(file["values"], is_mean, strict=True) if mean and "groups" not in file["inputs"]]


def main(arguments: Sequence[str] | None = None) -> int:
    """Print every comparison; 1 if one of them differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    path: Path = parser.parse_args(arguments).file
    file = json.loads(path.read_text(encoding="utf8"))
    if unknown := unknown_names(file):
        sys.exit(
            f"check_losses: {path}: expected rows SURROGATE[+MISMATCH]/REDUCTION with {[*SURROGATES, *KLS]}, "
            f"{[*map(str, MismatchRule)]}, {[*REDUCTIONS]} and advantages {[*map(str, ESTIMATORS)]}, got {unknown}"
        )
    if not any(m for mask in file["inputs"]["mask"] for m in mask):
        sys.exit(f"check_losses: {path}: expected a token whose mask is 1, got none; no loss is a mean over nothing")
    if missing := rows_without_groups(file):
        sys.exit(f"check_losses: {path}: expected inputs.groups, the group of each sequence, for {missing}, got none")
    try:
        found = [c for dtype in TOLERANCES for c in (*compare_losses(file, dtype), *compare_advantages(file, dtype))]
    except KeyError as error:
        sys.exit(f"check_losses: {path}: expected {error} among the inputs, which a row needs, got none")
    print(f"{'row':<48} {'expected':>24} {'got':>24} {'error':>9}")
    print(*found, sep="\n")
    differing = [comparison for comparison in found if not comparison.agrees]
    print(f"{len(found)} comparisons, {len(differing)} beyond the tolerance")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
