"""Lightning's EMAWeightAveraging around a fit with rollouts: it swaps averaged weights in for each validation, through
``.data`` and without an optimizer step.

1. Validations are played with the averaged weights, and the rollouts between them with those in training: each token's
   log-prob is the one that the weights in the module give at that moment; with and without rollouts played ahead, and
   whichever of the callbacks comes first.
2. A checkpoint that is loaded into a module between two fits is what the next rollout is drawn with.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch.callbacks import EMAWeightAveraging
from overlapped import Ahead, fit
from small_runs import CoinRewards, make_data, make_module, make_trainer, weights_of
from typing_extensions import override

from lit_grpo.callbacks.evaluation import RepairEvaluation
from lit_grpo.data.held_out import HeldOutSettings
from lit_grpo.modules.base import PolicyModule
from lit_grpo.rollout.attempts import RepairGroup

HELD_OUT = {"held_out": HeldOutSettings(num_validation_tasks=2, num_test_tasks=0, batch_size=2)}


def distance(module: PolicyModule, groups: Iterable[RepairGroup]) -> float:
    """Of the log-probs of the first turns from those that the module's weights give."""
    found = 0.0
    for group in groups:
        for attempt in group.attempts:
            turn = attempt.turns[0]
            sequence = (*group.prompt_ids, *turn.completion_ids)
            (own,) = module.served.logprobs([sequence])
            pairs = zip(own[len(group.prompt_ids) - 1 :], turn.sampler_logprobs, strict=True)
            found = max(found, *(abs(one - other) for one, other in pairs))
    return found


class Validated(RepairEvaluation):
    """Compares what was played with the weights that are in the module."""

    def __init__(self, rollout: CoinRewards) -> None:
        super().__init__(max_completion_tokens=4, episode=rollout.play_settings.episode)
        self.distances: list[float] = []
        self.weights: list[dict[str, torch.Tensor]] = []

    @override
    def on_validation_batch_start(
        self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        super().on_validation_batch_start(trainer, pl_module, batch, batch_idx, dataloader_idx)
        self.distances.append(distance(pl_module, self._groups))
        self.weights.append(weights_of(pl_module))


class Played(Ahead):
    """Keeps what it played, and compares it with the weights it is trained on."""

    def __init__(self, max_staleness: int) -> None:
        super().__init__(max_staleness)
        self.groups: list[Sequence[RepairGroup]] = []
        self.distances: list[float] = []
        self.weights: list[dict[str, torch.Tensor]] = []

    @override
    def collect(self, *arguments: Any, **named: Any) -> list[RepairGroup]:
        groups = super().collect(*arguments, **named)
        self.groups.append(groups)
        return groups

    @override
    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        super().on_train_batch_start(trainer, pl_module, batch, batch_idx)
        self.distances.append(distance(pl_module, self.groups[batch_idx]))
        self.weights.append(weights_of(pl_module))


def apart(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> float:
    return max(float((one[name] - other[name]).abs().max()) for name in one)


@pytest.mark.parametrize("averaging_first", [True, False], ids=["averaging first", "averaging last"])
@pytest.mark.parametrize("max_staleness", [0, 1])
def test_1_averaged_for_each_validation(
    max_staleness: int, averaging_first: bool, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    rollout = Played(max_staleness)
    validated, averaging = Validated(rollout), EMAWeightAveraging(decay=0.5)
    callbacks = [averaging, validated] if averaging_first else [validated, averaging]
    fit(
        tiny_checkpoint,
        tmp_path,
        rollout,
        batches=3,
        callbacks=callbacks,
        data=HELD_OUT,
        limit_val_batches=1.0,
        val_check_interval=1,
        num_sanity_val_steps=0,
    )
    assert len(validated.weights) == len(rollout.weights) == 3
    assert max(validated.distances) < 1e-5
    # After batch 1 the average is of batch 0's weights and batch 1's: neither of them.
    assert all(apart(averaged, own) > 1e-4 for averaged in validated.weights[1:] for own in rollout.weights)
    if max_staleness == 0:
        assert max(rollout.distances) < 1e-5
    else:
        assert rollout.distances[0] < 1e-5
        assert min(rollout.distances[1:]) > 1e-5, "drawn by the weights of the batch before"
        assert [play.versions for play in rollout.plays] == [{0}, {0}, {2}]


def test_2_weights_that_were_loaded(tiny_checkpoint: Path, tmp_path: Path) -> None:
    module = make_module("grpo", tiny_checkpoint)
    rollout = Played(0)
    trainer = make_trainer(tmp_path, callbacks=[rollout])
    trainer.fit(module, make_data("grpo", tiny_checkpoint, 1))
    start = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    module.load_state_dict({name: tensor + 0.01 * torch.randn_like(tensor) for name, tensor in start.items()})
    rollout.groups.clear()
    make_trainer(tmp_path, callbacks=[rollout]).fit(module, make_data("grpo", tiny_checkpoint, 1))
    assert len(rollout.distances) == 2
    assert max(rollout.distances) < 1e-5
