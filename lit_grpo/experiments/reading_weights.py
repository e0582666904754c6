"""The weights of the heads that read. Called by reading_heads.py, which says what they are for.

0. Notes of the tokens one and two places before.
1. A note of the name that the line begins with; whether the bar has been passed, so that this is the sentence; whether
   this is a number, or a name behind "per".
2. Whether the algebra of the line supports what is said: the same number with the same name, and the same number alone;
   and the balance of the line: whether algebra and sentence have as many numbers, and say the same sense, type and
   signs.
3. Numbers of the line's sentence that nothing supports, and those of any line, with that line's name.
4. Look-ups in the line: what stood two places before, or behind, the same name, and the line's own name.

The residual stream is divided for it: the token, three notes, and flags. The last flag is a constant, from which
queries and keys are made that depend on positions alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from transformers import Qwen3ForCausalLM

from lit_grpo.experiments.attention_head import OFF, Head, empty_head, head_size

NUM_HEADS = 4
NUM_LAYERS = 5
"""So many have heads that read."""
NUM_FIXED = 4
"""So many are to stay as they are until the others have learned to use them: all but the look-ups."""
MAX_PAIRS = 6
"""So many pairs of symbols and words can be balanced."""
_IN_ALGEBRA, _IN_SENTENCE, _IS_NUMBER, _IS_COUNTED, _NAME_SUPPORTED, _NUMBER_SUPPORTED, _MORE_NUMBERS = range(7)
_FIRST_BALANCE = 7
NUM_FLAGS = _FIRST_BALANCE + MAX_PAIRS + 1
"""Places among the flags: seven, one for each pair of symbols and words, and the constant."""
_STARTS, _CONFLICT, _NUMBERS, _BARS, _BETWEEN = range(5)
_NUM_MARKS = 5
"""The directions of the embeddings that say what kind of token it is; no other token has a part in them."""
_NUM_TOKEN_MARKS = 1 + MAX_PAIRS
"""Marks that no note has: that it is a symbol or a word of a pair, and of which pair, with a sign that says which."""

_NUM_SLOW_PAIRS = 20
"""The rotary pairs that distances within a context hardly turn: in these, content is compared."""
_RECENCY = dict(zip(range(1, 16), (0.08, 0.15, 0.2, 0.3, 0.4, 0.6, 0.8, *[1.0] * 8), strict=True))
"""Weights of rotary pairs whose sum falls about as the logarithm of the distance does: the nearest of several wins."""
_DISTANCE_PAIRS = range(7)
MIN_HEAD_SIZE = 2 * (_NUM_SLOW_PAIRS + len(_DISTANCE_PAIRS) - 1)
MIN_NOTE_SIZE = _NUM_MARKS + 20

_MARKED = 0.8
"""How much of a mark a key of the nearest takes. A key is divided by its length, so there is an amount at which marks
that are a little longer or shorter, as they are after the norm, change its score least."""
_UNIT = 1.6
"""What attention reads is divided by the stream's root mean square, which is about this."""
_LOOKED_UP = 2.0
"""How much stronger a token that was looked up is written than the token that is read."""
_MARK = 0.4
"""The length of a mark, as a share of a token's."""


class ReadingWeights:
    """How the residual stream is divided, and the weights that read and write its parts.

    Args:
        model: The decoder, whose weights are set in place.
        note_size: Dimensions of a note.
        head_std: The deviation of the head's weights.
        gains: Of the norms of queries and keys: of each layer that reads, and of all behind them.
        seed: The seed of the directions in which tokens are compared and copied.
    """

    def __init__(
        self, model: Qwen3ForCausalLM, note_size: int, head_std: float, gains: Sequence[float], seed: int
    ) -> None:
        self._model, self._note_size, self._head_std, self._gains = model, note_size, head_std, gains
        self._generator = torch.Generator().manual_seed(seed)
        config = model.config
        self._head_size = head_size(config)
        self._num_pairs = self._head_size // 2
        width = config.hidden_size - 3 * note_size - NUM_FLAGS
        self._token = slice(0, width)
        self._before, self._two_before, self._line = (
            slice(width + n * note_size, width + (n + 1) * note_size) for n in range(3)
        )
        self._flags = width + 3 * note_size
        directions = self._rotation()
        self._marks, self._pair_marks = directions[:_NUM_MARKS], directions[-_NUM_TOKEN_MARKS:]
        # The token in the dimensions of a note, at the same scale; the first ones say what kind of token it is.
        self._shortening = math.sqrt(width / note_size)
        self._shortened = directions[:note_size] * self._shortening
        self._mark_length = _MARK * math.sqrt(width)
        assert config.rope_parameters is not None
        theta = float(config.rope_parameters["rope_theta"])  # pyright: ignore[reportArgumentType, reportCallIssue]
        self._frequencies = [theta ** (-pair / self._num_pairs) for pair in range(self._num_pairs)]

    def write(self, marks: Sequence[Sequence[int]], pairs: Sequence[tuple[Sequence[int], Sequence[int]]]) -> None:
        """All weights that are not left as they are.

        Args:
            marks: For each direction of the marks, the tokens that have it.
            pairs: Symbols of the algebra and the words that say the same in a sentence, ``MAX_PAIRS`` at most.
        """
        self._quieten()
        self._embed(marks, pairs)
        self._take_notes(0)
        self._note_line(1, 0)
        self._pass_bar(1, 1)
        self._know_kind(1, 2)
        self._support(2)
        self._balance(2)
        self._suspect(3)
        self._look_up(4)

    def _quieten(self) -> None:
        """Random weights write little, in the first layers next to nothing, and never to the flags."""
        for name, weight in self._model.named_parameters():
            layer = int(name.split(".")[2]) if ".layers." in name else None
            if name.endswith(("q_norm.weight", "k_norm.weight")):
                assert layer is not None
                weight.fill_(self._gains[min(layer, len(self._gains) - 1)])
            elif name.endswith(("o_proj.weight", "down_proj.weight")):
                assert layer is not None
                weight.mul_(OFF)
                weight[self._flags :] = 0.0
                if layer < NUM_FIXED:
                    weight.mul_(0.0 if name.endswith("o_proj.weight") else OFF)

    def _embed(self, marks: Sequence[Sequence[int]], pairs: Sequence[tuple[Sequence[int], Sequence[int]]]) -> None:
        token, embeddings = self._token, self._model.get_parameter("model.embed_tokens.weight")
        embeddings.div_(float(self._model.config.initializer_range))
        embeddings[:, token.stop :] = 0.0
        embeddings[:, -1] = 1.0
        for directions in (self._marks, self._pair_marks):
            embeddings[:, token] -= embeddings[:, token] @ directions.T @ directions
        for tokens, direction in zip(marks, self._marks, strict=True):
            self._mark(tokens, direction)
        for (symbols, words), direction in zip(pairs, self._pair_marks[1:], strict=False):
            self._mark(symbols, self._pair_marks[0] + direction)
            self._mark(words, self._pair_marks[0] - direction)
        self._model.get_parameter("lm_head.weight")[:, token] = self._head_std * embeddings[:, token]

    def _mark(self, tokens: Sequence[int], direction: Tensor) -> None:
        embeddings = self._model.get_parameter("model.embed_tokens.weight")
        embeddings[torch.tensor(tokens, dtype=torch.long), self._token] += self._mark_length * direction

    # --- the layers ---------------------------------------------------------------------------------------------------

    def _take_notes(self, layer: int) -> None:
        for number, note in enumerate((self._before, self._two_before)):
            head = self._head(layer, number)
            self._at_distance(head, number + 1)
            self._write_note(head, note)

    def _note_line(self, layer: int, number: int) -> None:
        """The nearest token that has a start before it, or a conflict's mark two before, and is none itself."""
        head = self._nearest(layer, number)
        for note, mark in ((self._before, _STARTS), (self._two_before, _CONFLICT)):
            head.key[-1, note.start + mark] = _MARKED
        # More than a note adds, so that a start behind a start is none of them.
        head.key[-1, self._token] -= 2 * _MARKED * self._shortening * (self._marks[_STARTS] + self._marks[_CONFLICT])
        self._write_note(head, self._line)

    def _pass_bar(self, layer: int, number: int) -> None:
        """The nearest bar or start: which of them it is."""
        head = self._nearest(layer, number)
        head.key[-1, self._token] += 0.6 * self._shortening * (self._marks[_STARTS] + self._marks[_BARS])
        self._raise_flag(head, _IN_ALGEBRA, self._token, self._marks[_STARTS])
        self._raise_flag(head, _IN_SENTENCE, self._token, self._marks[_BARS])

    def _know_kind(self, layer: int, number: int) -> None:
        """Of this place itself: whether it is a number, and whether it is counted by one, as a variable in a sum is."""
        head = self._head(layer, number)
        self._at_distance(head, 0)
        self._raise_flag(head, _IS_NUMBER, self._token, self._marks[_NUMBERS])
        behind = torch.zeros(self._note_size)
        behind[_BETWEEN] = 1 / self._shortening
        self._raise_flag(head, _IS_COUNTED, self._before, behind)

    def _support(self, layer: int) -> None:
        """The same name with the same number two before it, and the same token, in the same line.

        A place always finds itself. What is read is 1 in the algebra and 0 in the sentence: half of it arrives at a
        place of the sentence that the algebra supports, nothing at one that it does not.
        """
        by_name = ((self._two_before, self._dimensions(0, 7)), (self._token, self._dimensions(7, 14)))
        alone = ((self._token, self._dimensions(0, 14)),)
        for number, (parts, flag) in enumerate(((by_name, _NAME_SUPPORTED), (alone, _NUMBER_SUPPORTED))):
            head = self._head(layer, number)
            for part, dimensions in (*parts, (self._line, self._dimensions(14, 20))):
                self._compare(head.query, part, dimensions)
                self._compare(head.key, part, dimensions)
            place = slice(self._flags + _IN_ALGEBRA, self._flags + _IN_ALGEBRA + 1)
            self._raise_flag(head, flag, place, torch.ones(1))

    def _balance(self, layer: int) -> None:
        """What algebra and sentence of the line have in common cancels: numbers in one head, pairs in the other.

        A number counts 1 in the algebra and -1 in the sentence, a symbol 1 and the word for it -1; the mean over the
        line is read. The line's own name counts nothing, and is found where there is no symbol and no word.
        """
        numbers, pairs = self._head(layer, 2), self._head(layer, 3)
        numbers.key[-1, self._token] = 3.0 * self._marks[_NUMBERS]
        numbers.value[0, self._flags + _IN_ALGEBRA] = 1.0
        numbers.value[0, self._flags + _IN_SENTENCE] = -1.0
        numbers.output[self._flags + _MORE_NUMBERS, 0] = 6 * _UNIT
        pairs.key[-1, self._token] = 3.0 * self._pair_marks[0]
        for note, mark in ((self._before, _STARTS), (self._two_before, _CONFLICT)):
            pairs.key[-1, note.start + mark] = 1.6 / self._shortening
        for number, direction in enumerate(self._pair_marks[1:]):
            pairs.value[number, self._token] = direction
            pairs.output[self._flags + _FIRST_BALANCE + number, number] = 6 * _UNIT
        for head in (numbers, pairs):
            for weight in (head.query, head.key):
                self._compare(weight, self._line, self._dimensions(0, 20), scale=2.0)
            # About 3 for what is meant and -5 for all else, beside 11 for the line that is compared.
            head.key[-1, -1] = -8.0
            head.query[-1, -1] = 12.0

    def _suspect(self, layer: int) -> None:
        """Heads that look for what nothing supports: numbers, and names with their numbers; in the line, and anywhere.

        The first two write that there is something, and behind which word; the others the name of its line.
        """
        kinds = ((_IS_NUMBER, _NUMBER_SUPPORTED), (_IS_COUNTED, _NAME_SUPPORTED))
        for number, (kind, supported) in enumerate(kinds * 2):
            head, is_own_line = self._head(layer, number), number < len(kinds)
            if is_own_line:
                for weight in (head.query, head.key):
                    self._compare(weight, self._line, self._dimensions(0, 10), scale=2.0)
            # With flags of 1: 0.5 for a number of the sentence without support, -2 with it, less than 0 for all else.
            for flag, weight in ((kind, 1.5), (_IN_SENTENCE, 1.0), (supported, -5.0)):
                head.key[-1, self._flags + flag] = weight
            head.key[-1, -1] = -2.0 * self._mark_length
            head.query[-1, -1] = 4.0
            head.value[0, self._flags + kind] = 1.0
            note = self._before if is_own_line else self._line
            head.value[1 : 1 + self._note_size, note] = torch.eye(self._note_size)
            if is_own_line:
                head.output[self._token] += self._rotation()[: self._head_size].T
            else:
                head.output[self._token, 1 : 1 + self._note_size] += 0.5 * self._shortened.T

    def _look_up(self, layer: int) -> None:
        """Four heads that find a place of the same line by something else.

        1. Where the name stood that stands before this token: the number two places before it.
        2. Two places behind that name: what stands there.
        3. Where this token itself stood: what followed.
        4. The line's own name.

        The sentence is preferred to the algebra: where they differ it is right.
        """
        sought: tuple[tuple[slice, slice, Callable[[Head], None]], ...] = (
            (self._before, self._token, self._copy_two_before),
            (self._before, self._two_before, self._copy_token),
            (self._token, self._before, self._copy_token),
            (self._line, self._token, self._copy_token),
        )
        for number, (asked, found, copy) in enumerate(sought):
            head = self._head(layer, number)
            self._compare(head.query, asked, self._dimensions(0, 10), scale=2.0)
            self._compare(head.key, found, self._dimensions(0, 10), scale=2.0)
            for weight in (head.query, head.key):
                self._compare(weight, self._line, self._dimensions(10, 20), scale=4.0)
            if asked is not self._line:
                head.key[-1, self._flags + _IN_SENTENCE] = 2.0
                head.key[-1, self._flags + _IN_ALGEBRA] = -2.0
                head.query[-1, -1] = 20.0
            copy(head)

    # --- the parts of a head ------------------------------------------------------------------------------------------

    def _head(self, layer: int, number: int) -> Head:
        """One head, with room to be written."""
        rows = slice(number * self._head_size, (number + 1) * self._head_size)
        return empty_head(self._model, layer, rows, self._flags)

    def _at_distance(self, head: Head, distance: int) -> None:
        """Look so many places back: a key turned by its position meets the query that is turned by so much more."""
        for pair in _DISTANCE_PAIRS:
            angle = self._frequencies[pair] * distance
            head.key[pair, -1] = 1.0
            head.query[pair, -1], head.query[pair + self._num_pairs, -1] = math.cos(angle), -math.sin(angle)

    def _nearest(self, layer: int, number: int) -> Head:
        """A head that finds the nearest of the places whose key is marked in its last dimension.

        In the score of such a key the mark counts for more than half of the most there is, nearness for the rest; any
        other key, however near, has less than half.
        """
        head = self._head(layer, number)
        for pair, weight in _RECENCY.items():
            head.key[pair, -1], head.query[pair, -1] = 1.0, weight
        head.query[-1, -1] = 4.0
        return head

    def _dimensions(self, start: int, stop: int) -> Tensor:
        """Those of the slow rotary pairs from ``start`` to ``stop``; the slowest pair is left to marks."""
        slow = torch.arange(self._num_pairs - 1 - _NUM_SLOW_PAIRS, self._num_pairs - 1)[start:stop]
        return torch.cat([slow, slow + self._num_pairs])

    def _compare(self, weight: Tensor, part: slice, dimensions: Tensor, scale: float = 1.0) -> None:
        """Read as much of a part, without its marks, as there are dimensions; the larger, the more it counts."""
        start = _NUM_MARKS
        size = min(len(dimensions), self._note_size - start)
        if part is self._token:
            weight[dimensions[:size], part] += scale * self._shortened[start : start + size]
        else:
            weight[dimensions[:size], part.start + start : part.start + start + size] += scale * torch.eye(size)

    def _raise_flag(self, head: Head, flag: int, part: slice, direction: Tensor) -> None:
        """Write a component of a part into a flag."""
        head.value[flag, part] = direction
        head.output[self._flags + flag, flag] = _UNIT

    def _write_note(self, head: Head, note: slice) -> None:
        size = self._note_size
        head.value[:size, self._token] = self._shortened
        head.output[note, :size] += torch.eye(size)

    def _copy_token(self, head: Head) -> None:
        frame = self._rotation()[: self._head_size]
        head.value[:, self._token] = frame
        head.output[self._token] += _LOOKED_UP * frame.T

    def _copy_two_before(self, head: Head) -> None:
        size = self._note_size
        head.value[:size, self._two_before] = torch.eye(size)
        head.output[self._token, :size] += _LOOKED_UP * 2 / 3 * self._shortened.T

    def _rotation(self) -> Tensor:
        """A random orthogonal matrix over the token's dimensions."""
        width = self._token.stop
        return torch.linalg.qr(torch.randn(width, width, generator=self._generator))[0]
