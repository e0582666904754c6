"""Asks an environment in threads of its own, so that the engine has work meanwhile. Used by play.py and collect.py.

What follows from an answer is done in the thread that asked: whatever is not the environment's needs no locks.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ALL_COMPLETED, FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from enum import Enum
from types import TracebackType
from typing import Any, TypeVar

Answer = TypeVar("Answer")


class Patience(Enum):
    """How long to wait for answers."""

    NONE = "take up those that are there"
    FIRST = "wait for one"
    ALL = "wait for every one"


class WorldThreads:
    """Questions that are being answered. A context: at its end, questions that have not begun are dropped."""

    def __init__(self, num_threads: int, on_answer: Callable[[], None]) -> None:
        """Start nothing yet.

        Args:
            num_threads: Questions that are answered at a time, in the order in which they were asked.
            on_answer: Called in another thread at each answer.
        """
        self._pool = ThreadPoolExecutor(num_threads, thread_name_prefix="world")
        self._on_answer = on_answer
        self._asked: dict[Future[Any], Callable[[Any], None]] = {}

    def __enter__(self) -> WorldThreads:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(cancel_futures=True)

    @property
    def num_asked(self) -> int:
        """Questions whose answers have not been taken up."""
        return len(self._asked)

    def ask(self, question: Callable[[], Answer], then: Callable[[Answer], None]) -> None:
        """Have a question answered, and its answer given to ``then`` by ``take_up``."""
        future = self._pool.submit(question)
        self._asked[future] = then
        future.add_done_callback(lambda _: self._on_answer())

    def take_up(self, patience: Patience) -> None:
        """Give the answers that are there to whoever asked, in the order of the questions; raises what they raised."""
        timeout = 0 if patience is Patience.NONE else None
        done, _ = wait(self._asked, timeout, FIRST_COMPLETED if patience is Patience.FIRST else ALL_COMPLETED)
        for future in [future for future in self._asked if future in done]:
            self._asked.pop(future)(future.result())
