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
8. Of several servers, one that does not come back is left out, and the others get its turns: the result is the same. A
   child is left out for good, an address until the next weights. Without the last one the run ends in a bounded time.
9. The files of a process that was killed are removed by the next one; those of a live one, and what is nobody's, stay.
10. Weights that are put aside stay until they are dropped, whatever is written meanwhile; a server that breaks with
    them is given them again.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from scripted_server import BEFORE_FAULT, MALFORMED, STOP, journal_lines, tokens_of

from lit_grpo.engines.engine import Completion, EngineFailure, GenerationRequest, SamplingSettings
from lit_grpo.engines.ranks import Ranks
from lit_grpo.engines.vllm.engine import VllmEngine
from lit_grpo.engines.vllm.owned_folder import OwnedFolder, remove_orphans
from lit_grpo.engines.vllm.server_pool import MAX_RECOVERIES
from lit_grpo.engines.vllm.servers import Address, Child
from lit_grpo.engines.vllm.settings import Deadlines, ModelSettings, ServerSettings
from lit_grpo.engines.vllm.weights_folder import WeightsFolder

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


def sync(engine: VllmEngine, version: int = 1) -> None:
    """New weights, which stay until the next ones are written."""
    folder = engine.publish(iter(WEIGHTS))
    engine.load(folder, version)
    engine.drop(folder)


def play(engine: VllmEngine, version: int = 1, turns: int = NUM_TURNS) -> list[Completion]:
    """One sync, then all turns at once."""
    sync(engine, version)
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
        sync(engine)
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
        sync(engine)
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
        sync(engine)
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
        assert sorted(files) == ["00000.safetensors", "owner.lock"]
        pid = pid_of(engine)
    assert not Path(f"/proc/{pid}").exists()
    del engine
    assert list((tmp_path / "shared").iterdir()) == []


def test_7_what_does_not_fit_is_refused_before_it_is_sent(tmp_path: Path) -> None:
    with engine_with(tmp_path) as (engine, journal):
        sync(engine)
        with pytest.raises(ValueError, match=r"within max_context_tokens=64, got 53 \+ 12 tokens; lower"):
            engine.submit(GenerationRequest(0, (1,) * 53, seed=0), SAMPLING)
    assert journal_lines(journal, "generate") == []


def children_with(folder: Path, faults: Sequence[Sequence[str]]) -> list[Child]:
    """Servers of their own ports, not started yet, each with faults of its own."""
    (folder / "shared").mkdir()
    children = []
    for number, own in enumerate(faults):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
        settings = ServerSettings(ModelSettings(folder), port=port, weights_folder=folder / "shared")
        command = [sys.executable, str(PROGRAM), str(folder / f"journal_{number}.txt"), *own]
        children.append(Child(settings, number, command=command))
    return children


def test_8_a_child_that_does_not_come_up_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    children = children_with(tmp_path, [["die", *["no_start"] * 9], []])
    engine = VllmEngine(children, [STOP], WeightsFolder(tmp_path / "shared", None, Ranks()), QUICK)
    assert by_key(play(engine)) == expected()
    assert engine.names() == [children[1].name]
    assert "is lost: it ended while it started, with status 1" in caplog.text
    assert "the others go on for the rest of the run" in caplog.text
    assert by_key(play(engine, version=2)) == expected(version=2)
    engine.close()
    assert journal_lines(tmp_path / "journal_0.txt", "start") == ["die", "no_start"]


def test_8_addresses_are_lost_and_come_back(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    children = children_with(tmp_path, [["slow"] * 9, ["slow"] * 9])
    ports = [child.open(60).port for child in children]
    places = [Address("127.0.0.1", port, child.token) for port, child in zip(ports, children, strict=True)]
    deadlines = Deadlines(start_s=4, sync_s=5, silence_s=5, turn_s=60)
    engine = VllmEngine(places, [STOP], WeightsFolder(tmp_path / "shared", None, Ranks()), deadlines)
    sync(engine)
    for key in range(NUM_TURNS):
        engine.submit(GenerationRequest(key, (1, 2, key), seed=100 + key), SAMPLING)
    done = list(engine.wait())
    children[0].close()
    while len(done) < NUM_TURNS:
        done += engine.wait()
    engine.release()
    assert by_key(done) == expected()
    assert engine.names() == [f"127.0.0.1:{ports[1]}"]
    assert "the others go on until it is back at new weights" in caplog.text
    # On the same port, with the weights that it was started with.
    assert children[0].open(60).ready.policy_version == -1
    assert by_key(play(engine, version=2)) == expected(version=2)
    assert engine.names() == [f"127.0.0.1:{port}" for port in ports]
    events = (tmp_path / "journal_0.txt").read_text().splitlines()
    assert events[events.index("start slow", 1) + 1] == "load 2 00000.safetensors", "weights come before tokens"
    for child in children:
        child.close()
    started = time.monotonic()
    with pytest.raises(EngineFailure, match=r"(?s)is lost: no connection .* waited for 4 s; expected one server at le"):
        play(engine, version=3)
    assert time.monotonic() - started < 30
    engine.close()


HOLD = """
import sys, time
from pathlib import Path
from lit_grpo.engines.vllm.owned_folder import OwnedFolder
folder = OwnedFolder.at(Path(sys.argv[1]))
(folder.path / "version_000001").mkdir()
(folder.path / "version_000001" / "00000.safetensors").write_bytes(b"weights")
print(folder.path, flush=True)
time.sleep(600)
"""


def test_9_what_a_killed_process_leaves(tmp_path: Path) -> None:
    left, held = tmp_path / "lit_grpo_weights_left", tmp_path / "lit_grpo_weights_held"
    command = [sys.executable, "-c", HOLD]
    with (
        subprocess.Popen([*command, str(left)], stdout=subprocess.PIPE, text=True) as killed,
        subprocess.Popen([*command, str(held)], stdout=subprocess.PIPE, text=True) as live,
    ):
        assert killed.stdout is not None
        assert live.stdout is not None
        assert killed.stdout.readline().strip() == str(left)
        assert live.stdout.readline().strip() == str(held)
        assert OwnedFolder.at(held) is None
        nobodys = tmp_path / "lit_grpo_weights_of_nobody"
        nobodys.mkdir()
        own = OwnedFolder.at(tmp_path / "lit_grpo_weights_own")
        assert own is not None
        assert remove_orphans(tmp_path) == [], "all are held"
        killed.kill()
        killed.wait()
        assert left.is_dir()
        weights = WeightsFolder(tmp_path, None, Ranks())
        folder = weights.write(iter(WEIGHTS))
        assert set(tmp_path.iterdir()) == {held, nobodys, own.path, folder.parent}
        assert (held / "version_000001" / "00000.safetensors").is_file()
        own.remove()
        del weights
        assert set(tmp_path.iterdir()) == {held, nobodys}
        live.kill()


def test_10_weights_put_aside(tmp_path: Path) -> None:
    with engine_with(tmp_path, "die") as (engine, journal):
        first, second = (engine.publish([(name, tensor)]) for name, tensor in WEIGHTS)
        assert first != second
        engine.load(first, 1)
        for key in range(NUM_TURNS):
            engine.submit(GenerationRequest(key, (1, 2, key), seed=100 + key), SAMPLING)
        third = engine.publish(WEIGHTS)
        done: list[Completion] = []
        while len(done) < NUM_TURNS:
            done += engine.wait()
        assert by_key(done) == expected()
        assert engine.usage.recoveries == 1
        assert journal_lines(journal, "load") == ["1 00000.safetensors"] * 2
        engine.release()
        assert all(folder.is_dir() for folder in (first, second, third))
        engine.drop(first)
        play(engine, version=2)
        assert [folder.is_dir() for folder in (first, second, third)] == [False, True, True]
        engine.load(second, 1)
        engine.drop(second)
        engine.drop(third)
        play(engine, version=3)
        assert [path.name for path in second.parent.iterdir() if path.is_dir()] == ["version_000005"]
