"""What an arm's training was like: reward, spread, signal, clipping, KL to the start, entropy, compute.

Called by ablations.py. Everything is read from the run folder: `metrics.csv`, `policy_shift.json`, `compute.json`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from lit_grpo.metrics.compute import read_seconds
from lit_grpo.metrics.policy_shift import read_shift
from lit_grpo.reports.runs import METRICS_FILE, Series, read_series
from lit_grpo.reports.tables import Row, TableCell, TableContent


@dataclass(frozen=True, slots=True)
class TrainingRecord:
    """One arm of one seed; None where the arm has no such number (supervised training has no rollouts)."""

    batches: int | None
    """Logged training batches."""
    reward: float | None
    """Unshaped composite reward of the rollouts, whatever trains: mean of the last quarter of the batches."""
    spread: float | None
    """Sample standard deviation of the trained reward within a group, mean over all batches."""
    groups_with_signal: float | None
    """Share of groups played whose rewards differ, mean over all batches."""
    clipped: float | None
    """Share of tokens whose ratio was clipped, mean over all batches."""
    kl: float | None
    """The KL divergence from the policy at the start, in nats per token, on held-out episodes."""
    entropy: float | None
    """The mean entropy of a token, in nats, on the same episodes."""
    tokens: float | None
    """Tokens trained on, all batches."""
    cpu_s: float | None
    """CPU seconds of the fit."""
    wall_s: float | None


COLUMNS: Mapping[str, str] = {
    "reward": "reward",
    "spread": "spread",
    "groups_with_signal": "groups with signal",
    "clipped": "clipped tokens",
    "kl": "KL to start",
    "entropy": "entropy",
    "tokens": "tokens",
    "cpu_s": "CPU s",
    "wall_s": "wall s",
}
SHARES = ("groups_with_signal", "clipped")
COUNTS = ("tokens", "cpu_s", "wall_s")


def read_training(folder: Path) -> TrainingRecord:
    """The record of a finished arm."""
    path, shift = folder / METRICS_FILE, read_shift(folder)
    series = {
        name: read_series(path, column) if path.is_file() else Series((), ())
        for name, column in (
            ("reward", "rollout/reward"),
            ("spread", "rollout/std_within_groups"),
            ("signal", "rollout/groups_with_signal"),
            ("clipped", "train/clipped"),
            ("tokens", "train/tokens"),
        )
    }
    tokens = series["tokens"].values
    return TrainingRecord(
        batches=len(tokens) or None,
        reward=_mean(_last_quarter(series["reward"].values)),
        spread=_mean(series["spread"].values),
        groups_with_signal=_mean(series["signal"].values),
        clipped=_mean(series["clipped"].values),
        kl=None if shift is None else shift.kl_k3,
        entropy=None if shift is None else shift.entropy,
        tokens=sum(tokens) if tokens else None,
        cpu_s=read_seconds(folder, "fit_cpu_s"),
        wall_s=read_seconds(folder, "fit_wall_s"),
    )


def mean_record(records: Sequence[TrainingRecord]) -> TrainingRecord:
    """Over training seeds; a number that one of them lacks is absent."""
    means: dict[str, float | None] = {}
    for field in fields(TrainingRecord):
        values = [_number(record, field.name) for record in records]
        present = [value for value in values if value is not None]
        means[field.name] = sum(present) / len(present) if len(present) == len(values) else None
    batches = means.pop("batches")
    return TrainingRecord(batches=None if batches is None else round(batches), **means)


def training_table(records: Mapping[str, TrainingRecord]) -> TableContent:
    """A row per arm, in the order given; of each number that an arm has, a column."""
    columns = {
        name: text
        for name, text in COLUMNS.items()
        if any(_number(of_arm, name) is not None for of_arm in records.values())
    }
    rows = [
        Row((TableCell(name), *(TableCell(_text(record, column)) for column in columns), TableCell(remark(record))))
        for name, record in records.items()
    ]
    title = "Training: reward unshaped, last quarter"
    if "kl" in columns:
        title += "; KL and entropy in nats per token, on held-out episodes"
    return TableContent(title, ("", *columns.values(), "remark"), tuple(rows))


def remark(record: TrainingRecord) -> str:
    """What a number makes of an ablation's name."""
    return "no token clipped: clip ranges identical by construction" if record.clipped == 0 else ""


def _text(record: TrainingRecord, name: str) -> str:
    value = _number(record, name)
    if value is None:
        return "none"
    if name in SHARES:
        return f"{100 * value:.2f} %"
    return f"{value:,.0f}" if name in COUNTS else f"{value:.3f}"


def _number(record: TrainingRecord, name: str) -> float | None:
    return asdict(record)[name]


def _last_quarter(values: Sequence[float]) -> Sequence[float]:
    return values[-max(1, math.ceil(len(values) / 4)) :]


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None
