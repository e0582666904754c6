"""Adapters in a folder, as peft writes them: read with their base, added to it, refused where they are something else.

1. A policy read from exported adapters computes what the exported one did; the base is the one that they name, wherever
   the run starts, or the one that is named instead of it.
2. Merged weights are W + (alpha / r) B A, worked out here with numpy, and the plain model computes what the policy did.
3. Adapters that are not plain LoRA, of another rank than asked for, of another base (of other shapes, or of the same
   with other weights), or without one: one line each.
4. The engine keeps no second copy of what lies below the adapters, and the policy's weights are not changed by it.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from jsonargparse import Namespace
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import AutoModelForCausalLM

from lit_grpo.callbacks.export import merged_model, save_adapters, save_tokenizer
from lit_grpo.data.conversation import read_conversation
from lit_grpo.data.policy_folder import read_tokenizer
from lit_grpo.engines.transformers.engine import TransformersEngine
from lit_grpo.engines.weights import full_weights
from lit_grpo.fitting.export_check import require_exportable
from lit_grpo.modules.adapters import LoraSettings, whole_weights
from lit_grpo.modules.base import PolicySettings
from lit_grpo.modules.policy import CausalPolicy
from lit_grpo.packing import Continuation, PackedBatch, PromptGroup, pack
from lit_grpo.shared_settings import hand_over

LORA = LoraSettings(r=4, alpha=12.0, dropout=0.25, target_modules=("q_proj", "o_proj", "down_proj"))
CONFIG = "adapter_config.json"


def batch() -> PackedBatch:
    tokens = torch.randint(0, 600, (40,), generator=torch.Generator().manual_seed(1)).tolist()
    [packed] = pack([PromptGroup(tuple(tokens[:9]), (Continuation(tuple(tokens[9:]), (True,) * 31),))], 64)
    return packed


def randomised(policy: CausalPolicy) -> CausalPolicy:
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for parameter in policy.parameters():
            if parameter.requires_grad:
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.2)
    return policy.eval()


@pytest.fixture
def trained(tiny_checkpoint: Path) -> CausalPolicy:
    return randomised(PolicySettings(tiny_checkpoint, lora=LORA).load())


@pytest.fixture
def exported(trained: CausalPolicy, tiny_checkpoint: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "adapters"
    save_adapters(trained, PolicySettings(tiny_checkpoint, lora=LORA), folder)
    return folder


def logprobs(policy: CausalPolicy) -> Tensor:
    with torch.no_grad():
        return policy.eval()(batch())


def edited(folder: Path, **settings: Any) -> Path:
    path = folder / CONFIG
    path.write_text(json.dumps(json.loads(path.read_text()) | settings))
    return folder


def test_1_a_policy_is_read_from_exported_adapters(
    trained: CausalPolicy, exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    policy = PolicySettings(Path("adapters")).load()
    assert torch.equal(logprobs(policy), logprobs(trained))
    assert policy.lora is not None
    assert (policy.lora.r, policy.lora.alpha, policy.lora.dropout) == (4, 12.0, 0.25)
    assert set(policy.lora.target_modules) == set(LORA.target_modules)
    trainable = {name for name, parameter in policy.named_parameters() if parameter.requires_grad}
    assert trainable == {name for name, _ in policy.named_parameters() if "lora_" in name}


def test_1_the_base_is_the_one_that_is_named_instead(
    trained: CausalPolicy, exported: Path, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    moved = shutil.copytree(tiny_checkpoint, tmp_path / "moved")
    edited(exported, base_model_name_or_path="somebody/elses-model")
    policy = PolicySettings(exported, base=moved).load()
    assert torch.equal(logprobs(policy), logprobs(trained))
    assert PolicySettings(exported, base=moved).weights_folder == moved


def test_1_the_dropout_is_the_runs_own(exported: Path) -> None:
    asked = LoraSettings(r=4, alpha=12.0, dropout=0.0, target_modules=("down_proj", "o_proj", "q_proj"))
    policy = PolicySettings(exported, lora=asked).load()
    assert policy.lora is not None
    assert policy.lora.dropout == 0.0


def test_2_merged_weights_by_hand(trained: CausalPolicy, exported: Path, tiny_checkpoint: Path) -> None:
    base, adapters = load_file(tiny_checkpoint / "model.safetensors"), load_file(exported / "adapter_model.safetensors")
    merged = dict(whole_weights(trained.model))
    assert merged.keys() == base.keys()
    for name, weight in base.items():
        stem = f"base_model.model.{name.removesuffix('.weight')}"
        expected = weight.double().numpy()
        if f"{stem}.lora_A.weight" in adapters:
            down, up = (adapters[f"{stem}.lora_{letter}.weight"].double().numpy() for letter in "AB")
            expected = expected + 12.0 / 4 * up @ down
        assert np.abs(merged[name].double().numpy() - expected).max() < 1e-6
    assert sum("lora_A" in name for name in adapters) == 2 * len(LORA.target_modules)


def test_2_the_merged_model_computes_what_the_policy_did(
    trained: CausalPolicy, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    settings = PolicySettings(tiny_checkpoint, lora=LORA)
    merged_model(trained, settings).save_pretrained(tmp_path / "merged")
    merged = CausalPolicy(AutoModelForCausalLM.from_pretrained(tmp_path / "merged"))
    torch.testing.assert_close(logprobs(merged), logprobs(trained), rtol=0, atol=1e-5)
    assert (logprobs(merged) - logprobs(PolicySettings(tiny_checkpoint).load())).abs().max() > 0.1


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"use_dora": True}, "expected plain LoRA on a list of layers, got use_dora=True; merge"),
        ({"use_rslora": True}, "got use_rslora=True"),
        ({"rank_pattern": {"q_proj": 8}}, "got rank_pattern="),
        ({"modules_to_save": ["lm_head"]}, "got modules_to_save="),
        ({"bias": "all"}, "got bias='all'"),
        ({"target_modules": "all-linear"}, "got target_modules='all-linear'"),
        ({"peft_type": "IA3"}, "expected adapters of type LORA, got IA3"),
        ({"lora_alpha": "much"}, "expected numbers r and lora_alpha"),
        ({"target_modules": ["q_proj"]}, "expected the adapters of this base"),
        (
            {"base_model_name_or_path": "somebody/elses-model"},
            "elses-model, which has no config.json here",
        ),
        ({"base_model_name_or_path": None}, "model.policy.base: expected the folder of the base below the adapters"),
    ],
)
def test_3_what_is_not_plain_is_refused(exported: Path, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=r"^[^\n]+$") as raised:
        PolicySettings(edited(exported, **settings)).load()
    assert message in str(raised.value)


def test_1_the_base_that_is_named_has_the_tokenizer(tiny_checkpoint: Path, exported: Path, tmp_path: Path) -> None:
    """peft writes none beside adapters, and whoever trained them may have had the base elsewhere."""
    edited(exported, base_model_name_or_path="somebody/base")
    base = tmp_path / "base"
    shutil.copytree(tiny_checkpoint, base)
    settings = PolicySettings(exported, base)
    whole = read_tokenizer(tiny_checkpoint)
    assert read_conversation(exported, settings.weights_folder).stop_ids == read_conversation(tiny_checkpoint).stop_ids
    save_tokenizer(settings, tmp_path / "saved")
    assert read_tokenizer(tmp_path / "saved").get_vocab() == whole.get_vocab()
    require_exportable(settings, tmp_path / "policy")
    policy = Namespace(checkpoint=exported, base=base)
    part = Namespace(class_path="lit_grpo.data.datamodule.DemonstrationDataModule", init_args=Namespace(tokenizer=None))
    config = Namespace(model=Namespace(init_args=Namespace(policy=policy)), data=part)
    hand_over(config)
    assert config.data.init_args.tokenizer == base
    with pytest.raises(ValueError, match=r"model\.policy\.base: expected the folder of the base"):
        read_conversation(exported)


def test_3_a_spoilt_tokenizer_is_one_line(tiny_checkpoint: Path, tmp_path: Path) -> None:
    folder = tmp_path / "policy"
    shutil.copytree(tiny_checkpoint, folder)
    for name in ("tokenizer_config.json", "tokenizer.json"):
        (folder / name).write_bytes((folder / name).read_bytes()[:100])
        with pytest.raises(
            ValueError, match=rf"^{folder}: expected a tokenizer that transformers can read, got: [^\n]+$"
        ):
            read_tokenizer(folder)
    (folder / "config.json").write_text("{")
    with pytest.raises(ValueError, match=r"config\.json: expected a JSON object, got "):
        read_conversation(folder)


def test_3_other_adapters_than_asked_for_are_refused(exported: Path) -> None:
    with pytest.raises(ValueError, match=r"expected r 4, alpha 12 on .* got r 16, alpha 32 on .*leave"):
        PolicySettings(exported, lora=LoraSettings()).load()


def test_3_damaged_and_foreign_weights_are_refused(exported: Path) -> None:
    path = exported / "adapter_model.safetensors"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=r"expected adapters in .*adapter_model\.safetensors, got .*again"):
        PolicySettings(exported).load()
    path.write_bytes(whole)
    save_file({name: weight[:1] for name, weight in load_file(path).items()}, path)
    with pytest.raises(ValueError, match="expected the adapters of this base"):
        PolicySettings(exported).load()


def test_3_another_base_of_the_same_shapes_is_refused(exported: Path, other_checkpoint: Path) -> None:
    with pytest.raises(ValueError, match=r"^model.policy.base: expected the base that .* were trained on, weights of"):
        PolicySettings(exported, base=other_checkpoint).load()
    record = exported / "lit_grpo_base.json"
    stored = json.loads(record.read_text())
    assert stored.pop("base_digest")
    record.write_text(json.dumps(stored))
    assert PolicySettings(exported, base=other_checkpoint).load().lora is not None


def test_3_a_base_for_whole_weights_and_adapters_on_the_head_are_refused(tiny_checkpoint: Path) -> None:
    with pytest.raises(ValueError, match="expected it with a checkpoint of adapters alone"):
        PolicySettings(tiny_checkpoint, base=tiny_checkpoint).load()
    with pytest.raises(ValueError, match="leave embed_tokens, lm_head out"):
        PolicySettings(tiny_checkpoint, lora=LoraSettings(target_modules=("q_proj", "lm_head"))).load()


def test_4_the_engine_shares_what_lies_below_the_adapters(trained: CausalPolicy) -> None:
    before = {name: parameter.detach().clone() for name, parameter in trained.model.named_parameters()}
    engine = TransformersEngine(trained.model, stop_ids=[3])
    own = dict(engine._model.named_parameters())
    for name, parameter in trained.model.named_parameters():
        assert (own[name].data_ptr() == parameter.data_ptr()) == (not parameter.requires_grad), name
    engine.update_weights(((name, tensor + 1.0) for name, tensor in full_weights(trained.model)), 1)
    assert all(torch.equal(before[name], parameter) for name, parameter in trained.model.named_parameters())
    assert all(parameter.requires_grad == ("lora_" in name) for name, parameter in trained.model.named_parameters())


def test_4_another_dtype_needs_a_copy(trained: CausalPolicy) -> None:
    engine = TransformersEngine(trained.model, stop_ids=[3], dtype=torch.bfloat16)
    assert {parameter.dtype for parameter in engine._model.parameters()} == {torch.bfloat16}
    assert {parameter.dtype for parameter in trained.model.parameters()} == {torch.float32}
