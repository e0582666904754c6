"""Adapters go on: what a fit with LoRA exports is trained on, evaluated, merged, and the reference of a KL.

1. From exported adapters GRPO goes on where SFT ended: the first batch's KL to the reference, the adapters that the run
   began with, is 0, and a fit that resumes has the same reference.
2. The command line's `fit`, `test` and `predict` take the folder of adapters, and a merged one.
3. DDP and FSDP2 on two processes make the steps of one device, from adapters and, DDP, on weights in four bits; FSDP2
   refuses these in one line.
4. With weights in four or eight bits and optimizers with states in eight, a checkpoint holds adapters alone, and a
   resumed run ends with bit-identical weights.
5. An optimizer's states take a byte each where a weight has at least 4,096; its first step is the learning rate.
6. A checkpoint of adapters is taken with the base that they were trained on alone, in a fit and in a test.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from adapter_fits import EIGHT_BITS, INT8, LORA, NF4, PAGED, fit
from bitsandbytes.optim.adamw import AdamW8bit
from small_runs import make_data, make_module, make_trainer, two_processes
from torch import Tensor, nn

from lit_grpo.cli import main
from lit_grpo.modules.optimizers import OptimizerSettings, build_optimizer
from lit_grpo.modules.quantization import QuantizationSettings

PROGRAM = str(Path(__file__).with_name("adapter_fits.py"))
BASE = Path(__file__).parents[2] / "checkpoints" / "tiny-base"


@pytest.fixture(scope="module")
def adapters(tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Adapters that SFT exported."""
    folder = tmp_path_factory.mktemp("sft")
    weights, _ = fit("sft", tiny_checkpoint, folder, lora=LORA)
    assert any(tensor.abs().max() > 0 for name, tensor in weights.items() if "lora_B" in name)
    return folder / "policy"


def assert_identical(result: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    assert result.keys() == expected.keys()
    assert result
    for name, tensor in expected.items():
        assert torch.equal(result[name], tensor), name


def test_1_grpo_goes_on_from_adapters_with_these_as_its_reference(adapters: Path, tmp_path: Path) -> None:
    weights, rows = fit("grpo", adapters, tmp_path / "whole", kl_beta=0.1)
    assert rows[0]["train/reference_kl"] == 0.0
    assert rows[2]["train/reference_kl"] > 0.0
    resumed, later = fit("grpo", adapters, tmp_path / "again", kl_beta=0.1, resume=tmp_path / "whole/batch_step=1.ckpt")
    assert_identical(resumed, weights)
    assert later[-1]["train/reference_kl"] == rows[2]["train/reference_kl"]


@pytest.mark.parametrize("export", ["adapters", "merged"])
def test_2_the_command_line_takes_what_a_fit_exports(
    export: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    small = ["--config=base", "--config=sft", "--config=model/tiny", "--config=hardware/cpu", "--trainer.max_steps=1"]
    small += ["--trainer.limit_val_batches=0", "--trainer.num_sanity_val_steps=0", "--trainer.callbacks=[]"]
    small += ["--data.held_out={num_validation_tasks: 0, num_test_tasks: 4}", "--data.num_demonstrations=8"]
    small += ["--model.optimizer={matrix_learning_rate: null}", "--trainer.enable_progress_bar=false"]
    exporting = [f"--trainer.callbacks+={{class_path: ExportPolicy, init_args: {{export: {export}}}}}"]
    first = [f"--model.policy.checkpoint={BASE}", "--model.policy.lora={r: 4, alpha: 8}"]
    folder = tmp_path / "first"
    assert main(["fit", *small, *first, *exporting, f"--trainer.default_root_dir={folder}"]) == 0
    policy = folder / "policy"
    assert (policy / "adapter_config.json").is_file() == (export == "adapters")
    assert (policy / "config.json").is_file() == (export == "merged")

    monkeypatch.chdir(tmp_path)
    named = [f"--model.policy.checkpoint={policy}"]
    assert main(["fit", *small, *named, "--trainer.default_root_dir=again"]) == 0
    played = [*small, *named, "--trainer.callbacks+=RepairEvaluation"]
    assert main(["test", *played, "--trainer.default_root_dir=test"]) == 0
    assert (tmp_path / "test" / "results.json").is_file()
    Path("plan.lp").write_text("Minimize\n obj: x\nSubject To\n a: x >= 2\n b: x <= 1\nEnd\n")
    words = ["--config=predict", "--config=model/tiny", *named, "--data.program=plan.lp"]
    capsys.readouterr()
    # It plays, and a policy that has learned nothing of the kind is sure of no repair.
    assert main(["predict", *words, "--trainer.default_root_dir=predict"]) == 1
    assert "The policy: 0 of 8 attempts ended feasible" in capsys.readouterr().out


@pytest.mark.parametrize("run", ["ddp_from_adapters", "fsdp2_from_adapters"])
def test_3_two_ranks_go_on_from_adapters_as_one_device_does(run: str, adapters: Path, tmp_path: Path) -> None:
    expected, _ = fit("grpo", adapters, tmp_path / "one", kl_beta=0.1)
    (tmp_path / "two").mkdir()
    two_processes(run, adapters, tmp_path / "two", PROGRAM)
    assert_close(torch.load(tmp_path / "two" / "adapters.pt", weights_only=True), expected)


def test_3_ddp_trains_on_weights_in_four_bits_as_one_device_does(tiny_checkpoint: Path, tmp_path: Path) -> None:
    expected, _ = fit("grpo", tiny_checkpoint, tmp_path / "one", kl_beta=0.1, lora=LORA, quantization=NF4)
    (tmp_path / "two").mkdir()
    two_processes("ddp_nf4", tiny_checkpoint, tmp_path / "two", PROGRAM)
    assert_close(torch.load(tmp_path / "two" / "adapters.pt", weights_only=True), expected)
    with pytest.raises(AssertionError, match="expected none with sharded weights, got nf4"):
        two_processes("fsdp2_nf4", tiny_checkpoint, tmp_path / "two", PROGRAM)


def assert_close(result: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    assert result.keys() == expected.keys()
    largest = max(float(tensor.abs().max()) for tensor in expected.values())
    for name, tensor in expected.items():
        assert (result[name] - tensor).abs().max() <= 1e-5 * largest, name


@pytest.mark.parametrize(
    ("quantization", "optimizer"), [(NF4, EIGHT_BITS), (INT8, PAGED)], ids=["nf4, AdamW8bit", "int8, PagedAdamW8bit"]
)
@pytest.mark.filterwarnings("ignore:Paged optimizers are not supported on CPU")
def test_4_a_run_in_few_bits_resumes_to_identical_weights(
    quantization: QuantizationSettings, optimizer: OptimizerSettings, tmp_path: Path
) -> None:
    settings = {"lora": LORA, "quantization": quantization, "optimizer": optimizer, "batches": 4}
    whole, _ = fit("sft", BASE, tmp_path / "whole", **settings)
    saved = tmp_path / "whole" / "batch_step=2.ckpt"
    checkpoint = torch.load(saved, weights_only=True)
    assert checkpoint["state_dict"]
    assert all("lora_" in name for name in checkpoint["state_dict"])
    resumed, _ = fit("sft", BASE, tmp_path / "again", resume=saved, **settings)
    assert_identical(resumed, whole)
    stored = json.loads((tmp_path / "again" / "policy" / "lit_grpo_base.json").read_text())
    assert stored["quantization"]["kind"] == quantization.kind


def test_5_states_in_eight_bits() -> None:
    layer = nn.Linear(64, 64, bias=False)
    settings = OptimizerSettings(learning_rate=1e-3, adamw=AdamW8bit)
    optimizer = build_optimizer(layer, settings)
    before = layer.weight.detach().clone()
    layer(torch.randn(8, 64, generator=torch.Generator().manual_seed(0))).square().sum().backward()
    optimizer.step()
    # Both moments begin at 0, so the first step is g / |g| times the rate, whatever the decay rates.
    assert layer.weight.grad is not None
    torch.testing.assert_close(before - layer.weight, 1e-3 * layer.weight.grad.sign(), rtol=1e-3, atol=0)
    state = optimizer.state[layer.weight]
    assert [state[name].dtype for name in ("state1", "state2")] == [torch.uint8] * 2
    with pytest.raises(ValueError, match="expected torch's beside Muon, got AdamW8bit"):
        OptimizerSettings(adamw=AdamW8bit, matrix_learning_rate=1e-3)
    with pytest.raises(ValueError, match="expected a class that takes lr, betas and weight_decay"):
        OptimizerSettings(adamw=torch.optim.SGD)


def test_6_a_checkpoint_of_adapters_with_another_base_is_refused(
    tiny_checkpoint: Path, other_checkpoint: Path, tmp_path: Path
) -> None:
    fit("sft", tiny_checkpoint, tmp_path / "first", lora=LORA, batches=1)
    saved = tmp_path / "first" / "batch_step=1.ckpt"
    message = (
        r"^model.policy.base: expected weights of digest \w+, as in the checkpoint .*, got weights of digest \w+; "
    )
    with pytest.raises(ValueError, match=message):
        fit("sft", other_checkpoint, tmp_path / "again", lora=LORA, batches=2, resume=saved)
    module, data = make_module("sft", other_checkpoint, lora=LORA), make_data("sft", other_checkpoint, batches=1)
    with pytest.raises(ValueError, match=message):
        make_trainer(tmp_path / "test").test(module, data, ckpt_path=str(saved))
    make_trainer(tmp_path / "test").test(
        make_module("sft", tiny_checkpoint, lora=LORA), data, ckpt_path=str(saved), verbose=False
    )
