"""Lists to recall: each number stood behind the same name before, and nothing else of them repeats."""

from __future__ import annotations

from random import Random

import pytest
from transformers import PreTrainedTokenizerFast

from lit_grpo.data.recall import RecallSettings, RecallTokens, recall_list
from lit_grpo.data.tokenizer import NumberTokens, train_tokenizer

NAMES = ["card_28", "oak_chair", "pine_lamp", "pine_shelf"]


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerFast:
    return train_tokenizer(["max 0\n| x <= 3"], NAMES, 1600, NumberTokens.THOUSANDS)


def test_1_tokens_are_whole_names_and_numbers(tokenizer: PreTrainedTokenizerFast) -> None:
    tokens = RecallTokens.of(tokenizer)
    assert sorted(tokenizer.decode([name]) for name in tokens.names) == NAMES
    assert [tokenizer.decode([number]) for number in tokens.numbers] == [str(number) for number in range(1000)]
    assert not any(tokenizer.decode([separator]).isalnum() for separator in tokens.separators)


def test_2_every_number_of_the_repetition_is_predicted_and_stood_behind_its_name(
    tokenizer: PreTrainedTokenizerFast,
) -> None:
    tokens = RecallTokens.of(tokenizer)
    sizes = set[int]()
    for seed in range(40):
        group = recall_list(tokens, RecallSettings(max_pairs=4), Random(seed))
        ids, half = group.prompt_ids, len(group.prompt_ids) // 2
        shown = {ids[at]: ids[at + 2] for at in range(0, half, 4)}
        assert set(shown) <= set(tokens.names)
        assert set(shown.values()) <= set(tokens.numbers)
        repeated = {ids[at]: ids[at + 2] for at in range(half, len(ids), 4)}
        assert repeated == shown
        assert [ids[at] for at in group.prompt_targets] == list(repeated.values())
        assert group.continuations == ()
        assert (
            len({ids[at + 1] for at in range(0, half, 4)}) == len({ids[at + 3] for at in range(half, 2 * half, 4)}) == 1
        )
        sizes.add(len(shown))
    assert sizes == {2, 3, 4}


def test_3_a_list_is_a_function_of_its_seed(tokenizer: PreTrainedTokenizerFast) -> None:
    tokens, settings = RecallTokens.of(tokenizer), RecallSettings()
    assert recall_list(tokens, settings, Random(1)) == recall_list(tokens, settings, Random(1))
    assert recall_list(tokens, settings, Random(1)) != recall_list(tokens, settings, Random(2))


def test_4_what_cannot_be_recalled_is_refused() -> None:
    with pytest.raises(ValueError, match="expected max_pairs of at least 2, got 1"):
        RecallSettings(max_pairs=1)
    digits = train_tokenizer(["x <= 3"], ["x"], 640)
    with pytest.raises(ValueError, match="expected a tokenizer with single tokens for names and numbers, got 1 names"):
        RecallTokens.of(digits)
