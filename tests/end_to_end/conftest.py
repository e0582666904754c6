"""A vLLM server that scripts/serve_vllm.py started."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def vllm_server(tmp_path: Path) -> Iterator[str]:
    """The address of one for the tiny base."""
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
