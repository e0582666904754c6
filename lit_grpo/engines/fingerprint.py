"""Tells whether weights are still the same, bit by bit, without a copy of them to compare with.

An optimizer step is not the only thing that changes weights: a checkpoint is loaded, a callback swaps in averaged ones,
somebody writes into ``.data``. None of these can be counted, so policy_engine.py looks at the weights themselves each
time that they are to be published.

The hash is multilinear (Carter and Wegman 1979): each element, read as an integer, is multiplied by a random odd
number of its place; the products are summed modulo 2**64, then the sums of all chunks likewise. Two different tensors
have equal sums with a probability of 2**-63, or 2**-32 where they differ in nothing but signs.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from hashlib import blake2b

import torch
from torch import Tensor

CHUNK = 1 << 16
"""The number of elements multiplied at a time: they take half a megabyte beside the weights, which a cache holds."""
GPU_CHUNK = 1 << 22
"""The number multiplied at a time on a GPU: more of them, which takes fewer kernels."""

_INTEGERS = {1: torch.int8, 2: torch.int16, 4: torch.int32, 8: torch.int64}


@torch.no_grad()
def fingerprint(tensors: Iterable[tuple[str, Tensor]]) -> str:
    """Hash names, shapes, dtypes and all bits.

    Args:
        tensors: Tensors by name, in any dtype, on any device; of sharded ones only the parts that lie here count.

    Returns:
        32 hexadecimal digits. Another order of the tensors gives another fingerprint.
    """
    digest = blake2b(digest_size=16)
    sums: dict[torch.device, list[Tensor]] = {}
    for name, tensor in tensors:
        digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype} {tensor.device.type};".encode())
        sums.setdefault(tensor.device, []).append(_sum_of_bits(tensor))
    for of_device in sums.values():
        # One wait for the device, however many tensors it holds.
        digest.update(repr(torch.stack(of_device).tolist()).encode())
    return digest.hexdigest()


def _sum_of_bits(tensor: Tensor) -> Tensor:
    """An int64 scalar on the tensor's device."""
    bits = tensor.detach().contiguous().view(-1).view(_INTEGERS[tensor.element_size()])
    chunk = GPU_CHUNK if tensor.is_cuda else CHUNK
    places = _odd_numbers(chunk, tensor.device)
    sums = [(part * places[: len(part)]).sum() for part in bits.split(chunk)]
    return (torch.stack(sums) * places[: len(sums)]).sum()


@cache
def _odd_numbers(count: int, device: torch.device) -> Tensor:
    """[count] int64, the same in every process."""
    generator = torch.Generator().manual_seed(0)
    info = torch.iinfo(torch.int64)
    return (torch.randint(info.min, info.max, (count,), generator=generator) | 1).to(device)
