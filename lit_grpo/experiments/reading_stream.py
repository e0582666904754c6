"""A residual stream that is divided into parts, and heads that read and write them. Used by reading_weights.py.

The parts are the token, notes of other places, and flags. Everything here is one head's weights, written by hand.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from transformers import Qwen3ForCausalLM

from lit_grpo.experiments.attention_head import Head, empty_head, head_size

NUM_FLAGS = 16
"""Flags of a place, one of which is a constant, from which queries and keys are made that depend on positions alone."""
NUM_MARKS = 9
"""The directions of the embeddings that say what kind of token it is; no other token has a part in them."""
NUM_PAIR_MARKS = 7
"""Marks that no note has: that it is a symbol or a word of a pair, and of which pair, with a sign that says which."""

_NUM_SLOW_PAIRS = 20
"""The rotary pairs that distances within a context hardly turn: in these, content is compared."""
_RECENCY = dict(zip(range(1, 16), (0.08, 0.15, 0.2, 0.3, 0.4, 0.6, 0.8, *[1.0] * 8), strict=True))
"""Weights of rotary pairs whose sum falls about as the logarithm of the distance does: the nearest of several wins."""
_DISTANCE_PAIRS = range(7)
MIN_HEAD_SIZE = 2 * (_NUM_SLOW_PAIRS + len(_DISTANCE_PAIRS) - 1)
MIN_NOTE_SIZE = NUM_MARKS + 20

UNIT = 1.6
"""What attention reads is divided by the stream's root mean square, which is about this."""
_LOOKED_UP = 2.0
"""How much stronger a token that was looked up is written than the token that is read."""
_MARK = 0.4
"""The length of a mark, as a share of a token's."""


class ReadingStream:
    """How the residual stream is divided.

    Args:
        model: The decoder, whose weights are set in place.
        note_size: Dimensions of a note.
        seed: The seed of the directions in which tokens are compared and copied.
    """

    def __init__(self, model: Qwen3ForCausalLM, note_size: int, seed: int) -> None:
        self._model, self._note_size = model, note_size
        self._generator = torch.Generator().manual_seed(seed)
        config = model.config
        self.head_size = head_size(config)
        self._num_pairs = self.head_size // 2
        width = config.hidden_size - 3 * note_size - NUM_FLAGS
        self.token = slice(0, width)
        self.before, self.two_before, self.line = (
            slice(width + n * note_size, width + (n + 1) * note_size) for n in range(3)
        )
        self.flags = width + 3 * note_size
        directions = self.rotation()
        self.marks, self.pair_marks = directions[:NUM_MARKS], directions[-NUM_PAIR_MARKS:]
        # The token in the dimensions of a note, at the same scale; the first ones say what kind of token it is.
        self.shortening = math.sqrt(width / note_size)
        self.shortened = directions[:note_size] * self.shortening
        self.mark_length = _MARK * math.sqrt(width)
        assert config.rope_parameters is not None
        theta = float(config.rope_parameters["rope_theta"])  # pyright: ignore[reportArgumentType, reportCallIssue]
        self._frequencies = [theta ** (-pair / self._num_pairs) for pair in range(self._num_pairs)]

    def head(self, layer: int, number: int) -> Head:
        """One head, with room to be written."""
        rows = slice(number * self.head_size, (number + 1) * self.head_size)
        return empty_head(self._model, layer, rows, self.flags)

    def at_distance(self, head: Head, distance: int) -> None:
        """Look so many places back: a key turned by its position meets the query that is turned by so much more."""
        for pair in _DISTANCE_PAIRS:
            angle = self._frequencies[pair] * distance
            head.key[pair, -1] = 1.0
            head.query[pair, -1], head.query[pair + self._num_pairs, -1] = math.cos(angle), -math.sin(angle)

    def nearest(self, layer: int, number: int) -> Head:
        """A head that finds the nearest of the places whose key is marked in its last dimension.

        In the score of such a key the mark counts for more than half of the most there is, nearness for the rest; any
        other key, however near, has less than half.
        """
        head = self.head(layer, number)
        for pair, weight in _RECENCY.items():
            head.key[pair, -1], head.query[pair, -1] = 1.0, weight
        head.query[-1, -1] = 4.0
        return head

    def dimensions(self, start: int, stop: int) -> Tensor:
        """Those of the slow rotary pairs from ``start`` to ``stop``; the slowest pair is left to marks."""
        slow = torch.arange(self._num_pairs - 1 - _NUM_SLOW_PAIRS, self._num_pairs - 1)[start:stop]
        return torch.cat([slow, slow + self._num_pairs])

    def compare(self, weight: Tensor, part: slice, dimensions: Tensor, scale: float = 1.0) -> None:
        """Read as much of a part, without its marks, as there are dimensions; the larger, the more it counts."""
        start = NUM_MARKS
        size = min(len(dimensions), self._note_size - start)
        if part is self.token:
            weight[dimensions[:size], part] += scale * self.shortened[start : start + size]
        else:
            weight[dimensions[:size], part.start + start : part.start + start + size] += scale * torch.eye(size)

    def in_note(self, mark: int) -> Tensor:
        """The direction of a mark in a note, of a length that makes it as large as in a token."""
        direction = torch.zeros(self._note_size)
        direction[mark] = 1 / self.shortening
        return direction

    def raise_flag(self, head: Head, flag: int, part: slice, direction: Tensor) -> None:
        """Write a component of a part into a flag."""
        head.value[flag, part] = direction
        head.output[self.flags + flag, flag] = UNIT

    def write_note(self, head: Head, note: slice) -> None:
        """Write the token that is read into a note."""
        size = self._note_size
        head.value[:size, self.token] = self.shortened
        head.output[note, :size] += torch.eye(size)

    def copy_token(self, head: Head) -> None:
        """Write the token that is read as the token to be said."""
        frame = self.rotation()[: self.head_size]
        head.value[:, self.token] = frame
        head.output[self.token] += _LOOKED_UP * frame.T

    def copy_two_before(self, head: Head) -> None:
        """Write the token two places before the one that is read as the token to be said."""
        size = self._note_size
        head.value[:size, self.two_before] = torch.eye(size)
        head.output[self.token, :size] += _LOOKED_UP * 2 / 3 * self.shortened.T

    def rotation(self) -> Tensor:
        """A random orthogonal matrix over the token's dimensions."""
        width = self.token.stop
        return torch.linalg.qr(torch.randn(width, width, generator=self._generator))[0]
