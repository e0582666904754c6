"""The processes of a study: each is waited for by a thread of its own, and none outlives a study that is told to end.

Used by schedule.py, which runs arms in threads, and arm_run.py, whose arms are commands of `lit-grpo`.
"""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import IO

from lit_grpo.experiments.arms import ArmFailed

TERMINATED = 128 + signal.SIGTERM
"""Exit status of a study, or a fit, that was asked to end."""


@dataclass(frozen=True, slots=True)
class Ended:
    """A command that is done."""

    status: int
    """0, an exit status, or minus the number of the signal that ended it."""
    cpu_s: float
    """CPU seconds of the process and of those that it waited for."""
    wall_s: float


class Processes:
    """Runs commands from any thread, and ends those that run."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: set[int] = set()
        self._is_ending = False

    @property
    def is_ending(self) -> bool:
        """Whether all have been told to end: what ended since may not have come to its end."""
        return self._is_ending

    def run(self, command: Sequence[str], log: Path, environment: Mapping[str, str]) -> Ended:
        """Run one to its end, output appended to ``log``, which is its own as long as it runs.

        Raises:
            InterruptedError: All have been told to end.
            ArmFailed: Another command still writes to the log.
        """
        started = time.monotonic()
        with log.open("ab") as output:
            # The command inherits it with its output: it has the lock as well, should this process be killed.
            _lock(output, log)
            with self._lock:
                if self._is_ending:
                    raise InterruptedError("the study is ending")
                process = subprocess.Popen(command, stdout=output, stderr=output, env=environment)
                self._running.add(process.pid)
            # Left as a zombie first: as long as its number is in the set it belongs to no other process.
            os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
            with self._lock:
                self._running.remove(process.pid)
                _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        return Ended(process.returncode, usage.ru_utime + usage.ru_stime, time.monotonic() - started)

    def end_all(self) -> None:
        """Ask those that run to end, and start no other; whoever waits for one is told that it has ended."""
        with self._lock:
            self._is_ending = True
            for pid in self._running:
                os.kill(pid, signal.SIGTERM)


def require_unused(log: Path) -> None:
    """ArmFailed if a command still writes to a log: a study that was killed leaves its commands running."""
    if log.is_file():
        with log.open("ab") as output:
            _lock(output, log)


def _lock(output: IO[bytes], log: Path) -> None:
    try:
        fcntl.flock(output, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise ArmFailed(
            f"{log}: expected a folder in which nothing runs, got a command that still writes there, perhaps of a "
            "study that was killed; wait for it, or end it"
        ) from error


@contextmanager
def ending_with_this_process(processes: Processes) -> Iterator[None]:
    """End the processes when this process is told to end within the block, by Ctrl-C or by SIGTERM (a SystemExit here).

    For the main thread.
    """

    def terminated(number: int, frame: FrameType | None) -> None:
        raise SystemExit(TERMINATED)

    before = signal.signal(signal.SIGTERM, terminated)
    try:
        yield
    except (KeyboardInterrupt, SystemExit):
        processes.end_all()
        raise
    finally:
        signal.signal(signal.SIGTERM, before)
