"""Optimizers, their state, and the schedule.

1. Muon has the decoder's matrices and AdamW everything else, in one optimizer whose state loads back exactly.
2. The learning rate rises over the warm-up, is whole after it, and falls linearly to its fraction at the last batch.
3. Clipping scales to the largest norm and reports the norm before.
4. A setting that makes no sense is refused, and so is an optimizer of whole tensors where weights are sharded, before
   any are read.
"""

from copy import deepcopy
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import pytest
import torch
from torch import nn

from lit_grpo.checkpointing import AtomicModelParallelStrategy
from lit_grpo.modules.base import PolicySettings
from lit_grpo.modules.optimizers import (
    MuonWithAdamW,
    OptimizerSettings,
    build_optimizer,
    build_schedule,
    clip_gradients,
    learning_rate_factor,
)
from lit_grpo.modules.sft import SFTModule


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.embed = nn.Embedding(5, 4)
        self.layers = nn.ModuleList([nn.Linear(4, 4)])
        self.body = nn.ModuleDict({"layers": nn.ModuleList([nn.Linear(4, 4)])})

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return self.body["layers"][0](self.embed(ids)).square().sum()  # pyright: ignore[reportIndexIssue]


SETTINGS = OptimizerSettings(learning_rate=0.1, matrix_learning_rate=0.01)


def step(net: Net, optimizer: torch.optim.Optimizer) -> None:
    optimizer.zero_grad()
    net(torch.arange(5)).backward()
    optimizer.step()


def test_muon_has_the_matrices_of_the_layers() -> None:
    net = Net()
    optimizer = build_optimizer(net, SETTINGS)
    assert isinstance(optimizer, MuonWithAdamW)
    matrices, others = (group["params"] for group in optimizer.param_groups)
    assert [parameter.shape for parameter in matrices] == [(4, 4)]
    assert len(others) == len(list(net.parameters())) - 1
    assert [group["lr"] for group in optimizer.param_groups] == [0.01, 0.1]


def test_state_loads_back_exactly() -> None:
    first, second = Net(), Net()
    one, other = build_optimizer(first, SETTINGS), build_optimizer(second, SETTINGS)
    for _ in range(2):
        step(first, one)
    second.load_state_dict(first.state_dict())
    other.load_state_dict(deepcopy(one.state_dict()))  # as a file would hold it
    for net, optimizer in ((first, one), (second, other)):
        step(net, optimizer)
    for a, b in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.equal(a, b)


def test_the_schedule() -> None:
    settings = OptimizerSettings(warmup_batches=3, final_fraction=0.2)
    factors = [learning_rate_factor(batch, settings, horizon=8) for batch in range(10)]
    # 1/4, 2/4, 3/4, then from 1 at batch 3 to 0.2 at batch 7 in four equal steps, and no lower.
    assert factors == pytest.approx([0.25, 0.5, 0.75, 1.0, 0.8, 0.6, 0.4, 0.2, 0.2, 0.2])
    with pytest.raises(ValueError, match="decay_batches"):
        build_schedule(build_optimizer(Net(), settings), settings, float("inf"))


def test_clipping() -> None:
    parameter = nn.Parameter(torch.zeros(2))
    optimizer = torch.optim.SGD([parameter], lr=1.0)
    parameter.grad = torch.tensor([3.0, 4.0])
    assert clip_gradients(optimizer, 1.0) == 5.0
    assert torch.allclose(parameter.grad, torch.tensor([0.6, 0.8]), atol=1e-6)
    parameter.grad = torch.tensor([3.0, 4.0])
    assert clip_gradients(optimizer, None) == 5.0
    assert torch.equal(parameter.grad, torch.tensor([3.0, 4.0]))


def test_what_makes_no_sense_is_refused() -> None:
    refused: list[dict[str, Any]] = [{"learning_rate": -1.0}, {"final_fraction": 2.0}, {"gradient_clip": 0.0}]
    for settings in refused:
        with pytest.raises(ValueError, match="expected"):
            OptimizerSettings(**settings)
    with pytest.raises(ValueError, match="trainable"):
        build_optimizer(Net().requires_grad_(False), SETTINGS)


def test_states_in_eight_bits_with_sharded_weights_are_refused() -> None:
    from bitsandbytes.optim.adamw import AdamW8bit

    trainer = pl.Trainer(accelerator="cpu", devices=2, strategy=AtomicModelParallelStrategy(2), logger=False)
    for adamw in (AdamW8bit, torch.optim.AdamW):
        module = SFTModule(PolicySettings(Path("nowhere")), OptimizerSettings(adamw=adamw))
        module.trainer = trainer
        if adamw is torch.optim.AdamW:
            module.setup("fit")
        else:
            with pytest.raises(
                ValueError, match=r"^model\.optimizer\.adamw: expected torch\.optim\.AdamW with sharded"
            ):
                module.setup("fit")
