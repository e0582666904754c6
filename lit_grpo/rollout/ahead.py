"""Plays rollouts ahead of the training: one after another, in order, in a thread of their own.

Used by overlap.py. Nothing in here speaks to other ranks: what is ordered when, on every rank alike, is the
caller's business, and so is what a failure means to the others.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from threading import Condition, Event
from typing import Generic, TypeVar

from lit_grpo.engines.engine import Completion, GenerationRequest, RolloutEngine, SamplingSettings

Played = TypeVar("Played")


class Stopped(Exception):
    """Nobody wants the rollout any more."""


@dataclass(frozen=True, slots=True)
class Leftover(Generic[Played]):
    """The rollouts that were ordered and never taken."""

    played: tuple[Played, ...]
    """Those that were played to the end."""
    num_begun: int
    """Number of those that were broken off or not begun."""
    errors: tuple[BaseException, ...]
    """The errors of those that failed."""


class PlayAhead(Generic[Played]):
    """A queue of rollouts, and the thread that plays them.

    Attributes:
        stopping: Set when what is being played is to end; `InterruptibleEngine` looks at it.
    """

    def __init__(self) -> None:
        """Play nothing yet."""
        self.stopping = Event()
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="rollouts_ahead")
        self._ordered: dict[int, Future[Played]] = {}
        self._state = Condition()
        self._is_paused = self._is_playing = False

    def order(self, number: int, play: Callable[[], Played]) -> None:
        """Play this once everything ordered before it has been played."""
        self._ordered[number] = self._thread.submit(self._play, play)

    def taken(self, number: int) -> Future[Played]:
        """Wait for a rollout that was ordered, and forget it; the future holds its result or its error."""
        future = self._ordered.pop(number)
        wait([future])
        return future

    def pause(self) -> None:
        """Wait for what is being played; begin nothing before `resume`."""
        with self._state:
            self._is_paused = True
            self._state.wait_for(lambda: not self._is_playing)

    def resume(self) -> None:
        """Go on."""
        with self._state:
            self._is_paused = False
            self._state.notify_all()

    def stop(self) -> Leftover[Played]:
        """Break off what is being played, drop what is ordered, end the thread. A second call finds nothing left."""
        self.stopping.set()
        self.resume()
        self._thread.shutdown(wait=True, cancel_futures=True)
        left, self._ordered = list(self._ordered.values()), {}
        ended = [future for future in left if not future.cancelled()]
        errors = [error for future in ended if (error := future.exception()) is not None]
        failures = tuple(error for error in errors if not isinstance(error, Stopped))
        played = tuple(future.result() for future in ended if future.exception() is None)
        return Leftover(played, len(left) - len(played) - len(failures), failures)

    def _play(self, play: Callable[[], Played]) -> Played:
        """Play in the thread. After a failure nothing else is played: the engine may be of no more use."""
        with self._state:
            self._state.wait_for(lambda: not self._is_paused or self.stopping.is_set())
            if self.stopping.is_set():
                raise Stopped
            self._is_playing = True
        try:
            return play()
        except BaseException:
            self.stopping.set()
            raise
        finally:
            with self._state:
                self._is_playing = False
                self._state.notify_all()


class InterruptibleEngine:
    """Implements ``RolloutEngine`` over another one, and raises Stopped between two turns once it is told to."""

    def __init__(self, engine: RolloutEngine, stopping: Event) -> None:
        """Look at ``stopping``."""
        self._engine, self._stopping = engine, stopping

    @property
    def max_context_tokens(self) -> int:
        """Most tokens a context and its completion may have together."""
        return self._engine.max_context_tokens

    @property
    def decodes_in_background(self) -> bool:
        """Whether the engine beneath does."""
        return self._engine.decodes_in_background

    def submit(self, request: GenerationRequest, sampling: SamplingSettings) -> None:
        """Queue a request with the engine beneath; Stopped if nobody wants the rollout any more."""
        self._require_wanted()
        self._engine.submit(request, sampling)

    def wait(self) -> Sequence[Completion]:
        """Wait for the engine beneath; Stopped if nobody wants the rollout any more."""
        self._require_wanted()
        return self._engine.wait()

    def wake(self) -> None:
        """Wake the engine beneath."""
        self._engine.wake()

    def release(self) -> None:
        """Release the conversations of the engine beneath."""
        self._engine.release()

    def _require_wanted(self) -> None:
        if self._stopping.is_set():
            self._engine.release()
            raise Stopped
