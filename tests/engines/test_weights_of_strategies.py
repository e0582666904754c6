"""full_weights under DDP and FSDP2, and how several processes write them for servers: two on the CPU (gloo).

1. On every rank: the whole weights of the module that was wrapped.
2. No rank holds two copies: one that does not write holds one gathered parameter at a time, the one that writes a part
   and a parameter at most. What is written is the whole, in several parts.
3. What fails on the rank that writes fails on both, in the middle of gathering, and both go on to the next version.
4. Where both ranks see the same folder one of them writes; each of two machines has a writer of its own.

Networks of its own: each process imports this file, and transformers takes seconds to import.
"""

from __future__ import annotations

import gc
import shutil
import weakref
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.distributed import destroy_process_group, init_process_group
from torch.distributed.fsdp import fully_shard
from torch.multiprocessing.spawn import spawn
from torch.nn.parallel import DistributedDataParallel

from lit_grpo.engines.engine import EngineFailure
from lit_grpo.engines.ranks import Ranks
from lit_grpo.engines.vllm import weights_folder
from lit_grpo.engines.vllm.weights_folder import WeightsFolder
from lit_grpo.engines.weights import full_weights

NUM_LAYERS, LAYER_BYTES = 12, 64 * 64 * 4
PART_BYTES = 3 * LAYER_BYTES


def network() -> nn.Sequential:
    """Sizes that two ranks cannot share evenly, and a frozen layer."""
    torch.manual_seed(0)
    layers = nn.Sequential(nn.Linear(5, 3), nn.Linear(3, 7), nn.Linear(7, 1))
    layers[1].requires_grad_(False)
    return layers


def sharded() -> nn.Module:
    model = network()
    fully_shard(model[0])
    fully_shard(model)
    return model


def sharded_matrices() -> tuple[nn.Module, dict[str, Tensor]]:
    """A dozen sharded matrices of 16 KiB, and copies of them whole."""
    torch.manual_seed(0)
    model = nn.Sequential(*(nn.Linear(64, 64, bias=False) for _ in range(NUM_LAYERS)))
    whole = {name: tensor.detach().clone() for name, tensor in model.named_parameters()}
    for layer in model:
        fully_shard(layer)
    fully_shard(model)
    return model, whole


class Gathered:
    """Counts the bytes of gathered tensors that exist at once."""

    def __init__(self) -> None:
        self.now = self.most = 0

    def watch(self, weights: Iterator[tuple[str, Tensor]]) -> Iterator[tuple[str, Tensor]]:
        for name, tensor in weights:
            storage = tensor.untyped_storage()
            self.now += storage.nbytes()
            self.most = max(self.most, self.now)
            weakref.finalize(storage, self._is_gone, storage.nbytes())
            del storage
            yield name, tensor
            del tensor

    def _is_gone(self, num_bytes: int) -> None:
        self.now -= num_bytes


def on_one_rank(rank: int, folder: Path) -> None:
    init_process_group("gloo", init_method=f"file://{folder / 'rendezvous'}", rank=rank, world_size=2)
    torch.set_num_threads(1)
    whole_weights()
    weights_folder.PART_BYTES = PART_BYTES
    shared = WeightsFolder(folder, None, Ranks(rank == 0, 2, texts_of_all))
    parts_of_weights(rank, shared)
    a_failure_of_one(rank, shared)
    writers(rank, folder)
    # The folder of a rank goes with it.
    dist.barrier()
    destroy_process_group()


def texts_of_all(text: str) -> list[str]:
    texts = ["", ""]
    dist.all_gather_object(texts, text)
    return texts


def whole_weights() -> None:
    for trainable_only in (True, False):
        expected = {name: tensor.clone() for name, tensor in full_weights(network(), trainable_only)}
        assert len(expected) == (4 if trainable_only else 6)
        for wrapped in (DistributedDataParallel(network()), sharded()):
            weights = dict(full_weights(wrapped, trainable_only))
            assert list(weights) == list(expected)
            assert all(torch.equal(weights[name], expected[name]) for name in expected)


def parts_of_weights(rank: int, shared: WeightsFolder) -> None:
    model, whole = sharded_matrices()
    gathered = Gathered()
    version = shared.write(gathered.watch(full_weights(model)))
    # A collective's own thread may hold a tensor for a moment longer than whoever asked for it: then two are counted.
    held = PART_BYTES if rank == 0 else LAYER_BYTES
    assert held <= gathered.most <= held + LAYER_BYTES < NUM_LAYERS * LAYER_BYTES
    gc.collect()
    dist.barrier()
    assert gathered.now <= LAYER_BYTES
    files = sorted(version.iterdir())
    assert len(files) == NUM_LAYERS * LAYER_BYTES // PART_BYTES
    written = {name: tensor for file in files for name, tensor in load_file(file).items()}
    assert written.keys() == whole.keys()
    assert all(torch.equal(written[name], tensor) for name, tensor in whole.items())


def a_failure_of_one(rank: int, shared: WeightsFolder) -> None:
    model, _ = sharded_matrices()
    usage = shutil.disk_usage
    shutil.disk_usage = lambda path: usage(path)._replace(free=PART_BYTES - 1)
    expected = "^engine.weights_folder: expected room" if rank == 0 else "^rank 0 failed: ValueError: engine.weights_f"
    with pytest.raises(ValueError if rank == 0 else EngineFailure, match=expected):
        shared.write(full_weights(model))
    shutil.disk_usage = usage
    assert len(list(shared.write(full_weights(model)).iterdir())) == NUM_LAYERS * LAYER_BYTES // PART_BYTES


def writers(rank: int, folder: Path) -> None:
    """Every rank calls itself the first of its machine."""
    model, _ = sharded_matrices()
    first_of_its_machine = Ranks(True, 1, texts_of_all)
    one_folder = WeightsFolder(folder, None, first_of_its_machine)
    assert len(list(one_folder.write(full_weights(model)).iterdir())) == NUM_LAYERS * LAYER_BYTES // PART_BYTES
    own = folder / f"machine_{rank}"
    own.mkdir()
    two_folders = WeightsFolder(own, None, first_of_its_machine)
    version = two_folders.write(full_weights(model))
    assert len(list(version.iterdir())) == NUM_LAYERS * LAYER_BYTES // PART_BYTES
    names = texts_of_all(version.parent.name)
    assert names[0] == names[1], "servers are told the same path, whichever machine they are on"


def test_two_processes(tmp_path: Path) -> None:
    assert weights_folder.PART_BYTES == 256 * 2**20
    spawn(on_one_rank, (tmp_path,), nprocs=2)
