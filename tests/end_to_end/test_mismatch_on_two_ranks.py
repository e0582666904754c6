"""The mismatch monitor with two processes (DDP, gloo). Also the program of those: `python FILE CHECKPOINT FOLDER`.

1. A sampler that is wrong on one rank alone stops both, with the same numbers, which are those of all tokens, after one
   checkpoint.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from other_logprobs import Off
from small_runs import CoinRewards, make_data, make_module, make_trainer

from lit_grpo.modules.mismatch_monitor import SamplerDiffers


def fit(checkpoint: Path, folder: Path) -> None:
    """Leaves each rank's error in ``rankN.txt``."""
    torch.manual_seed(0)
    rank = os.environ.get("LOCAL_RANK", "0")
    rollout = Off(0.3, lambda number: True, since=1) if rank == "1" else CoinRewards()
    trainer = make_trainer(folder, "ddp", callbacks=[rollout])
    with pytest.raises(SamplerDiffers) as stopped:
        trainer.fit(make_module("grpo", checkpoint), make_data("grpo", checkpoint, batches=3))
    (folder / f"rank{rank}.txt").write_text(str(stopped.value))


def test_1_both_stop(tiny_checkpoint: Path, tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name not in ("LOCAL_RANK", "RANK")}
    finished = subprocess.run(
        [sys.executable, __file__, str(tiny_checkpoint), str(tmp_path)],
        env=environment | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr[-4000:]
    first, second = ((tmp_path / f"rank{rank}.txt").read_text() for rank in (0, 1))
    assert first == second
    found = re.search(r"in batch 1 \(float32\): expected mismatch_mean of at most 0.05, got (\S+?);", first)
    assert found is not None, first
    # Half of the tokens, or about: the ranks' episodes are of different lengths, and those without signal are left out.
    assert 0.1 < float(found[1]) < 0.2
    assert "max 0.3" in first
    assert torch.load(tmp_path / "mismatch.ckpt", weights_only=True)["policy_version"] == 1


if __name__ == "__main__":
    fit(*map(Path, sys.argv[1:]))
    torch.distributed.barrier()
    torch.distributed.destroy_process_group()
