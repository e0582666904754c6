"""Demonstrations: 1 of several faults every repair is shown and learned from, and the last one recovers; 2 rules of an
episode under which the repair cannot be made are refused; 3 where edits persist a wrong try is followed by `restore`,
which is learned, the try is not, and the program ends as the original; 4 faults found one by one: the edits before the
last are context, each under a diagnosis of its own element, and repairs of one edit are what they were.
"""

import pytest
from test_conversation import MINIMAL, MINIMAL_TOKENS, byte_tokenizer

from lit_grpo.data.conversation import ConversationFormat
from lit_grpo.data.demonstrations import DemonstrationSettings, demonstrate
from lit_grpo.data.splits import Split
from lit_grpo.data.task import Task, TaskSettings, generate_task
from lit_grpo.environment.episodes.actions import Move, Restore, render
from lit_grpo.environment.episodes.record import EpisodeSettings
from lit_grpo.environment.faults.difficulty import Difficulty
from lit_grpo.environment.faults.fault_kinds import FaultKind
from lit_grpo.environment.programs.edits import edited_element
from lit_grpo.environment.solver.highs import HighsSolver

SOLVER = HighsSolver()
SETTINGS = DemonstrationSettings(share_with_wrong_tries=0.0, share_found_one_by_one=0.0)


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
    elements = task.fault.faulty_elements
    assert learned == "".join(render(Move.in_repair(edit, elements)) for edit in task.fault.inverse)
    assert len(set(elements)) == num_faults
    for element in elements:
        assert learned.count(f'{{"diagnosis":["{element}",') == 1, "each edit's own element is stated first"
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


def _moves(task: Task, settings: DemonstrationSettings) -> list[tuple[str, bool]]:
    """The moves of a demonstration, each with whether it is learned."""
    tokenizer = byte_tokenizer(MINIMAL, MINIMAL_TOKENS, "<|end|>")
    conversation = ConversationFormat(tokenizer)
    (continuation,) = demonstrate(task, conversation, SOLVER, EpisodeSettings(), settings, seed=0).continuations
    turns: list[tuple[str, bool]] = []
    ids: list[int] = []
    for token, is_target in zip(continuation.token_ids, continuation.is_target, strict=True):
        ids.append(token)
        if token in conversation.stop_ids:
            turns.append((str(tokenizer.decode(ids, skip_special_tokens=True)).rpartition("\n")[2], is_target))
            ids = []
    return [(text[text.index("{") :], is_target) for text, is_target in turns if "{" in text]


@pytest.mark.parametrize("kind", [FaultKind.SENSE, FaultKind.CASCADE])
def test_3_where_edits_persist_a_wrong_try_is_taken_back_by_restore(kind: FaultKind) -> None:
    task = _task(kind, Difficulty.EASY)
    moves = _moves(task, DemonstrationSettings(1.0, max_wrong_tries=4, share_found_one_by_one=0.0))
    num_tries = (5 - len(task.fault.inverse)) // 2
    repair = [(render(Move.in_repair(edit, task.fault.faulty_elements)), True) for edit in task.fault.inverse]
    assert 1 <= (len(moves) - len(repair)) // 2 <= num_tries
    assert moves[-len(repair) :] == repair
    assert moves[1 : -len(repair) : 2] == [(render(Move(Restore())), True)] * ((len(moves) - len(repair)) // 2)
    assert not any(is_target for _, is_target in moves[0 : -len(repair) : 2])


@pytest.mark.parametrize(
    ("kind", "difficulty"), [(FaultKind.MULTIPLE, Difficulty.HARD), (FaultKind.CASCADE, Difficulty.EASY)]
)
def test_4_faults_found_one_by_one(kind: FaultKind, difficulty: Difficulty) -> None:
    task = _task(kind, difficulty)
    *first, last = task.fault.inverse
    moves = _moves(task, DemonstrationSettings(0.0, share_found_one_by_one=1.0))
    assert moves[:-1] == [(render(Move(edit, (edited_element(edit),))), False) for edit in first]
    assert moves[-1] == (render(Move.in_repair(last, task.fault.faulty_elements)), True)


def test_4_repairs_of_one_edit_are_what_they_were() -> None:
    task = _task(FaultKind.SENSE, Difficulty.EASY)
    shares = (0.0, 0.5, 1.0)
    found = [_moves(task, DemonstrationSettings(1.0, 4, share)) for share in shares]
    assert found[0] == found[1] == found[2]


def test_4_a_share_is_between_0_and_1() -> None:
    with pytest.raises(ValueError, match=r"share_found_one_by_one: expected a share from 0 to 1, got 1\.5"):
        DemonstrationSettings(share_found_one_by_one=1.5)
