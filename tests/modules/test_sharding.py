"""A sharded policy is read by its ranks in parts: two processes on the CPU (gloo).

1. Together the parts are what the whole reading gives, bit by bit, and so are log-probs up to rounding: tied and untied
   heads, in bfloat16, with adapters (which begin with the same random numbers), from one file and from several.
2. No rank ever fills a tensor of more than its own rows of the largest one, adapters apart.
3. A tensor that the files lack, that config.json does not describe, or that has another shape than it says, is named.
4. One number that changes in one rank's rows changes the fingerprint on both ranks.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.distributed import destroy_process_group, init_process_group
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.tensor import DTensor
from torch.multiprocessing.spawn import spawn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from transformers import PreTrainedModel, Qwen3Config, Qwen3ForCausalLM
from typing_extensions import override

from lit_grpo.engines.ranks import Ranks
from lit_grpo.engines.weights import full_weights
from lit_grpo.modules.adapters import LoraSettings
from lit_grpo.modules.policy import load_policy
from lit_grpo.modules.served_policy import ServedPolicy
from lit_grpo.modules.sharding import load_sharded_policy

VOCABULARY, HIDDEN = 61, 32
SIZES: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "hidden_size": HIDDEN,
    "intermediate_size": 47,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 128,
}
LORA = LoraSettings(r=2, target_modules=("q_proj", "down_proj"))
CASES: list[tuple[str, torch.dtype, LoraSettings | None]] = [
    ("tied", torch.float32, None),
    ("untied", torch.float32, None),
    ("tied", torch.bfloat16, None),
    ("tied", torch.float32, LORA),
    ("untied", torch.bfloat16, LORA),
]


def save_checkpoints(folder: Path) -> None:
    """Sizes that two ranks cannot share evenly; the untied one in several files."""
    for name, is_tied in (("tied", True), ("untied", False)):
        torch.manual_seed(1)
        model: PreTrainedModel = Qwen3ForCausalLM(Qwen3Config(**SIZES, tie_word_embeddings=is_tied))
        model.save_pretrained(folder / name, max_shard_size="1GB" if is_tied else "12KB")


class Filled(TorchDispatchMode):
    """The largest storage that anything was written to: no views, no room that is reserved, no mapped files."""

    def __init__(self) -> None:
        super().__init__()
        self.most_bytes = 0

    @override
    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        aliases = [returned.alias_info for returned in func._schema.returns]
        is_view = any(alias is not None and not alias.is_write for alias in aliases)
        if not is_view and not func._schema.name.startswith(("aten::empty", "aten::set_")):
            for leaf in tree_leaves(result):
                if type(leaf) is Tensor and not leaf.is_meta:
                    self.most_bytes = max(self.most_bytes, leaf.untyped_storage().nbytes())
        return result


def on_one_rank(rank: int, folder: Path) -> None:
    torch.set_num_threads(1)
    init_process_group("gloo", init_method=f"file://{folder / 'rendezvous'}", rank=rank, world_size=2)
    mesh = init_device_mesh("cpu", (2, 1), mesh_dim_names=("data_parallel", "tensor_parallel"))
    for name, dtype, lora in CASES:
        as_if_whole(folder / name, dtype, lora, mesh)
    parts_only(folder / "tied", rank, mesh)
    seen_by_both(folder / "tied", rank, mesh)
    if rank == 0:
        spoil(folder)
    torch.distributed.barrier()
    with pytest.raises(ValueError, match=r"expected model\.norm\.weight in the safetensors weights .*, got none"):
        load_sharded_policy(folder / "lacking", torch.float32, None, False, mesh)
    with pytest.raises(ValueError, match=r"got model\.layers\.1\.\S+ and 10 more as well"):
        load_sharded_policy(folder / "fewer_layers", torch.float32, None, False, mesh)
    with pytest.raises(
        ValueError, match=r"expected model\.embed_tokens\.weight of shape \(60, 32\), .* got \(61, 32\)"
    ):
        load_sharded_policy(folder / "other_shape", torch.float32, None, False, mesh)
    destroy_process_group()


def as_if_whole(checkpoint: Path, dtype: torch.dtype, lora: LoraSettings | None, mesh: DeviceMesh) -> None:
    torch.manual_seed(5)
    whole = load_policy(checkpoint, dtype, lora)
    state_after = torch.get_rng_state()
    torch.manual_seed(5)
    sharded = load_sharded_policy(checkpoint, dtype, lora, False, mesh)
    assert torch.equal(torch.get_rng_state(), state_after)
    model = sharded.causal_lm
    is_tied = model.get_parameter("lm_head.weight") is model.get_parameter("model.embed_tokens.weight")
    assert is_tied == (checkpoint.name == "tied")
    for trainable_only in (True, False):
        expected = dict(full_weights(whole.model, trainable_only))
        result = dict(full_weights(sharded.model, trainable_only))
        assert list(result) == list(expected)
        for name, tensor in expected.items():
            assert result[name].dtype == tensor.dtype, name
            assert torch.equal(result[name], tensor), name
    assert {name: b.tolist() for name, b in sharded.named_buffers()} == {
        name: b.tolist() for name, b in whole.named_buffers()
    }
    sequences = [tuple(range(3, 40)), tuple(range(50, 20, -1))]
    rows = zip(*(ServedPolicy(p, checkpoint, 0).logprobs(sequences) for p in (whole, sharded)), strict=True)
    for one, other in rows:
        torch.testing.assert_close(torch.tensor(other), torch.tensor(one), rtol=0, atol=1e-5)


def parts_only(checkpoint: Path, rank: int, mesh: DeviceMesh) -> None:
    with Filled() as filled:
        policy = load_sharded_policy(checkpoint, torch.float32, None, False, mesh)
    rows = -(-VOCABULARY // 2)
    assert filled.most_bytes == rows * HIDDEN * 4
    own = policy.causal_lm.get_parameter("model.embed_tokens.weight").data
    assert isinstance(own, DTensor)
    assert own.to_local().shape == ((rows, VOCABULARY - rows)[rank], HIDDEN)


def seen_by_both(checkpoint: Path, rank: int, mesh: DeviceMesh) -> None:
    def texts_of_all(text: str) -> list[str]:
        texts = ["", ""]
        torch.distributed.all_gather_object(texts, text)
        return texts

    policy = load_sharded_policy(checkpoint, torch.float32, None, False, mesh)
    view = ServedPolicy(policy, checkpoint, 0, ranks=Ranks(rank == 0, 2, texts_of_all))
    own = policy.causal_lm.get_parameter("model.norm.weight").data
    assert isinstance(own, DTensor)
    before = view.fingerprint()
    assert view.fingerprint() == before
    if rank == 1:
        own.to_local()[-1] += 1e-3
    after = view.fingerprint()
    assert len(set(texts_of_all(after))) == 1, "both ranks say the same"
    assert after != before
    if rank == 1:
        own.to_local()[-1] -= 1e-3
    assert view.fingerprint() != after


def spoil(folder: Path) -> None:
    config = json.loads((folder / "tied" / "config.json").read_text())
    weights = load_file(folder / "tied" / "model.safetensors")
    changes: list[tuple[str, dict[str, Any], list[str]]] = [
        ("lacking", {}, [key for key in weights if key != "model.norm.weight"]),
        ("other_shape", {"vocab_size": VOCABULARY - 1}, list(weights)),
        ("fewer_layers", {"num_hidden_layers": 1, "layer_types": ["full_attention"]}, list(weights)),
    ]
    for name, change, kept in changes:
        (folder / name).mkdir()
        (folder / name / "config.json").write_text(json.dumps(config | change))
        save_file({key: weights[key] for key in kept}, folder / name / "model.safetensors")


def test_two_processes(tmp_path: Path) -> None:
    save_checkpoints(tmp_path)
    assert len(list((tmp_path / "untied").glob("*.safetensors"))) > 1
    spawn(on_one_rank, (tmp_path,), nprocs=2)
