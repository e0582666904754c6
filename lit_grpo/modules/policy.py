"""The policy network: a causal language model that gives log-probs of packed targets.

Called by modules/sft.py and modules/grpo.py. The backbone runs on packed rows (packing.py); the head is applied here,
only where a target is predicted, so that one call of this module is all a sharding strategy has to gather for.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor, nn
from transformers import AutoConfig, PreTrainedConfig, PreTrainedModel
from typing_extensions import override

from lit_grpo.data.contract import require_readable_policy
from lit_grpo.data.policy_folder import base_folder, holds_adapters, require_own_base, trained_on
from lit_grpo.logprobs import CHUNK_ELEMENTS, token_logprobs, token_logprobs_and_entropies
from lit_grpo.modules.adapters import LoraSettings, read_adapters, settings_of, with_adapters
from lit_grpo.modules.model_reading import read_model
from lit_grpo.modules.packed_attention import ATTENTION_NAME, packed_rows
from lit_grpo.modules.precision import WithoutAutocast
from lit_grpo.modules.quantization import QuantizationKind, QuantizationSettings, is_quantised, read_quantised
from lit_grpo.packing import PackedBatch, is_plainly_causal

if TYPE_CHECKING:
    from peft import PeftModel


class CausalPolicy(nn.Module):
    """A causal language model, with or without adapters, seen as log-probs of given tokens."""

    def __init__(
        self, causal_lm: PreTrainedModel, lora: LoraSettings | None = None, gradient_checkpointing: bool = False
    ) -> None:
        """Wrap ``causal_lm``; with ``lora`` it gets adapters in place and everything else is frozen.

        Raises:
            ValueError: This module would not compute the model's log-probs exactly.
        """
        super().__init__()
        _require_plain_head(causal_lm)
        _require_full_attention(causal_lm.config)
        causal_lm.set_attn_implementation(ATTENTION_NAME)
        self.lora = lora
        self.model: nn.Module = causal_lm if lora is None else with_adapters(causal_lm, lora)
        if gradient_checkpointing:
            causal_lm.gradient_checkpointing_enable()

    @override
    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> CausalPolicy:
        """Cast or move the weights; buffers are moved alone.

        They are rotary frequencies: rounded to bfloat16, as ``trainer.precision: bf16-true`` would round them, they
        turn far positions by other angles than those of the model that is exported.
        """
        before = dict(self.named_buffers(remove_duplicate=False))
        super()._apply(fn, recurse)
        for name, buffer in before.items():
            owner, _, own_name = name.rpartition(".")
            now = self.get_buffer(name)
            if now.dtype != buffer.dtype:
                self.get_submodule(owner)._buffers[own_name] = buffer.to(now.device)
        return self

    @property
    def causal_lm(self) -> PreTrainedModel:
        """The language model itself, adapters in place where configured; rollout engines generate with it."""
        if self.lora is None:
            return cast(PreTrainedModel, self.model)
        return cast("PeftModel", self.model).get_base_model()  # pyright: ignore[reportReturnType]

    def freeze_first(self, num_layers: int) -> None:
        """Train neither the embeddings, nor the head, nor the first decoder layers.

        These layers compute in the dtype of their weights under mixed precision as well: what was set or learned in
        float32 and is never trained again cannot get used to being rounded, and they have no backward pass to speed up.

        The head is among them for the sake of rare tokens: an optimizer that divides a gradient by its size, as Adam
        does, moves the rows of tokens that are never right as fast as those of frequent ones, away from all that is
        said.

        Raises:
            ValueError: No layer would be left, or there are adapters.
        """
        layers = list(self.causal_lm.base_model.get_submodule("layers").children())
        if not 0 < num_layers < len(layers) or self.lora is not None:
            raise ValueError(
                f"model.policy.frozen_layers: expected 1 to {len(layers) - 1}, in a policy without adapters, got "
                f"{num_layers} and lora {self.lora}; set it to 0"
            )
        ends = self.causal_lm.get_input_embeddings(), cast(nn.Linear, self.causal_lm.get_output_embeddings())
        for part in (*ends, *layers[:num_layers]):
            part.requires_grad_(False)
        for layer in layers[:num_layers]:
            WithoutAutocast().attach(layer)

    def forward(self, batch: PackedBatch, temperature: float = 1.0) -> Tensor:
        """Log-probs of the batch's targets.

        Args:
            batch: Packed rows on this module's device.
            temperature: The temperature of the sampling distribution, above 0.

        Returns:
            [num_tokens], at least float32.
        """
        predictors, weight = self._predictors(batch)
        return token_logprobs(predictors, weight, batch.target_ids, temperature)

    def logprobs_and_entropies(self, batch: PackedBatch, temperature: float = 1.0) -> tuple[Tensor, Tensor]:
        """``forward``, and the entropy in nats of the distribution each target was drawn from, differentiable, too.

        It is a method of its own, since the entropies cost a second pass over each chunk of logits. A sharding strategy
        has to be told of it, which modules/base.py does.
        """
        predictors, weight = self._predictors(batch)
        return token_logprobs_and_entropies(predictors, weight, batch.target_ids, temperature)

    @torch.no_grad()
    def most_likely(self, batch: PackedBatch) -> Tensor:
        """The token that the policy would have put in the place of each target, [num_tokens] int64."""
        predictors, weight = self._predictors(batch)
        chunk_tokens = max(1, CHUNK_ELEMENTS // weight.shape[0])
        return torch.cat([(part @ weight.T).argmax(dim=1) for part in predictors.split(chunk_tokens)])

    def _predictors(self, batch: PackedBatch) -> tuple[Tensor, Tensor]:
        """The hidden states that predict the targets, [num_tokens, hidden], and the head's weight."""
        causal_lm = self.causal_lm
        # Without rows attention is causal, over all rows at once.
        layout = (
            {}
            if is_plainly_causal(batch.segment_ids)
            else {"rows": packed_rows(batch.segment_ids), "position_ids": batch.position_ids}
        )
        states = causal_lm.base_model(input_ids=batch.input_ids, use_cache=False, **layout).last_hidden_state
        predictors = states.flatten(0, 1).index_select(0, batch.predictor_index)
        head = cast(nn.Linear, causal_lm.get_output_embeddings())
        return predictors, head.weight


def load_policy(
    checkpoint: Path,
    dtype: torch.dtype = torch.float32,
    lora: LoraSettings | None = None,
    gradient_checkpointing: bool = False,
    base: Path | None = None,
    quantization: QuantizationSettings | None = None,
) -> CausalPolicy:
    """Read a policy from a folder written by ``save_pretrained``. Nothing is ever fetched by its name on a hub.

    Args:
        checkpoint: Folder with ``config.json`` and safetensors weights, or with adapters alone.
        dtype: The dtype of the weights; adapters are float32, unless a run's precision is bf16-true.
        lora: Adapters to put on it, freshly initialised; those of ``checkpoint`` are taken as they are.
        gradient_checkpointing: Recompute each layer in the backward pass, for memory.
        base: The folder of the base below the adapters in ``checkpoint``; None: the one that they name.
        quantization: How frozen weights are held; None: as adapters in ``checkpoint`` were trained, else as they are.

    Raises:
        ValueError: There is no such checkpoint, its weights are not those that its config describes, it has learned
            another rendering or grammar, or its adapters were trained on another base; says so in one line.
    """
    weights = base_folder(checkpoint, base)
    require_own_base(checkpoint, weights)
    lora = settings_of(checkpoint, lora)
    config = load_config(weights)
    chosen = chosen_quantization(checkpoint, quantization)
    if chosen is not None or is_quantised(config):
        causal_lm = read_quantised(weights, config, dtype, chosen)
    else:
        causal_lm = read_model(weights, config, dtype=dtype)
    policy = CausalPolicy(causal_lm, lora, gradient_checkpointing)
    if holds_adapters(checkpoint):
        require_readable_policy(checkpoint)
        read_adapters(policy.model, checkpoint)
    return policy


def chosen_quantization(checkpoint: Path, asked: QuantizationSettings | None) -> QuantizationSettings | None:
    """How the frozen weights are held: as asked, else as they were when the checkpoint's adapters were trained."""
    if asked is not None:
        return None if asked.kind is QuantizationKind.NONE else asked
    stored = trained_on(checkpoint) if holds_adapters(checkpoint) else None
    return None if stored is None else QuantizationSettings.from_json(stored, checkpoint)


def context_of(causal_lm: PreTrainedModel) -> int:
    """Most tokens that a context and its completion may have together."""
    return causal_lm.config.max_position_embeddings


def load_config(checkpoint: Path) -> PreTrainedConfig:
    """``config.json`` of a checkpoint; ValueError if there is none, or if it learned another rendering or grammar."""
    if not (checkpoint / "config.json").is_file():
        raise ValueError(
            f"checkpoint: expected a folder with config.json and safetensors weights, got {checkpoint}; models are "
            "read from folders and never fetched by name: download it first"
        )
    require_readable_policy(checkpoint)
    try:
        return AutoConfig.from_pretrained(checkpoint, local_files_only=True)
    except (OSError, ValueError) as error:
        raise ValueError(
            f"{checkpoint / 'config.json'}: expected the config of a model that transformers knows, got: "
            f"{str(error).splitlines()[0]}; fetch or export it again"
        ) from error


def _require_plain_head(causal_lm: PreTrainedModel) -> None:
    """ValueError if logits are not the head's weight times the hidden state: log-probs are computed from it alone."""
    name, head = type(causal_lm).__name__, causal_lm.get_output_embeddings()
    if not isinstance(head, nn.Linear) or head.bias is not None:
        raise ValueError(f"{name}: expected a linear language-model head without bias, got {head}; use a Qwen or Llama")
    settings = causal_lm.config.to_dict()
    for setting in ("final_logit_softcapping", "logit_scale", "logits_scaling"):
        if settings.get(setting) not in (None, 1.0):
            raise ValueError(f"{name}: expected plain logits, got {setting}={settings[setting]}; use a Qwen or Llama")


def _require_full_attention(config: PreTrainedConfig) -> None:
    """ValueError for a layer that the config says has a window or a state: every token attends to all before it."""
    settings = config.to_dict()
    kinds = set(settings.get("layer_types") or ()) - {"full_attention"}
    if kinds or settings.get("sliding_window") is not None:
        raise ValueError(
            f"{config.model_type}: expected full attention in every layer, got {sorted(kinds) or 'a sliding window'}; "
            "set use_sliding_window to false or use another model"
        )
