"""Numbers that are not finite reach neither the weights nor a checkpoint.

1. An attempt whose reward or log-probs are not finite changes no other attempt's advantage, whatever the estimator:
   they are those of a rollout without it. It has no targets, and its group goes on without it.
2. A run with such an attempt trains on the others: finite weights, the attempts counted, every logged number finite.
3. An update whose loss or gradient is not finite is not taken: not one bit of the weights changes, no optimizer state
   is made, nothing of it is logged but that it was not finite. In every precision.
4. After several in a row the run stops, with a checkpoint from before them, from which it goes on. Attempts that earn
   alike are no failure, whatever one beside them is paid.
5. One that is taken starts the count again.
6. Weights that are not finite are never saved: not as the best, not as the last; the checkpoints from before stay.
7. A step that breaks the weights ends the run at once; weights that are broken already do not start one.
8. A number that is not finite on one of two ranks is met by both alike.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import pytest
import torch
from lightning.pytorch.callbacks import Callback, ModelCheckpoint

sys.path.append(str(Path(__file__).parents[1] / "end_to_end"))
from not_finite_runs import BROKEN_ON_ONE_RANK, Spoilt, spoil_nothing, spoil_reward
from small_runs import CoinRewards, make_data, make_module, make_trainer, two_processes, weights_of

from lit_grpo.advantages import AdvantageEstimator, component_advantages, group_advantages
from lit_grpo.modules.finite import CHECKPOINT, NotFinite, all_finite
from lit_grpo.modules.grpo import GRPOModule
from lit_grpo.modules.optimizers import OptimizerSettings
from lit_grpo.modules.sft import SFTModule
from lit_grpo.rollout.attempts import RepairGroup
from lit_grpo.rollout.experience import ExperienceSettings, build_updates

PLAIN = OptimizerSettings(learning_rate=1e-3)
BAD = [math.inf, -math.inf, math.nan, 1e39]
OF_TOTALS = [estimator for estimator in AdvantageEstimator if estimator.is_of_totals]


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("estimator", OF_TOTALS)
def test_1_the_other_advantages_are_those_without_it(estimator: AdvantageEstimator, bad: float) -> None:
    rewards = torch.tensor([1.0, 0.0, bad, 0.25, 0.5, 0.75], dtype=torch.float64)
    groups = torch.tensor([0, 0, 0, 1, 1, 1])
    others = torch.tensor([0, 1, 3, 4, 5])
    found = group_advantages(rewards, groups, estimator=estimator)
    without = group_advantages(rewards[others], groups[others], estimator=estimator)
    assert torch.equal(found.advantages[others], without.advantages)
    assert found.advantages[2] == 0.0
    assert found.has_signal.tolist() == [True, True]


@pytest.mark.parametrize("bad", BAD)
def test_1_by_components(bad: float) -> None:
    components = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.5, bad], [0.0, 0.5], [1.0, 0.5]], dtype=torch.float64)
    groups, others = torch.tensor([0, 0, 0, 1, 1]), torch.tensor([0, 1, 3, 4])
    weights = torch.tensor([0.5, 0.5], dtype=torch.float64)
    found = component_advantages(components, weights, groups)
    without = component_advantages(components[others], weights, groups[others])
    assert torch.equal(found.advantages[others], without.advantages)
    assert found.advantages[2] == 0.0


class Played(CoinRewards):
    """Keeps the groups."""

    def collect(self, *arguments: Any, **named: Any) -> list[RepairGroup]:
        self.groups = super().collect(*arguments, **named)
        return self.groups


@pytest.mark.parametrize("part", ["reward", "component", "logprob"])
@pytest.mark.parametrize("estimator", AdvantageEstimator)
def test_1_it_has_no_targets(estimator: AdvantageEstimator, part: str, tiny_checkpoint: Path, tmp_path: Path) -> None:
    rollout = Played()
    fit(tiny_checkpoint, tmp_path, rollout)
    groups = [spoilt_attempt(rollout.groups[0], part), *rollout.groups[1:]]
    (experience,) = build_updates(groups, ExperienceSettings(estimator, 4096))
    sampled = [attempt.num_sampled_tokens for group in rollout.groups for attempt in group.attempts]
    assert experience.totals.num_tokens == sum(sampled) - sampled[1]
    places = {place for batch in experience.batches for place in batch.packed.sequences}
    assert places == {(group, sample) for group in range(4) for sample in range(4)} - {(0, 1)}
    assert experience.advantages.isfinite().all()
    assert experience.advantages[1] == 0.0
    assert experience.advantages[4:].abs().max() > 0


def spoilt_attempt(group: RepairGroup, part: str) -> RepairGroup:
    """The group's second attempt with a number that is none."""
    attempts, rewards = list(group.attempts), list(group.rewards)
    if part == "logprob":
        turn = attempts[1].turns[0]
        broken = replace(turn, sampler_logprobs=(math.nan, *turn.sampler_logprobs[1:]))
        attempts[1] = replace(attempts[1], turns=(broken, *attempts[1].turns[1:]))
    elif part == "reward":
        rewards[1] = replace(rewards[1], total=math.inf)
    else:
        rewards[1] = replace(rewards[1], components=replace(rewards[1].components, outcome=math.nan))
    return replace(group, attempts=tuple(attempts), rewards=tuple(rewards))


class Logged(Callback):
    """The numbers of each batch, and what a test does after it."""

    def __init__(self, after: Callable[[GRPOModule, int], None] = lambda module, batch: None) -> None:
        self.rows: list[dict[str, float]] = []
        self._after = after

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        self.rows.append({name: float(value) for name, value in trainer.callback_metrics.items()})
        self._after(pl_module, batch_idx)


def fit(
    checkpoint: Path,
    folder: Path,
    rollout: CoinRewards | None = None,
    batches: int = 1,
    logged: Logged | None = None,
    optimizer: OptimizerSettings = PLAIN,
    loss_is: Callable[[int], float] | None = None,
    resume: Path | None = None,
    **arguments: Any,
) -> tuple[GRPOModule, list[dict[str, float]]]:
    """A fit in which the loss of batch b is multiplied by ``loss_is(b)``."""
    pl.seed_everything(0)
    axes = arguments.pop("axes", {})
    module = make_module("grpo", checkpoint, optimizer, **axes)
    assert isinstance(module, GRPOModule)
    if loss_is is not None:
        multiply_losses(module, loss_is)
    logged = logged or Logged()
    callbacks = [rollout or CoinRewards(), logged, *arguments.pop("callbacks", [])]
    trainer = make_trainer(folder, callbacks=callbacks, **arguments)
    trainer.fit(module, make_data("grpo", checkpoint, batches), ckpt_path=None if resume is None else str(resume))
    return module, logged.rows


def multiply_losses(module: GRPOModule, factor: Callable[[int], float]) -> None:
    original = module._policy_loss

    def spoilt(inputs: Any, totals: Any) -> torch.Tensor:
        return original(inputs, totals) * factor(module.trainer.fit_loop.epoch_loop.batch_idx)

    module._policy_loss = spoilt  # pyright: ignore[reportAttributeAccessIssue]


@pytest.mark.parametrize("advantage", [AdvantageEstimator.GROUP, AdvantageEstimator.BATCH])
def test_2_a_run_goes_on_without_it(advantage: AdvantageEstimator, tiny_checkpoint: Path, tmp_path: Path) -> None:
    module, rows = fit(tiny_checkpoint, tmp_path, Spoilt(spoil_reward), batches=2, axes={"advantage": advantage})
    assert all(tensor.isfinite().all() for tensor in weights_of(module).values())
    assert module.policy_version == 2
    # One of sixteen attempts, in each batch.
    assert [row["rollout/not_finite"] for row in rows] == [1 / 16, 1 / 16]
    assert [row["train/not_finite"] for row in rows] == [0.0, 0.0]
    assert all(math.isfinite(value) for row in rows for value in row.values())
    assert rows[0]["train/grad_norm"] > 0


def test_2_and_a_healthy_run_is_what_it_was(tiny_checkpoint: Path, tmp_path: Path) -> None:
    healthy, _ = fit(tiny_checkpoint, tmp_path / "healthy")
    same, _ = fit(tiny_checkpoint, tmp_path / "same", Spoilt(spoil_nothing))
    for name, tensor in weights_of(healthy).items():
        assert torch.equal(weights_of(same)[name], tensor), name


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed", "bf16-true", "64-true"])
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_3_an_update_that_is_not_finite(precision: Any, value: float, tiny_checkpoint: Path, tmp_path: Path) -> None:
    before: dict[str, torch.Tensor] = {}

    class Remember(Callback):
        def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
            if batch_idx == 1:
                before.update(weights_of(pl_module))

    def after(module: GRPOModule, batch: int) -> None:
        if batch == 1:
            assert all(torch.equal(tensor, before[name]) for name, tensor in weights_of(module).items())
            assert module.policy_version == 1

    factor = lambda batch: value if batch == 1 else 1.0  # noqa: E731
    arguments = {"precision": precision, "callbacks": [Remember()]}
    module, rows = fit(tiny_checkpoint, tmp_path, batches=3, logged=Logged(after), loss_is=factor, **arguments)
    assert [row["train/not_finite"] for row in rows] == [0.0, 1.0, 0.0]
    assert all(math.isfinite(number) for row in rows for number in row.values())
    assert module.policy_version == 2
    assert all(tensor.isfinite().all() for tensor in weights_of(module).values())


def test_3_a_first_update_that_fails_leaves_no_optimizer_state(tiny_checkpoint: Path, tmp_path: Path) -> None:
    module, (row,) = fit(tiny_checkpoint, tmp_path, loss_is=lambda batch: math.nan)
    assert not module.optimizers().optimizer.state  # pyright: ignore[reportAttributeAccessIssue]
    assert (row["train/not_finite"], row["train/skipped"], module.policy_version) == (1.0, 0.0, 0)
    assert "train/loss" not in row
    assert "train/grad_norm" not in row


def test_3_supervised_training_as_well(tiny_checkpoint: Path, tmp_path: Path) -> None:
    pl.seed_everything(0)
    module, logged = make_module("sft", tiny_checkpoint, PLAIN), Logged()
    assert isinstance(module, SFTModule)
    original = module.demonstration_microbatches

    def spoilt(groups: Any) -> Any:
        microbatches, num_tokens = original(groups)
        first = microbatches[0]
        broken = replace(first, loss=lambda scores: first.loss(scores) * math.nan)
        return [broken, *microbatches[1:]] if module.policy_version == 0 else microbatches, num_tokens

    module.demonstration_microbatches = spoilt  # pyright: ignore[reportAttributeAccessIssue]
    trainer = make_trainer(tmp_path, callbacks=[logged])
    with pytest.raises(NotFinite, match=r"none in 5 in a row: a loss or the gradient is not finite"):
        trainer.fit(module, make_data("sft", tiny_checkpoint, 8))
    assert [row["train/not_finite"] for row in logged.rows] == [1.0] * 5
    assert not any("train/loss" in row for row in logged.rows)
    assert all(tensor.isfinite().all() for tensor in weights_of(module).values())


def test_4_several_in_a_row_stop_the_run(tiny_checkpoint: Path, tmp_path: Path) -> None:
    right, _ = fit(tiny_checkpoint, tmp_path / "right", batches=1)
    optimizer = replace(PLAIN, max_not_finite_updates=2)
    with pytest.raises(NotFinite) as stopped:
        fit(
            tiny_checkpoint,
            tmp_path / "off",
            batches=5,
            optimizer=optimizer,
            loss_is=lambda b: 1.0 if b < 1 else math.inf,
        )
    checkpoint = tmp_path / "off" / CHECKPOINT
    assert f"the weights from before them are in {checkpoint} (go on with --ckpt_path)" in str(stopped.value)
    saved = torch.load(checkpoint, weights_only=True)
    assert saved["policy_version"] == 1
    for name, tensor in weights_of(right).items():
        assert torch.equal(saved["state_dict"][f"policy.model.{name}"], tensor), name
    resumed, rows = fit(tiny_checkpoint, tmp_path / "again", batches=5, resume=checkpoint)
    assert (len(rows), resumed.policy_version) == (2, 3)


def test_4_and_so_do_rollouts_without_a_finite_reward(tiny_checkpoint: Path, tmp_path: Path) -> None:
    def spoil_all(group: RepairGroup, place: int) -> RepairGroup:
        return replace(group, rewards=tuple(replace(reward, total=math.nan) for reward in group.rewards))

    logged = Logged()
    with pytest.raises(NotFinite, match="nothing to learn from beside 16 attempts whose numbers are not finite"):
        fit(tiny_checkpoint, tmp_path, Spoilt(spoil_all), batches=9, logged=logged)
    assert [row["rollout/not_finite"] for row in logged.rows] == [1.0] * 5
    assert [row["train/skipped"] for row in logged.rows] == [1.0] * 5


def test_4_attempts_that_earn_alike_beside_one_are_no_failure(tiny_checkpoint: Path, tmp_path: Path) -> None:
    def spoil(group: RepairGroup, place: int) -> RepairGroup:
        alike = tuple(replace(reward, total=1.0) for reward in group.rewards)
        return spoil_reward(replace(group, rewards=alike), place)

    optimizer = replace(PLAIN, max_not_finite_updates=2)
    module, rows = fit(tiny_checkpoint, tmp_path, Spoilt(spoil), batches=3, optimizer=optimizer)
    assert [(row["train/skipped"], row["rollout/not_finite"]) for row in rows] == [(1.0, 1 / 16)] * 3
    assert module.finite_updates.num_in_a_row == 0


def test_5_one_that_is_taken_starts_the_count_again(tiny_checkpoint: Path, tmp_path: Path) -> None:
    optimizer = replace(PLAIN, max_not_finite_updates=2)
    factor = lambda batch: 1.0 if batch % 2 else math.nan  # noqa: E731
    module, _ = fit(tiny_checkpoint, tmp_path, batches=6, optimizer=optimizer, loss_is=factor)
    assert module.policy_version == 3


def test_6_broken_weights_are_never_saved(tiny_checkpoint: Path, tmp_path: Path) -> None:
    def break_weights(module: GRPOModule, batch: int) -> None:
        if batch == 1:
            with torch.no_grad():
                next(module.policy.parameters()).view(-1)[0] = math.nan

    best = ModelCheckpoint(tmp_path, "best", monitor="step", mode="max", every_n_train_steps=1, save_last=True)
    arguments = {"enable_checkpointing": True, "callbacks": [best]}
    with pytest.raises(NotFinite, match="expected finite weights in a checkpoint, got NaN or infinite ones"):
        fit(tiny_checkpoint, tmp_path, batches=4, logged=Logged(break_weights), **arguments)
    kept = sorted(tmp_path.glob("*.ckpt"))
    assert {path.name for path in kept} == {"best.ckpt", "last.ckpt"}
    for path in kept:
        saved = torch.load(path, weights_only=True)
        assert saved["policy_version"] == 1
        assert all_finite(saved["state_dict"].values())


def test_7_a_step_that_breaks_the_weights_ends_the_run(tiny_checkpoint: Path, tmp_path: Path) -> None:
    # Decoupled decay multiplies each weight by 1 - 1e36 * 1e5, which float32 cannot hold.
    broken = OptimizerSettings(learning_rate=1e36, weight_decay=1e5)
    with pytest.raises(NotFinite, match=r"expected finite weights after an update in batch 0, got NaN or infinite"):
        fit(tiny_checkpoint, tmp_path, batches=4, optimizer=broken)


def test_7_weights_that_are_broken_do_not_start_a_run(tiny_checkpoint: Path, tmp_path: Path) -> None:
    pl.seed_everything(0)
    module = make_module("grpo", tiny_checkpoint, PLAIN)
    module.configure_model()
    with torch.no_grad():
        next(module.policy.parameters()).view(-1)[0] = math.inf
    with pytest.raises(NotFinite, match=f"expected finite weights at the start, from {tiny_checkpoint}"):
        make_trainer(tmp_path, callbacks=[CoinRewards()]).fit(module, make_data("grpo", tiny_checkpoint, 1))


@pytest.mark.parametrize(("bad", "expected"), [(math.nan, False), (math.inf, False), (1e38, True)])
def test_7_all_finite(bad: float, expected: bool) -> None:
    for dtype in (torch.float32, torch.bfloat16, torch.float64):
        assert all_finite([torch.zeros(3, dtype=dtype), torch.tensor([1.0, bad, 2.0], dtype=dtype)]) is expected
    assert all_finite([])
    assert all_finite([torch.zeros(0)])


@pytest.mark.parametrize("strategy", ["ddp", "fsdp2"])
def test_8_two_ranks_decide_alike(strategy: str, tiny_checkpoint: Path, tmp_path: Path) -> None:
    two_processes(strategy, tiny_checkpoint, tmp_path, BROKEN_ON_ONE_RANK)
    found = torch.load(tmp_path / "found.pt", weights_only=True)
    # The second of four batches is broken on the second rank; a reward of the first rank is infinite in each batch.
    assert found["versions"] == [1, 1, 2, 3]
    assert found["not_finite"] == [0.0, 1.0, 0.0, 0.0]
    assert all_finite(found["weights"].values())
