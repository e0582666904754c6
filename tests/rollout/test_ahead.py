"""Rollouts played ahead, as a queue and a thread, and the age of what they yield.

1. What is ordered is played in order, one at a time; an error comes out as itself, and nothing is played after it.
2. A pause waits for what is being played; nothing begins before it ends.
3. Stopping breaks off between two turns, drops what was not begun, leaves no thread, and counts what was for nothing.
4. The age of tokens, worked by hand: by the last batch at which a version was the policy's; too old is an error.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from threading import Event

import pytest
from repair_rollouts import collect

from lit_grpo.data.conversation import ConversationFormat
from lit_grpo.data.task import Task
from lit_grpo.engines.engine import GenerationRequest, SamplingSettings
from lit_grpo.engines.scripted import ScriptedEngine
from lit_grpo.environment.solver.highs import HighsSolver
from lit_grpo.rollout.ahead import InterruptibleEngine, PlayAhead, Stopped
from lit_grpo.rollout.attempts import RepairGroup
from lit_grpo.rollout.settings import PlaySettings
from lit_grpo.rollout.staleness import Staleness

WAIT_S = 60
"""Longer than anything here takes: whoever waits in vain fails, and nothing depends on how long."""
MakeEngine = Callable[..., ScriptedEngine]


def threads_ahead() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("rollouts_ahead")]


def test_1_in_order_one_at_a_time() -> None:
    ahead: PlayAhead[int] = PlayAhead()
    playing: list[str] = []

    def play(number: int) -> int:
        playing.append(f"begin {number}")
        playing.append(f"end {number}")
        return 10 * number

    for number in range(3):
        ahead.order(number, lambda number=number: play(number))
    assert [ahead.taken(number).result() for number in range(3)] == [0, 10, 20]
    assert playing == ["begin 0", "end 0", "begin 1", "end 1", "begin 2", "end 2"]
    assert ahead.stop().num_begun == 0


def test_1_an_error_is_itself_and_the_last() -> None:
    ahead: PlayAhead[int] = PlayAhead()
    error, later = ValueError("no such task"), Event()

    def fail() -> int:
        raise error

    ahead.order(0, lambda: 7)
    ahead.order(1, fail)
    ahead.order(2, lambda: later.set() or 1)
    assert ahead.taken(0).result() == 7
    assert ahead.taken(1).exception() is error
    left = ahead.stop()
    assert (left.played, left.num_begun, left.errors) == ((), 1, ())
    assert not later.is_set()


def test_1_an_error_nobody_took_is_told() -> None:
    ahead: PlayAhead[int] = PlayAhead()
    error, begun = ValueError("no such task"), Event()

    def fail() -> int:
        begun.set()
        raise error

    ahead.order(0, fail)
    assert begun.wait(WAIT_S)
    assert ahead.stop().errors == (error,)


def test_2_a_pause() -> None:
    ahead: PlayAhead[int] = PlayAhead()
    begun, go_on, second = Event(), Event(), Event()

    def play() -> int:
        begun.set()
        assert go_on.wait(WAIT_S)
        return 1

    ahead.order(0, play)
    ahead.order(1, lambda: second.set() or 2)
    assert begun.wait(WAIT_S)
    paused = Event()
    waiting = threading.Thread(target=lambda: (ahead.pause(), paused.set()))
    waiting.start()
    assert not paused.is_set(), "something is still being played"
    go_on.set()
    assert paused.wait(WAIT_S)
    waiting.join()
    assert not second.is_set()
    ahead.resume()
    assert ahead.taken(1).result() == 2
    ahead.stop()


def collection(
    tasks: list[Task], engine: InterruptibleEngine | ScriptedEngine, solver: HighsSolver, chat: ConversationFormat
) -> list[RepairGroup]:
    settings = PlaySettings(group_size=2, sampling=SamplingSettings(max_completion_tokens=40))
    return collect(tasks, engine, solver, chat, settings)


def test_3_stopping_breaks_off_between_turns(
    tasks: list[Task], scripted: MakeEngine, solver: HighsSolver, conversation: ConversationFormat
) -> None:
    ahead: PlayAhead[list[RepairGroup]] = PlayAhead()
    second_turn, go_on = Event(), Event()

    def answer(request: GenerationRequest) -> str:
        if len(engine.requests) > 8:
            second_turn.set()
            assert go_on.wait(WAIT_S)
        return "nonsense"

    engine = scripted(answer)
    interruptible = InterruptibleEngine(engine, ahead.stopping)
    ahead.order(0, list)
    ahead.order(1, lambda: collection(tasks, interruptible, solver, conversation))
    ahead.order(2, lambda: collection(tasks, interruptible, solver, conversation))
    assert second_turn.wait(WAIT_S)
    stopper = threading.Thread(target=lambda: found.append(ahead.stop()))
    found = []
    stopper.start()
    assert ahead.stopping.wait(WAIT_S)
    go_on.set()
    stopper.join(WAIT_S)
    (left,) = found
    assert (left.played, left.num_begun, left.errors) == (([],), 2, ())
    assert len(engine.requests) == 16, "two turns of the eight attempts, and no third"
    assert engine.wait() == [], "nothing is owed to whoever uses the engine next"
    assert threads_ahead() == []
    assert ahead.stop().num_begun == 0


def test_3_an_engine_that_is_not_wanted(scripted: MakeEngine) -> None:
    stopping = Event()
    engine = scripted(lambda request: "")
    interruptible = InterruptibleEngine(engine, stopping)
    request = GenerationRequest(0, (1, 2), seed=0)
    interruptible.submit(request, SamplingSettings())
    assert len(interruptible.wait()) == 1
    stopping.set()
    with pytest.raises(Stopped):
        interruptible.submit(request, SamplingSettings())
    with pytest.raises(Stopped):
        interruptible.wait()


@pytest.fixture
def group(
    tasks: list[Task], scripted: MakeEngine, solver: HighsSolver, conversation: ConversationFormat
) -> RepairGroup:
    return collection(tasks[:1], scripted(lambda request: "nonsense"), solver, conversation)[0]


def with_tokens(group: RepairGroup, counts: dict[int, int]) -> RepairGroup:
    """One attempt, of a turn for each version with so many tokens."""
    attempt = group.attempts[0]
    turns = [
        replace(attempt.turns[0], completion_ids=(5,) * count, policy_version=version)
        for version, count in counts.items()
    ]
    return replace(group, attempts=(replace(attempt, turns=tuple(turns)),))


def test_4_ages_worked_by_hand(group: RepairGroup) -> None:
    staleness = Staleness(most=2)
    # Two optimizer steps in batches 0 and 2, none in batch 1: version 2 is that of batches 1 and 2.
    for batch, version in enumerate((0, 2, 2, 4)):
        staleness.begin(batch, version)
    # At batch 3: version 4 is 0 batches old, version 2 is 1 old.
    assert staleness.of([with_tokens(group, {4: 3, 2: 1}), with_tokens(group, {2: 4})], 3) == (5 / 8, 8)
    assert staleness.of([], 3) == (0.0, 0)
    message = r"batch 3: expected tokens of weights at most 2 batches old, versions 2 \(batch 2\), 4 \(batch 3\), got"
    with pytest.raises(RuntimeError, match=message + " tokens of version 0"):
        staleness.of([with_tokens(group, {4: 3, 0: 1})], 3)
