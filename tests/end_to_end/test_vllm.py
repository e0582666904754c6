"""GRPO on the command line with vLLM in place of the transformers engine, and nothing else changed.

1. At learning rate 0 the rewards of each step are those of the transformers engine; sampler and trainer agree on every
   token's log-prob to 1e-4; the servers are gone afterwards.
2. So it is with a server that runs already, reached by its address.
3. Played one batch ahead while the weights move: every version proven as it is taken over, the age of the tokens
   logged, the rewards of the two batches that the first weights draw those of the transformers engine; neither server
   nor file is left.

Needs vLLM (`bash scripts/setup.sh --vllm`).
"""

from __future__ import annotations

import csv
import gc
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lit_grpo.cli import main

ROOT = Path(__file__).parents[2]
CONFIGS = ("base.yaml", "grpo.yaml", "model/tiny.yaml")
NUM_BATCHES, NUM_EPISODES = 3, 4 * 8
SMALL = (
    "--data.num_tasks=4",
    f"--data.batches_per_epoch={NUM_BATCHES}",
    "--data.held_out={num_validation_tasks: 2, num_test_tasks: 2}",
    "--trainer.enable_progress_bar=false",
    "--trainer.val_check_interval=3",
    f"--model.policy.checkpoint={ROOT / 'checkpoints' / 'tiny-base'}",
)
STILL = ("--model.optimizer.learning_rate=0", "--model.optimizer.matrix_learning_rate=0")


def fit(folder: Path, *arguments: str) -> list[dict[str, float]]:
    """Rows of ``metrics.csv`` with a rollout."""
    configs = [argument for name in CONFIGS for argument in ("--config", str(ROOT / "configs" / name))]
    assert main(["fit", *configs, *SMALL, f"--trainer.default_root_dir={folder}", *arguments]) == 0
    with (folder / "metrics.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["rollout/reward"]]
    return [{name: float(value) for name, value in row.items() if value} for row in rows]


def require_alike(ours: list[dict[str, float]], theirs: list[dict[str, float]]) -> None:
    """The same rewards, but for a draw that rounding decides: one episode in hundreds of thousands of tokens."""
    assert len(ours) == len(theirs) == NUM_BATCHES
    pairs = [(one["rollout/reward"], other["rollout/reward"]) for one, other in zip(ours, theirs, strict=True)]
    differences = [abs(one - other) for one, other in pairs]
    assert sum(difference > 1e-7 for difference in differences) <= 1
    assert max(differences) <= 1 / NUM_EPISODES
    assert max(row["train/mismatch_mean"] for row in ours) < 1e-4


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, float]]:
    rows = fit(tmp_path_factory.mktemp("transformers"), *STILL)
    assert len({row["rollout/reward"] for row in rows}) > 1
    return rows


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """The address of one that scripts/serve_vllm.py started."""
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    model = f"--model.checkpoint={ROOT / 'checkpoints' / 'tiny-base'}"
    script = str(ROOT / "scripts" / "serve_vllm.py")
    command = [sys.executable, script, model, "--port=0", "--capacity.kv_cache_gib=0.25"]
    with (tmp_path / "log.txt").open("w") as log:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, env=environment)
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line, (tmp_path / "log.txt").read_text()
    yield f"127.0.0.1:{json.loads(line)['port']}"
    process.kill()
    process.wait()


def test_1_whole_weights(
    reference: list[dict[str, float]],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    config = str(ROOT / "configs" / "engine" / "vllm.yaml")
    rows = fit(tmp_path / "run", *STILL, "--config", config, "--engine.capacity.kv_cache_gib=0.25")
    require_alike(rows, reference)
    said = re.findall(r"vLLM has version 0 of the weights .*: largest difference of a log-prob (\S+) in", caplog.text)
    assert len(said) == 1
    assert float(said[0]) < 1e-4
    assert servers_of_this_process() == []


def test_2_a_server_by_its_address(reference: list[dict[str, float]], server: str, tmp_path: Path) -> None:
    engine = f"{{class_path: VllmServerSettings, init_args: {{addresses: ['{server}']}}}}"
    rows = fit(tmp_path / "run", *STILL, f"--engine={engine}")
    require_alike(rows, reference)


def test_3_one_batch_ahead(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    ahead = ("--config", str(ROOT / "configs" / "rollout" / "one_ahead.yaml"))
    config = ("--config", str(ROOT / "configs" / "engine" / "vllm.yaml"))
    engine = (*config, "--engine.capacity.kv_cache_gib=0.25", f"--engine.weights_folder={shared}")
    ours, theirs = fit(tmp_path / "vllm", *ahead, *engine), fit(tmp_path / "transformers", *ahead)
    for rows in (ours, theirs):
        assert [row["rollout/staleness"] for row in rows] == [0, 1, 1]
        assert rows[0]["train/mismatch_mean"] < 1e-4 < rows[1]["train/mismatch_mean"]
    for one, other in zip(ours[:2], theirs[:2], strict=True):
        assert one["rollout/reward"] == pytest.approx(other["rollout/reward"], abs=1 / NUM_EPISODES)
    assert servers_of_this_process() == []
    gc.collect()
    assert list(shared.iterdir()) == []


def servers_of_this_process() -> list[int]:
    """Process numbers of children that serve."""
    time.sleep(0.1)
    children = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split()
    return [int(pid) for pid in children if "vllm_engine" in Path(f"/proc/{pid}/cmdline").read_text()]
