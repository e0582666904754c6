"""GRPO on the command line with vLLM in place of the transformers engine, and nothing else changed.

1. At learning rate 0 the rewards of each step, with turns shared out between two servers, are those of the transformers
   engine; sampler and trainer agree on every token's log-prob to 1e-4; the servers are gone afterwards.
2. So it is with a server that runs already, reached by its address.

Needs vLLM (`bash scripts/setup.sh --vllm`).
"""

from __future__ import annotations

import os
import re
import time
from pathlib import Path

import pytest
from vllm_fits import BASE, ROOT, STILL, VLLM, Rows, fit, require_alike, serving


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Rows:
    rows = fit(tmp_path_factory.mktemp("transformers"), *STILL)
    assert len({row["rollout/reward"] for row in rows}) > 1
    return rows


def test_1_two_children(reference: Rows, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rows = fit(tmp_path / "run", *STILL, *VLLM, "--engine.num_servers=2")
    require_alike(rows, reference)
    said = re.findall(r"vLLM has version 0 of the weights .*: largest difference of a log-prob (\S+) in", caplog.text)
    assert len(said) == 1
    assert float(said[0]) < 1e-4
    assert servers_of_this_process() == []


def test_2_a_server_by_its_address(reference: Rows, tmp_path: Path) -> None:
    program = str(ROOT / "scripts" / "serve_vllm.py")
    command = [program, f"--model.checkpoint={BASE}", "--port=0", "--capacity.kv_cache_gib=0.25"]
    with serving(tmp_path, command) as engine:
        require_alike(fit(tmp_path / "run", *STILL, engine), reference)


def servers_of_this_process() -> list[int]:
    """Process numbers of children that serve."""
    time.sleep(0.1)
    children = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split()
    return [int(pid) for pid in children if "vllm_engine" in Path(f"/proc/{pid}/cmdline").read_text()]
