"""What a run says.

1. Nothing of the libraries below: no advertisement, no progress bar of files, no deprecation, no table of zeros.
2. The held-out task that is shown is another one each time.
3. The end names the policy, its best score, and the report; that of a test its results.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
NOISE = (
    "Tip:",
    "litlogger",
    "GPU available",
    "TPU available",
    "Loading weights",
    "Writing model shards",
    "Loading `train_dataloader`",
    "LeafSpec",
    "deprecated",
    "Total FLOPs",
    "PolicyMetrics",
)


def said(arguments: list[str]) -> str:
    command = [sys.executable, "-m", "lit_grpo", *arguments]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return ended.stdout + ended.stderr


def test_1_to_3_a_fit_and_a_test(tmp_path: Path) -> None:
    run = tmp_path / "run"
    configs = ["--config=base", "--config=sft", "--config=model/tiny", f"--trainer.default_root_dir={run}"]
    tasks = ["--data.held_out.num_validation_tasks=12", "--data.held_out.num_test_tasks=2"]
    small = ["--data.num_demonstrations=8", "--data.batches_per_epoch=4", "--trainer.val_check_interval=1"]
    fitted = said(["fit", *configs, *tasks, *small])
    tested = said(["test", *configs, *tasks, f"--model.policy.checkpoint={run / 'policy'}"])
    for noise in NOISE:
        assert noise not in fitted, noise
        assert noise not in tested, noise

    shown = re.findall(r"Task ([0-9a-f]{12})", fitted)
    assert len(shown) == 5  # before training and after each of four batches
    assert len(set(shown)) > 2

    flat = "".join(fitted.split())
    assert f"Policy:{run / 'policy'}" in flat
    assert re.search(r"Bestval/guarded_FR@5:0\.\d\d\d\(", flat)
    assert f"`lit-grporeport{run}`" in flat
    assert f"Results:{run / 'results.json'}" in "".join(tested.split())
