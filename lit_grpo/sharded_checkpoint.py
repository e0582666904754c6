"""Sharded checkpoints (a directory with one part per rank) read as data: nothing in them is ever run.

Called by `AtomicModelParallelStrategy` to resume, by `AtomicCheckpointIO` to resume in one process, and by
`ExportPolicy` for the weights alone. torch's own reader takes pickled objects from the directory on trust, in its index
and in whatever is no tensor; the classes here do not.
"""

from __future__ import annotations

import io
import pathlib
import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.distributed.checkpoint import metadata
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.checkpoint.default_planner import (
    DefaultLoadPlanner,
    _EmptyStateDictLoadPlanner,  # pyright: ignore[reportPrivateUsage]
)
from torch.distributed.checkpoint.filesystem import FileSystemReader, _StorageInfo  # pyright: ignore[reportPrivateUsage]
from torch.distributed.checkpoint.metadata import Metadata, TensorStorageMetadata
from torch.distributed.checkpoint.planner import ReadItem
from torch.distributed.checkpoint.state_dict_loader import (
    _load_state_dict,  # pyright: ignore[reportPrivateUsage]
    load,
)
from typing_extensions import override

INDEX = ".metadata"
"""The file that says which part holds what."""

WEIGHTS = "state_dict"
"""The name under which the LightningModule's weights lie."""
OPTIMIZER = "optimizer_"
"""The states of optimizers lie under this and a number."""


class UnsafeCheckpointError(ValueError):
    """A checkpoint names something that is not data."""


_RECORDS = {value for value in vars(metadata).values() if isinstance(value, type)}
_KNOWN: dict[tuple[str, str], Any] = {
    **{(record.__module__, record.__name__): record for record in _RECORDS if record.__module__ == metadata.__name__},
    **{("torch", name): value for name, value in vars(torch).items() if isinstance(value, torch.dtype)},
    ("torch", "Size"): torch.Size,
    ("torch.serialization", "_get_layout"): torch.serialization._get_layout,  # pyright: ignore[reportPrivateUsage]
    ("torch.distributed.checkpoint.filesystem", "_StorageInfo"): _StorageInfo,
    ("pathlib", "PosixPath"): pathlib.PurePosixPath,
    ("pathlib", "WindowsPath"): pathlib.PureWindowsPath,
}
"""All that an index has reason to name: records, dtypes, sizes, paths."""


class _IndexUnpickler(pickle.Unpickler):
    @override
    def find_class(self, module_name: str, global_name: str, /) -> Any:
        if (module_name, global_name) not in _KNOWN:
            raise UnsafeCheckpointError(
                f"expected a checkpoint of numbers and names, got one that asks for {module_name}.{global_name}; "
                "do not load it: it was not written by this program"
            )
        return _KNOWN[module_name, global_name]


class DataOnlyReader(FileSystemReader):
    """Reads the directory of a sharded checkpoint; UnsafeCheckpointError if its index holds anything but records."""

    @override
    def read_metadata(self, *args: Any, **kwargs: Any) -> Metadata:
        """The index."""
        index: Metadata = _IndexUnpickler(io.BytesIO((Path(self.path) / INDEX).read_bytes())).load()
        assert index.storage_meta is not None, "torch has written it since version 2.3"
        index.storage_meta.load_id = self.load_id
        return index


class DataOnlyPlanner(DefaultLoadPlanner):
    """Takes whatever is not a tensor (learning rates, step counts) as plain values."""

    @override
    def load_bytes(self, read_item: ReadItem, value: io.BytesIO) -> None:
        """Put one value where it belongs; pickle.UnpicklingError if it is an object."""
        torch.load(value, weights_only=True)
        value.seek(0)
        super().load_bytes(read_item, value)  # bytes that hold data alone are safe to read as anything


class _WholePlanner(DataOnlyPlanner, _EmptyStateDictLoadPlanner):
    """Takes all that is below some names, as the index has it."""


def load_sharded(state: dict[str, Any], path: Path) -> None:
    """Fill ``state`` in place from a sharded checkpoint; every rank calls it with its own shards.

    Args:
        state: Nested dictionaries of tensors, DTensors and plain values; all their names must be in the checkpoint.
        path: The checkpoint's directory.

    Raises:
        ValueError: Names or shapes differ from those of ``state``, or there are objects among the data.
    """
    try:
        load(state, storage_reader=DataOnlyReader(path), planner=DataOnlyPlanner())
    except CheckpointException as error:
        first, _ = next(iter(error.failures.values()))
        raise ValueError(f"{path}: expected data alone, of a model like this one, got: {first}") from error


def read_sharded_weights(path: Path) -> dict[str, Tensor]:
    """The whole weights on the CPU, read by this process alone; no optimizer state is touched.

    Args:
        path: The checkpoint's directory.

    Returns:
        Tensors by the names of the LightningModule's ``state_dict()``.
    """
    prefix = WEIGHTS + "."
    weights = {
        name.removeprefix(prefix): torch.empty(entry.size, dtype=entry.properties.dtype)
        for name, entry in DataOnlyReader(path).read_metadata().state_dict_metadata.items()
        if name.startswith(prefix) and isinstance(entry, TensorStorageMetadata)
    }
    load({WEIGHTS: weights}, storage_reader=DataOnlyReader(path), planner=DataOnlyPlanner(), no_dist=True)
    return weights


def read_sharded_optimizers(path: Path) -> list[dict[str, Any]]:
    """The whole states of the optimizers on the CPU, as ``Optimizer.state_dict()`` of one process has them.

    Raises:
        ValueError: There are objects among the data.
    """
    index = DataOnlyReader(path).read_metadata().state_dict_metadata
    names = sorted({name.split(".")[0] for name in index if name.startswith(OPTIMIZER)})
    states: dict[str, Any] = {}
    try:
        # `load` fills what it is given; here the index says what there is.
        _load_state_dict(states, DataOnlyReader(path), planner=_WholePlanner(keys=set(names)), no_dist=True)
    except CheckpointException as error:
        first, _ = next(iter(error.failures.values()))
        raise ValueError(f"{path}: expected data alone, got: {first}") from error
    return [_by_number(states[name]) for name in names]


def _by_number(state: Mapping[str, Any]) -> dict[str, Any]:
    """States by the numbers of their parameters, counted through the groups, in place of their names."""
    numbers: dict[str, int] = {}
    for group in state["param_groups"]:
        for name in group["params"]:
            numbers[name] = len(numbers)
    groups = [{**group, "params": [numbers[name] for name in group["params"]]} for group in state["param_groups"]]
    return {"state": {numbers[name]: moments for name, moments in state["state"].items()}, "param_groups": groups}


def by_name(state: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """The reverse: states of one process by the names of their parameters.

    Args:
        state: What ``Optimizer.state_dict()`` gave.
        names: Names of the parameters, in the order of the optimizer's groups.
    """
    groups = [{**group, "params": [names[number] for number in group["params"]]} for group in state["param_groups"]]
    return {"state": {names[number]: moments for number, moments in state["state"].items()}, "param_groups": groups}
