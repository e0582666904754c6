"""Weights that read before any training, by attention that can be looked at, and shapes that have no room for them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM, set_seed

from lit_grpo.data.tokenizer import ASSISTANT, USER, NumberTokens, train_tokenizer
from lit_grpo.experiments.reading_heads import ReadingHeads, ReadingTokens, add_reading_heads
from lit_grpo.experiments.small_base import names_and_texts

NUM_TOKENS = 2600

TEXT = (
    f"{USER}entry_21 -5 cell_51 + 12 cell_38 = 80 | With less 5 per cell_51, 19 per cell_38, what is sold in week two "
    "comes to exactly 84 (entry_21).\n"
    "* entry_33 5 cell_51 + 6 cell_38 = 25 | With 5 per cell_51, 6 per cell_38, what is sold in week one comes to "
    "exactly 25 (entry_33).\n"
    "> cell_51 3 .. 41 | We allow cell_51 to be anything from 3 to 49.\n"
    "min 0\n"
)
MOVE = (
    ASSISTANT
    + '{"diagnosis":["row:entry_21"],"action":"set_coefficient","row":"entry_21","variable":"cell_38","value":'
)


@cache
def tokenizer() -> PreTrainedTokenizerFast:
    names, texts = names_and_texts(60, seed=0)
    return train_tokenizer(texts, names, NUM_TOKENS, NumberTokens.THOUSANDS)


def decoder(
    num_layers: int = 6, num_key_value_heads: int = 4, head_size: int = 64, is_tied: bool = False
) -> Qwen3ForCausalLM:
    set_seed(0)
    config = Qwen3Config(
        vocab_size=NUM_TOKENS,
        hidden_size=224,
        intermediate_size=64,
        num_hidden_layers=num_layers,
        num_attention_heads=4,
        num_key_value_heads=num_key_value_heads,
        head_dim=head_size,
        rope_parameters={"rope_type": "default", "rope_theta": 1e8},
        tie_word_embeddings=is_tied,
    )
    config._attn_implementation = "eager"
    return Qwen3ForCausalLM(config).float().eval()


class Read:
    """What a decoder attends to in the text and the move."""

    def __init__(self, model: Qwen3ForCausalLM) -> None:
        self.ids: list[int] = tokenizer()(TEXT + MOVE)["input_ids"]  # pyright: ignore[reportAssignmentType]
        self.tokens = [str(tokenizer().decode([token])) for token in self.ids]
        with torch.no_grad():
            attentions = model(torch.tensor([self.ids]), output_attentions=True).attentions
        self._attentions: tuple[Tensor, ...] = attentions

    def places(self, token: str) -> list[int]:
        return [place for place, other in enumerate(self.tokens) if other == token]

    def weight(self, layer: int, head: int, at: int, of: int) -> float:
        return self._attentions[layer][0, head, at, of].item()


def read_with(seed: int) -> Read:
    model = decoder()
    add_reading_heads(model, ReadingHeads(), ReadingTokens.of(tokenizer()), seed)
    return Read(model)


@pytest.fixture(scope="module")
def read() -> Read:
    return read_with(0)


def texts_of(tokens: Sequence[int]) -> set[str]:
    return {str(tokenizer().decode([token])) for token in tokens}


def test_1_the_tokens_that_mark_places_are_found() -> None:
    tokens = ReadingTokens.of(tokenizer())
    starts = texts_of(tokens.starts)
    assert {
        USER,
        "\n",
        '{"diagnosis":["row:',
        '"],"action":"set_rhs","row":"',
        '"],"action":"set_bounds","variable":"',
    } < starts
    assert '","variable":"' not in starts
    assert '","value":' not in starts
    assert texts_of(tokens.conflict) == {"*", "<", ">"}
    assert {"7", "99", "034"} < texts_of(tokens.numbers)
    assert " | " in texts_of(tokens.bars) <= {"|", "| ", " |", " | "}
    assert texts_of(tokens.between) == {" per "}


def test_2_the_first_layer_sees_one_and_two_places_before(read: Read) -> None:
    for place in range(2, len(read.ids)):
        assert read.weight(0, 0, place, place - 1) > 0.6
        assert read.weight(0, 1, place, place - 2) > 0.6


def test_3_the_second_finds_the_name_of_the_line_and_of_the_move(read: Read) -> None:
    first, second = read.places("entry_21")[0], read.places("entry_33")[0]
    bound = read.places("cell_51")[4]
    for place in range(first, second - 3):
        assert read.weight(1, 0, place, first) > 0.8, (place, read.tokens[place])
    for place in range(second, bound - 2):
        assert read.weight(1, 0, place, second) > 0.8, (place, read.tokens[place])
    in_move = read.places("entry_21")[-2:]
    assert sum(read.weight(1, 0, len(read.ids) - 1, place) for place in in_move) > 0.8


def test_4_the_third_tells_whether_the_algebra_says_what_the_sentence_says(read: Read) -> None:
    """`-5 cell_51 + 12 cell_38`, then `less 5 per cell_51, 19 per cell_38`: half of the attention goes to the algebra
    where it agrees, and none where it does not.
    """
    cell_51, cell_38 = read.places("cell_51"), read.places("cell_38")
    half = pytest.approx(0.5, abs=0.1)
    assert read.weight(2, 0, cell_51[1], cell_51[0]) == half
    assert read.weight(2, 0, cell_38[1], cell_38[0]) < 0.01
    assert read.weight(2, 0, cell_38[3], cell_38[2]) == half
    numbers = {number: read.places(number) for number in ("25", "3", "84", "49")}
    assert read.weight(2, 1, numbers["25"][1], numbers["25"][0]) == half
    assert read.weight(2, 1, numbers["3"][1], numbers["3"][0]) == half
    for number in ("84", "49"):
        (place,) = numbers[number]
        assert read.weight(2, 1, place, place) > 0.9


def test_4b_the_third_weighs_algebra_and_sentence_against_each_other(read: Read) -> None:
    """From the name in the move: all numbers of its row alike, and its sense, its sign and the words for them."""
    name, second = read.places("entry_21")[-2], read.places("entry_33")[0]
    numbers = [place for place in range(second) if read.tokens[place].isdecimal()]
    share = pytest.approx(1 / len(numbers), abs=0.03)
    assert [read.weight(2, 2, name, place) for place in numbers] == [share] * 6
    words = [read.places(token)[0] for token in (" -", " = ", " less ", " exactly ")]
    weights = [read.weight(2, 3, name, place) for place in words]
    assert min(weights) > 0.15
    assert max(weights) < 0.3


def test_5_the_fourth_suspects_what_the_algebra_does_not_say(read: Read) -> None:
    """Anywhere: of the numbers alone 19, 84 and 49, of those with a name 19 per cell_38. And of the move's own row."""
    last = len(read.ids) - 1
    suspects = [place for number in ("19", "84", "49") for place in read.places(number)]
    assert sum(read.weight(3, 2, last, place) for place in suspects) > 0.9
    counted = read.places("cell_38")[1]
    assert read.weight(3, 3, last, counted) > 0.9
    assert sum(read.weight(3, 0, last, place) for place in suspects[:2]) > 0.2
    assert read.weight(3, 1, last, counted) > 0.2
    in_another_row = read.places("entry_33")[-1]
    assert sum(read.weight(3, 0, in_another_row, place) for place in suspects) < 0.02


def test_6_the_fifth_looks_a_coefficient_up_in_the_sentence() -> None:
    """Behind `"variable":"cell_38","value":` it looks into the row's sentence, and neither at its algebra nor at other
    rows; with some directions of tokens at the place of the name, which has the number two before, with others beside
    it.
    """
    at_the_name: list[float] = []
    for seed in range(6):
        read = read_with(seed)
        last, places = len(read.ids) - 1, read.places("cell_38")
        sentence = range(read.places(" | ")[0], read.places(".\n")[0])
        assert sum(read.weight(4, 0, last, place) for place in sentence) > 0.95
        at_the_name.append(read.weight(4, 0, last, places[1]))
    assert sum(weight > 0.6 for weight in at_the_name) >= 2


def test_7_a_seed_is_a_model() -> None:
    first, again, other = decoder(), decoder(), decoder()
    for model, seed in ((first, 0), (again, 0), (other, 1)):
        add_reading_heads(model, ReadingHeads(), ReadingTokens.of(tokenizer()), seed)
    for (name, one), two in zip(first.named_parameters(), again.parameters(), strict=True):
        assert torch.equal(one, two), name
    copied = "model.layers.4.self_attn.v_proj.weight"
    assert not torch.equal(first.get_parameter(copied), other.get_parameter(copied))


@pytest.mark.parametrize(
    ("shape", "settings"),
    [
        ({"is_tied": True}, ReadingHeads()),
        ({"num_key_value_heads": 2}, ReadingHeads()),
        ({"num_layers": 5}, ReadingHeads()),
        ({"head_size": 32}, ReadingHeads()),
        ({}, ReadingHeads(note_size=20)),
        ({}, ReadingHeads(note_size=60)),
    ],
)
def test_8_a_shape_without_room_is_refused(shape: dict[str, Any], settings: ReadingHeads) -> None:
    with pytest.raises(ValueError, match="expected embeddings that are not the head, 6 layers or more, 4 heads"):
        add_reading_heads(decoder(**shape), settings, ReadingTokens.of(tokenizer()), seed=0)
