"""One step is one step, whoever takes it.

1. DDP with 2 processes takes the same optimizer steps as one device, for SFT and for GRPO with replay.
2. So does FSDP2 (ModelParallelStrategy) with 2 processes on the CPU.
The weights agree up to float32 rounding: each differs by at most 1e-5 of the largest.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from small_runs import short_fits

RUNS = Path(__file__).with_name("small_runs.py")


@pytest.fixture(scope="module")
def one_device(tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("one")
    short_fits("one", tiny_checkpoint, folder)
    return folder


def run_two_processes(strategy: str, checkpoint: Path, folder: Path) -> None:
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    for name in ("LOCAL_RANK", "RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT", "NODE_RANK"):
        environment.pop(name, None)
    finished = subprocess.run(
        [sys.executable, str(RUNS), strategy, str(checkpoint), str(folder)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr[-4000:]


@pytest.mark.parametrize("strategy", ["ddp", "fsdp2"])
def test_two_processes_take_the_same_steps_as_one(
    one_device: Path, strategy: str, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    run_two_processes(strategy, tiny_checkpoint, tmp_path)
    for kind in ("sft", "grpo"):
        expected, result = (torch.load(folder / f"{kind}.pt", weights_only=True) for folder in (one_device, tmp_path))
        assert result["steps"] == expected["steps"] == 3
        assert result["weights"].keys() == expected["weights"].keys()
        for name, tensor in expected["weights"].items():
            assert (result["weights"][name] - tensor).abs().max() <= 1e-5 * tensor.abs().max(), (kind, name)
