"""A run from Python ends with the weights of the command line's, bit for bit, and leaves the same files.

1. examples/from_python.py, and the two commands that docs/from_python.md gives for it.
2. A folder that has a run is refused in Python as well.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from lit_grpo.cli import main
from lit_grpo.run_arguments import run_arguments

ROOT = Path(__file__).parents[2]
BATCHES = 3
COMMON = [
    *("--config=base", "--config=model/tiny", "--config=hardware/cpu", "--trainer.callbacks=[]"),
    *("--trainer.callbacks+=RepairEvaluation", "--trainer.callbacks+=ExportPolicy"),
    *("--data.held_out={num_validation_tasks: 16, num_test_tasks: 16}", f"--data.batches_per_epoch={BATCHES}"),
    *("--trainer.val_check_interval=1.0", "--trainer.num_sanity_val_steps=2", "--trainer.check_val_every_n_epoch=1"),
]


@pytest.fixture(scope="module")
def from_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("python")
    example = ROOT / "examples" / "from_python.py"
    command = [sys.executable, str(example), "--output", str(folder), "--batches", str(BATCHES)]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr[-3000:]
    return folder


def test_1_the_weights_are_those_of_the_command_line(from_python: Path, tmp_path: Path) -> None:
    sft = ["fit", COMMON[0], "--config=sft", *COMMON[1:], "--data.num_demonstrations=80"]
    assert main([*sft, f"--trainer.default_root_dir={tmp_path / 'sft'}"]) == 0
    grpo = ["fit", COMMON[0], "--config=grpo", *COMMON[1:], "--trainer.callbacks+=RolloutCallback"]
    grpo += ["--rollout.group_size=4", "--data.num_tasks=8"]
    policy = [f"--model.policy.checkpoint={tmp_path / 'sft' / 'policy'}"]
    assert main([*grpo, *policy, f"--trainer.default_root_dir={tmp_path / 'grpo'}"]) == 0
    for stage in ("sft", "grpo"):
        ours, theirs = (load_file(f / stage / "policy" / "model.safetensors") for f in (from_python, tmp_path))
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(ours[name], theirs[name]) for name in theirs), stage
        files = {path.name for path in (from_python / stage).iterdir()}
        assert {"metrics.csv", "checkpoints", "policy", "tensorboard", "validation"} <= files
    start = load_file(ROOT / "checkpoints" / "tiny-base" / "model.safetensors")
    assert any(not torch.equal(start[name], theirs[name]) for name in theirs)
    assert (from_python / "grpo" / "results.json").is_file()


def test_2_a_folder_that_has_a_run_is_refused(from_python: Path) -> None:
    with pytest.raises(ValueError, match=r"expected a folder without a run, got .*sft"):
        run_arguments(from_python / "sft")
    checkpoint = from_python / "sft" / "checkpoints" / "last.ckpt"
    assert run_arguments(from_python / "sft", ckpt_path=checkpoint)["default_root_dir"] == str(from_python / "sft")
