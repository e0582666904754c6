"""GRPOModule's step.

1. Without RolloutCallback it says which callback is missing; without the demonstrations to be replayed, which setting.
2. In the first update of a rollout the ratio is exactly 1, no token is clipped, and sampler and trainer agree.
3. However small the micro-batches, the step is the same up to float32 rounding.
4. A rollout without signal takes no step and is counted; with replay it does take one.
5. With a KL, the reference is not part of the checkpoint; with adapters there is none.
6. From the second update of a rollout on, the ratio is that to the policy before the first.
"""

import sys
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import pytest
import torch
from lightning.pytorch.callbacks import Callback

sys.path.append(str(Path(__file__).parents[1] / "end_to_end"))
from small_runs import CoinRewards, make_data, make_module, make_trainer, weights_of

from lit_grpo.modules.grpo import GRPOModule
from lit_grpo.modules.optimizers import OptimizerSettings
from lit_grpo.modules.policy import LoraSettings

PLAIN = OptimizerSettings(learning_rate=1e-3)


class Logged(Callback):
    """The numbers of each batch."""

    def __init__(self) -> None:
        self.rows: list[dict[str, float]] = []

    def on_train_batch_end(self, trainer: pl.Trainer, *arguments: object) -> None:
        self.rows.append({name: float(value) for name, value in trainer.callback_metrics.items()})


class Alike(CoinRewards):
    """Every episode of a group is paid the same."""

    def collect(self, *arguments: Any) -> Any:
        return super(CoinRewards, self).collect(*arguments)


def fit(
    checkpoint: Path, folder: Path, rollout: CoinRewards | None = None, batches: int = 1, **settings: Any
) -> tuple[GRPOModule, Logged]:
    pl.seed_everything(0)
    logged = Logged()
    microbatch_tokens = settings.pop("microbatch_tokens", 2048)
    module = make_module("grpo", checkpoint, PLAIN, **settings)
    assert isinstance(module, GRPOModule)
    module.microbatch_tokens = microbatch_tokens
    trainer = make_trainer(folder, callbacks=[rollout or CoinRewards(), logged])
    trainer.fit(module, make_data("grpo", checkpoint, batches))
    return module, logged


def test_a_missing_callback_is_named(tiny_checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="add RolloutCallback"):
        make_trainer(tmp_path).fit(make_module("grpo", tiny_checkpoint), make_data("grpo", tiny_checkpoint, 1))


def test_missing_demonstrations_are_named(tiny_checkpoint: Path, tmp_path: Path) -> None:
    data = make_data("grpo", tiny_checkpoint, 1)
    data.replay = None  # pyright: ignore[reportAttributeAccessIssue]
    trainer = make_trainer(tmp_path, callbacks=[CoinRewards()])
    with pytest.raises(ValueError, match=r"set data\.replay"):
        trainer.fit(make_module("grpo", tiny_checkpoint, demonstration_loss_weight=0.3), data)


def test_the_first_update_is_on_policy(tiny_checkpoint: Path, tmp_path: Path) -> None:
    _, logged = fit(tiny_checkpoint, tmp_path)
    (row,) = logged.rows
    assert row["train/ratio"] == 1.0
    assert row["train/clipped"] == 0.0
    # Sampler and trainer are two implementations of one float32 network.
    assert row["train/mismatch_mean"] < 1e-5
    assert row["train/mismatch_effective_share"] == pytest.approx(1.0, abs=1e-4)
    assert row["train/skipped"] == 0.0


def test_later_updates_are_off_policy(tiny_checkpoint: Path, tmp_path: Path) -> None:
    module, logged = fit(tiny_checkpoint, tmp_path, updates_per_rollout=4)
    assert module.policy_version == 4
    assert logged.rows[0]["train/ratio"] != 1.0
    # Measured against the policy before the first update, which is the sampler's.
    assert logged.rows[0]["train/mismatch_mean"] < 1e-5


def test_micro_batches_change_nothing(tiny_checkpoint: Path, tmp_path: Path) -> None:
    whole, _ = fit(tiny_checkpoint, tmp_path, microbatch_tokens=8192)
    cut, _ = fit(tiny_checkpoint, tmp_path, microbatch_tokens=256)
    for (name, one), other in zip(weights_of(whole).items(), weights_of(cut).values(), strict=True):
        assert (one - other).abs().max() <= 1e-5 * one.abs().max(), name


def test_a_rollout_without_signal_takes_no_step(tiny_checkpoint: Path, tmp_path: Path) -> None:
    before = weights_of(_configured(tiny_checkpoint))
    module, logged = fit(tiny_checkpoint, tmp_path, Alike())
    assert logged.rows[0]["train/skipped"] == 1.0
    assert module.policy_version == 0
    assert all(torch.equal(tensor, before[name]) for name, tensor in weights_of(module).items())
    module, logged = fit(tiny_checkpoint, tmp_path, Alike(), demonstration_loss_weight=0.3)
    assert (logged.rows[0]["train/skipped"], module.policy_version) == (0.0, 1)
    assert logged.rows[0]["train/demonstration_loss"] > 1.0


def test_the_reference_stays_out_of_the_checkpoint(tiny_checkpoint: Path, tmp_path: Path) -> None:
    module, logged = fit(tiny_checkpoint, tmp_path, batches=2, kl_beta=0.1)
    assert set(module.state_dict()) == set(_configured(tiny_checkpoint).state_dict())
    assert logged.rows[0]["train/reference_kl"] == 0.0  # the policy is the reference still
    assert logged.rows[1]["train/reference_kl"] > 0.0
    adapted, logged = fit(tiny_checkpoint, tmp_path, batches=2, kl_beta=0.1, lora=LoraSettings(r=4))
    assert not adapted._reference
    assert logged.rows[0]["train/reference_kl"] == pytest.approx(0.0, abs=1e-6)


def _configured(checkpoint: Path) -> GRPOModule:
    module = make_module("grpo", checkpoint, PLAIN)
    assert isinstance(module, GRPOModule)
    module.configure_model()
    return module
