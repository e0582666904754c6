"""One solver worker as its parent sees it: start it, ask it within a deadline, kill it.

Called by workers.py. The pipes do not block: a worker that hangs may neither read nor write, and waiting for it
has to end either way.
"""

from __future__ import annotations

import logging
import math
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import lit_grpo
from lit_grpo.environment.solver.worker import OUT_OF_MEMORY_STATUS, READY_LINE

START_DEADLINE_S = 60.0
"""Seconds for the imports of a worker, on a machine that is busy or a disk that is far away."""

REAP_S = 5.0
"""Seconds to wait for a process that was killed, or has closed its pipe."""

WORKER_COMMAND = (sys.executable, "-P", "-m", "lit_grpo.environment.solver.worker")
"""``-P``: nothing that lies in the working directory is imported."""

_log = logging.getLogger(__name__)


class WorkerEnded(Exception):
    """A worker gave no answer and is of no more use; says why."""

    def __init__(self, reason: str, overran: bool = False) -> None:
        super().__init__(reason)
        self.overran = overran
        """It took more time or memory than a question may: the program can be the cause, and not only the worker."""


class WorkerProcess:
    """A child process that answers one question at a time. Not for several threads at once."""

    def __init__(self, command: Sequence[str], memory_mb: int) -> None:
        """Start it and wait until it is ready.

        Args:
            command: The command of the program, without its argument.
            memory_mb: What the worker may take beyond its imports, in MiB.

        Raises:
            WorkerEnded: It did not come up.
        """
        self._process = _started([*command, str(memory_mb)])
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._input, self._output = self._process.stdin.fileno(), self._process.stdout.fileno()
        self._readable, self._writable = select.poll(), select.poll()
        self._readable.register(self._output, select.POLLIN)
        self._writable.register(self._input, select.POLLOUT)
        for descriptor in (self._input, self._output):
            os.set_blocking(descriptor, False)
        self.owes_answer = True
        """True between a question and its answer. One that is left so (Ctrl-C) would give it to the next question."""
        try:
            said = self._receive(time.monotonic() + START_DEADLINE_S, START_DEADLINE_S)
            if said != READY_LINE:
                raise WorkerEnded(f"it began with {said[:100]!r}")
        except BaseException as error:
            self.kill()
            if isinstance(error, WorkerEnded):  # slow to start, it has overrun nothing: no program is to blame yet
                raise WorkerEnded(f"it did not start: {error}") from error
            raise
        self.owes_answer = False

    @property
    def pid(self) -> int:
        """The process's number."""
        return self._process.pid

    @property
    def has_ended(self) -> bool:
        """Whether the process is gone."""
        return self._process.poll() is not None

    def ask(self, question: bytes, deadline_s: float) -> bytes:
        """Send a line and return the line that comes back.

        Raises:
            WorkerEnded: It died, or there was no answer in time; it is to be killed then.
        """
        deadline = time.monotonic() + deadline_s
        self.owes_answer = True
        self._send(question, deadline, deadline_s)
        answer = self._receive(deadline, deadline_s)
        self.owes_answer = False
        return answer

    def kill(self) -> None:
        """End the process, whatever it is doing (a stopped one, too), and leave no zombie. Again: nothing."""
        self._process.kill()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()
        try:
            self._process.wait(REAP_S)
        except subprocess.TimeoutExpired:
            # In the kernel, on a disk that does not answer: `subprocess` collects it later.
            _log.warning("solver worker %d was killed and is still there after %g s", self.pid, REAP_S)

    def _send(self, line: bytes, deadline: float, deadline_s: float) -> None:
        rest = memoryview(line)
        while rest:
            try:
                rest = rest[os.write(self._input, rest) :]
            except BlockingIOError:
                _wait(self._writable, deadline, deadline_s)
            except BrokenPipeError:
                raise self._ending() from None

    def _receive(self, deadline: float, deadline_s: float) -> bytes:
        received = b""
        while not received.endswith(b"\n"):
            _wait(self._readable, deadline, deadline_s)
            part = os.read(self._output, 65536)
            if not part:
                raise self._ending()
            received += part
        return received

    def _ending(self) -> WorkerEnded:
        """Why the pipe is closed."""
        try:
            status = self._process.wait(REAP_S)
        except subprocess.TimeoutExpired:
            return WorkerEnded("it closed its pipe and did not end")
        if status == OUT_OF_MEMORY_STATUS:
            return WorkerEnded("it ran out of memory", overran=True)
        how = f"it was ended by {signal.Signals(-status).name}" if status < 0 else f"it exited with status {status}"
        return WorkerEnded(how)


def _started(command: Sequence[str]) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            env=_environment(),
            # Ctrl-C is for the training, which finishes its batch: it needs its workers for that.
            process_group=0,
        )
    except OSError as error:
        raise WorkerEnded(f"it could not be started: {error}") from error


def _wait(poll: select.poll, deadline: float, deadline_s: float) -> None:
    """Until the pipe can be used. What is there already counts, however late this process comes to look."""
    remaining_ms = max(0, math.ceil((deadline - time.monotonic()) * 1000))
    if not poll.poll(remaining_ms):
        raise WorkerEnded(f"it gave no answer within {deadline_s:g} s", overran=True)


def _environment() -> dict[str, str]:
    """One thread, no GPU, and the package found where this process found it."""
    places = [str(Path(lit_grpo.__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])]
    return os.environ | {
        "PYTHONPATH": os.pathsep.join(places),
        "OMP_NUM_THREADS": "1",
        "CUDA_VISIBLE_DEVICES": "",
    }
