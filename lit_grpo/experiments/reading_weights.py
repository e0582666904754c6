"""The weights of the heads that read. Called by reading_heads.py, which says what they are for.

0. Notes of the tokens one and two places before.
1. A note of the name that the line begins with; whether the bar has been passed, so that this is the sentence; whether
   this is a number, or a name behind "per"; whether what is counted is taken off.
2. Whether the algebra of the line supports what is said: the same number with the same name, and the same number alone;
   and the balance of the line: whether algebra and sentence have as many numbers, and say the same sense, type and
   signs.
3. Numbers of the line's sentence that nothing supports, and those of any line, with that line's name.
4. Look-ups in the line: what stood two places before, or behind, the same name, and the line's own name.
5. Look-ups for single actions: the number of a limit, and whether a coefficient is taken off.

The residual stream is divided for it: the token, three notes, and flags. The last flag is a constant, from which
queries and keys are made that depend on positions alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from transformers import Qwen3ForCausalLM

from lit_grpo.experiments.attention_head import OFF, Head
from lit_grpo.experiments.reading_stream import NUM_FLAGS, NUM_MARKS, NUM_PAIR_MARKS, UNIT, ReadingStream

NUM_HEADS = 4
NUM_LAYERS = 6
"""So many have heads that read."""
NUM_FIXED = 4
"""So many are to stay as they are until the others have learned to use them: all but the look-ups."""
NUM_PAIRS = NUM_PAIR_MARKS - 1
"""So many pairs of symbols and words are balanced."""

_IN_ALGEBRA, _IN_SENTENCE, _IS_NUMBER, _IS_COUNTED, _IS_TAKEN_OFF = range(5)
_NAME_SUPPORTED, _NUMBER_SUPPORTED, _MORE_NUMBERS, _TO_TAKE_OFF, _FIRST_BALANCE = range(5, 10)
"""Places among the flags: nine, one for each pair of symbols and words, and the constant."""
assert _FIRST_BALANCE + NUM_PAIRS + 1 == NUM_FLAGS
_STARTS, _CONFLICT, _NUMBERS, _BARS, _BETWEEN, _LIMITS, _NEGATIVE, _RHS, _VARIABLE = range(NUM_MARKS)
"""Places among the marks."""
_MARKED = 0.8
"""How much of a mark a key of the nearest takes. A key is divided by its length, so there is an amount at which marks
that are a little longer or shorter, as they are after the norm, change its score least."""


class ReadingWeights:
    """The weights that read and write the parts of the residual stream.

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
        self._stream = ReadingStream(model, note_size, seed)

    def write(self, marks: Sequence[Sequence[int]], pairs: Sequence[tuple[Sequence[int], Sequence[int]]]) -> None:
        """All weights that are not left as they are.

        Args:
            marks: For each direction of the marks, the tokens that have it.
            pairs: Symbols of the algebra and the words that say the same in a sentence, ``NUM_PAIRS`` of them.
        """
        self._quieten()
        self._embed(marks, pairs)
        self._take_notes(0)
        self._note_line(1, 0)
        self._pass_bar(1, 1)
        self._know_kind(1, 2)
        self._take_off(1, 3)
        self._support(2)
        self._balance(2)
        self._suspect(3)
        self._look_up(4)
        self._look_up_for_an_action(5)

    def _quieten(self) -> None:
        """Random weights write little, in the first layers next to nothing, and never to the flags."""
        stream = self._stream
        for name, weight in self._model.named_parameters():
            layer = int(name.split(".")[2]) if ".layers." in name else None
            if name.endswith(("q_norm.weight", "k_norm.weight")):
                assert layer is not None
                weight.fill_(self._gains[min(layer, len(self._gains) - 1)])
            elif name.endswith(("o_proj.weight", "down_proj.weight")):
                assert layer is not None
                weight.mul_(OFF)
                weight[stream.flags :] = 0.0
                if layer < NUM_FIXED:
                    weight.mul_(0.0 if name.endswith("o_proj.weight") else OFF)

    def _embed(self, marks: Sequence[Sequence[int]], pairs: Sequence[tuple[Sequence[int], Sequence[int]]]) -> None:
        stream = self._stream
        token, embeddings = stream.token, self._model.get_parameter("model.embed_tokens.weight")
        embeddings.div_(float(self._model.config.initializer_range))
        embeddings[:, token.stop :] = 0.0
        embeddings[:, -1] = 1.0
        for directions in (stream.marks, stream.pair_marks):
            embeddings[:, token] -= embeddings[:, token] @ directions.T @ directions
        for tokens, direction in zip(marks, stream.marks, strict=True):
            self._mark(tokens, direction)
        for (symbols, words), direction in zip(pairs, stream.pair_marks[1:], strict=True):
            self._mark(symbols, stream.pair_marks[0] + direction)
            self._mark(words, stream.pair_marks[0] - direction)
        self._model.get_parameter("lm_head.weight")[:, token] = self._head_std * embeddings[:, token]

    def _mark(self, tokens: Sequence[int], direction: Tensor) -> None:
        stream = self._stream
        embeddings = self._model.get_parameter("model.embed_tokens.weight")
        embeddings[torch.tensor(tokens, dtype=torch.long), stream.token] += stream.mark_length * direction

    # --- the layers ---------------------------------------------------------------------------------------------------

    def _take_notes(self, layer: int) -> None:
        stream = self._stream
        for number, note in enumerate((stream.before, stream.two_before)):
            head = stream.head(layer, number)
            stream.at_distance(head, number + 1)
            stream.write_note(head, note)

    def _note_line(self, layer: int, number: int) -> None:
        """The nearest token that has a start before it, or a conflict's mark two before, and is none itself."""
        stream = self._stream
        head = stream.nearest(layer, number)
        for note, mark in ((stream.before, _STARTS), (stream.two_before, _CONFLICT)):
            head.key[-1, note.start + mark] = _MARKED
        # More than a note adds, so that a start behind a start is none of them.
        head.key[-1, stream.token] -= (
            2 * _MARKED * stream.shortening * (stream.marks[_STARTS] + stream.marks[_CONFLICT])
        )
        stream.write_note(head, stream.line)

    def _pass_bar(self, layer: int, number: int) -> None:
        """The nearest bar or start: which of them it is."""
        stream = self._stream
        head = stream.nearest(layer, number)
        head.key[-1, stream.token] += 0.6 * stream.shortening * (stream.marks[_STARTS] + stream.marks[_BARS])
        stream.raise_flag(head, _IN_ALGEBRA, stream.token, stream.marks[_STARTS])
        stream.raise_flag(head, _IN_SENTENCE, stream.token, stream.marks[_BARS])

    def _know_kind(self, layer: int, number: int) -> None:
        """Of this place itself: whether it is a number, and whether it is counted by one, as a variable in a sum is."""
        stream = self._stream
        head = stream.head(layer, number)
        stream.at_distance(head, 0)
        stream.raise_flag(head, _IS_NUMBER, stream.token, stream.marks[_NUMBERS])
        stream.raise_flag(head, _IS_COUNTED, stream.before, stream.in_note(_BETWEEN))

    def _take_off(self, layer: int, number: int) -> None:
        """Of a name: whether a minus, or a word for it, stands three places before, the number between them."""
        stream = self._stream
        head = stream.head(layer, number)
        stream.at_distance(head, 1)
        stream.raise_flag(head, _IS_TAKEN_OFF, stream.two_before, stream.in_note(_NEGATIVE))

    def _support(self, layer: int) -> None:
        """The same name with the same number two before it, and the same token, in the same line.

        A place always finds itself. What is read is 1 in the algebra and 0 in the sentence: half of it arrives at a
        place of the sentence that the algebra supports, nothing at one that it does not.
        """
        stream = self._stream
        by_name = ((stream.two_before, stream.dimensions(0, 7)), (stream.token, stream.dimensions(7, 14)))
        alone = ((stream.token, stream.dimensions(0, 14)),)
        for number, (parts, flag) in enumerate(((by_name, _NAME_SUPPORTED), (alone, _NUMBER_SUPPORTED))):
            head = stream.head(layer, number)
            for part, dimensions in (*parts, (stream.line, stream.dimensions(14, 20))):
                stream.compare(head.query, part, dimensions)
                stream.compare(head.key, part, dimensions)
            place = slice(stream.flags + _IN_ALGEBRA, stream.flags + _IN_ALGEBRA + 1)
            stream.raise_flag(head, flag, place, torch.ones(1))

    def _balance(self, layer: int) -> None:
        """What algebra and sentence of the line have in common cancels: numbers in one head, pairs in the other.

        A number counts 1 in the algebra and -1 in the sentence, a symbol 1 and the word for it -1; the mean over the
        line is read. The line's own name counts nothing, and is found where there is no symbol and no word.
        """
        stream = self._stream
        numbers, pairs = stream.head(layer, 2), stream.head(layer, 3)
        numbers.key[-1, stream.token] = 3.0 * stream.marks[_NUMBERS]
        numbers.value[0, stream.flags + _IN_ALGEBRA] = 1.0
        numbers.value[0, stream.flags + _IN_SENTENCE] = -1.0
        numbers.output[stream.flags + _MORE_NUMBERS, 0] = 6 * UNIT
        pairs.key[-1, stream.token] = 3.0 * stream.pair_marks[0]
        for note, mark in ((stream.before, _STARTS), (stream.two_before, _CONFLICT)):
            pairs.key[-1, note.start + mark] = 1.6 / stream.shortening
        for number, direction in enumerate(stream.pair_marks[1:]):
            pairs.value[number, stream.token] = direction
            pairs.output[stream.flags + _FIRST_BALANCE + number, number] = 6 * UNIT
        for head in (numbers, pairs):
            for weight in (head.query, head.key):
                stream.compare(weight, stream.line, stream.dimensions(0, 20), scale=2.0)
            # About 3 for what is meant and -5 for all else, beside 11 for the line that is compared.
            head.key[-1, -1] = -8.0
            head.query[-1, -1] = 12.0

    def _suspect(self, layer: int) -> None:
        """Heads that look for what nothing supports: numbers, and names with their numbers; in the line, and anywhere.

        The first two write that there is something, and behind which word; the others the name of its line.
        """
        stream = self._stream
        kinds = ((_IS_NUMBER, _NUMBER_SUPPORTED), (_IS_COUNTED, _NAME_SUPPORTED))
        for number, (kind, supported) in enumerate(kinds * 2):
            head, is_own_line = stream.head(layer, number), number < len(kinds)
            if is_own_line:
                for weight in (head.query, head.key):
                    stream.compare(weight, stream.line, stream.dimensions(0, 10), scale=2.0)
            # With flags of 1: 0.5 for a number of the sentence without support, -2 with it, less than 0 for all else.
            for flag, weight in ((kind, 1.5), (_IN_SENTENCE, 1.0), (supported, -5.0)):
                head.key[-1, stream.flags + flag] = weight
            head.key[-1, -1] = -2.0 * stream.mark_length
            head.query[-1, -1] = 4.0
            head.value[0, stream.flags + kind] = 1.0
            note = stream.before if is_own_line else stream.line
            head.value[1 : 1 + self._note_size, note] = torch.eye(self._note_size)
            if is_own_line:
                head.output[stream.token] += stream.rotation()[: stream.head_size].T
            else:
                head.output[stream.token, 1 : 1 + self._note_size] += 0.5 * stream.shortened.T

    def _look_up(self, layer: int) -> None:
        """Four heads that find a place of the same line by something else.

        1. Where the name stood that stands before this token: the number two places before it.
        2. Two places behind that name: what stands there.
        3. Where this token itself stood: what followed.
        4. The line's own name.

        For the first, once an action has named a variable, the sentence is preferred to the algebra: where they differ
        it is right.
        """
        stream = self._stream
        sought: tuple[tuple[slice, slice, Callable[[Head], None]], ...] = (
            (stream.before, stream.token, stream.copy_two_before),
            (stream.before, stream.two_before, stream.copy_token),
            (stream.token, stream.before, stream.copy_token),
            (stream.line, stream.token, stream.copy_token),
        )
        for number, (asked, found, copy) in enumerate(sought):
            head = stream.head(layer, number)
            stream.compare(head.query, asked, stream.dimensions(0, 10), scale=2.0)
            stream.compare(head.key, found, stream.dimensions(0, 10), scale=2.0)
            for weight in (head.query, head.key):
                stream.compare(weight, stream.line, stream.dimensions(10, 20), scale=4.0)
            if number == 0:
                self._prefer_sentence(head, stream.two_before)
            copy(head)

    def _look_up_for_an_action(self, layer: int) -> None:
        """The number behind a limit's word, once a right-hand side is to be set; the sign, once a variable is named."""
        stream = self._stream
        limit, sign = stream.head(layer, 0), stream.head(layer, 1)
        for weight in (limit.query, limit.key):
            stream.compare(weight, stream.line, stream.dimensions(0, 20), scale=4.0)
        limit.key[-1, stream.before] = 4.0 * stream.in_note(_LIMITS)
        limit.key[-1, -1] = -8.0
        limit.query[-1, stream.two_before] = 5.0 * stream.in_note(_RHS)
        stream.copy_token(limit)
        for weight in (sign.query, sign.key):
            stream.compare(weight, stream.token, stream.dimensions(0, 10), scale=2.0)
            stream.compare(weight, stream.line, stream.dimensions(10, 20), scale=4.0)
        self._prefer_sentence(sign, stream.before)
        sign.value[0, stream.flags + _IS_TAKEN_OFF] = 1.0
        sign.output[stream.flags + _TO_TAKE_OFF, 0] = 3 * UNIT

    def _prefer_sentence(self, head: Head, note: slice) -> None:
        """A place in the sentence, to one in the algebra, if the note says that a variable is being named."""
        stream = self._stream
        head.key[-1, stream.flags + _IN_SENTENCE] = 2.0
        head.key[-1, stream.flags + _IN_ALGEBRA] = -2.0
        head.query[-1, note] = 5.0 * stream.in_note(_VARIABLE)
