"""The origins of vLLM servers: children of this process, or addresses. Used by engine.py.

A child is a process of its own on this machine: it leaves the training's process as it is (vLLM replaces functions of
torch), decodes while the training's process talks to the solver, and can be killed.
"""

from __future__ import annotations

import json
import logging
import os
import secrets
import select
import subprocess
import sys
import time
import weakref
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol

import lit_grpo
from lit_grpo.data.json_values import object_of
from lit_grpo.engines.vllm.connection import Connection, ServerBroken
from lit_grpo.engines.vllm.settings import TOKEN_VARIABLE, ServerSettings

RETRY_S = 0.5
REAP_S = 10.0
SERVER_COMMAND = (sys.executable, "-P", "-m", "lit_grpo.engines.vllm.server")
"""The program of a server; with ``-P`` nothing that lies in the working directory is imported."""

LOG_LINES = 12
"""The number of a server's last lines that an error shows."""

OF_RANKS = frozenset(
    f"{prefix}{name}" for prefix in ("", "LOCAL_", "GROUP_", "ROLE_", "NODE_") for name in ("RANK", "WORLD_SIZE")
) | {"ROLE_NAME", "MASTER_ADDR", "MASTER_PORT"}
"""The variables that launchers set for a process, beside ``TORCHELASTIC_...``: with these torch would look for the
training's store, where the server has one of its own, and wait for ever."""

_log = logging.getLogger(__name__)


class Place(Protocol):
    """A place where one server is to be found."""

    @property
    def name(self) -> str:
        """The name that people know it by."""
        ...

    @property
    def is_started_here(self) -> bool:
        """Whether ``open`` starts the server; one that then does not come up need not be asked again."""
        ...

    def open(self, deadline_s: float) -> Connection:
        """A new connection to a server, whose weights do not count yet; ServerBroken if there is none in time."""
        ...

    def close(self) -> None:
        """End the server if ``open`` started it."""
        ...


class Address:
    """A server that somebody else started."""

    def __init__(self, host: str, port: int, token: str | None = None) -> None:
        """Take the server's address; ``token`` None means the one in the environment, if there is one."""
        self._host, self._port = host, port
        self._token = os.environ.get(TOKEN_VARIABLE, "") if token is None else token

    @property
    def name(self) -> str:
        """``host:port``."""
        return f"{self._host}:{self._port}"

    @property
    def is_started_here(self) -> bool:
        """False: whoever started it may start it anew at any time."""
        return False

    def open(self, deadline_s: float) -> Connection:
        """Connect, and try again until the deadline: somebody may be starting it anew."""
        deadline, is_first = time.monotonic() + deadline_s, True
        while True:
            try:
                left = max(deadline - time.monotonic(), RETRY_S)
                return Connection(self._host, self._port, self._token, left)
            except ServerBroken as error:
                if time.monotonic() + RETRY_S > deadline:
                    raise ServerBroken(f"{error}; it was waited for {deadline_s:g} s") from None
                if is_first:
                    _log.warning("waiting up to %g s for a vLLM server: %s", deadline_s, error)
                is_first = False
                time.sleep(RETRY_S)

    def close(self) -> None:
        """Do nothing: the server is not ours to end."""


class Child:
    """A server that this process starts, and ends."""

    def __init__(
        self,
        settings: ServerSettings,
        number: int = 0,
        devices: str | None = None,
        command: Sequence[str] = SERVER_COMMAND,
    ) -> None:
        """Start nothing yet.

        Args:
            settings: The server's settings.
            number: The number of the server among several, for people.
            devices: The GPUs that it may see, as CUDA_VISIBLE_DEVICES has them; None: those of this process.
            command: The command of the server's program, without its arguments.
        """
        self._settings, self._number, self._devices = settings, number, devices
        self._command = command
        self.token = secrets.token_hex(32)
        """The token that the server asks for."""
        self._process: subprocess.Popen[bytes] | None = None
        self._folder = TemporaryDirectory(prefix="lit_grpo_server_")
        self._finalizer: weakref.finalize | None = None

    @property
    def name(self) -> str:
        """``child 0 (process 1234)``."""
        process = "not started" if self._process is None else f"process {self._process.pid}"
        return f"child {self._number} ({process})"

    @property
    def is_started_here(self) -> bool:
        """True: ``open`` starts it."""
        return True

    @property
    def pid(self) -> int | None:
        """The number of the process; None if none runs."""
        return None if self._process is None else self._process.pid

    @property
    def log(self) -> Path:
        """The file with all that the server and its libraries print."""
        return Path(self._folder.name) / "server.log"

    def open(self, deadline_s: float) -> Connection:
        """Kill the process that there was, start another one, and connect to it."""
        self.close()
        deadline = time.monotonic() + deadline_s
        process = self._started()
        self._process = process
        self._finalizer = weakref.finalize(self, _end, process)
        try:
            port = self._port(process, deadline, deadline_s)
            left = max(deadline - time.monotonic(), RETRY_S)
            return Connection(self._settings.host, port, self.token, left)
        except ServerBroken as error:
            self.close()
            raise ServerBroken(f"{error}; its last words:\n{self._last_words()}") from None

    def close(self) -> None:
        """Kill the process, if there is one."""
        if self._finalizer is not None:
            self._finalizer()

    def _started(self) -> subprocess.Popen[bytes]:
        file = Path(self._folder.name) / "settings.json"
        file.write_text(self._settings.to_json(), encoding="utf-8")
        places = [str(Path(lit_grpo.__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])]
        threads = str(self._settings.capacity.num_threads)
        variables = {TOKEN_VARIABLE: self.token, "OMP_NUM_THREADS": threads, "PYTHONPATH": os.pathsep.join(places)}
        if self._devices is not None:
            variables["CUDA_VISIBLE_DEVICES"] = self._devices
        with self.log.open("wb") as log:
            return subprocess.Popen(
                [*self._command, "--settings", str(file), "--parent"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=environment_without_ranks() | variables,
                # Ctrl-C is for the training, which finishes its batch: it needs its server for that.
                process_group=0,
            )

    def _port(self, process: subprocess.Popen[bytes], deadline: float, deadline_s: float) -> int:
        """The port, from the one line that a server prints on standard output."""
        assert process.stdout is not None
        ready, _, _ = select.select([process.stdout], [], [], deadline - time.monotonic())
        if not ready:
            raise ServerBroken(f"it did not come up within {deadline_s:g} s")
        line = process.stdout.readline()
        if not line:
            raise ServerBroken(f"it ended while it started, with status {process.wait(REAP_S)}")
        port = object_of(json.loads(line), "the server's first line").get("port")
        assert isinstance(port, int), line
        return port

    def _last_words(self) -> str:
        return "\n".join(self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-LOG_LINES:])


def environment_without_ranks() -> dict[str, str]:
    """The environment without a launcher's variables for this process: the server is a world of its own."""
    return {name: value for name, value in os.environ.items() if name not in OF_RANKS and "TORCHELASTIC" not in name}


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill a server, whatever it is doing, and leave no zombie. The processes it started end when it does."""
    process.kill()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()
    try:
        process.wait(REAP_S)
    except subprocess.TimeoutExpired:
        _log.warning("vLLM server %d was killed and is still there after %g s", process.pid, REAP_S)
