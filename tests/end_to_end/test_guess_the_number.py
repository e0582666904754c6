"""An environment of one's own: examples/guess_the_number.py trains by its class paths alone, and improves.

Mean reward of the first five and the last ten of 40 batches with four seeds of tasks: docs/your_environment.md. The
margin is half of the smallest gain.
"""

import csv
import subprocess
import sys
from pathlib import Path
from statistics import fmean

ROOT = Path(__file__).parents[2]
MARGIN = 0.15


def test_the_mean_reward_rises(tmp_path: Path) -> None:
    source = "import sys; from lit_grpo.cli import main; sys.exit(main())"
    command = [sys.executable, "-P", "-c", source, "fit", "--config", "examples/guess_the_number.yaml"]
    options = [f"--trainer.default_root_dir={tmp_path}", "--trainer.enable_progress_bar=false"]
    finished = subprocess.run([*command, *options], cwd=ROOT, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr[-2000:]
    with (tmp_path / "metrics.csv").open() as file:
        rewards = [float(row["rollout/reward"]) for row in csv.DictReader(file)]
    assert len(rewards) == 40
    assert fmean(rewards[-10:]) > fmean(rewards[:5]) + MARGIN
