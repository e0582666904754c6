"""Small fits of the tiny base with the command line, for test_vllm.py and test_vllm_strategies.py: in this process, or
on two ranks of the CPU.

Also a program: `two_ranks` starts it, and Lightning does so again for the second rank. The servers that the rank in the
variable ``SABOTAGED_RANK`` starts are those of changed_server.py.
"""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import torch

from lit_grpo.cli import main
from lit_grpo.engines import settings as engines
from lit_grpo.engines.vllm.servers import Child

ROOT = Path(__file__).parents[2]
BASE = ROOT / "checkpoints" / "tiny-base"
CONFIGS = ("base.yaml", "grpo.yaml", "model/tiny.yaml")
NUM_BATCHES, NUM_EPISODES = 3, 4 * 8
SMALL = (
    "--data.num_tasks=4",
    f"--data.batches_per_epoch={NUM_BATCHES}",
    "--data.held_out={num_validation_tasks: 2, num_test_tasks: 2}",
    "--trainer.enable_progress_bar=false",
    "--trainer.val_check_interval=3",
    f"--model.policy.checkpoint={BASE}",
)
STILL = ("--model.optimizer.learning_rate=0", "--model.optimizer.matrix_learning_rate=0")
VLLM = (f"--config={ROOT / 'configs' / 'engine' / 'vllm.yaml'}", "--engine.capacity.kv_cache_gib=0.25")
CHANGED_SERVER = Path(__file__).with_name("changed_server.py")
SABOTAGED_RANK, NEXT = "SABOTAGED_RANK", "--next"
Rows = list[dict[str, float]]


def command_of(folder: Path, *arguments: str) -> list[str]:
    """Arguments of a fit."""
    configs = [f"--config={ROOT / 'configs' / name}" for name in CONFIGS]
    return ["fit", *configs, *SMALL, f"--trainer.default_root_dir={folder}", *arguments]


def rows_of(folder: Path) -> Rows:
    """Those of ``metrics.csv`` with a rollout."""
    with (folder / "metrics.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["rollout/reward"]]
    return [{name: float(value) for name, value in row.items() if value} for row in rows]


def fit(folder: Path, *arguments: str) -> Rows:
    """In this process."""
    assert main(command_of(folder, *arguments)) == 0
    return rows_of(folder)


def two_ranks(fits: Mapping[Path, Sequence[str]], sabotaged_rank: int) -> str:
    """A fit after the other, each with its folder and its arguments, on two ranks: what both said on stderr.

    The status of each goes into the folder's ``status_RANK``.
    """
    environment = os.environ | {"OMP_NUM_THREADS": "1", SABOTAGED_RANK: str(sabotaged_rank)}
    for name in ("LOCAL_RANK", "RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT", "NODE_RANK"):
        environment.pop(name, None)
    command = [sys.executable, __file__]
    for folder, arguments in fits.items():
        command += [NEXT, str(folder), *command_of(folder, *arguments)]
    finished = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600, check=False)
    assert finished.returncode == 0, finished.stderr[-8000:]
    return finished.stderr


def fit_each(arguments: Sequence[str], rank: str) -> None:
    """What the program does: folders and commands between `NEXT`."""
    starts = [number for number, argument in enumerate(arguments) if argument == NEXT]
    for start, end in zip(starts, [*starts[1:], len(arguments)], strict=True):
        folder, command = Path(arguments[start + 1]), arguments[start + 2 : end]
        status = main(command)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"status_{rank}").write_text(str(status))


@contextmanager
def serving(folder: Path, command: Sequence[str]) -> Iterator[str]:
    """Run a server's program: the setting of an engine that reaches it by its address."""
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    with (folder / "server.log").open("w") as log:
        process = subprocess.Popen([sys.executable, *command], stdout=subprocess.PIPE, stderr=log, env=environment)
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        assert line, (folder / "server.log").read_text()
        addresses = [f"127.0.0.1:{json.loads(line)['port']}"]
        yield f"--engine={json.dumps({'class_path': 'VllmServerSettings', 'init_args': {'addresses': addresses}})}"
    finally:
        process.kill()
        process.wait()


def require_alike(ours: Rows, theirs: Rows, num_batches: int = NUM_BATCHES) -> None:
    """The same rewards, but for a draw that rounding decides: one episode in hundreds of thousands of tokens."""
    assert len(ours) == len(theirs) == num_batches
    pairs = [(one["rollout/reward"], other["rollout/reward"]) for one, other in zip(ours, theirs, strict=True)]
    differences = [abs(one - other) for one, other in pairs]
    assert sum(difference > 1e-7 for difference in differences) <= 1
    assert max(differences) <= 1 / NUM_EPISODES
    assert max(row["train/mismatch_mean"] for row in ours) < 1e-4


if __name__ == "__main__":
    own_rank = os.environ.get("LOCAL_RANK", "0")
    if own_rank == os.environ[SABOTAGED_RANK]:
        engines.Child = partial(Child, command=[sys.executable, str(CHANGED_SERVER)])  # pyright: ignore[reportAttributeAccessIssue]
    fit_each(sys.argv[1:], own_rank)
    # A rank that leaves while another one's threads still wait for it can take that one down with it.
    torch.distributed.barrier()
    torch.distributed.destroy_process_group()
