"""The whole weights of a policy in training, whatever strategy holds it, one parameter at a time.

Called when an engine takes new weights and when a policy is exported.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor
from torch.nn.parallel import DistributedDataParallel


def full_weights(module: nn.Module, trainable_only: bool = True) -> Iterator[tuple[str, Tensor]]:
    """Names and full tensors of a plain, DDP-wrapped or FSDP2-sharded module.

    Gathering a sharded parameter is a collective: every rank has to run through the iterator to its end. Only one
    gathered parameter exists at a time, unless the caller keeps them.

    Args:
        module: The module that names are relative to; a DDP wrapper leaves no trace in them.
        trainable_only: Whether only trained weights come: a policy's adapters if it has any. A tied weight comes once.

    Yields:
        Detached tensors on the module's device; they share the memory of an unsharded one, so copy what is kept.
    """
    if isinstance(module, DistributedDataParallel):
        module = module.module
    for name, parameter in module.named_parameters():
        if parameter.requires_grad or not trainable_only:
            # An engine may draw from this iterator in inference mode, in which a sharded parameter cannot be detached.
            with torch.inference_mode(False):
                tensor = parameter.detach()
                whole = tensor.full_tensor() if isinstance(tensor, DTensor) else tensor
            yield name, whole
            # Or it would still be there while the next one is gathered.
            del whole
