"""Packing: where every token, position and target goes, worked out by hand."""

from __future__ import annotations

import copy

import pytest
import torch
from lightning.fabric.utilities.apply_func import move_data_to_device
from lightning_utilities.core.apply_func import apply_to_collection

from lit_grpo.packing import Continuation, PackedBatch, PromptGroup, attention_mask, pack


def sampled(*token_ids: int) -> Continuation:
    return Continuation(token_ids, (True,) * len(token_ids))


TWO_TURNS = Continuation((50, 51, 52, 53), (True, False, True, False))


def test_1_a_row_is_a_prompt_then_its_continuations_each_up_to_its_last_target() -> None:
    [batch] = pack([PromptGroup((1, 2, 3), (sampled(10, 11, 12), TWO_TURNS))], microbatch_tokens=100)
    # 12 and 52 are last targets: nothing is predicted from them, nor from 53.
    assert batch.input_ids.tolist() == [[1, 2, 3, 10, 11, 50, 51]]
    assert batch.position_ids.tolist() == [[0, 1, 2, 3, 4, 3, 4]]
    assert batch.segment_ids.tolist() == [[0, 0, 0, 1, 1, 2, 2]]
    assert batch.target_ids.tolist() == [10, 11, 12, 50, 52]
    # First tokens are predicted by the prompt's last position (2), 52 by the token of the environment before it (6).
    assert batch.predictor_index.tolist() == [2, 3, 4, 2, 6]
    assert batch.sequence_index.tolist() == [0, 0, 0, 1, 1]
    assert batch.group_index.tolist() == [0] * 5
    assert (batch.num_tokens, batch.num_sequences, batch.num_groups) == (5, 2, 1)


def test_2_a_continuation_sees_the_prompt_and_itself_only() -> None:
    mask = attention_mask(torch.tensor([[0, 0, 1, 1, 2, -1]]))
    assert mask.shape == (1, 1, 6, 6)
    assert mask[0, 0].int().tolist() == [
        [1, 0, 0, 0, 0, 0],
        [1, 1, 0, 0, 0, 0],
        [1, 1, 1, 0, 0, 0],
        [1, 1, 1, 1, 0, 0],
        [1, 1, 0, 0, 1, 0],
        [1, 1, 0, 0, 0, 1],
    ]


def test_2_queries_from_a_position_on_see_what_they_see_in_the_whole() -> None:
    segments = torch.tensor([[0, 0, 0, 1, 1, 2, -1]])
    assert torch.equal(attention_mask(segments, first_query=3), attention_mask(segments)[:, :, 3:])


def test_3_rows_are_sorted_by_length_and_padded_within_a_microbatch() -> None:
    short, long = PromptGroup((1,), (sampled(5, 6),)), PromptGroup((2, 3), (sampled(7, 8, 9),))
    [batch] = pack([short, long], microbatch_tokens=8, pad_id=99)
    assert batch.input_ids.tolist() == [[2, 3, 7, 8], [1, 5, 99, 99]]
    assert batch.segment_ids.tolist() == [[0, 0, 1, 1], [0, 1, -1, -1]]
    assert batch.predictor_index.tolist() == [1, 2, 3, 4, 5]
    assert batch.sequences == ((1, 0), (0, 0))
    assert batch.group_index.tolist() == [0, 0, 0, 1, 1]
    assert [batch.input_ids.shape for batch in pack([short, long], microbatch_tokens=7)] == [(1, 4), (1, 2)]


def test_4_a_group_beyond_the_budget_repeats_its_prompt() -> None:
    group = PromptGroup((1, 2), (sampled(10, 11, 12), sampled(20, 21, 22), sampled(30, 31, 32)))
    first, second = pack([group], microbatch_tokens=6)
    assert first.input_ids.tolist() == [[1, 2, 10, 11, 20, 21]]
    assert second.input_ids.tolist() == [[1, 2, 30, 31]]
    assert second.sequences == ((0, 2),)
    assert second.sequence_index.tolist() == second.group_index.tolist() == [0, 0, 0]


def test_5_every_target_is_packed_once_within_the_budget() -> None:
    generator = torch.Generator().manual_seed(0)
    sizes = torch.randint(1, 9, (20, 5), generator=generator).tolist()
    groups = [PromptGroup((1,) * row[0], tuple(sampled(*range(n)) for n in row[1:])) for row in sizes]
    batches = pack(groups, microbatch_tokens=40)
    assert all(batch.input_ids.numel() <= 40 for batch in batches)
    packed = sorted(name for batch in batches for name in batch.sequences)
    assert packed == [(group, continuation) for group in range(20) for continuation in range(4)]
    for batch in batches:
        for number, (group, continuation) in enumerate(batch.sequences):
            targets = batch.target_ids[batch.sequence_index == number].tolist()
            assert targets == list(groups[group].continuations[continuation].token_ids)


def test_6_continuations_without_a_target_are_left_out() -> None:
    silent = Continuation((7, 8), (False, False))
    [batch] = pack([PromptGroup((1,), (silent, sampled(5), Continuation((), ())))], microbatch_tokens=10)
    assert batch.sequences == ((0, 1),)
    assert pack([PromptGroup((1,), (silent,))], microbatch_tokens=10) == []


def test_7_bad_input_says_what_to_change() -> None:
    with pytest.raises(ValueError, match="group 0: expected a prompt of at least one token"):
        pack([PromptGroup((), (sampled(1),))], microbatch_tokens=4)
    with pytest.raises(ValueError, match="expected one is_target per token, got 1 for 2 tokens"):
        pack([PromptGroup((1,), (Continuation((1, 2), (True,)),))], microbatch_tokens=4)


def test_8_lightning_can_move_and_rebuild_a_batch() -> None:
    [batch] = pack([PromptGroup((1,), (sampled(5, 6),))], microbatch_tokens=10)
    moved = move_data_to_device([copy.deepcopy(batch)], torch.device("meta"))[0]
    assert isinstance(moved, PackedBatch)
    assert moved.input_ids.is_meta
    assert moved.group_index.is_meta
    assert moved.sequences == batch.sequences
    rebuilt = apply_to_collection(batch, torch.Tensor, lambda tensor: tensor + 1)
    assert rebuilt.target_ids.tolist() == [6, 7]
