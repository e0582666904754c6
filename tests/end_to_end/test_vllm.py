"""GRPO on the command line with vLLM in place of the transformers engine, and nothing else changed.

1. At learning rate 0 the rewards of each step, with turns shared out between two servers, are those of the transformers
   engine; sampler and trainer agree on every token's log-prob to 1e-4; the servers are gone afterwards.
2. So it is with a server that runs already, reached by its address.
3. The canary finds nothing in ten steps with that server.
4. Played one batch ahead while the weights move: every version proven as it is taken over, the age of the tokens
   logged, the rewards of the two batches that the first weights draw those of the transformers engine; neither server
   nor file is left.

Needs vLLM (`bash scripts/setup.sh --vllm`).
"""

from __future__ import annotations

import gc
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from vllm_fits import BASE, CONFIGS, NUM_EPISODES, ROOT, SMALL, STILL, VLLM, Rows, fit, require_alike, serving

from lit_grpo.commands.main import main as lit_grpo


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Rows:
    rows = fit(tmp_path_factory.mktemp("transformers"), *STILL)
    assert len({row["rollout/reward"] for row in rows}) > 1
    return rows


def test_1_two_children(reference: Rows, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rows = fit(tmp_path / "run", *STILL, *VLLM, "--engine.num_servers=2")
    require_alike(rows, reference)
    said = re.findall(r"vLLM has version 0 of the weights .*: log-probs differ by up to (\S+) in", caplog.text)
    assert len(said) == 1
    assert float(said[0]) < 1e-4
    assert servers_of_this_process() == []


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The setting that reaches a server which `lit-grpo serve` started."""
    command = ["-m", "lit_grpo", "serve", f"--model.checkpoint={BASE}", "--port=0", "--capacity.kv_cache_gib=0.25"]
    with serving(tmp_path_factory.mktemp("server"), command) as setting:
        yield setting


def test_2_a_server_by_its_address(reference: Rows, engine: str, tmp_path: Path) -> None:
    require_alike(fit(tmp_path / "run", *STILL, engine), reference)


def test_3_the_canary(engine: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    configs = [argument for name in CONFIGS for argument in ("--config", str(ROOT / "configs" / name))]
    small = [argument for argument in SMALL if not argument.startswith("--data.num_tasks")]
    assert lit_grpo(["canary", *configs, *small, "--data.num_tasks=2", engine, f"--folder={tmp_path}"]) == 0
    assert "no drift in 10 steps at learning rate 0" in capsys.readouterr().out


def test_4_one_batch_ahead(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    ahead = ("--config", str(ROOT / "configs" / "rollout" / "one_ahead.yaml"))
    config = ("--config", str(ROOT / "configs" / "engine" / "vllm.yaml"))
    engine = (*config, "--engine.capacity.kv_cache_gib=0.25", f"--engine.weights_folder={shared}")
    ours, theirs = fit(tmp_path / "vllm", *ahead, *engine), fit(tmp_path / "transformers", *ahead)
    for rows in (ours, theirs):
        assert [row["rollout/staleness"] for row in rows] == [0, 1, 1]
        assert rows[0]["train/mismatch_mean"] < 1e-4 < rows[1]["train/mismatch_stale_mean"]
    for one, other in zip(ours[:2], theirs[:2], strict=True):
        assert one["rollout/reward"] == pytest.approx(other["rollout/reward"], abs=1 / NUM_EPISODES)
    assert servers_of_this_process() == []
    gc.collect()
    assert list(shared.iterdir()) == []


def servers_of_this_process() -> list[int]:
    """Process numbers of children that serve."""
    time.sleep(0.1)
    children = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split()
    return [int(pid) for pid in children if "engines.vllm" in Path(f"/proc/{pid}/cmdline").read_text()]
