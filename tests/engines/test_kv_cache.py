"""The keys and values of conversations: rows are gathered from wherever they are, and prompts are not copied."""

from __future__ import annotations

import torch
from torch import Tensor

from lit_grpo.engines.transformers.kv_cache import COLUMN_BLOCK, Conversations, KeyValues, Place, PromptBlock

LAYERS, HEADS, SIZE = 2, 3, 4


def random_kv(entries: int, columns: int, generator: torch.Generator) -> KeyValues:
    keys, values = (torch.randn(entries, HEADS, columns, SIZE, generator=generator) for _ in range(2))
    return KeyValues(keys, values)


def conversations(
    lengths: list[int], prompt_of: list[int], own_lengths: list[int], columns: int, seed: int
) -> Conversations:
    generator = torch.Generator().manual_seed(seed)
    prompts = [random_kv(len(lengths), max(lengths), generator) for _ in range(LAYERS)]
    own = [random_kv(len(prompt_of), columns, generator) for _ in range(LAYERS)]
    block = PromptBlock(prompts, torch.tensor(lengths))
    return Conversations([block], torch.tensor(prompt_of), own, torch.tensor(own_lengths))


def prompt_keys(held: Conversations, row: int, layer: int) -> Tensor:
    """The keys of a row's prompt, [K, length, D]."""
    number = int(held.prompt_of[row])
    for block in held.blocks:
        if number < len(block.lengths):
            return block.layers[layer].keys[number, :, : int(block.lengths[number])]
        number -= len(block.lengths)
    raise AssertionError(f"row {row} has no prompt")


def test_1_rows_are_gathered_with_their_prompts_their_tokens_and_room() -> None:
    first = conversations([5, 9], [0, 1, 1], [3, 0, 2], columns=4, seed=1)
    second = conversations([7], [0, 0], [6, 1], columns=8, seed=2)
    places = [Place(second, 0), Place(first, 2), Place(second, 1), Place(first, 0)]
    held = Conversations.gathered(places, new_columns=11)
    assert held.own_lengths.tolist() == [6, 2, 1, 3]
    assert held.prompt_lengths[held.prompt_of].tolist() == [7, 9, 7, 5]
    for layer in range(LAYERS):
        own = held.own[layer]
        # The longest has 6 tokens, and 11 more are to come.
        assert own.keys.shape == own.values.shape == (4, HEADS, 2 * COLUMN_BLOCK, SIZE)
        for row, place in enumerate(places):
            length, source = int(held.own_lengths[row]), place.conversations.own[layer]
            assert torch.equal(own.keys[row, :, :length], source.keys[place.row, :, :length])
            assert torch.equal(own.values[row, :, :length], source.values[place.row, :, :length])
            assert torch.equal(prompt_keys(held, row, layer), prompt_keys(place.conversations, place.row, layer))


def test_2_prompts_stay_where_they_are_and_those_of_no_row_are_let_go() -> None:
    first = conversations([5, 9], [0, 1], [1, 1], columns=1, seed=3)
    second = conversations([7], [0], [2], columns=2, seed=4)
    held = Conversations.gathered([Place(first, 1), Place(second, 0)], new_columns=1)
    assert [id(block) for block in held.blocks] == [id(first.blocks[0]), id(second.blocks[0])]
    narrowed = held.select(torch.tensor([1]))
    assert [id(block) for block in narrowed.blocks] == [id(second.blocks[0])]
    assert narrowed.prompt_lengths[narrowed.prompt_of].tolist() == [7]
    assert narrowed.own_lengths.tolist() == [2]
    assert torch.equal(narrowed.own[1].keys[0], held.own[1].keys[1])


def test_3_what_is_written_to_a_copy_leaves_the_others_alone() -> None:
    first = conversations([5], [0, 0], [2, 2], columns=2, seed=5)
    before = first.own[0].keys.clone()
    held = Conversations.gathered([Place(first, 0)], new_columns=1)
    held.own[0].keys += 1.0
    held.own_lengths += 1
    assert torch.equal(first.own[0].keys, before)
    assert first.own_lengths.tolist() == [2, 2]


def test_4_columns_that_were_never_written_are_zero() -> None:
    # A weight of 0 times a value that is not finite would spoil a sum.
    first = conversations([5], [0, 0], [1, 3], columns=4, seed=6)
    held = Conversations.gathered([Place(first, 1)], new_columns=2)
    assert not held.own[0].keys[0, :, 3:].any()
    assert not held.own[0].values[0, :, 3:].any()
