"""VllmEngine over servers that break, each in its own process.

1. Turns come back as they end, every one once, with the version of the weights; several servers share them out. Who
   waits for them can be woken.
2. A server that dies, freezes, loses a turn or never ends one is started anew, given the present weights before it is
   asked for a token, and asked again for what it owed: the result is that of an undisturbed run.
3. So it is with one that says what no right server says.
4. So it is with one that dies, freezes or is wrong in the middle of a sync.
5. A slow one is left alone.
6. One that breaks again and again, does not come up, or refuses the weights ends the run with a named error.
7. Old weights' files are gone after the next sync, all of them at the end; a server ends with its engine.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from scripted_server import BEFORE_FAULT, MALFORMED, STOP, journal_lines, tokens_of

from lit_grpo.rollout.engine import Completion, GenerationRequest, SamplingSettings
from lit_grpo.rollout.vllm_engine.connection import EngineFailure
from lit_grpo.rollout.vllm_engine.engine import MAX_RECOVERIES, VllmEngine
from lit_grpo.rollout.vllm_engine.servers import Child
from lit_grpo.rollout.vllm_engine.settings import Deadlines, ModelSettings, ServerSettings
from lit_grpo.rollout.vllm_engine.weights_folder import Ranks, WeightsFolder

PROGRAM = Path(__file__).with_name("scripted_server.py")
SAMPLING = SamplingSettings(max_completion_tokens=12)
QUICK = Deadlines(start_s=60, sync_s=5, silence_s=5, turn_s=60)
WEIGHTS = [("a", torch.zeros(3)), ("b", torch.ones(2, 2))]
NUM_TURNS = 6


@contextmanager
def engine_with(
    folder: Path, *faults: str, num_servers: int = 1, deadlines: Deadlines = QUICK
) -> Iterator[tuple[VllmEngine, Path]]:
    """An engine whose servers have these faults, one a start, and the journal of the last server."""
    shared = folder / "shared"
    shared.mkdir()
    settings = ServerSettings(ModelSettings(folder), weights_folder=shared)
    journals = [folder / f"journal_{number}.txt" for number in range(num_servers)]
    places = [
        Child(settings, number, command=[sys.executable, str(PROGRAM), str(journal), *faults])
        for number, journal in enumerate(journals)
    ]
    engine = VllmEngine(places, [STOP], WeightsFolder(shared, None, Ranks()), deadlines)
    try:
        yield engine, journals[-1]
    finally:
        engine.close()


def play(engine: VllmEngine, version: int = 1, turns: int = NUM_TURNS) -> list[Completion]:
    """One sync, then all turns at once."""
    engine.update_weights(iter(WEIGHTS), version)
    for key in range(turns):
        engine.submit(GenerationRequest(key, (1, 2, key), seed=100 + key), SAMPLING)
    completions: list[Completion] = []
    while len(completions) < turns:
        completions += engine.wait()
    assert engine.wait() == []
    engine.release()
    return completions


def expected(version: int = 1, turns: int = NUM_TURNS) -> list[Completion]:
    drawn = [(key, *tokens_of(100 + key, SAMPLING.max_completion_tokens)) for key in range(turns)]
    return [Completion(key, tokens, (-1.5,) * len(tokens), finish, version) for key, tokens, finish in drawn]


def by_key(completions: list[Completion]) -> list[Completion]:
    return sorted(completions, key=lambda completion: completion.conversation)


def test_1_every_turn_once(tmp_path: Path) -> None:
    with engine_with(tmp_path) as (engine, journal):
        assert play(engine) == expected()
        assert play(engine, version=5) == expected(version=5)
        assert engine.usage.recoveries == 0
    assert journal_lines(journal, "load") == ["1 00000.safetensors", "5 00000.safetensors"]


def test_1_a_turn_goes_out_while_others_are_sampled(tmp_path: Path) -> None:
    with engine_with(tmp_path, "slow") as (engine, _):
        engine.update_weights(iter(WEIGHTS), 1)
        for key in range(3):
            engine.submit(GenerationRequest(key, (1, 2, key), seed=100 + key), SAMPLING)
        (first,) = engine.wait()
        assert first.conversation == 0
        engine.submit(GenerationRequest(3, (1, 2, 3), seed=103), SAMPLING)
        done = [first]
        while len(done) < 4:
            done += engine.wait()
        assert done == expected(turns=4)


def test_1_who_waits_is_woken(tmp_path: Path) -> None:
    patient = replace(QUICK, silence_s=60)
    with engine_with(tmp_path, "freeze", deadlines=patient) as (engine, _):
        engine.update_weights(iter(WEIGHTS), 1)
        for key in range(NUM_TURNS):
            engine.submit(GenerationRequest(key, (1, 2, key), seed=100 + key), SAMPLING)
        done: list[Completion] = []
        while len(done) < BEFORE_FAULT:
            done += engine.wait()
        # Before and while it waits; and it is no deadline that ends it, for then the server would be started anew.
        engine.wake()
        assert engine.wait() == []
        with ThreadPoolExecutor() as pool:
            waiting = pool.submit(engine.wait)
            with pytest.raises(TimeoutError):
                waiting.result(0.2)
            engine.wake()
            assert waiting.result(30) == []
        assert engine.usage.recoveries == 0


def test_1_servers_share_turns_and_keep_conversations(tmp_path: Path) -> None:
    with engine_with(tmp_path, num_servers=2) as (engine, journal):
        assert by_key(play(engine, turns=8)) == expected(turns=8)
    first = set(journal_lines(tmp_path / "journal_0.txt", "generate"))
    second = set(journal_lines(journal, "generate"))
    assert len(first) == len(second) == 4
    assert not first & second


@pytest.mark.parametrize("fault", ["die", "freeze", "lose_one", *MALFORMED])
def test_2_3_a_broken_server_changes_nothing(fault: str, tmp_path: Path) -> None:
    with engine_with(tmp_path, fault) as (engine, journal):
        completions = play(engine)
        assert by_key(completions) == expected()
        assert engine.usage.recoveries == 1
        assert play(engine, version=2) == expected(version=2)
    events = journal.read_text().splitlines()
    again = events.index("start none")
    assert events[again + 1] == "load 1 00000.safetensors", "weights come before the first new token"
    asked_again = events[again + 2 : events.index("load 2 00000.safetensors")]
    missing = [BEFORE_FAULT] if fault == "lose_one" else range(BEFORE_FAULT, NUM_TURNS)
    # What came in together with nonsense is not believed either.
    assert {f"generate {key}" for key in missing} <= set(asked_again)
    assert len(asked_again) == len(set(asked_again))


def test_2_a_turn_that_never_ends(tmp_path: Path) -> None:
    with engine_with(tmp_path, "never_end", deadlines=Deadlines(60, 5, silence_s=10, turn_s=4)) as (engine, _):
        started = time.monotonic()
        assert by_key(play(engine)) == expected()
        assert engine.usage.recoveries == 1
        assert time.monotonic() - started < 60


def test_2_killed_from_outside_while_idle_and_while_busy(tmp_path: Path) -> None:
    with engine_with(tmp_path, "slow", "slow", "slow") as (engine, journal):
        engine.update_weights(iter(WEIGHTS), 1)
        os.kill(pid_of(engine), 9)
        for key in range(NUM_TURNS):
            engine.submit(GenerationRequest(key, (1, 2, key), seed=100 + key), SAMPLING)
        completions = list(engine.wait())
        os.kill(pid_of(engine), 9)
        while len(completions) < NUM_TURNS:
            completions += engine.wait()
        assert by_key(completions) == expected()
        assert engine.usage.recoveries == 2
    assert journal_lines(journal, "load") == ["1 00000.safetensors"] * 3


def pid_of(engine: VllmEngine) -> int:
    """Of its one server, from the name that people see."""
    (name,) = engine.names()
    return int(name.rpartition(" ")[2].rstrip(")"))


@pytest.mark.parametrize("fault", ["die_in_load", "freeze_in_load", "load_another"])
def test_4_broken_in_the_middle_of_a_sync(fault: str, tmp_path: Path) -> None:
    with engine_with(tmp_path, fault) as (engine, journal):
        assert play(engine) == expected()
        assert engine.usage.recoveries == 1
    assert journal_lines(journal, "load") == ["1 00000.safetensors"] * 2


def test_5_slow_is_not_broken(tmp_path: Path) -> None:
    # Fourteen turns of 0.4 s: longer than the silence that counts, but never silent for so long.
    with engine_with(tmp_path, "slow") as (engine, _):
        assert play(engine, turns=14) == expected(turns=14)
        assert engine.usage.recoveries == 0


@pytest.mark.parametrize(
    ("faults", "message"),
    [
        (["die"] * 9, rf"broke again after {MAX_RECOVERIES} new starts with policy version 1: it hung up"),
        (["die_in_load"] * 9, f"broke again after {MAX_RECOVERIES} new starts"),
        (["die", "no_start", "no_start", "no_start"], r"(?s)status 1; its last words:.*no memory left"),
        (["refuse_load"], r"refuses: KeyError: 'model.layers.9.weight'"),
    ],
)
def test_6_a_named_error(faults: list[str], message: str, tmp_path: Path) -> None:
    with engine_with(tmp_path, *faults) as (engine, _), pytest.raises(EngineFailure, match=message):
        play(engine, turns=12)


def test_6_one_that_does_not_come_up(tmp_path: Path) -> None:
    with pytest.raises(EngineFailure, match=r"(?s)child 0.*no memory left"), engine_with(tmp_path, "no_start"):
        pass


def test_7_nothing_is_left(tmp_path: Path) -> None:
    with engine_with(tmp_path) as (engine, _):
        play(engine)
        play(engine, version=2)
        files = [path.name for path in (tmp_path / "shared").rglob("*") if path.is_file()]
        assert files == ["00000.safetensors"]
        pid = pid_of(engine)
    assert not Path(f"/proc/{pid}").exists()
    del engine
    assert list((tmp_path / "shared").iterdir()) == []


def test_7_what_does_not_fit_is_refused_before_it_is_sent(tmp_path: Path) -> None:
    with engine_with(tmp_path) as (engine, journal):
        engine.update_weights(iter(WEIGHTS), 1)
        with pytest.raises(ValueError, match=r"within max_context_tokens=64, got 53 \+ 12 tokens; lower"):
            engine.submit(GenerationRequest(0, (1,) * 53, seed=0), SAMPLING)
    assert journal_lines(journal, "generate") == []
