"""The mismatch of sampler and trainer is measured in every step, and judged.

1. The numbers are those of all tokens of the step, however they are cut into micro-batches: mean, maximum, KL,
   effective share, share outside, by hand.
2. A number beyond its limit is said with its limit; what is not a number is beyond any; float32 is judged tightly.
3. A warning comes once in a hundred batches, with what to do.
4. A sequence outside the bounds of the objective's mask leaves the loss, still counts in the totals, and is counted;
   without a mask, which is the default, the monitor changes no loss.
5. A step beyond the limits that stop is not taken: the run ends with an error that has the numbers, and with a
   checkpoint of the weights from before, from which it goes on.
6. Tokens of older weights are measured apart, and not judged.
7. Rules that mask nothing, and masks of tokens under a loss of sequences, are refused.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import pytest
import torch
from lightning.pytorch.callbacks import Callback

sys.path.append(str(Path(__file__).parents[1] / "end_to_end"))
from other_logprobs import Off
from small_runs import CoinRewards, make_data, make_module, make_trainer, weights_of

from lit_grpo.losses.base import LossInputs, UpdateTotals
from lit_grpo.losses.clipped import ClippedLoss
from lit_grpo.losses.mismatch_weight import MismatchRule, MismatchWeight
from lit_grpo.losses.objective import Objective
from lit_grpo.losses.sequence_clipped import SequenceClippedLoss
from lit_grpo.metrics.policy import PolicyMetrics
from lit_grpo.modules.grpo import GRPOModule
from lit_grpo.modules.mismatch_monitor import (
    MAXIMA,
    MEANS,
    NEVER,
    STOP,
    WARN,
    MismatchLimits,
    MismatchMonitor,
    MismatchMonitorSettings,
    SamplerDiffers,
    exceeded,
)
from lit_grpo.modules.optimizers import OptimizerSettings

NEVER_STOP = MismatchLimits(NEVER, NEVER, NEVER, 0.0, NEVER, NEVER)
MASK = MismatchWeight(MismatchRule.SEQUENCE_GEOMETRIC, 0.5, 2.0)


def monitor_of(settings: MismatchMonitorSettings | None = None) -> MismatchMonitor:
    return MismatchMonitor(settings or MismatchMonitorSettings(), PolicyMetrics(MEANS, MAXIMA))


def measure(monitor: MismatchMonitor, ratios: Sequence[float], stale: Sequence[bool] | None = None) -> None:
    """Tokens whose proximal probability is so many times the sampler's."""
    proximal = torch.tensor(ratios).log()
    monitor.measure(proximal, torch.zeros(len(ratios)), torch.tensor(stale or [False] * len(ratios)))


@pytest.mark.parametrize("cuts", [[1, 0.5, 4, 1], [[1, 0.5], [4, 1]], [[1], [0.5, 4, 1]]])
def test_1_over_micro_batches(cuts: Sequence[Any]) -> None:
    monitor = monitor_of()
    for ratios in cuts if isinstance(cuts[0], list) else [cuts]:
        measure(monitor, ratios)
    numbers = monitor.numbers()
    log2 = math.log(2)
    # |log rho| = 0, log 2, 2 log 2, 0; rho - 1 - log rho = 0, -.5 + log 2, 3 - 2 log 2, 0.
    assert numbers["mismatch_mean"] == pytest.approx(3 * log2 / 4, rel=1e-6)
    assert numbers["mismatch_max"] == pytest.approx(2 * log2, rel=1e-6)
    assert numbers["mismatch_kl"] == pytest.approx((2.5 - log2) / 4, rel=1e-6)
    # (1 + .5 + 4 + 1)^2 / (4 (1 + .25 + 16 + 1)) = 42.25 / 73.
    assert numbers["mismatch_effective_share"] == pytest.approx(42.25 / 73, rel=1e-6)
    assert numbers["mismatch_outside"] == pytest.approx(0.25, rel=1e-6)
    assert numbers["mismatch_stale_tokens"] == 0.0


def test_2_in_words() -> None:
    settings = MismatchMonitorSettings(warn=MismatchLimits(kl=0.5))
    limits = settings.warns_beyond("float32")
    assert limits == {"mean": 1e-3, "max": 0.1, "kl": 0.5, "effective_share": 0.999, "outside": 0.0, "masked": 0.0}
    said = exceeded({"mismatch_mean": 1e-3, "mismatch_kl": math.nan, "mismatch_effective_share": 0.9}, limits)
    assert list(said) == [
        "expected mismatch_kl of at most 0.5, got nan",
        "expected mismatch_effective_share of at least 0.999, got 0.9",
    ]


def test_2_warnings_come_before_the_stop_and_float32_before_bfloat16() -> None:
    for name, tight in WARN["float32"].or_else(WARN["float32"]).items():
        sign = -1 if name == "effective_share" else 1
        loose, stop = WARN["bfloat16"].or_else(WARN["bfloat16"])[name], STOP["float32"].or_else(STOP["float32"])[name]
        assert sign * tight <= sign * loose
        assert sign * tight < sign * stop


def test_3_a_warning_now_and_then(caplog: pytest.LogCaptureFixture) -> None:
    monitor = monitor_of()
    for batch in (0, 1, 99, 100, 101):
        measure(monitor, [1.01])
        monitor.warn("float32", batch)
    said = [record.message for record in caplog.records]
    assert [message.partition(" (")[0] for message in said] == [
        "Sampler and trainer differ in batch 0",
        "Sampler and trainer differ in batch 100",
    ]
    assert "expected mismatch_mean of at most 0.001, got 0.00995" in said[0]
    assert "raise model.mismatch_monitor.warn" in said[0]
    measure(another := monitor_of(), [1.01])
    another.warn("bfloat16", 0)
    assert len(caplog.records) == 2


def test_4_a_masked_sequence() -> None:
    # Geometric means of rho: sqrt(1 * 1.44) = 1.2, and 3, which is outside [0.5, 2].
    logs = torch.tensor([1.0, 1.44, 3.0], dtype=torch.float64).log()
    index, ones = torch.tensor([0, 0, 1]), torch.ones(3, dtype=torch.float64)
    policy = logs.clone().requires_grad_()
    inputs = LossInputs(policy, logs, torch.zeros_like(logs), None, ones, index, index)
    masked = Objective(ClippedLoss(), mismatch_mask=MismatchWeight(MismatchRule.SEQUENCE_GEOMETRIC))
    step = masked.update_loss(inputs, UpdateTotals(3, 2, 2))
    # Ratio 1 and advantage 1: -1 a token, of which two are left, over all three.
    assert step.loss.item() == pytest.approx(-2 / 3, rel=1e-12)
    assert step.statistics["mismatch_masked"].tolist() == [0, 0, 1]
    step.loss.backward()
    assert policy.grad is not None
    assert policy.grad.tolist() == pytest.approx([-1 / 3, -1 / 3, 0])


class Logged(Callback):
    def __init__(self) -> None:
        self.rows: list[dict[str, float]] = []

    def on_train_batch_end(self, trainer: pl.Trainer, *arguments: Any, **named: Any) -> None:
        self.rows.append({name: float(value) for name, value in trainer.callback_metrics.items()})


def fit(
    checkpoint: Path, folder: Path, rollout: CoinRewards, batches: int = 1, resume: Path | None = None, **settings: Any
) -> tuple[GRPOModule, list[dict[str, float]]]:
    pl.seed_everything(0)
    logged = Logged()
    module = make_module("grpo", checkpoint, OptimizerSettings(learning_rate=1e-3), **settings)
    assert isinstance(module, GRPOModule)
    module.microbatch_tokens = 256
    trainer = make_trainer(folder, callbacks=[rollout, logged])
    try:
        trainer.fit(module, make_data("grpo", checkpoint, batches), ckpt_path=None if resume is None else str(resume))
    except SamplerDiffers:
        assert not logged.rows or trainer.global_step == module.policy_version
        raise
    return module, logged.rows


def test_4_a_run_goes_on_without_the_sequences_that_are_off(tiny_checkpoint: Path, tmp_path: Path) -> None:
    monitor = MismatchMonitorSettings(stop=NEVER_STOP)
    rollout = Off(2.0, lambda number: number == 0)
    _, (row,) = fit(tiny_checkpoint, tmp_path, rollout, mismatch_monitor=monitor, mismatch_mask=MASK)
    # One episode of each group of four, with about as many tokens as the others.
    assert 0.15 < row["train/mismatch_masked"] < 0.35
    assert row["train/mismatch_max"] == pytest.approx(2.0, abs=1e-3)
    assert row["train/grad_norm"] > 0


def test_4_by_default_nothing_leaves_the_loss(tiny_checkpoint: Path, tmp_path: Path) -> None:
    """Sampler's log-probs that are off by 2 move no weight: at one update the surrogate does not look at them."""
    monitor = MismatchMonitorSettings(stop=NEVER_STOP)
    off, (row,) = fit(tiny_checkpoint, tmp_path / "off", Off(2.0, lambda number: number == 0), mismatch_monitor=monitor)
    right, _ = fit(tiny_checkpoint, tmp_path / "right", CoinRewards())
    assert row["train/mismatch_max"] == pytest.approx(2.0, abs=1e-3)
    assert "train/mismatch_masked" not in row
    for name, tensor in weights_of(right).items():
        assert torch.equal(weights_of(off)[name], tensor), name


def test_5_a_run_stops_before_the_step_and_goes_on_from_there(tiny_checkpoint: Path, tmp_path: Path) -> None:
    right, _ = fit(tiny_checkpoint, tmp_path / "right", CoinRewards(), batches=2)
    with pytest.raises(SamplerDiffers) as stopped:
        fit(tiny_checkpoint, tmp_path / "off", Off(0.3, lambda number: True, since=2), batches=4)
    message = str(stopped.value)
    checkpoint = tmp_path / "off" / "mismatch.ckpt"
    assert message.startswith("sampler and trainer differ too much in batch 2 (float32): expected mismatch_mean of at ")
    assert "at most 0.05, got 0.3" in message
    assert "all of them: mean 0.3, kl" in message
    assert f"the weights from before it are in {checkpoint} (go on with --ckpt_path)" in message
    assert "raise model.mismatch_monitor.stop" in message
    saved = torch.load(checkpoint, weights_only=True)
    assert saved["policy_version"] == 2
    for name, tensor in weights_of(right).items():
        assert torch.equal(saved["state_dict"][f"policy.model.{name}"], tensor), name
    resumed, rows = fit(tiny_checkpoint, tmp_path / "again", CoinRewards(), batches=4, resume=checkpoint)
    assert (len(rows), resumed.policy_version) == (1, 3)


def test_6_tokens_of_older_weights(tiny_checkpoint: Path, tmp_path: Path) -> None:
    # Off by 0.3, far beyond the limits, within the mask's bounds.
    rollout = Off(0.3, lambda number: number < 2, versions=1)
    _, (row,) = fit(tiny_checkpoint, tmp_path, rollout, mismatch_mask=MASK)
    assert row["train/mismatch_mean"] < 1e-5
    assert row["train/mismatch_stale_mean"] == pytest.approx(0.3, abs=1e-3)
    assert row["train/mismatch_stale_max"] == pytest.approx(0.3, abs=1e-3)
    assert row["train/mismatch_stale_effective_share"] == pytest.approx(1.0, abs=1e-4)
    assert 0.4 < row["train/mismatch_stale_tokens"] < 0.6
    assert row["train/mismatch_masked"] == 0.0


def test_6_but_not_when_half_of_it_is_masked(tiny_checkpoint: Path, tmp_path: Path) -> None:
    rollout = Off(1.0, lambda number: number > 0, versions=1)
    with pytest.raises(SamplerDiffers, match=r"expected mismatch_masked of at most 0\.5, got 0\.7"):
        fit(tiny_checkpoint, tmp_path, rollout, mismatch_mask=MASK)


def test_7_masks_that_are_none() -> None:
    with pytest.raises(ValueError, match=r"mismatch_mask: expected a rule that masks, got TOKEN_TRUNCATE"):
        Objective(ClippedLoss(), mismatch_mask=MismatchWeight(MismatchRule.TOKEN_TRUNCATE))
    with pytest.raises(ValueError, match=r"mismatch_mask: expected no TOKEN_MASK with SequenceClippedLoss"):
        Objective(SequenceClippedLoss(), mismatch_mask=MismatchWeight(MismatchRule.TOKEN_MASK))
