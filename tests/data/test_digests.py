"""Digests of folders and files.

1. Any change of a small file changes the digest of its folder; so does a name.
2. A large file is told by blocks of it, from its first byte to its last: a change of one part in 256 is seen anywhere.
3. The digest of weights is of the config and the safetensors alone.
"""

from pathlib import Path

import pytest

from lit_grpo.data.digests import BLOCK_BYTES, NUM_BLOCKS, folder_digest, weights_digest


def test_1_small_files(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"one")
    digests = [folder_digest(tmp_path), folder_digest(tmp_path)]
    (tmp_path / "a").write_bytes(b"two")
    digests.append(folder_digest(tmp_path))
    (tmp_path / "a").rename(tmp_path / "b")
    digests += [folder_digest(tmp_path), folder_digest(tmp_path / "b")]
    assert digests[0] == digests[1]
    assert digests[3] == digests[4]
    assert len(set(digests)) == 3


SIZE = 4 * NUM_BLOCKS * BLOCK_BYTES
PART = SIZE // NUM_BLOCKS


@pytest.mark.parametrize(
    "changed",
    [slice(0, 1), slice(SIZE - 1, SIZE), slice(SIZE // 2, SIZE // 2 + PART), slice(5 * PART + 9, 6 * PART + 9)],
    ids=["first byte", "last byte", "a part of the middle", "another part"],
)
def test_2_large_files(changed: slice, tmp_path: Path) -> None:
    content = bytearray(SIZE)
    (tmp_path / "a").write_bytes(content)
    before = folder_digest(tmp_path)
    content[changed] = b"x" * (changed.stop - changed.start)
    (tmp_path / "a").write_bytes(content)
    assert folder_digest(tmp_path) != before


def test_3_weights_alone(tmp_path: Path) -> None:
    for name in ("config.json", "a.safetensors", "tokenizer.json"):
        (tmp_path / name).write_text(name)
    digest, whole = weights_digest(tmp_path), folder_digest(tmp_path)
    (tmp_path / "tokenizer.json").write_text("another")
    (tmp_path / "README.md").write_text("new")
    assert weights_digest(tmp_path) == digest
    assert folder_digest(tmp_path) != whole
    for name in ("config.json", "a.safetensors"):
        (tmp_path / name).write_text("another")
        assert weights_digest(tmp_path) != digest
        (tmp_path / name).write_text(name)
