"""How far training moved a policy, as a run folder holds it: `policy_shift.json`.

Written by experiments/policy_shift.py, which measures it; read by reports/training.py.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from lit_grpo.data.json_values import read_object
from lit_grpo.metrics.results import DIGITS

SHIFT_FILE = "policy_shift.json"


@dataclass(frozen=True, slots=True)
class PolicyShift:
    """Means over the tokens that a policy sampled on held-out tasks at temperature 1."""

    kl_k1: float
    """The KL to the start in nats per token, by an estimator that is unbiased and of either sign."""
    kl_k3: float
    """The same KL by an estimator that is unbiased as well and never negative; tables show this one."""
    entropy: float
    """The mean entropy of a token's distribution, in nats."""
    num_tokens: int
    num_episodes: int


def write_shift(folder: Path, shift: PolicyShift) -> None:
    """Write `SHIFT_FILE` into a run folder."""
    document = {name: round(value, DIGITS) for name, value in asdict(shift).items()}
    (folder / SHIFT_FILE).write_text(json.dumps(document) + "\n", encoding="utf-8")


def read_shift(folder: Path) -> PolicyShift | None:
    """The shift that a run folder holds; None if it was not measured."""
    path = folder / SHIFT_FILE
    return PolicyShift(**read_object(path, "delete it, and it is measured again")) if path.is_file() else None
