"""GRPO with vLLM on two ranks (gloo, on the CPU): every sync of every rank is proven, and one that is not stops both.

1. DDP and FSDP2, a server for each rank: the rewards of each step are those of one process with the transformers
   engine, while the weights change; sampler and trainer agree on every token to 1e-4.
2. In the third sync a tensor is changed on its way to the second rank's server: both ranks end, with its name; the
   first one says on which rank that was.
3. FSDP2, one server for both ranks, reached by its address, its weights split over two processes: as 1 and 2.
4. FSDP2 and adapters alone: as 1.
5. Mixed precision: the servers hold bfloat16, and the proof's threshold is that of bfloat16.

Needs vLLM (`bash scripts/setup.sh --vllm`).
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from changed_server import CHANGED, WRONG_LOAD
from vllm_fits import BASE, CHANGED_SERVER, ROOT, VLLM, Rows, fit, require_alike, rows_of, serving, two_ranks

from lit_grpo.engines.vllm.proof import THRESHOLDS
from lit_grpo.engines.vllm.settings import Capacity, ModelSettings, ServerSettings

HARDWARE = ROOT / "configs" / "hardware"
DDP = (f"--config={HARDWARE / 'ddp.yaml'}", "--trainer.accelerator=cpu", "--trainer.devices=2")
FSDP2 = (f"--config={HARDWARE / 'fsdp2.yaml'}", "--trainer.accelerator=cpu")
LORA = ("--model.policy.lora={r: 4, alpha: 8}",)


PROVEN = WRONG_LOAD - 1
"""Versions before the one that is changed on its way."""


@pytest.fixture(scope="module")
def one_process(tmp_path_factory: pytest.TempPathFactory) -> Rows:
    return fit(tmp_path_factory.mktemp("one"))


@pytest.fixture(scope="module")
def on_two_ranks(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """All fits on two ranks, one after the other in the same two processes: their folders, and what was said."""
    folder = tmp_path_factory.mktemp("two")
    capacity = Capacity(kv_cache_gib=0.25, tensor_parallel_size=2)
    settings = folder / "settings.json"
    settings.write_text(ServerSettings(ModelSettings(BASE), capacity).to_json())
    with serving(folder, [str(CHANGED_SERVER), f"--settings={settings}"]) as shared:
        fits = {
            folder / "ddp": (*DDP, *VLLM),
            folder / "fsdp2": (*FSDP2, *VLLM),
            folder / "shared": (*FSDP2, shared),
            folder / "adapters": (*FSDP2, *VLLM, *LORA),
        }
        return folder, two_ranks(fits, sabotaged_rank=1)


def statuses(folder: Path) -> list[str]:
    return [(folder / f"status_{rank}").read_text() for rank in (0, 1)]


def errors_in(said: str, server: str, told_of_rank: int | None = None) -> int:
    """How often a rank ends with the name of the tensor that was changed: of its own server, or of another rank's."""
    before = "(?<!WeightsDiffer: )" if told_of_rank is None else f"rank {told_of_rank} failed: WeightsDiffer: "
    error = rf"{before}vLLM server {server} .*? version {PROVEN}, .*? that differ: {re.escape(CHANGED)}"
    return len(re.findall(error, said))


@pytest.mark.parametrize("strategy", ["ddp", "fsdp2"])
def test_1_2_a_server_for_each_rank(strategy: str, one_process: Rows, on_two_ranks: tuple[Path, str]) -> None:
    folder, said = on_two_ranks
    assert statuses(folder / strategy) == ["2", "2"]
    require_alike(rows_of(folder / strategy), one_process[:PROVEN], PROVEN)
    # Of two fits: the rank itself, and the other one, which is told.
    assert errors_in(said, "child 0") == 2, said
    assert errors_in(said, "child 0", told_of_rank=1) == 2, said
    assert errors_in(said, "child 0", told_of_rank=0) == 0, said


def test_3_one_server_for_both_ranks(one_process: Rows, on_two_ranks: tuple[Path, str]) -> None:
    folder, said = on_two_ranks
    assert statuses(folder / "shared") == ["2", "2"]
    require_alike(rows_of(folder / "shared"), one_process[:PROVEN], PROVEN)
    assert errors_in(said, r"127\.0\.0\.1:\d+:") == 2, "each rank proves the weights for itself"


def test_4_adapters(on_two_ranks: tuple[Path, str], tmp_path: Path) -> None:
    folder, _ = on_two_ranks
    assert statuses(folder / "adapters") == ["0", "0"]
    require_alike(rows_of(folder / "adapters"), fit(tmp_path, *LORA))


def test_5_mixed_precision(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rows = fit(tmp_path, *VLLM, "--trainer.precision=bf16-mixed")
    (said,) = re.findall(r"vLLM has version 0 .*: log-probs differ by up to (\S+) in bfloat16", caplog.text)
    assert THRESHOLDS["float32"] < float(said) < THRESHOLDS["bfloat16"]
    assert len(rows) == 3
    assert all(1e-4 < row["train/mismatch_mean"] < 0.05 for row in rows)
