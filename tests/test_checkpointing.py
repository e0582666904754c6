"""Checkpoints are whole or absent, and hold data alone.

1. A write that dies half way leaves the checkpoint before it, and nothing under the checkpoint's name but that.
2. A file that holds code is refused, not run; one that is not there is named.
3. Random states come back exactly: python, numpy, torch.
"""

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lit_grpo.checkpointing import PARTIAL_SUFFIX, AtomicCheckpointIO, random_state, restore_random_state


class Bomb:
    """Cannot be written; when unpickled, would call a function."""

    def __reduce__(self) -> Any:
        raise OSError("disk full")


class Code:
    def __reduce__(self) -> Any:
        return print, ("ran",)


def test_a_half_written_checkpoint_is_never_picked_up(tmp_path: Path) -> None:
    io, path = AtomicCheckpointIO(), tmp_path / "runs" / "last.ckpt"
    io.save_checkpoint({"step": 1}, path)
    with pytest.raises(OSError, match="disk full"):
        io.save_checkpoint({"step": 2, "big": Bomb()}, path)
    assert io.load_checkpoint(path) == {"step": 1}
    assert {p.name for p in path.parent.iterdir()} <= {"last.ckpt", "last.ckpt" + PARTIAL_SUFFIX}
    io.save_checkpoint({"step": 2}, path)
    assert io.load_checkpoint(path) == {"step": 2}
    assert [p.name for p in path.parent.iterdir()] == ["last.ckpt"]


def test_code_in_a_checkpoint_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.save({"code": Code()}, tmp_path / "evil.ckpt")
    with pytest.raises(Exception, match="Weights only load failed"):
        AtomicCheckpointIO().load_checkpoint(tmp_path / "evil.ckpt", weights_only=None)
    assert "ran" not in capsys.readouterr().out
    with pytest.raises(FileNotFoundError, match=r"gone\.ckpt"):
        AtomicCheckpointIO().load_checkpoint(tmp_path / "gone.ckpt")


def test_random_states_come_back_through_a_file(tmp_path: Path) -> None:
    def draw() -> tuple[float, float, float]:
        return random.random(), float(np.random.rand()), float(torch.rand(()))

    io, path = AtomicCheckpointIO(), tmp_path / "random.ckpt"
    io.save_checkpoint({"state": random_state()}, path)
    expected = draw()
    restore_random_state(io.load_checkpoint(path)["state"])
    assert draw() == expected
