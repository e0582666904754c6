"""A policy's weights as safetensors files in shared memory, for servers of the same machine. Written by engine.py.

Whole weights go into parts of limited size, as they come: at most one part of a sharded policy is gathered at a time.
Adapters go into one file beside a config, as peft writes it. A version stays until the next one is written, for a
server that has to be started anew.
"""

from __future__ import annotations

import secrets
import shutil
import weakref
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from tempfile import mkdtemp

from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from lit_grpo.engines.policy_view import Adapters
from lit_grpo.engines.ranks import Ranks
from lit_grpo.engines.vllm.owned_folder import OWNER, PREFIX, OwnedFolder, remove_orphans
from lit_grpo.engines.vllm.settings import adapter_config

PART_BYTES = 1 << 28
CHECKPOINT_FILES = "model*.safetensors"
"""The files that ``save_pretrained`` puts a model's weights into."""


class WeightsFolder:
    """A folder with one version of the weights at a time, beside those that are held for later."""

    def __init__(self, base: Path, adapters: Adapters | None, ranks: Ranks) -> None:
        """Make a folder of its own below ``base``; it is removed at the end of the process at the latest.

        The folder of a process that is killed is removed when the next one starts. The name is the same for
        all processes. Where machines share ``base``, whoever makes it first writes for all.
        """
        self._adapters, self._ranks = adapters, ranks
        self._root = base / ranks.texts_of_all(f"{PREFIX}{secrets.token_hex(8)}")[0]
        owned = None
        with ranks.together():
            if not base.is_dir():
                raise ValueError(f"engine.weights_folder: expected a folder, got {base}, which is none")
            if ranks.writes:
                remove_orphans(base)
                owned = OwnedFolder.at(self._root)
        self._writes = owned is not None
        if owned is not None:
            self._finalizer = weakref.finalize(self, owned.remove)
        self._num_written = 0
        self._held: set[Path] = set()

    def write(self, weights: Iterable[tuple[str, Tensor]]) -> Path:
        """Write a new version in place of those not held. Gathers sharded weights, so every process must call it.

        Raises:
            ValueError: There is no room for them.
            EngineFailure: Another process could not write.
        """
        self._num_written += 1
        folder = self._root / f"version_{self._num_written:06d}"
        weights = iter(weights)
        with self._ranks.together():
            try:
                if self._writes:
                    self._write(folder, weights)
            finally:
                # A process that does not write, or failed to, takes its part in gathering the rest.
                deque(weights, maxlen=0)
        return folder

    def _write(self, folder: Path, weights: Iterator[tuple[str, Tensor]]) -> None:
        for old in self._root.iterdir():
            if old.name != OWNER and old not in self._held:
                shutil.rmtree(old)
        folder.mkdir()
        part: dict[str, Tensor] = {}
        number = 0
        for name, tensor in weights:
            part[_plain_name(name)] = tensor.detach().cpu()
            # Or it would still be there while the next one is gathered.
            del tensor
            if self._adapters is None and _num_bytes(part) >= PART_BYTES:
                self._save(folder / f"{number:05d}.safetensors", part)
                part, number = {}, number + 1
        self._save_last(folder, part, number)

    def hold(self, folder: Path) -> None:
        """Keep a version until it is dropped."""
        self._held.add(folder)

    def drop(self, folder: Path) -> None:
        """Let the next version take its place. Every process must have finished with it."""
        self._held.discard(folder)

    def for_export(self) -> Path:
        """A new empty folder of this process."""
        return Path(mkdtemp(prefix="export_", dir=self._root))

    def _save_last(self, folder: Path, part: dict[str, Tensor], number: int) -> None:
        if self._adapters is not None:
            (folder / "adapter_config.json").write_text(adapter_config(self._adapters), encoding="utf-8")
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
        save_file({name: tensor.contiguous() for name, tensor in part.items()}, path)


def written_weights(folder: Path, pattern: str = "*.safetensors") -> Iterator[tuple[str, Tensor]]:
    """The names and tensors in those files of a folder that match the pattern, one at a time."""
    for path in sorted(folder.glob(pattern)):
        with safe_open(path, framework="pt") as file:
            for name in file.keys():  # noqa: SIM118 - it is no mapping
                yield name, file.get_tensor(name)


def _plain_name(name: str) -> str:
    """The name as peft writes it for an adapter's weights: without the name of the adapter."""
    return name.replace(".lora_A.default.", ".lora_A.").replace(".lora_B.default.", ".lora_B.")


def _num_bytes(tensors: dict[str, Tensor]) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())
