"""One step is one step, whoever takes it.

1. DDP with 2 processes takes the same optimizer steps as one device, for SFT, for GRPO and DAgger with replay,
   and with advantages, entropies and a KL that look at the whole batch.
2. So does FSDP2 (ModelParallelStrategy) with 2 processes on the CPU.
   The weights of each matrix agree up to rounding: by 0.5 % of the way that its steps went; with Muon, which rounds
   to bfloat16 on the way, by a tenth of it.
3. FSDP2 resumed from a sharded checkpoint ends with bit-identical weights, with and without adapters; with adapters
   the checkpoint holds them alone.
4. ExportPolicy writes what a sharded checkpoint holds; an object in place of a number is refused, not run.
5. One process goes on from a sharded checkpoint of two, weights and optimizer states, and two from one that is whole:
   to the weights of the run on one device, within the rounding of 2.
"""

import pickle
import shutil
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from small_runs import (
    MUON,
    SHORT_FITS,
    assert_same_steps,
    make_data,
    make_module,
    make_trainer,
    short_fits,
    two_processes,
    weights_of,
)
from torch import Tensor
from torch.distributed.checkpoint.state_dict_saver import save

from lit_grpo.modules.policy import load_policy
from lit_grpo.sharded_checkpoint import INDEX, UnsafeCheckpointError, load_sharded, read_sharded_weights

MUON_TOLERANCE = 0.1


@pytest.fixture(scope="module")
def one_device(tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("one")
    short_fits("one", tiny_checkpoint, folder)
    return folder


@pytest.mark.parametrize("strategy", ["ddp", "fsdp2"])
def test_two_processes_take_the_same_steps_as_one(
    one_device: Path, strategy: str, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    two_processes(strategy, tiny_checkpoint, tmp_path)
    for kind in SHORT_FITS:
        expected, result = (torch.load(folder / f"{kind}.pt", weights_only=True) for folder in (one_device, tmp_path))
        assert result["steps"] == expected["steps"] == 3
        tolerance = MUON_TOLERANCE if kind == "sft_muon" else 5e-3
        assert_same_steps(result["weights"], expected["weights"], tiny_checkpoint, tolerance)


def weights(path: Path) -> dict[str, Tensor]:
    return torch.load(path, weights_only=True)


def assert_identical(result: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    assert result.keys() == expected.keys()
    for name, tensor in expected.items():
        assert torch.equal(result[name], tensor), name


def on_one_device(checkpoint: Path, folder: Path, resume: Path | None = None) -> dict[str, Tensor]:
    """What `sharded_resume` does, by one process; its second checkpoint is ``folder/batch_step=2.ckpt``."""
    pl.seed_everything(0 if resume is None else 99)
    module = make_module("sft", checkpoint, MUON)
    saving = ModelCheckpoint(folder, "batch_{step}", every_n_train_steps=1, save_top_k=-1)
    trainer = make_trainer(folder, enable_checkpointing=True, callbacks=[saving])
    trainer.fit(module, make_data("sft", checkpoint, batches=4), ckpt_path=resume)
    assert trainer.global_step == 4
    return weights_of(module)


def test_a_sharded_run_resumes_to_identical_weights(tiny_checkpoint: Path, tmp_path: Path) -> None:
    one = on_one_device(tiny_checkpoint, tmp_path / "one")
    shutil.copy(tmp_path / "one" / "batch_step=2.ckpt", tmp_path / "one.ckpt")
    two_processes("fsdp2_resume", tiny_checkpoint, tmp_path)
    whole = weights(tmp_path / "whole.pt")
    assert_same_steps(weights(tmp_path / "from_one.pt"), one, tiny_checkpoint, MUON_TOLERANCE)
    sharded = tmp_path / "whole" / "batch_step=2.ckpt"
    assert sharded.is_dir()
    assert_same_steps(on_one_device(tiny_checkpoint, tmp_path / "again", sharded), one, tiny_checkpoint, MUON_TOLERANCE)
    assert_identical(weights(tmp_path / "resumed.pt"), whole)
    exported = load_policy(tmp_path / "whole" / "policy").model.state_dict()
    assert_identical({name: exported[name] for name in whole}, whole)


def test_adapters_alone_are_sharded_kept_and_resumed(tiny_checkpoint: Path, tmp_path: Path) -> None:
    two_processes("fsdp2_resume_lora", tiny_checkpoint, tmp_path)
    whole = weights(tmp_path / "whole.pt")
    assert_identical(weights(tmp_path / "resumed.pt"), whole)
    saved = read_sharded_weights(tmp_path / "whole" / "batch_step=4.ckpt")
    assert saved
    assert all(
        "lora_" in name and torch.equal(saved[name], whole[name.removeprefix("policy.model.")]) for name in saved
    )
    assert (tmp_path / "whole" / "policy" / "adapter_model.safetensors").is_file()


class Code:
    def __reduce__(self) -> Any:
        return print, ("ran",)


@pytest.mark.filterwarnings("ignore:torch.distributed is disabled")
def test_an_object_in_a_sharded_checkpoint_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "step.ckpt"
    state: dict[str, Any] = {"state_dict": {"w": torch.arange(3.0)}, "optimizer_0": {"lr": 0.1}}
    save(state, checkpoint_id=path, no_dist=True)
    found: dict[str, Any] = {"state_dict": {"w": torch.zeros(3)}, "optimizer_0": {"lr": 0.0}}
    load_sharded(found, path)
    assert found["optimizer_0"] == {"lr": 0.1}
    assert torch.equal(found["state_dict"]["w"], state["state_dict"]["w"])

    shutil.copytree(path, tmp_path / "evil_index")
    (tmp_path / "evil_index" / INDEX).write_bytes(pickle.dumps(Code()))
    with pytest.raises(UnsafeCheckpointError, match=r"builtins\.print"):
        read_sharded_weights(tmp_path / "evil_index")

    save(
        {"state_dict": state["state_dict"], "optimizer_0": {"lr": Code()}},
        checkpoint_id=tmp_path / "evil_value",
        no_dist=True,
    )
    with pytest.raises(ValueError, match=r"(?s)expected data alone.*Weights only load failed"):
        load_sharded(found, tmp_path / "evil_value")
    assert "ran" not in capsys.readouterr().out
