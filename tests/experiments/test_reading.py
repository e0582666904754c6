"""What is counted as read: predictions of a program's exercises counted by hand, and a model that has seen nothing."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from random import Random

import pytest

from lit_grpo.data.conversation import ConversationFormat
from lit_grpo.data.dataset import drawn_program, load_conversation
from lit_grpo.data.proofreading import Exercise, Practice, ProofreadingSettings, proofread
from lit_grpo.data.splits import Split, split_of
from lit_grpo.data.task import TaskSettings
from lit_grpo.environment.domains.base import ProgramSize
from lit_grpo.environment.episodes.observation import ObservationStyle
from lit_grpo.environment.episodes.record import EpisodeSettings
from lit_grpo.environment.programs.edits import SetRhs
from lit_grpo.experiments.reading import ReadingScores, count, held_out_exercises, measure_reading
from lit_grpo.modules.policy import load_policy

TASKS = TaskSettings(size=ProgramSize.TINY)
Read = list[tuple[Exercise, list[int]]]


@pytest.fixture(scope="module")
def conversation(tiny_checkpoint: Path) -> ConversationFormat:
    return load_conversation(tiny_checkpoint)


def read_without_an_error(conversation: ConversationFormat, seed: int = 0) -> Read:
    rng = Random(seed)
    base = drawn_program(TASKS, Split.VALIDATION, rng)
    settings = ProofreadingSettings(max_slips=3, num_copied=4)
    proofreading = proofread(base, conversation, EpisodeSettings(style=ObservationStyle.COMPACT), settings, rng)
    return [(exercise, targets(exercise)) for exercise in proofreading.exercises]


def targets(exercise: Exercise) -> list[int]:
    ids, mask = exercise.continuation.token_ids, exercise.continuation.is_target
    return [token for token, is_target in zip(ids, mask, strict=True) if is_target]


def with_a_slip_of_the_rhs(conversation: ConversationFormat) -> tuple[Read, int]:
    """Exercises among which one sets a right-hand side of two digits, and its number."""
    for seed in range(100):
        read = read_without_an_error(conversation, seed)
        for number, (exercise, _) in enumerate(read):
            edit = exercise.edit
            if exercise.practice is Practice.MENDING and isinstance(edit, SetRhs) and 10 <= edit.value <= 99:
                return read, number
    raise AssertionError("no program among a hundred has a slip in a right-hand side of two digits")


def scored(read: Read, conversation: ConversationFormat) -> ReadingScores:
    scores = ReadingScores()
    count(scores, read, conversation)
    return scores


def test_1_whoever_predicts_every_target_has_read_everything(conversation: ConversationFormat) -> None:
    read, _ = with_a_slip_of_the_rhs(conversation)
    scores = scored(read, conversation)
    practices = [exercise.practice for exercise, _ in read]
    assert scores.judged_untouched.num_all == practices.count(Practice.INSPECTING)
    assert scores.judged_slipped.num_all == practices.count(Practice.MENDING)
    assert scores.found.num_all == 1
    assert all(share.num_right == share.num_all for share in scores.shares().values())
    assert scores.judged == 1.0


def test_2_one_wrong_digit_is_one_wrong_token_and_one_wrong_number(conversation: ConversationFormat) -> None:
    read, number = with_a_slip_of_the_rhs(conversation)
    before = scored(read, conversation)
    exercise, tokens = read[number]
    # ...,"value":42}<end>: two digits before the last two tokens.
    assert conversation.decode(tokens[-4:-2]).isdigit()
    read[number] = (exercise, [*tokens[:-3], tokens[-3] + 1, *tokens[-2:]])
    after = scored(read, conversation)
    assert after.mended_numbers.num_right == before.mended_numbers.num_right - 1
    assert after.number_tokens.num_right == before.number_tokens.num_right - 1
    assert after.copied_numbers == before.copied_numbers
    assert (after.names, after.found, after.judged_slipped) == (before.names, before.found, before.judged_slipped)


def test_3_to_inspect_an_element_with_a_slip_is_a_wrong_judgement(conversation: ConversationFormat) -> None:
    read, number = with_a_slip_of_the_rhs(conversation)
    inspect = next(tokens[0] for exercise, tokens in read if exercise.practice is Practice.INSPECTING)
    exercise, tokens = read[number]
    # {"diagnosis":["row: , ra , "],"action":"set_rhs","row":" , ra , ...: the action is the third token.
    assert '"action":"set_rhs"' in conversation.decode([tokens[2]])
    read[number] = (exercise, [*tokens[:2], inspect, *tokens[3:]])
    after = scored(read, conversation)
    assert after.judged_slipped.num_right == after.judged_slipped.num_all - 1
    assert after.names.num_right == after.names.num_all


def test_4_another_name_than_the_one_said_is_a_wrong_name(conversation: ConversationFormat) -> None:
    read, number = with_a_slip_of_the_rhs(conversation)
    exercise, tokens = read[number]
    assert tokens[1] == tokens[3]
    read[number] = (exercise, [*tokens[:3], tokens[3] + 1, *tokens[4:]])
    after = scored(read, conversation)
    assert after.names.num_right == after.names.num_all - 1
    assert after.found.num_right == 1


def test_5_a_slip_is_found_only_if_what_is_named_first_has_one(conversation: ConversationFormat) -> None:
    read, _ = with_a_slip_of_the_rhs(conversation)
    untouched = next(e.element[4:] for e, _ in read if e.practice is Practice.INSPECTING)
    [name] = conversation.completion_ids(untouched)[:-1]
    named = [(e, [tokens[0], name, *tokens[2:]] if e.practice is Practice.MENDING else tokens) for e, tokens in read]
    assert scored(named, conversation).found.num_right == 0


def test_6_scores_are_what_was_written_of_them(conversation: ConversationFormat) -> None:
    scores = scored(read_without_an_error(conversation), conversation)
    assert ReadingScores.from_dict(asdict(scores)) == scores


def test_7_held_out_programs_are_not_those_of_training() -> None:
    rng = Random(0)
    assert all(split_of(drawn_program(TASKS, Split.VALIDATION, rng).program) is Split.VALIDATION for _ in range(20))


def test_8_a_model_that_has_seen_nothing_reads_nothing(tiny_checkpoint: Path, conversation: ConversationFormat) -> None:
    settings = ProofreadingSettings(max_slips=2, num_copied=3)
    exercises = list(held_out_exercises(TASKS, settings, conversation, 4, seed=1))
    scores = measure_reading(load_policy(tiny_checkpoint), exercises, conversation)
    assert scores.found.num_all == 4
    num_edits = sum(e.practice is not Practice.INSPECTING for p in exercises for e in p.exercises)
    values = (scores.copied_numbers, scores.mended_numbers, scores.other_values)
    assert sum(share.num_all for share in values) == num_edits
    assert scores.number_tokens.value < 0.3


def test_9_pieces_of_the_grammar_are_read_in_talks(conversation: ConversationFormat) -> None:
    settings = ProofreadingSettings(max_slips=2, num_copied=0, num_talks=1)
    base = drawn_program(TASKS, Split.VALIDATION, Random(0))
    text = proofread(base, conversation, EpisodeSettings(style=ObservationStyle.COMPACT), settings, Random(0))
    [talk] = [exercise for exercise in text.exercises if exercise.practice is Practice.TALKING]
    true = targets(talk)
    first = next(token for token in true if '"' in conversation.decode([token]))
    predicted = [token + 1 if token == first else token for token in true]
    scores = scored([(talk, predicted)], conversation)
    assert scores.pieces.num_all == sum('"' in conversation.decode([token]) for token in true)
    assert scores.pieces.num_all - scores.pieces.num_right == true.count(first) > 0
    assert scores.mended_numbers.num_all == scores.judged_slipped.num_all == 0


def test_10_the_next_slip_is_one_that_is_left(conversation: ConversationFormat) -> None:
    settings = ProofreadingSettings(max_slips=3, num_copied=0, num_talks=1, one_by_one=True)
    num_named = num_next = 0
    for seed in range(20):
        base = drawn_program(TASKS, Split.VALIDATION, Random(seed))
        rules = EpisodeSettings(style=ObservationStyle.COMPACT)
        text = proofread(base, conversation, rules, settings, Random(seed))
        mending = [exercise for exercise in text.exercises if exercise.practice is Practice.MENDING]
        [talk] = [exercise for exercise in text.exercises if exercise.practice is Practice.TALKING]
        true, slips = targets(talk), [targets(exercise)[:2] for exercise in mending]
        begins = [place for place in range(len(true)) if true[place : place + 2] in slips]
        first = slips[0]
        if first in slips[1:]:
            continue  # It takes two edits, and is left after the first.
        right = scored([(exercise, targets(exercise)) for exercise in (*mending, talk)], conversation)
        again = list(true)
        for place in begins:
            again[place : place + 2] = first
        same = scored([*((exercise, targets(exercise)) for exercise in mending), (talk, again)], conversation)
        # The first slip is mended in the first turn that names one; whether that is learned or context, it is not left.
        learned = [place for place in begins if true[place : place + 2] != first]
        assert right.found_next.num_all == right.found_next.num_right
        assert same.found_next.num_all == right.found_next.num_all >= len(learned)
        num_next += right.found_next.num_all
        num_named += same.found_next.num_right
    assert num_next > 10
    assert num_named == 0, "to name the slip again that has been mended is wrong"
