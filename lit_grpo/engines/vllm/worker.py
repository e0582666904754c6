# pyright: reportMissingImports=false
"""Extends a vLLM worker: it takes all of a policy's weights, and shows those that its kernels use.

vLLM mixes the class, which core.py names, into its own worker class; the methods are called by their names, with
plain texts, in every process that a server's weights are split over.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

if TYPE_CHECKING:
    from vllm.v1.worker.gpu_worker import Worker

    _Base = Worker
else:
    _Base = object

IDENTITY_ROWS = 512
"""The rows of the identity matrix that go through a layer at a time."""


class PolicyWorker(_Base):
    """Extends a vLLM worker."""

    def prepare_draws(self) -> None:
        """Hand back the logits that draws.py leaves; prompt tokens keep the log-probs of the model itself."""
        self.model_runner.sampler.logprobs_mode = "processed_logits"

    def load_policy(self, folder: str) -> None:
        """Replace every weight by those in the folder's files, one tensor at a time."""
        self.reload_weights(weights_iterator=_tensors(Path(folder)))
        _pack_heads(self.model_runner.get_model())

    def export_policy(self, folder: str) -> None:
        """Write the weights in use, under their names in the policy, as files of one tensor each.

        Linear layers are asked through their kernels, which shows a packed copy that was not renewed; the parameter
        itself would not show it. Each of several processes writes its part of a tensor; the files' order is theirs.
        """
        for number, (name, tensor) in enumerate(_weights_in_use(self.model_runner.get_model())):
            path = Path(folder) / f"{number:05d}_{self.rank:03d}.safetensors"
            save_file({name: tensor.contiguous().cpu()}, path)


def _tensors(folder: Path) -> Iterator[tuple[str, Tensor]]:
    for path in sorted(folder.glob("*.safetensors")):
        with safe_open(path, framework="pt") as file:
            for name in file.keys():  # noqa: SIM118  no mapping
                yield name, file.get_tensor(name)


def _pack_heads(model: Any) -> None:
    """Renew the packed copy that a language-model head made of its weight at the start.

    vLLM renews it for layers that new weights came for. A head that is tied to the embeddings gets none of its own: its
    weight is new, being the embeddings', while a CPU's packed copy of it would stay that of the first weights.
    """
    from vllm.model_executor.layers.vocab_parallel_embedding import ParallelLMHead

    for module in model.modules():
        if isinstance(module, ParallelLMHead):
            module.quant_method.process_weights_after_loading(module)


def _weights_in_use(model: Any) -> Iterator[tuple[str, Tensor]]:
    from vllm.model_executor.layers.linear import LinearBase, RowParallelLinear
    from vllm.model_executor.layers.vocab_parallel_embedding import ParallelLMHead, VocabParallelEmbedding

    for name, module in model.named_modules():
        # With adapters, vLLM puts a layer of its own around each of the model's.
        name = name.replace(".base_layer", "")
        if isinstance(module, LinearBase):
            # Of several processes each has some of the inputs of such a layer, and of others some of the outputs.
            is_by_inputs = isinstance(module, RowParallelLinear)
            num_inputs = module.input_size_per_partition if is_by_inputs else module.input_size
            yield from _parts(f"{name}.weight", _asked(module, num_inputs), module)
            if isinstance(module.bias, Tensor):
                yield from _parts(f"{name}.bias", module.bias.detach(), module)
        elif isinstance(module, ParallelLMHead):
            yield f"{name}.weight", _asked(module, module.embedding_dim)[: module.org_vocab_size]
        elif isinstance(module, VocabParallelEmbedding):
            yield f"{name}.weight", cast(Tensor, module.weight).detach()[: module.org_vocab_size]
        else:
            for own, parameter in module.named_parameters(recurse=False):
                yield f"{name}.{own}", parameter.detach()


@torch.inference_mode()
def _asked(layer: Any, num_inputs: int) -> Tensor:
    """[outputs, inputs], the layer's output for each row of the identity matrix."""
    some = next(layer.parameters())
    columns = []
    for start in range(0, num_inputs, IDENTITY_ROWS):
        rows = torch.zeros(min(IDENTITY_ROWS, num_inputs - start), num_inputs, dtype=some.dtype, device=some.device)
        rows[:, start:].fill_diagonal_(1)
        columns.append(layer.quant_method.apply(layer, rows, None))
    return torch.cat(columns).T


def _parts(name: str, stacked: Tensor, layer: Any) -> Iterator[tuple[str, Tensor]]:
    """The model's own layers in one of vLLM's, which stacks some of them: the name and the part of each."""
    stacks = {"qkv_proj": ("q_proj", "k_proj", "v_proj"), "gate_up_proj": ("gate_proj", "up_proj")}
    for stack, names in stacks.items():
        if f".{stack}." in name and len(layer.output_partition_sizes) == len(names):
            for part, tensor in zip(names, stacked.split(layer.output_partition_sizes), strict=True):
                yield name.replace(f".{stack}.", f".{part}."), tensor
            return
    yield name, stacked
