"""Initial weights with which a decoder copies before it has learned anything: what stood where this token stood before.

Called by base_model.py. Copying takes two layers that are of no use without each other (induction heads, Olsson et al.
2022, arXiv:2209.11895), which is why it begins late, and with thousands of tokens that are each seen a few times it
hardly begins at all. Attention that is set to begin with what training would have to find is known to help (mimetic
initialisation, Trockman and Kolter 2023, arXiv:2305.09828). Here three heads of the first layer write down which tokens
stand one and two places before, and around there; four heads of a later one find a place by that, and copy. Everything
stays trainable, and nothing in the architecture changes.

The residual stream is divided: the token itself, three notes of what stands before it, and one constant, from which the
first layer makes queries and keys that depend on positions alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import Qwen3Config, Qwen3ForCausalLM
from transformers.models.qwen3.modeling_qwen3 import Qwen3Attention

NUM_HEADS = 4

_PLACES = ((1.0, (0, 1, 2)), (2.0, (0, 1, 2)), (2.5, (2, 3, 4, 5)))
"""For each note: how many places before, and the rotary pairs that measure the distance. Slower pairs see wider."""
_NUM_PAIRS = 6
"""Rotary pairs that a head needs for that."""
_OFF = 0.1
"""What random weights are scaled by where they would drown what is written."""
_VALUE_GAIN = 0.3
"""Of the product of the two matrices that copy, so much is in the first: updates change both alike."""
_STRENGTH = 2.0
"""How much stronger a copied token is written than the token that is read."""


@dataclass(frozen=True, slots=True)
class CopyingHeads:
    """Where the copying heads are, and how sure of themselves."""

    layer: int = 2
    """The layer that copies, at least 1; the first layer takes the notes."""
    note_size: int = 32
    """Dimensions of each note."""
    embedding_std: float = 0.05
    """The deviation of the initial embeddings, which are the head, too: the larger, the surer a copied token, seen
    before or not.
    """
    attention_gain: float = 1.6
    """Initial weight of the norms of queries and keys: attention's scores begin with its square as their spread."""

    def require_room(self, config: Qwen3Config) -> None:
        """ValueError if a decoder of this shape has no room for them."""
        size, token = _head_size(config), config.hidden_size - len(_PLACES) * self.note_size
        has_heads = config.num_attention_heads == config.num_key_value_heads == NUM_HEADS
        has_pairs = max(self.note_size, _NUM_PAIRS * 2) <= size <= token
        if not (has_heads and has_pairs and 1 <= self.layer < config.num_hidden_layers):
            raise ValueError(
                f"copying heads: expected {NUM_HEADS} heads, each with keys of its own, of {self.note_size} to {token} "
                f"dimensions, and a layer {self.layer} behind the first, got {config.num_attention_heads} heads, "
                f"{config.num_key_value_heads} of keys, of {size} dimensions, and {config.num_hidden_layers} layers; "
                "change the shape, or copying.note_size and copying.layer"
            )


@torch.no_grad()
def add_copying_heads(model: Qwen3ForCausalLM, settings: CopyingHeads, seed: int) -> None:
    """Set the weights of a decoder that is not trained yet, in place.

    Args:
        model: With random weights, tied embeddings, and `NUM_HEADS` heads with keys of their own.
        settings: Where, and how strong.
        seed: The seed of the directions in which tokens are compared and copied.

    Raises:
        ValueError: The model's shape has no room for them.
    """
    settings.require_room(model.config)
    _Stream(model.config, settings, torch.Generator().manual_seed(seed)).write(model)


def _head_size(config: Qwen3Config) -> int:
    return config.head_dim or config.hidden_size // config.num_attention_heads


class _Stream:
    """How the residual stream is divided, and the weights that read and write its parts."""

    def __init__(self, config: Qwen3Config, settings: CopyingHeads, generator: torch.Generator) -> None:
        self._settings, self._generator = settings, generator
        self._head_size = _head_size(config)
        size, hidden = settings.note_size, config.hidden_size
        self._token = slice(0, hidden - len(_PLACES) * size)
        starts = range(self._token.stop, hidden, size)
        # The last dimension is the constant, at the cost of one of the last note.
        self._notes = [slice(start, min(start + size, hidden - 1)) for start in starts]
        self._width = self._token.stop
        # The token in the dimensions of a note, at the same scale.
        self._shortened = self._frame(size) * math.sqrt(self._width / size)
        assert config.rope_parameters is not None
        theta = float(config.rope_parameters["rope_theta"])  # pyright: ignore[reportArgumentType, reportCallIssue]
        self._num_pairs = self._head_size // 2
        self._frequencies = [theta ** (-pair / self._num_pairs) for pair in range(self._num_pairs)]

    def write(self, model: Qwen3ForCausalLM) -> None:
        """All weights that are not left as they are."""
        gain = self._settings.attention_gain
        for layer in model.model.layers:
            attention = layer.self_attn
            attention.q_norm.weight.fill_(gain)
            attention.k_norm.weight.fill_(gain)
            attention.o_proj.weight.mul_(_OFF)
            layer.mlp.down_proj.weight.mul_(_OFF)
        self._embed(model)
        self._take_notes(model.model.layers[0].self_attn)
        self._copy(model.model.layers[self._settings.layer].self_attn)

    def _embed(self, model: Qwen3ForCausalLM) -> None:
        embeddings, std = model.model.embed_tokens.weight, self._settings.embedding_std
        embeddings.mul_(std / model.config.initializer_range)
        embeddings[:, self._width :].mul_(_OFF * model.config.initializer_range / std)
        embeddings[:, -1] = std

    def _take_notes(self, attention: Qwen3Attention) -> None:
        """A head for each note: looks at a distance, whatever stands there, and writes its token into the note."""
        for head, ((distance, pairs), note) in enumerate(zip(_PLACES, self._notes, strict=True)):
            query, key, value, output = self._parts(attention, head)
            for pair in pairs:
                # A key that is turned by its position meets the query that is turned by so much more.
                angle = self._frequencies[pair] * distance
                key[pair, -1] = 1.0
                query[pair, -1], query[pair + self._num_pairs, -1] = math.cos(angle), -math.sin(angle)
            size = note.stop - note.start
            value[:size, self._token] = _VALUE_GAIN * self._shortened[:size]
            output[note, :size] += self._settings.embedding_std / _VALUE_GAIN * torch.eye(size)

    def _copy(self, attention: Qwen3Attention) -> None:
        """Four heads, each of which finds a place by something else.

        1. Where the token stood before this one that is here now: what followed it then.
        2. Where that token stood two before which stands before this one now: two tokens on.
        3. Where the surroundings are most like these.
        4. Where this token itself stood: what stood before it there.
        """
        before, two_before, around = self._notes
        compared: list[tuple[Sequence[slice], slice]] = [
            ([self._token], before),
            ([before], two_before),
            ([self._token, before], around),
            ([self._token], self._token),
        ]
        for head, (asked, found) in enumerate(compared):
            query, key, value, output = self._parts(attention, head)
            query[:, -1] = key[:, -1] = 0.0
            for part in asked:
                self._compare(query, part)
            self._compare(key, found)
            if found is self._token:
                self._copy_notes(value, output)
            else:
                frame = self._frame(self._head_size)
                value[:, self._token] = _VALUE_GAIN * frame
                output[self._token] += self._written(frame.T) / 2

    def _compare(self, weight: Tensor, part: slice) -> None:
        """Read a part into the slowest rotary pairs, which distances within a context hardly turn."""
        size = self._settings.note_size
        slow = torch.arange(self._num_pairs - size // 2, self._num_pairs)
        dimensions = torch.cat([slow, slow + self._num_pairs])
        if part is self._token:
            weight[dimensions, self._token] += self._shortened
        else:
            width = part.stop - part.start
            weight[dimensions[:width], part] += torch.eye(width)

    def _copy_notes(self, value: Tensor, output: Tensor) -> None:
        """As many dimensions of the last note and the first as a head has."""
        start = 0
        for note in (self._notes[-1], self._notes[0]):
            size = min(note.stop - note.start, self._head_size - start)
            rows, inside = slice(start, start + size), slice(note.start, note.start + size)
            value[rows, inside] = _VALUE_GAIN * torch.eye(size)
            output[self._token, rows] += self._written(self._shortened[:size].T) / 4
            start += size

    def _written(self, frame: Tensor) -> Tensor:
        return _STRENGTH * self._settings.embedding_std / _VALUE_GAIN * frame

    def _parts(self, attention: Qwen3Attention, head: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Views of one head's weights: query and key scaled down, value emptied, output as it is."""
        rows = slice(head * self._head_size, (head + 1) * self._head_size)
        projections = (attention.q_proj, attention.k_proj, attention.v_proj)
        query, key, value = (projection.weight[rows] for projection in projections)
        query.mul_(_OFF)
        key.mul_(_OFF)
        value.zero_()
        return query, key, value, attention.o_proj.weight[:, rows]

    def _frame(self, size: int) -> Tensor:
        """So many orthonormal rows over the token's dimensions, at most as many as there are."""
        rows = torch.randn(self._width, self._width, generator=self._generator)
        return torch.linalg.qr(rows)[0][:size]
