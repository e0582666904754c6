"""Demonstrations: 1 of several faults every repair is shown and learned from, and the last one recovers; 2 rules of an
episode under which the repair cannot be made are refused; 3 where edits persist a wrong try is followed by `restore`,
which is learned, the try is not, and the program ends as the original; 4 looks at elements that are as they should be;
5 settings that are refused.
"""

import json

import pytest
from test_conversation import MINIMAL, MINIMAL_TOKENS, byte_tokenizer

from lit_grpo.data.conversation import ConversationFormat
from lit_grpo.data.demonstrations import DemonstrationSettings, demonstrate
from lit_grpo.data.splits import Split
from lit_grpo.data.task import Task, TaskSettings, generate_task
from lit_grpo.environment.episodes.actions import Inspect, Move, Restore, parse, render
from lit_grpo.environment.episodes.record import EpisodeSettings
from lit_grpo.environment.faults.difficulty import Difficulty
from lit_grpo.environment.faults.fault_kinds import FaultKind
from lit_grpo.environment.solver.highs import HighsSolver

SOLVER = HighsSolver()
SETTINGS = DemonstrationSettings(share_with_wrong_tries=0.0)


def _task(kind: FaultKind, difficulty: Difficulty) -> Task:
    return generate_task(TaskSettings(kinds={kind: 1.0}, difficulties={difficulty: 1.0}), Split.TRAIN, 0, 0, SOLVER)


@pytest.mark.parametrize(
    ("kind", "difficulty", "num_faults"),
    [(FaultKind.MULTIPLE, Difficulty.HARD, 3), (FaultKind.CASCADE, Difficulty.EASY, 2)],
)
def test_1_every_repair_is_shown_and_learned(kind: FaultKind, difficulty: Difficulty, num_faults: int) -> None:
    tokenizer = byte_tokenizer(MINIMAL, MINIMAL_TOKENS, "<|end|>")
    task = _task(kind, difficulty)
    group = demonstrate(task, ConversationFormat(tokenizer), SOLVER, EpisodeSettings(), SETTINGS, seed=0)
    (continuation,) = group.continuations
    pairs = zip(continuation.token_ids, continuation.is_target, strict=True)
    learned = tokenizer.decode([token for token, is_target in pairs if is_target], skip_special_tokens=True)
    assert learned == "".join(render(Move(edit, task.fault.faulty_elements)) for edit in task.fault.inverse)
    assert learned.count(json.dumps(list(task.fault.faulty_elements), separators=(",", ":"))) == num_faults
    shown = tokenizer.decode(list(continuation.token_ids), skip_special_tokens=True)
    assert shown.count("The solver reports: infeasible") == num_faults - 1


def test_2_rules_that_forbid_the_repair_are_refused() -> None:
    conversation = ConversationFormat(byte_tokenizer(MINIMAL, MINIMAL_TOKENS, "<|end|>"))
    task = _task(FaultKind.CASCADE, Difficulty.EASY)
    for rules, message in (
        (EpisodeSettings(undo_if_still_infeasible=True), "expected edits that persist for faults of kind G"),
        (EpisodeSettings(max_turns=1), "expected max_turns to be at least 2 .* got 1"),
    ):
        with pytest.raises(ValueError, match=message):
            demonstrate(task, conversation, SOLVER, rules, SETTINGS, seed=0)


@pytest.mark.parametrize("kind", [FaultKind.SENSE, FaultKind.CASCADE])
def test_3_where_edits_persist_a_wrong_try_is_taken_back_by_restore(kind: FaultKind) -> None:
    tokenizer = byte_tokenizer(MINIMAL, MINIMAL_TOKENS, "<|end|>")
    conversation, task = ConversationFormat(tokenizer), _task(kind, Difficulty.EASY)
    always = DemonstrationSettings(share_with_wrong_tries=1.0, max_wrong_tries=4)
    (continuation,) = demonstrate(task, conversation, SOLVER, EpisodeSettings(), always, seed=0).continuations
    turns: list[tuple[str, bool]] = []
    ids: list[int] = []
    for token, is_target in zip(continuation.token_ids, continuation.is_target, strict=True):
        ids.append(token)
        if token in conversation.stop_ids:
            turns.append((str(tokenizer.decode(ids, skip_special_tokens=True)).rpartition("\n")[2], is_target))
            ids = []
    num_tries = (5 - len(task.fault.inverse)) // 2
    moves = [(text[text.index("{") :], is_target) for text, is_target in turns if "{" in text]
    repair = [(render(Move(edit, task.fault.faulty_elements)), True) for edit in task.fault.inverse]
    assert 1 <= (len(moves) - len(repair)) // 2 <= num_tries
    assert moves[-len(repair) :] == repair
    assert moves[1 : -len(repair) : 2] == [(render(Move(Restore())), True)] * ((len(moves) - len(repair)) // 2)
    assert not any(is_target for _, is_target in moves[0 : -len(repair) : 2])


def test_4_the_oracle_looks_at_other_elements_of_the_conflict_first() -> None:
    """Of a look it is learned what is done with the element, but not which one it is; the repair is learned whole."""
    tokenizer = byte_tokenizer(MINIMAL, MINIMAL_TOKENS, "<|end|>")
    conversation = ConversationFormat(tokenizer)
    looking = DemonstrationSettings(share_with_wrong_tries=0.0, max_looks=3)
    num_looks: list[int] = []
    for index in range(12):
        task = generate_task(TaskSettings(kinds={FaultKind.SENSE: 1.0}), Split.TRAIN, 0, index, SOLVER)
        (continuation,) = demonstrate(task, conversation, SOLVER, EpisodeSettings(), looking, seed=0).continuations
        conflict = SOLVER.conflict(task.problem.program)
        assert conflict is not None
        turns, ids, learned = list[Move](), list[int](), list[bool]()
        for token, is_target in zip(continuation.token_ids, continuation.is_target, strict=True):
            ids.append(token)
            learned.append(is_target)
            if token not in conversation.stop_ids:
                continue
            text = str(tokenizer.decode(ids, skip_special_tokens=True)).rpartition("\n")[2]
            if "{" in text:
                said = text[text.index("{") :]
                move = parse(said)
                assert isinstance(move, Move)
                said_ids = conversation.completion_ids(said)
                is_look = isinstance(move.action, Inspect)
                before = conversation.completion_ids(said[: said.index("inspect")])[:-1] if is_look else ()
                assert learned == [False] * (len(ids) - len(said_ids) + len(before)) + [True] * (
                    len(said_ids) - len(before)
                )
                turns.append(move)
                ids, learned = [], []
        *looks, repair = turns
        assert repair == Move(task.fault.inverse[0], task.fault.faulty_elements)
        looked = [move.diagnosis for move in looks]
        assert all(isinstance(move.action, Inspect) for move in looks)
        assert len({*looked}) == len(looked)
        others = {(element,) for element in conflict.elements} - {task.fault.faulty_elements}
        assert {*looked} <= others
        num_looks.append(len(looks))
    assert {0, 1, 2} <= {*num_looks} <= {0, 1, 2, 3}


def test_5_settings_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match=r"max_looks >= 0, got 0\.3, 4 and -1"):
        DemonstrationSettings(max_looks=-1)
