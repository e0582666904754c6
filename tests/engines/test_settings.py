"""How engines are made for a training.

1. A rank's servers see its own GPU, by the name its process knows it by, on every machine; tensor parallel servers of
   several ranks would share GPUs and are refused.
2. A server knows nothing of the training's ranks, whoever launched it.
3. An engine's weights have the dtype of the trainer's matmuls; servers with another one are refused, in one line.
"""

from __future__ import annotations

import sys
from pathlib import Path

import lightning.pytorch as pl
import pytest
from transformers import AutoTokenizer

from lit_grpo.data.conversation import ConversationFormat
from lit_grpo.engines.settings import VllmServerSettings, devices_of_rank
from lit_grpo.engines.vllm.servers import Child, environment_without_ranks
from lit_grpo.engines.vllm.settings import TOKEN_VARIABLE, ModelSettings, ServerSettings
from lit_grpo.modules.base import PolicyModule, PolicySettings
from lit_grpo.modules.optimizers import OptimizerSettings
from lit_grpo.modules.sft import SFTModule

SCRIPTED = Path(__file__).parent / "vllm" / "scripted_server.py"


@pytest.mark.parametrize(
    ("index", "visible", "num_ranks", "devices"),
    [
        # torchrun or Lightning, 8 GPUs: every process sees all of them, and its local rank is the index.
        (5, None, 8, "5"),
        (5, "0,1,2,3,4,5,6,7", 8, "5"),
        # A part of a machine, in another order, as numbers or as names.
        (1, "6,2", 2, "2"),
        (1, "GPU-8f2e, GPU-11ab", 2, "GPU-11ab"),
        # SLURM with --gpus-per-task=1: every process sees one.
        (0, "3", 8, "3"),
        (0, None, 1, "0"),
    ],
)
def test_1_a_gpu_of_its_own(index: int, visible: str | None, num_ranks: int, devices: str) -> None:
    assert devices_of_rank(index, visible, num_ranks, tensor_parallel_size=1) == devices


def test_1_tensor_parallel() -> None:
    assert devices_of_rank(0, "2,3", num_ranks=1, tensor_parallel_size=2) is None, "both that it sees"
    with pytest.raises(ValueError, match=r"tensor_parallel_size: expected 1 with 8 ranks on a machine, got 2; .* Vllm"):
        devices_of_rank(0, None, num_ranks=8, tensor_parallel_size=2)


def test_2_no_ranks(monkeypatch: pytest.MonkeyPatch) -> None:
    of_torchrun = {
        "RANK": "9",
        "LOCAL_RANK": "1",
        "WORLD_SIZE": "16",
        "LOCAL_WORLD_SIZE": "8",
        "GROUP_RANK": "1",
        "GROUP_WORLD_SIZE": "2",
        "ROLE_RANK": "9",
        "ROLE_WORLD_SIZE": "16",
        "ROLE_NAME": "default",
        "NODE_RANK": "1",
        "MASTER_ADDR": "node0",
        "MASTER_PORT": "29500",
        "TORCHELASTIC_RUN_ID": "none",
        "TORCHELASTIC_RESTART_COUNT": "0",
        "TORCHELASTIC_USE_AGENT_STORE": "True",
    }
    for name, value in of_torchrun.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    kept = environment_without_ranks()
    assert not kept.keys() & of_torchrun.keys()
    assert kept["CUDA_VISIBLE_DEVICES"] == "0,1"


def module_with(checkpoint: Path, precision: str, dtype: str, frozen_layers: int = 0) -> PolicyModule:
    policy = PolicySettings(checkpoint, dtype=dtype, frozen_layers=frozen_layers)  # pyright: ignore[reportArgumentType]
    module = SFTModule(policy, OptimizerSettings())
    module.trainer = pl.Trainer(accelerator="cpu", precision=precision, logger=False)  # pyright: ignore[reportArgumentType]
    return module


@pytest.mark.parametrize(
    ("precision", "dtype", "served"),
    [
        ("32-true", "float32", "float32"),
        ("32-true", "bfloat16", "bfloat16"),
        ("bf16-mixed", "float32", "bfloat16"),
        ("bf16-true", "float32", "bfloat16"),
    ],
)
def test_3_the_dtype_of_the_matmuls(precision: str, dtype: str, served: str, tiny_checkpoint: Path) -> None:
    module = module_with(tiny_checkpoint, precision, dtype)
    assert module.compute_dtype == served


@pytest.mark.parametrize(
    ("precision", "dtype", "served", "is_mixed"),
    [
        ("32-true", "float32", "float32", False),
        ("32-true", "bfloat16", "bfloat16", False),
        ("bf16-mixed", "float32", "float32", False),
        ("bf16-true", "float32", "bfloat16", True),
    ],
)
def test_3_frozen_layers_are_served_as_they_are_trained(
    precision: str, dtype: str, served: str, is_mixed: bool, tiny_checkpoint: Path
) -> None:
    module = module_with(tiny_checkpoint, precision, dtype, frozen_layers=1)
    module.policy = module.policy_settings.load()
    assert (module.served.dtype, module.served.is_mixed) == (served, is_mixed)


def test_3_servers_of_another_dtype(tiny_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = module_with(tiny_checkpoint, "bf16-mixed", "float32")
    module.policy = module.policy_settings.load()
    command = [sys.executable, str(SCRIPTED), str(tmp_path / "journal.txt")]
    child = Child(ServerSettings(ModelSettings(tiny_checkpoint), weights_folder=tmp_path), command=command)
    try:
        port = child.open(60).port
        monkeypatch.setenv(TOKEN_VARIABLE, child.token)
        settings = VllmServerSettings([f"127.0.0.1:{port}"], weights_folder=tmp_path)
        message = rf"expected servers in bfloat16, .*, got float32 from 127.0.0.1:{port}; .* --model.dtype=bfloat16"
        with pytest.raises(ValueError, match=message):
            settings.build(module.served, ConversationFormat(AutoTokenizer.from_pretrained(tiny_checkpoint)), False)
    finally:
        child.close()
