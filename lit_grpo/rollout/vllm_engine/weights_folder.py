"""A policy's weights as safetensors files in shared memory, for servers of the same machine. Written by engine.py.

Whole weights go into parts of limited size, as they come: of a sharded policy one part at a time is gathered. Adapters
go into one file beside a config, as peft writes it. A version stays until the next one is written, for a server that
has to be started anew.
"""

from __future__ import annotations

import secrets
import shutil
import weakref
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp

from safetensors.torch import save_file
from torch import Tensor

from lit_grpo.rollout.vllm_engine.owned_folder import PREFIX, OwnedFolder, remove_orphans
from lit_grpo.rollout.vllm_engine.settings import Adapters

PART_BYTES = 1 << 28


def _no_others() -> None:
    """There is nobody to wait for."""


@dataclass(frozen=True, slots=True)
class Ranks:
    """Who of several processes writes, where all of them gather the weights together."""

    writes: bool = True
    """This process does: one of each machine."""
    share: Callable[[str], str] = str
    """The folder of the process that writes, told to all."""
    wait_for_all: Callable[[], object] = _no_others
    """Until every process is here."""


class WeightsFolder:
    """One version of the weights at a time."""

    def __init__(self, base: Path, adapters: Adapters | None, ranks: Ranks) -> None:
        """Make a folder of its own below ``base``; it is removed at the end of the process at the latest.

        Or, of a process that is killed, at the start of the next one.
        """
        if not base.is_dir():
            raise ValueError(f"engine.weights_folder: expected a folder, got {base}, which is none")
        self._adapters, self._ranks = adapters, ranks
        made = ""
        if ranks.writes:
            remove_orphans(base)
            owned = OwnedFolder.at(base / f"{PREFIX}{secrets.token_hex(8)}")
            assert owned is not None, "such a name comes once"
            self._finalizer = weakref.finalize(self, owned.remove)
            made = str(owned.path)
        self._root = Path(ranks.share(made))
        self._num_written = 0

    def write(self, weights: Iterable[tuple[str, Tensor]]) -> Path:
        """Write a new version in place of the last one. Gathers sharded weights, so every process must call it.

        Raises:
            ValueError: no room.
        """
        for old in self._root.iterdir():
            if self._ranks.writes and old.is_dir():
                shutil.rmtree(old)
        self._num_written += 1
        folder = self._root / f"version_{self._num_written:06d}"
        if self._ranks.writes:
            folder.mkdir()
        part: dict[str, Tensor] = {}
        number = 0
        for name, tensor in weights:
            if self._ranks.writes:
                part[_plain_name(name)] = tensor
                if self._adapters is None and _num_bytes(part) >= PART_BYTES:
                    self._save(folder / f"{number:05d}.safetensors", part)
                    part, number = {}, number + 1
        if self._ranks.writes:
            self._save_last(folder, part, number)
        self._ranks.wait_for_all()
        return folder

    def for_export(self) -> Path:
        """A new empty folder of this process."""
        return Path(mkdtemp(prefix="export_", dir=self._root))

    def _save_last(self, folder: Path, part: dict[str, Tensor], number: int) -> None:
        if self._adapters is not None:
            (folder / "adapter_config.json").write_text(self._adapters.to_json(), encoding="utf-8")
            self._save(folder / "adapter_model.safetensors", part)
        elif part:
            self._save(folder / f"{number:05d}.safetensors", part)

    def _save(self, path: Path, part: dict[str, Tensor]) -> None:
        needed, free = _num_bytes(part), shutil.disk_usage(self._root).free
        if needed > free:
            raise ValueError(
                f"engine.weights_folder: expected room for {needed:,} bytes more in {self._root.parent}, got {free:,}; "
                "give shared memory more room, or name a folder on a disk"
            )
        save_file({name: tensor.detach().cpu().contiguous() for name, tensor in part.items()}, path)


def _plain_name(name: str) -> str:
    """As peft writes an adapter's weights: without the name of the adapter."""
    return name.replace(".lora_A.default.", ".lora_A.").replace(".lora_B.default.", ".lora_B.")


def _num_bytes(tensors: dict[str, Tensor]) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())
