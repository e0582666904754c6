"""Tokens of the small models: what is copied is one token, and every text comes back as it was."""

from __future__ import annotations

from random import Random

import pytest
from transformers import PreTrainedTokenizerFast

from lit_grpo.data.tokenizer import NumberTokens, train_tokenizer

TEXTS = ["letter_37 19 north_to_dover <= 570 | The depot has at most 570 crates in stock (letter_37).\n"] * 20
NAMES = ("letter_37", "north_to_dover", "x")


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerFast:
    return train_tokenizer(TEXTS, NAMES, 1600, NumberTokens.THOUSANDS)


def pieces(tokenizer: PreTrainedTokenizerFast, text: str) -> list[str]:
    return [str(tokenizer.decode([token])) for token in tokenizer.encode(text)]


@pytest.mark.parametrize(
    ("number", "expected"),
    [("0", ["0"]), ("7", ["7"]), ("570", ["570"]), ("1000", ["1", "000"]), ("12034", ["12", "034"])],
)
def test_1_a_number_is_cut_at_its_thousands(
    tokenizer: PreTrainedTokenizerFast, number: str, expected: list[str]
) -> None:
    assert pieces(tokenizer, f" {number} x")[1:-2] == expected
    action = pieces(tokenizer, f'{{"action":"set_rhs","row":"letter_37","value":-{number}}}')
    assert action == ['{"action":"set_rhs","row":"', "letter_37", '","value":-', *expected, "}"]


def test_2_a_name_with_digits_is_one_token(tokenizer: PreTrainedTokenizerFast) -> None:
    assert pieces(tokenizer, "letter_37 19 x") == ["letter_37", " ", "19", " ", "x"]
    assert "letter_37" not in pieces(tokenizer, "letter_371 + letter_37x")


def test_3_texts_come_back(tokenizer: PreTrainedTokenizerFast) -> None:
    rng = Random(0)
    for _ in range(50):
        text = f"letter_{rng.randint(1, 99)} {rng.randint(-(10**9), 10**9)} x + 0.5 y\n| As to x: {rng.random()}."
        assert tokenizer.decode(tokenizer.encode(text)) == text


def test_4_digits_are_apart_by_default() -> None:
    tokenizer = train_tokenizer(TEXTS, NAMES, 400)
    assert pieces(tokenizer, "570") == ["5", "7", "0"]


def test_5_a_vocabulary_too_small_says_what_it_has_to_hold() -> None:
    with pytest.raises(ValueError, match=r"256 bytes, .* 3 names, 1090 numbers, 4 markers\), got 1000"):
        train_tokenizer(TEXTS, NAMES, 1000, NumberTokens.THOUSANDS)


def test_6_a_diagnosis_of_several_elements_is_names_between_pieces(tokenizer: PreTrainedTokenizerFast) -> None:
    action = pieces(
        tokenizer, '{"diagnosis":["row:letter_37","var:x","row:letter_37"],"action":"drop","row":"letter_37"}'
    )
    between = ['","var:', "x", '","row:', "letter_37", '"],"action":"drop","row":"']
    assert action == ['{"diagnosis":["row:', "letter_37", *between, "letter_37", '"}']
