"""Every shipped config.

1. Opens with its purpose, its hardware and its command.
2. Parses, in the composition that its own command names, and resolves to something that `--print_config` can write.
3. Qwen3-8B with LoRA builds on meta tensors: 36 decoder layers, and adapters alone are trained.
"""

import re
from pathlib import Path

import pytest
import torch
import yaml
from transformers import AutoModelForCausalLM, Qwen3Config

from lit_grpo.cli import main
from lit_grpo.commands import serve
from lit_grpo.dtypes import torch_dtype
from lit_grpo.modules.adapters import LoraSettings
from lit_grpo.modules.policy import CausalPolicy

ROOT = Path(__file__).parents[2] / "configs"
CONFIGS = sorted(ROOT.rglob("*.yaml"))
SERVERS = [path for path in CONFIGS if path.parent.name == "serve"]
"""Of `lit-grpo serve`; all others are those of a Trainer."""


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", CONFIGS, ids=relative)
def test_opens_with_purpose_hardware_and_command(path: Path) -> None:
    first, second, third = path.read_text(encoding="utf-8").splitlines()[:3]
    assert first.startswith("# Purpose: ")
    assert second.startswith("# Hardware: ")
    assert third.startswith("# Command: ")


def composition(path: Path) -> list[str]:
    """The configs of the command in its header, which may leave out (``...``) those of the method and the model."""
    header = " ".join(line[1:] for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("#"))
    named = re.findall(r"--config configs/(\S+)", header)
    if "..." in header:
        named = ["base.yaml", "grpo.yaml", "model/tiny.yaml", *named]
    if path.parent.name == "quickstart" and not named:
        named = ["quickstart/base.yaml", "quickstart/sft.yaml"]
    return named if relative(path) in named else [*named, relative(path)]


@pytest.mark.parametrize("path", SERVERS, ids=relative)
def test_a_server_parses(path: Path) -> None:
    settings = serve.parse(["--config", str(path), "--capacity.max_sequences", "8"])
    assert settings.capacity.max_sequences == 8
    assert settings.model.checkpoint == Path("checkpoints/tiny-base")


@pytest.mark.parametrize("path", [path for path in CONFIGS if path not in SERVERS], ids=relative)
def test_parses_in_its_composition(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = "predict" if path.name == "predict.yaml" else "fit"
    configs = [argument for name in composition(path) for argument in ("--config", str(ROOT / name))]
    with pytest.raises(SystemExit) as end:
        main([command, *configs, "--print_config"])
    assert end.value.code == 0
    resolved = yaml.safe_load(capsys.readouterr().out)
    assert resolved["model"]["class_path"]
    assert resolved["data"]["class_path"]


QWEN3_8B = Qwen3Config(
    hidden_size=4096,
    num_hidden_layers=36,
    num_attention_heads=32,
    num_key_value_heads=8,
    head_dim=128,
    intermediate_size=12288,
    vocab_size=151936,
    max_position_embeddings=40960,
    tie_word_embeddings=False,
)


def test_qwen3_8b_lora_builds_on_meta_tensors() -> None:
    settings = yaml.safe_load((ROOT / "model/qwen3_8b_lora.yaml").read_text(encoding="utf-8"))
    policy = settings["model"]["init_args"]["policy"]
    lora = LoraSettings(**policy["lora"])
    with torch.device("meta"):
        causal_lm = AutoModelForCausalLM.from_config(QWEN3_8B, dtype=torch_dtype(policy["dtype"]))
        network = CausalPolicy(causal_lm, lora, policy["gradient_checkpointing"])
    assert all(parameter.is_meta for parameter in network.parameters())
    trained = sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)
    # Rank 16 on q, o: 16 (4096 + 4096) each; k, v: 16 (4096 + 1024) each; gate, up, down: 16 (4096 + 12288) each.
    assert trained == 36 * 16 * (2 * 8192 + 2 * 5120 + 3 * 16384)
    assert sum(parameter.numel() for parameter in network.parameters()) - trained == pytest.approx(8.19e9, rel=0.01)


def test_qwen3_8b_qlora_holds_what_the_docs_say() -> None:
    """The first four rows of the table in docs/adapters.md, in GB, from the model's shape."""
    settings = yaml.safe_load((ROOT / "model/qwen3_8b_qlora.yaml").read_text(encoding="utf-8"))["model"]["init_args"]
    policy = settings["policy"]
    assert policy["quantization"] == {"kind": "NF4", "double_quant": True}
    assert settings["optimizer"]["adamw"].endswith("AdamW8bit")
    with torch.device("meta"):
        causal_lm = AutoModelForCausalLM.from_config(QWEN3_8B, dtype=torch_dtype(policy["dtype"]))
        network = CausalPolicy(causal_lm, LoraSettings(**policy["lora"]), policy["gradient_checkpointing"])
    trained = sum(p.numel() for p in network.parameters() if p.requires_grad)
    matrices = sum(p.numel() for n, p in causal_lm.named_parameters() if ".base_layer." in n)
    others = sum(p.numel() for p in network.parameters()) - trained - matrices
    rows = [
        (matrices * (0.5 + 1 / 64 + 4 / (64 * 256)), 3.6),
        (others * 2, 2.5),
        (trained * 4 * 3, 0.5),
        (trained * 2, 0.1),
    ]
    assert [round(size / 1e9, 1) for size, _ in rows] == [said for _, said in rows]
    assert round(sum(size for size, _ in rows) / 1e9 + 0.2, 1) == 6.9
