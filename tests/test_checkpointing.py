"""Checkpoints are whole or absent, and hold data alone.

1. A write that dies half way leaves the checkpoint before it, and nothing under the checkpoint's name but that.
2. A file that holds code is refused, not run; one that is not there is named.
3. Random states come back exactly: python, numpy, torch.
4. A disk without room, and a folder that cannot be, are one line with the path; the checkpoint before stays. The folder
   is found out about before a run, which leaves nothing behind.
"""

import random
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lit_grpo.checkpointing import AtomicCheckpointIO, random_state, restore_random_state
from lit_grpo.fitting.metrics_csv import MetricsCsv
from lit_grpo.run_arguments import run_arguments
from lit_grpo.writing import NotWritten


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
    with pytest.raises(NotWritten, match=r"last\.ckpt: expected a place to write to, got: disk full"):
        io.save_checkpoint({"step": 2, "big": Bomb()}, path)
    assert io.load_checkpoint(path) == {"step": 1}
    assert [p.name for p in path.parent.iterdir()] == ["last.ckpt"]
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


@contextmanager
def room_for(num_bytes: int) -> Iterator[None]:
    """No file of this process may become larger."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (num_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_no_room(tmp_path: Path) -> None:
    io, path = AtomicCheckpointIO(), tmp_path / "last.ckpt"
    io.save_checkpoint({"step": 1}, path)
    with room_for(2000), pytest.raises(NotWritten, match=r"last\.ckpt: expected a place to write to, got: ") as refused:
        io.save_checkpoint({"step": 2, "weights": torch.zeros(10_000)}, path)
    assert len(str(refused.value).splitlines()) == 1
    assert io.load_checkpoint(path) == {"step": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["last.ckpt"]

    log = MetricsCsv(tmp_path)
    log.log_metrics({"loss": 1.0}, 0)
    with room_for(10), pytest.raises(NotWritten, match=r"metrics\.csv: expected a place to write to, got: File too"):
        log.log_metrics({"loss": 1.0}, 1)


def test_a_folder_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(NotWritten, match=r"file/last\.ckpt: expected a place to write to, got: "):
        AtomicCheckpointIO().save_checkpoint({}, tmp_path / "file" / "last.ckpt")
    with pytest.raises(NotWritten, match=r"file/metrics\.csv: expected a place to write to, got: "):
        MetricsCsv(tmp_path / "file").log_metrics({"loss": 1.0}, 0)


def test_a_folder_that_cannot_be_starts_no_run(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    for folder in (tmp_path / "file", tmp_path / "file" / "runs", Path("/proc/nothing/here"), tmp_path / ("x" * 300)):
        for is_fit in (True, False):
            with pytest.raises(NotWritten, match=rf"{folder}: expected a place to write to, got: "):
                run_arguments(folder, is_fit=is_fit)
        run_arguments(folder, is_trial=True)
    run_arguments(tmp_path / "a" / "b")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
