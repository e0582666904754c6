"""full_weights of DDP and FSDP2 on two processes: the names and values of the plain module, on every rank.

In a file of its own with a network of its own: each process imports it, and transformers takes seconds to import.
"""

from __future__ import annotations

from pathlib import Path

import torch
import torch.multiprocessing as mp
from torch import nn
from torch.distributed import destroy_process_group, init_process_group
from torch.distributed.fsdp import fully_shard
from torch.nn.parallel import DistributedDataParallel

from lit_grpo.rollout.weights import full_weights


def network() -> nn.Sequential:
    """Sizes that two ranks cannot share evenly, and a frozen layer."""
    torch.manual_seed(0)
    layers = nn.Sequential(nn.Linear(5, 3), nn.Linear(3, 7), nn.Linear(7, 1))
    layers[1].requires_grad_(False)
    return layers


def sharded() -> nn.Module:
    model = network()
    fully_shard(model[0])
    return fully_shard(model)


def on_one_rank(rank: int, rendezvous: str) -> None:
    init_process_group("gloo", init_method=f"file://{rendezvous}", rank=rank, world_size=2)
    torch.set_num_threads(1)
    for trainable_only in (True, False):
        expected = {name: tensor.clone() for name, tensor in full_weights(network(), trainable_only)}
        assert len(expected) == (4 if trainable_only else 6)
        for wrapped in (DistributedDataParallel(network()), sharded()):
            weights = dict(full_weights(wrapped, trainable_only))
            assert list(weights) == list(expected)
            assert all(torch.equal(weights[name], expected[name]) for name in expected)
    destroy_process_group()


def test_two_processes(tmp_path: Path) -> None:
    mp.spawn(on_one_rank, (str(tmp_path / "rendezvous"),), nprocs=2)
