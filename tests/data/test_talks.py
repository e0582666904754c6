"""Talks: what is said in them, what is learned of it, and the rows too many that proofreading adds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from lit_grpo.data.conversation import ConversationFormat
from lit_grpo.data.dataset import drawn_program, load_conversation
from lit_grpo.data.proofreading import Practice, Proofreading, ProofreadingSettings, proofread
from lit_grpo.data.splits import Split
from lit_grpo.data.task import TaskSettings
from lit_grpo.environment.domains.base import BaseModel, ProgramSize
from lit_grpo.environment.episodes.actions import Move, Restore, parse
from lit_grpo.environment.episodes.observation import ObservationStyle
from lit_grpo.environment.episodes.record import EpisodeSettings
from lit_grpo.environment.programs.edits import AgentEdit, DropRow, edited_element
from lit_grpo.packing import Continuation

RULES = EpisodeSettings(style=ObservationStyle.COMPACT)
SETTINGS = ProofreadingSettings(max_slips=3, num_copied=0, share_with_added_row=0.5, num_talks=2)


@pytest.fixture(scope="module")
def conversation(tiny_checkpoint: Path) -> ConversationFormat:
    return load_conversation(tiny_checkpoint)


def drawn(seed: int) -> BaseModel:
    return drawn_program(TaskSettings(size=ProgramSize.TINY), Split.TRAIN, Random(seed))


def texts(conversation: ConversationFormat) -> Iterator[Proofreading]:
    for seed in range(40):
        yield proofread(drawn(seed), conversation, RULES, SETTINGS, Random(seed))


def turns(continuation: Continuation, conversation: ConversationFormat) -> list[tuple[Move, bool]]:
    """The moves said in a continuation, each with whether it is learned: runs of tokens up to the end of a turn."""
    found: list[tuple[Move, bool]] = []
    said: list[int] = []
    learned: set[bool] = set()
    for token, is_target in zip(continuation.token_ids, continuation.is_target, strict=True):
        said.append(token)
        learned.add(is_target)
        if token in conversation.stop_ids:
            move = parse("{" + conversation.decode(said).partition("{")[2])
            assert isinstance(move, Move), conversation.decode(said)
            found.append((move, True in learned))
            said, learned = [], set()
    assert not said
    return found


def test_1_all_slips_are_named_in_each_turn_and_mended_one_by_one(conversation: ConversationFormat) -> None:
    for text in texts(conversation):
        mended = [exercise.edit for exercise in text.exercises if exercise.practice is Practice.MENDING]
        diagnosis = tuple(dict.fromkeys(edited_element(edit) for edit in mended if edit is not None))
        for exercise in text.exercises:
            if exercise.practice is not Practice.TALKING:
                continue
            said = turns(exercise.continuation, conversation)
            wrong = [move for move, is_learned in said if not is_learned]
            right = [move for move, is_learned in said if is_learned and not isinstance(move.action, Restore)]
            assert len(wrong) == len(said) - len(right) - len(wrong), "each wrong try is taken back"
            assert [move.action for move in right] == mended[: RULES.max_turns - 2 * len(wrong)]
            assert {move.diagnosis for move in right} == {diagnosis}


def test_2_half_of_the_talks_go_back_from_a_wrong_try(conversation: ConversationFormat) -> None:
    talks = [e.continuation for text in texts(conversation) for e in text.exercises if e.practice is Practice.TALKING]
    gone_back = [any(isinstance(move.action, Restore) for move, _ in turns(talk, conversation)) for talk in talks]
    assert len(talks) == 80
    assert 0.3 < sum(gone_back) / len(gone_back) < 0.7


def test_3_a_row_that_nothing_is_said_of_is_dropped(conversation: ConversationFormat) -> None:
    num_added = 0
    for seed, text in enumerate(texts(conversation)):
        dropped = [e for e in text.exercises if isinstance(e.edit, DropRow)]
        num_added += len(dropped)
        assert all(e.element.removeprefix("row:") in drawn(seed).spare_row_names for e in dropped)
        inspected = {e.element for e in text.exercises if e.practice is Practice.INSPECTING}
        assert not inspected & {e.element for e in dropped}
    assert 10 < num_added < 30


def test_4_by_default_there_are_neither_talks_nor_rows_too_many(conversation: ConversationFormat) -> None:
    settings = ProofreadingSettings()
    text = proofread(drawn(0), conversation, RULES, settings, Random(0))
    assert not [e for e in text.exercises if e.practice is Practice.TALKING or isinstance(e.edit, DropRow)]


def one_by_one(conversation: ConversationFormat) -> Iterator[tuple[Proofreading, list[AgentEdit]]]:
    """Texts whose slips come one by one, each with the edits that mend it."""
    settings = replace(SETTINGS, one_by_one=True)
    for seed in range(40):
        text = proofread(drawn(seed), conversation, RULES, settings, Random(seed))
        yield text, [e.edit for e in text.exercises if e.practice is Practice.MENDING and e.edit is not None]


def test_6_one_by_one_what_was_mended_before_is_context_and_named_one_each(conversation: ConversationFormat) -> None:
    num_known: set[int] = set()
    for text, mending in one_by_one(conversation):
        elements = [edited_element(edit) for edit in mending]
        for exercise in text.exercises:
            if exercise.practice is not Practice.TALKING:
                continue
            said = turns(exercise.continuation, conversation)
            if len(said) > 1 and isinstance(said[1][0].action, Restore):
                assert [is_learned for _, is_learned in said[:2]] == [False, True]
                said = said[2:]
            known = sum(not is_learned for _, is_learned in said)
            num_known.add(known)
            assert said[:known] == [(Move(edit, (edited_element(edit),)), False) for edit in mending[:known]]
            assert said[known:] == [(Move.in_repair(e, elements), True) for e in mending[known : len(said)]]
            assert len(said) > known, "something is learned of each"
    assert num_known >= {0, 1, 2}


def test_6_the_slip_to_be_mended_next_is_in_each_conflict(conversation: ConversationFormat) -> None:
    num_others = num_later = 0
    for text, mending in one_by_one(conversation):
        names = [edited_element(edit).split(":", 1)[1] for edit in mending]
        first = conversation.decode(list(text.prompt_ids))
        marked = {words[1] for line in first.splitlines() if (words := line.split()) and words[0] in {"*", "<", ">"}}
        assert names[0] in marked
        num_others += len(set(names[1:]) - marked)
        for exercise in text.exercises:
            if exercise.practice is Practice.TALKING:
                said = turns(exercise.continuation, conversation)
                answers = conversation.decode(list(exercise.continuation.token_ids)).split("infeasible")[1:]
                later = [edited_element(edit) for move, _ in said for edit in mending if move.action == edit][1:]
                assert len(answers) >= len(later)
                for answer, element in zip(answers[len(answers) - len(later) :], later, strict=True):
                    assert element.split(":", 1)[1] in answer.partition("{")[0]
                    num_later += 1
    assert num_later > 40
    assert num_others > 5, "not all others are marked"


@pytest.mark.parametrize("values", [{"num_talks": -1}, {"share_with_added_row": 1.5}])
def test_5_settings_out_of_range_are_refused(values: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="num_talks of at least 0, and a share_with_added_row from 0 to 1"):
        ProofreadingSettings(**values)  # pyright: ignore[reportArgumentType]
