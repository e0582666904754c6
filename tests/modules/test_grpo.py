"""GRPOModule's step.

1. Without RolloutCallback it says which callback is missing; without the demonstrations to be replayed, which setting.
2. In the first update of a rollout the ratio is exactly 1, no token is clipped, and sampler and trainer agree.
3. However small the micro-batches, the step is the same up to float32 rounding.
4. A rollout without signal takes no step and is counted; with replay it does take one.
5. With a KL, the reference is not part of the checkpoint; with adapters there is none.
6. From the second update of a rollout on, the ratio is that to the policy before the first.
7. Every objective takes a step, in micro-batches of any size the same one; what it is is printed.
8. An entropy mask keeps its share of the tokens; a bonus raises the entropy.
9. A KL in the reward pulls like one, without a term in the loss.
10. Groups of one attempt are refused at the start.
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

from lit_grpo.advantages import AdvantageEstimator
from lit_grpo.losses.mismatch_weight import MismatchRule, MismatchWeight
from lit_grpo.losses.overlong import OverlongPenalty
from lit_grpo.losses.reduction import Reduction
from lit_grpo.losses.reference_kl import KLEstimator, KLPlace
from lit_grpo.modules.adapters import LoraSettings
from lit_grpo.modules.grpo import GRPOModule
from lit_grpo.modules.optimizers import OptimizerSettings
from lit_grpo.rollout.experience import pack_attempts

PLAIN = OptimizerSettings(learning_rate=1e-3)


class Logged(Callback):
    """The numbers of each batch."""

    def __init__(self) -> None:
        self.rows: list[dict[str, float]] = []

    def on_train_batch_end(self, trainer: pl.Trainer, *arguments: Any, **named: Any) -> None:
        self.rows.append({name: float(value) for name, value in trainer.callback_metrics.items()})


class Alike(CoinRewards):
    """Every attempt of a group is paid the same."""

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
    with pytest.raises(ValueError, match=r"expected RolloutCallback among them, .* add it"):
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


OBJECTIVES: dict[str, dict[str, Any]] = {
    "prompt mean, batch": {"reduction": Reduction.PROMPT_MEAN, "advantage": AdvantageEstimator.BATCH},
    "per component": {"advantage": AdvantageEstimator.PER_COMPONENT, "reduction": Reduction.SEQUENCE_SUM},
    "constant length": {"reduction": Reduction.CONSTANT_LENGTH, "max_sequence_tokens": 12},
    "mask": {"entropy_top_share": 0.3, "entropy_bonus": 0.01, "updates_per_rollout": 2},
    "weight": {"mismatch": MismatchWeight(MismatchRule.SEQUENCE_MASK), "overlong_penalty": OverlongPenalty(12, 6)},
    "k2": {"kl_beta": 0.1, "kl_estimator": KLEstimator.K2},
    "reward": {"kl_beta": 0.1, "kl_estimator": KLEstimator.K1, "kl_place": KLPlace.REWARD, "updates_per_rollout": 2},
}


@pytest.mark.parametrize("axes", OBJECTIVES.values(), ids=OBJECTIVES.keys())
def test_every_objective_takes_the_same_step_in_any_micro_batches(
    axes: dict[str, Any], tiny_checkpoint: Path, tmp_path: Path
) -> None:
    whole, logged = fit(tiny_checkpoint, tmp_path, microbatch_tokens=8192, **axes)
    assert whole.policy_version == axes.get("updates_per_rollout", 1)
    assert logged.rows[0]["train/grad_norm"] > 0
    cut, logged_cut = fit(tiny_checkpoint, tmp_path, microbatch_tokens=256, **axes)
    assert logged_cut.rows[0]["train/grad_norm"] == pytest.approx(logged.rows[0]["train/grad_norm"], rel=1e-5)
    differing = num_weights = 0
    for one, other in zip(weights_of(whole).values(), weights_of(cut).values(), strict=True):
        differing += int(((one - other).abs() > 1e-5 * one.abs().max()).sum())
        num_weights += one.numel()
    # Adam makes a whole step of the rounding where a gradient is 0 but for it.
    assert differing < 1e-3 * num_weights


def test_the_overlong_filter_reaches_the_loss(tiny_checkpoint: Path, tmp_path: Path) -> None:
    # An untrained policy ends no turn: every episode is truncated, nothing is left to learn from.
    module, logged = fit(tiny_checkpoint, tmp_path, overlong_filter=True)
    assert (logged.rows[0]["train/skipped"], module.policy_version) == (1.0, 0)
    assert logged.rows[0]["rollout/truncated"] == 1.0


def test_the_objective_is_printed(tiny_checkpoint: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO"):
        fit(tiny_checkpoint, tmp_path)
    assert "Objective: clipped surrogate, ratio of a token within [0.8, 1.2]" in caplog.text
    assert "identical by construction" in caplog.text


def test_an_entropy_mask_keeps_its_share(tiny_checkpoint: Path, tmp_path: Path) -> None:
    _, logged = fit(tiny_checkpoint, tmp_path, entropy_top_share=0.25)
    (row,) = logged.rows
    # At the start of a turn the attempts at a task stand at the same distribution: ties, which are kept.
    assert 0.25 <= row["train/entropy_kept"] < 0.28
    assert "train/entropy" not in row, "computed before the update only"


def test_an_entropy_bonus_raises_the_entropy(tiny_checkpoint: Path, tmp_path: Path) -> None:
    _, logged = fit(tiny_checkpoint, tmp_path, Alike(), batches=4, entropy_bonus=1.0)
    entropies = [row["train/entropy"] for row in logged.rows]
    # Rewards are all alike: the bonus is all there is, and groups without signal are not left out.
    assert entropies == sorted(entropies)
    assert entropies[-1] > entropies[0]
    assert logged.rows[0]["train/skipped"] == 0.0


def test_a_kl_in_the_reward(tiny_checkpoint: Path, tmp_path: Path) -> None:
    settings = {"kl_beta": 10.0, "kl_estimator": KLEstimator.K1, "kl_place": KLPlace.REWARD}
    module, logged = fit(tiny_checkpoint, tmp_path, batches=2, **settings)
    # The policy is its own reference at first, bit for bit, so that rewards which are all alike stay so.
    assert logged.rows[0]["train/reference_kl"] == 0.0
    assert logged.rows[1]["train/reference_kl"] != 0.0
    assert set(module.state_dict()) == set(_configured(tiny_checkpoint).state_dict())
    plain, _ = fit(tiny_checkpoint, tmp_path, batches=2)
    assert any(not torch.equal(one, weights_of(plain)[name]) for name, one in weights_of(module).items())
    _, skipped = fit(tiny_checkpoint, tmp_path, Alike(), **settings)
    assert skipped.rows[0]["train/skipped"] == 1.0


def test_the_kl_of_an_attempt_is_summed_over_its_tokens(tiny_checkpoint: Path, tmp_path: Path) -> None:
    class Recorder(CoinRewards):
        def __init__(self) -> None:
            super().__init__()
            self.compared: list[tuple[torch.Tensor, torch.Tensor]] = []

        def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
            super().on_train_batch_start(trainer, pl_module, batch, batch_idx)
            groups = self.groups
            found = pl_module.attempt_divergences(groups, 1.0)
            packed = pack_attempts(groups, 100_000)
            with torch.no_grad():
                policy, reference = (
                    torch.cat([network(b, 1.0) for b in packed])
                    for network in (pl_module.policy, pl_module._reference[0])
                )
            places = [place for b in packed for place in b.sequences]
            index = torch.cat([b.sequence_index for b in packed])
            sums = torch.zeros(len(places), dtype=torch.float64).index_add(0, index, (policy - reference).double())
            expected = torch.zeros(len(groups), 4, dtype=torch.float64)
            for (group, sample), value in zip(places, sums, strict=True):
                expected[group, sample] = value
            self.compared.append((found, expected.flatten()))

        def collect(self, *arguments: Any, **named: Any) -> Any:
            self.groups = super().collect(*arguments, **named)
            return self.groups

    recorder = Recorder()
    settings = {"kl_beta": 0.1, "kl_estimator": KLEstimator.K1, "kl_place": KLPlace.REWARD}
    fit(tiny_checkpoint, tmp_path, recorder, batches=2, **settings)
    found, expected = recorder.compared[1]
    assert expected.abs().max() > 1e-4
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-5)


def test_groups_of_one_are_refused(tiny_checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="group_size: expected at least 2 with the advantage GROUP"):
        fit(tiny_checkpoint, tmp_path, CoinRewards(group_size=1))


def _configured(checkpoint: Path) -> GRPOModule:
    module = make_module("grpo", checkpoint, PLAIN)
    assert isinstance(module, GRPOModule)
    module.configure_model()
    return module
