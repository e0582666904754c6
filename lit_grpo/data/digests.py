"""Digests that tell folders of weights, and files, apart.

Called by modules/base.py for what a checkpoint belongs to, by policy_folder.py for the base below adapters, and by
fitting/made_with.py for what results were made with.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from hashlib import blake2b
from pathlib import Path

BLOCK_BYTES = 1 << 12
NUM_BLOCKS = 256
"""Blocks of a large file that stand for it: one in every 20 MB of a shard of 5 GB, so that a large matrix has some."""


def folder_digest(path: Path) -> str:
    """A digest of the files of a folder, or of one file: names, sizes and contents, of large files blocks of these."""
    return _digest([path] if path.is_file() else (file for file in path.rglob("*") if file.is_file()))


def weights_digest(folder: Path) -> str:
    """A digest of a policy's weights alone, its own or its adapters': of the tokenizer and the rest of a folder not."""
    return _digest([*folder.glob("config.json"), *folder.glob("*.safetensors")])


def _digest(files: Iterable[Path]) -> str:
    digest = blake2b(digest_size=8)
    for file in sorted(files):
        digest.update(f"{file.name}\n{file.stat().st_size}\n".encode())
        for block in _blocks(file):
            digest.update(block)
    return digest.hexdigest()


def _blocks(file: Path) -> Iterator[bytes]:
    """The contents of a file, or, of one larger than all blocks together, blocks from its beginning to its end."""
    size = file.stat().st_size
    with file.open("rb") as opened:
        if size <= NUM_BLOCKS * BLOCK_BYTES:
            yield opened.read()
            return
        for number in range(NUM_BLOCKS):
            opened.seek(number * (size - BLOCK_BYTES) // (NUM_BLOCKS - 1), os.SEEK_SET)
            yield opened.read(BLOCK_BYTES)
