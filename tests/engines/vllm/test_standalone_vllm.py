"""VllmEngine over a real vLLM server that `lit-grpo serve` started, reached by its address.

1. The connection is lost in the middle of a sync: the weights are sent again, and proven.
2. The server is killed in the middle of its turns and started anew on the same port, with the checkpoint's weights: it
   is given the present ones before anything else, every turn comes back once, and is that of an undisturbed run.

Needs vLLM (`bash scripts/setup.sh --vllm`).
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from test_real_vllm import BASE, STOP, play, requests, sync, update

from lit_grpo.engines.engine import SamplingSettings
from lit_grpo.engines.ranks import Ranks
from lit_grpo.engines.vllm.engine import VllmEngine
from lit_grpo.engines.vllm.servers import Address
from lit_grpo.engines.vllm.settings import Deadlines
from lit_grpo.engines.vllm.weights_folder import WeightsFolder
from lit_grpo.modules.policy import CausalPolicy, load_policy


class Standalone:
    """A server by hand, always on the same port."""

    def __init__(self, folder: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            self.port: int = taken.getsockname()[1]
        self.folder, self.log = folder, folder / "server.log"
        self.start()

    def start(self) -> None:
        options = [f"--model.checkpoint={BASE}", f"--port={self.port}", f"--weights_folder={self.folder}"]
        capacity = ["--capacity.kv_cache_gib=0.25", "--capacity.max_context_tokens=256"]
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        with self.log.open("a") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "lit_grpo", "serve", *options, *capacity],
                stdout=log,
                stderr=log,
                env=environment,
            )

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


class Cut:
    """A line to the server that breaks, once, right behind a Load."""

    def __init__(self, port: int) -> None:
        self.port, self.num_cuts = port, 0
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.address = Address("127.0.0.1", self._listening.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            client, _ = self._listening.accept()
            server = socket.create_connection(("127.0.0.1", self.port))
            for one, other in ((client, server), (server, client)):
                threading.Thread(target=self._forward, args=(one, other), daemon=True).start()

    def _forward(self, one: socket.socket, other: socket.socket) -> None:
        try:
            while part := one.recv(1 << 16):
                other.sendall(part)
                if b'"Load"' in part and self.num_cuts == 0:
                    self.num_cuts += 1
                    break
        except OSError:
            pass
        for end in (one, other):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue


@pytest.fixture(scope="module")
def policy() -> CausalPolicy:
    torch.manual_seed(0)
    return load_policy(BASE)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standalone]:
    server = Standalone(tmp_path_factory.mktemp("standalone"))
    yield server
    server.kill()


def engine_at(address: Address, folder: Path) -> VllmEngine:
    return VllmEngine([address], [STOP], WeightsFolder(folder, None, Ranks()), Deadlines(start_s=200, silence_s=20))


def test_1_the_connection_is_lost_in_a_sync(server: Standalone, policy: CausalPolicy) -> None:
    cut = Cut(server.port)
    Address("127.0.0.1", server.port).open(200).close()
    engine = engine_at(cut.address, server.folder)
    update(policy)
    assert sync(engine, policy, 1) < 1e-4
    assert (cut.num_cuts, engine.usage.recoveries) == (1, 1)
    engine.close()


def test_2_it_is_killed_and_comes_back_with_old_weights(server: Standalone, policy: CausalPolicy) -> None:
    engine = engine_at(Address("127.0.0.1", server.port), server.folder)
    update(policy)
    sync(engine, policy, 2)
    long = [SamplingSettings(1.5, 100)]
    undisturbed = play(engine, requests(), long)
    for request in requests():
        engine.submit(request, long[0])
    done = list(engine.wait())
    assert len(done) < 15, "the blow falls in the middle"
    server.kill()
    server.start()
    while len(done) < 15:
        done += engine.wait()
    engine.release()
    assert engine.usage.recoveries == 1
    assert {completion.conversation for completion in done} == set(range(15))
    for completion in done:
        assert completion.token_ids == undisturbed[completion.conversation].token_ids
        assert completion.policy_version == 2
    update(policy)
    assert sync(engine, policy, 3) < 1e-4
    engine.close()
