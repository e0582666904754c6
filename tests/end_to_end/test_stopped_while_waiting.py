"""A fit that is stopped while it waits for a server leaves nothing behind.

1. Waiting for a server that is not there, and interrupted twice: it ends at once, and its folder of weights is gone.
2. Waiting for a vLLM server that it starts itself, and terminated twice: so, and the server is gone as well.

Needs vLLM (`bash scripts/setup.sh --vllm`).
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CONFIGS = ("base.yaml", "grpo.yaml", "model/tiny.yaml")
WAIT_S = 120.0


def wait_for(what: Callable[[], object], log: Path) -> None:
    deadline = time.monotonic() + WAIT_S
    while not what():
        assert time.monotonic() < deadline, log.read_text()[-3000:]
        time.sleep(0.1)


def servers_of(pid: int) -> list[int]:
    """Children that serve."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in children if "engines.vllm.server" in Path(f"/proc/{child}/cmdline").read_text()]


def is_alive(pid: int) -> bool:
    state = Path(f"/proc/{pid}/stat")
    return state.exists() and state.read_text().rpartition(")")[2].split()[0] != "Z"


@pytest.mark.parametrize(
    ("engine", "number"),
    [("VllmServerSettings", signal.SIGINT), ("VllmSettings", signal.SIGTERM)],
    ids=["away", "starting"],
)
def test_nothing_is_left(engine: str, number: signal.Signals, tmp_path: Path) -> None:
    weights, log = tmp_path / "weights", tmp_path / "log.txt"
    weights.mkdir()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    own = {"VllmServerSettings": f"addresses: ['127.0.0.1:{port}'],", "VllmSettings": ""}[engine]
    arguments = [
        *(word for name in CONFIGS for word in ("--config", str(ROOT / "configs" / name))),
        f"--engine={{class_path: {engine}, init_args: {{{own} weights_folder: {weights}}}}}",
        f"--model.policy.checkpoint={ROOT / 'checkpoints' / 'tiny-base'}",
        f"--trainer.default_root_dir={tmp_path / 'run'}",
        "--trainer.num_sanity_val_steps=0",
        "--trainer.enable_progress_bar=false",
        "--data.held_out={num_validation_tasks: 2, num_test_tasks: 2}",
    ]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    with log.open("w") as file:
        run = subprocess.Popen(
            [sys.executable, "-m", "lit_grpo", "fit", *arguments], stdout=file, stderr=file, env=environment
        )
    try:
        if engine == "VllmSettings":
            wait_for(lambda: servers_of(run.pid), log)
            servers = servers_of(run.pid)
        else:
            wait_for(lambda: "waiting up to" in log.read_text(), log)
            servers = []
        assert len(list(weights.iterdir())) == 1
        run.send_signal(number)
        wait_for(lambda: "once more stops at once" in log.read_text(), log)
        assert run.poll() is None
        run.send_signal(number)
        started = time.monotonic()
        run.wait(WAIT_S)
        assert time.monotonic() - started < 60
    finally:
        run.kill()
        run.wait()
    assert list(weights.iterdir()) == []
    assert not [pid for pid in servers if is_alive(pid)]
    assert "Traceback" not in log.read_text()
